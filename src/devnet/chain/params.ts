import {
  decodeParamUpdates,
  encodeParamUpdates,
  Reader,
  Writer,
  type NetworkParams,
  type ParamUpdates,
  type TypedKey,
} from '../../protocol/index.js';

/** Consensus parameters of a fresh network (reference 8.1). */
export function defaultParams(leader: TypedKey, gas: boolean): NetworkParams {
  return {
    leader,
    maxBlockSize: 6_291_456n,
    joinExpiryNs: 7n * 24n * 3600n * 1_000_000_000n,
    disabledGasCosts: !gas,
    maxVotesPerTx: 200n,
    migrationStatus: 'NoActiveMigration',
    maaActivationHeight: null,
  };
}

export const mergeParams = (params: NetworkParams, updates: ParamUpdates): NetworkParams => ({ ...params, ...updates });

export const joinExpirySeconds = (params: NetworkParams): number => Number(params.joinExpiryNs / 1_000_000_000n);

/** Body of a `param_updates` resolution. */
export function encodeParamProposal(description: string, updates: ParamUpdates): Uint8Array {
  return new Writer().u16(0).string(description).bytes(encodeParamUpdates(updates)).finish();
}

/** Throws CodecError. */
export function decodeParamProposal(body: Uint8Array): {
  readonly description: string;
  readonly updates: ParamUpdates;
} {
  const reader = new Reader(body);
  reader.version('parameter proposal');
  return { description: reader.string(), updates: decodeParamUpdates(reader.bytes()) };
}
