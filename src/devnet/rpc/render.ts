import {
  base64Of,
  encodeParamUpdatesJson,
  hexOf,
  typedKeyJson,
  type NetworkParams,
  type TypedKey,
} from '../../protocol/index.js';
import { durationText } from '../../protocol/index.js';
import type { StoredBlock, TxOutcome } from '../chain/block-store.js';
import type { Validator } from '../chain/resolutions.js';
import { txJson } from '../chain/transactions.js';
import { goJson } from './go-json.js';

/** Parts of answers, as JSON text with members in the node's own order. */

export const validatorJson = ({ key, keyType, power }: Validator): string =>
  `{"pubkey":"${key}","type":"${keyType}","power":${power}}`;

export const validatorsJson = (validators: readonly Validator[]): string =>
  `[${validators.map(validatorJson).join(',')}]`;

/** Stored results never show the fee (reference 2.5). */
export const resultJson = ({ code, log }: TxOutcome): string =>
  `{"code":${code},"gas":0${log === '' ? '' : `,"log":${goJson(log)}`}}`;

/** A sync broadcast's result shows the fee that was taken. */
export const broadcastResultJson = ({ code, log, gas }: TxOutcome): string =>
  `{"code":${code},"gas":${gas}${log === '' ? '' : `,"log":${goJson(log)}`}}`;

export const paramsJson = (params: NetworkParams): string =>
  `{"leader":${typedKeyJson(params.leader)},"max_block_size":${params.maxBlockSize},` +
  `"join_expiry":"${durationText(params.joinExpiryNs)}","disabled_gas_costs":${params.disabledGasCosts},` +
  `"max_votes_per_tx":${params.maxVotesPerTx}}`;

/** How a node that is on a fork shows a block: other hashes, same heights. */
export interface Disguise {
  hash(height: number, hash: string): string;
}

export function headerJson(block: StoredBlock, disguise: Disguise): string {
  const { header } = block;
  const { height } = header;
  const newLeader = header.newLeader ? `,"new_leader":${typedKeyJson(header.newLeader)}` : '';
  return (
    `{"version":0,"height":${height},"num_txns":${header.txCount},` +
    `"prev_hash":"${disguise.hash(height - 1, header.prevHash)}",` +
    `"prev_app_hash":"${disguise.hash(height - 1, header.prevAppHash)}","stamp_ms":${header.stampMs},` +
    `"merkle_root":"${header.merkleRoot}","vals_hash":"${header.valsHash}","params_hash":"${header.paramsHash}"${newLeader}}`
  );
}

/** `chain.block_header` loses its JSON tags on real nodes and shows Go's field names. */
export function goHeaderJson(block: StoredBlock, disguise: Disguise): string {
  const { header } = block;
  const { height } = header;
  return (
    `{"Version":0,"Height":${height},"NumTxns":${header.txCount},"PrevHash":"${disguise.hash(height - 1, header.prevHash)}",` +
    `"PrevAppHash":"${disguise.hash(height - 1, header.prevAppHash)}","Timestamp":"${goTime(header.stampMs)}",` +
    `"MerkleRoot":"${header.merkleRoot}","ValidatorSetHash":"${header.valsHash}",` +
    `"NetworkParamsHash":"${header.paramsHash}","NewLeader":${header.newLeader ? keyOrNull(header.newLeader) : 'null'}}`
  );
}

const keyOrNull = (key: TypedKey): string => typedKeyJson(key);

/** RFC 3339 with the fraction's trailing zeros cut, as Go prints times. */
function goTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z');
}

export function blockJson(block: StoredBlock, raw: boolean, disguise: Disguise): string {
  const { height } = block.header;
  const hash = disguise.hash(height, block.hash);
  const body = raw
    ? `"raw_block":"${base64Of(block.raw)}"`
    : `"block":{"header":${headerJson(block, disguise)},"txns":[${block.txs.map(tx => txJson(tx.tx)).join(',')}],` +
      `"sig":"${base64Of(block.signature)}"}`;
  return `{"hash":"${hash}",${body},"commit_info":${commitJson(block, disguise)}}`;
}

function commitJson(block: StoredBlock, disguise: Disguise): string {
  const votes = block.votes.map(
    vote =>
      `{"ack":${vote.ack},"sig":{"key":"${vote.key}","key_type":"${vote.keyType}","sig":"${hexOf(vote.signature)}"}}`,
  );
  const updates =
    Object.keys(block.updates).length > 0 ? `,"param_updates":${encodeParamUpdatesJson(block.updates)}` : '';
  return `{"app_hash":"${disguise.hash(block.header.height, block.appHash)}","votes":[${votes.join(',')}]${updates}}`;
}
