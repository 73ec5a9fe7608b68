import { keyFlag, readKeyType, type KeyType } from './accounts.js';
import { bytesOfHex, hexOf, utf8Bytes } from './bytes.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { CodecError } from './errors.js';
import { sha256Hex } from './hash.js';
import { JsonNumber, jsonString, membersOf, textMember, type JsonValue } from './json.js';

/** A public key with its type, JSON `{"type","key"}`. */
export interface TypedKey {
  readonly type: KeyType;
  /** Hex. */
  readonly key: string;
}

/** Consensus parameters of a network (reference 2.7, 4.12). */
export interface NetworkParams {
  readonly leader: TypedKey;
  readonly maxBlockSize: bigint;
  readonly joinExpiryNs: bigint;
  readonly disabledGasCosts: boolean;
  readonly maxVotesPerTx: bigint;
  /** Not in `chain.consensus_params`, but part of the hash. */
  readonly migrationStatus: string;
  /** main only; null when not set. */
  readonly maaActivationHeight: bigint | null;
}

/** A change of some parameters, as in `commit_info.param_updates` and in resolutions (reference 4.13). */
export type ParamUpdates = Partial<Omit<NetworkParams, 'maaActivationHeight'>> & {
  readonly maaActivationHeight?: bigint;
};

/**
 * Hash in block headers, over the parameters *before* the block. It changes with the migration status, so trying the
 * status texts tells the status of any past block.
 */
export function paramsHash(params: NetworkParams): string {
  const writer = new Writer()
    .raw(bytesOfHex(params.leader.key, 'leader key'))
    .i64(params.maxBlockSize)
    .i64(params.joinExpiryNs)
    .flag(params.disabledGasCosts)
    .i64(params.maxVotesPerTx)
    .raw(utf8Bytes(params.migrationStatus));
  if (params.maaActivationHeight !== null)
    writer.raw(utf8Bytes('maa_activation_height')).i64(params.maaActivationHeight);
  return sha256Hex(writer.finish());
}

/**
 * Hash in block headers that stands for the validator set. Real nodes hash 8 zero bytes per validator, so it proves their
 * number and nothing else.
 */
export const validatorSetHash = (count: number): string => sha256Hex(new Uint8Array(8 * count));

type Name =
  | 'leader'
  | 'max_block_size'
  | 'join_expiry'
  | 'disabled_gas_costs'
  | 'max_votes_per_tx'
  | 'migration_status'
  | 'maa_activation_height';

/** Wire name → field, sorted by wire name as the binary form wants it. */
const FIELDS = [
  ['disabled_gas_costs', 'disabledGasCosts'],
  ['join_expiry', 'joinExpiryNs'],
  ['leader', 'leader'],
  ['maa_activation_height', 'maaActivationHeight'],
  ['max_block_size', 'maxBlockSize'],
  ['max_votes_per_tx', 'maxVotesPerTx'],
  ['migration_status', 'migrationStatus'],
] as const satisfies readonly (readonly [Name, keyof ParamUpdates])[];

type FieldValue = TypedKey | bigint | boolean | string;

/** Binary form, sorted by name. */
export function encodeParamUpdates(updates: ParamUpdates): Uint8Array {
  const given = FIELDS.filter(([, field]) => updates[field] !== undefined);
  const writer = new Writer().u16(0).u16(given.length);
  for (const [name, field] of given) {
    writer.u16(name.length).raw(utf8Bytes(name));
    writeValue(writer, name, updates[field]!);
  }
  return writer.finish();
}

function writeValue(writer: Writer, name: Name, value: FieldValue): void {
  if (typeof value === 'boolean') writer.flag(value);
  else if (typeof value === 'bigint') writer.i64(value);
  else if (typeof value === 'string') writer.u16(utf8Bytes(value).length).raw(utf8Bytes(value));
  else {
    const key = bytesOfHex(value.key, name);
    writer
      .u16(key.length + 4)
      .u32(keyFlag(value.type))
      .raw(key);
  }
}

/** Throws CodecError, also for names out of order. */
export function decodeParamUpdates(bytes: Uint8Array): ParamUpdates {
  const reader = new Reader(bytes);
  reader.version('parameter updates');
  const count = reader.u16();
  const updates: Record<string, FieldValue> = {};
  let before = -1;
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const name = Buffer.from(reader.take(reader.u16())).toString('latin1');
    const index = FIELDS.findIndex(([known]) => known === name);
    if (index < 0) reader.fail('unknown parameter name', at);
    if (index <= before) reader.fail('parameters are not in order', at);
    before = index;
    const [known, field] = FIELDS[index]!;
    updates[field] = readValue(reader, known);
  }
  reader.end('parameter updates');
  return updates;
}

function readValue(reader: Reader, name: Name): FieldValue {
  switch (name) {
    case 'disabled_gas_costs':
      return reader.flag(name);
    case 'leader': {
      const key = reader.sub(reader.u16());
      return { type: readKeyType(key), key: hexOf(key.take(key.remaining)) };
    }
    case 'migration_status':
      return Buffer.from(reader.take(reader.u16())).toString('latin1');
    case 'join_expiry':
    case 'maa_activation_height':
    case 'max_block_size':
    case 'max_votes_per_tx':
      return reader.i64();
  }
}

/** JSON form: an object keyed by parameter name, sorted as Go sorts maps. */
export function encodeParamUpdatesJson(updates: ParamUpdates): string {
  const members = FIELDS.filter(([, field]) => updates[field] !== undefined).map(
    ([name, field]) => `"${name}":${valueJson(name, updates[field]!)}`,
  );
  return `{${members.join(',')}}`;
}

function valueJson(name: Name, value: FieldValue): string {
  if (name === 'join_expiry' && typeof value === 'bigint') return jsonString(durationText(value));
  if (typeof value === 'string') return jsonString(value);
  return typeof value === 'object' ? typedKeyJson(value) : String(value);
}

/** Throws CodecError. Unknown names are refused: they would change the network's rules. */
export function decodeParamUpdatesJson(value: JsonValue): ParamUpdates {
  const names = FIELDS.map(([name]) => name);
  const members = membersOf(value, 'parameter updates', names);
  const updates: Record<string, FieldValue> = {};
  for (const [name, member] of members) {
    const entry = FIELDS.find(([known]) => known === name);
    if (entry === undefined) throw new CodecError('unknown parameter name', 0);
    updates[entry[1]] = valueOfJson(entry[0], member);
  }
  return updates;
}

function valueOfJson(name: Name, value: JsonValue): FieldValue {
  if (name === 'leader') return typedKeyOfJson(value);
  if (name === 'join_expiry' && typeof value === 'string') return durationNs(value);
  if (name === 'migration_status' && typeof value === 'string') return value;
  if (name === 'disabled_gas_costs' && typeof value === 'boolean') return value;
  if (value instanceof JsonNumber && /^-?[0-9]{1,19}$/.test(value.text)) return BigInt(value.text);
  throw new CodecError(`${name} has the wrong type`, 0);
}

export const typedKeyJson = (key: TypedKey): string => `{"type":"${key.type}","key":"${key.key}"}`;

/** Throws CodecError. */
export function typedKeyOfJson(value: JsonValue): TypedKey {
  const members = membersOf(value, 'key', ['type', 'key']);
  const type = textMember(members, 'type');
  if (type !== 'secp256k1' && type !== 'ed25519') throw new CodecError('unknown key type', 0);
  return { type, key: hexOf(bytesOfHex(textMember(members, 'key'), 'key')) };
}

const NS = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n,
} as const;

/** Nanoseconds of a Go duration text such as `168h0m0s`. Throws CodecError. */
export function durationNs(text: string): bigint {
  const match = /^(-?)((?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:h|ms|m|s|us|µs|ns))+|0)$/.exec(text);
  if (match === null) throw new CodecError('not a duration', 0);
  let total = 0n;
  for (const [, whole = '0', fraction = '', unit] of match[2]!.matchAll(
    /([0-9]+)(?:\.([0-9]+))?(h|ms|m|s|us|µs|ns)/g,
  )) {
    const size = NS[(unit === 'µs' ? 'us' : unit) as keyof typeof NS];
    total += BigInt(whole) * size + (fraction === '' ? 0n : (BigInt(fraction) * size) / 10n ** BigInt(fraction.length));
  }
  return match[1] === '-' ? -total : total;
}

/** Go's text of a duration of whole seconds; smaller parts are written as a fraction of the second. */
export function durationText(ns: bigint): string {
  if (ns < 0n) return `-${durationText(-ns)}`;
  if (ns === 0n) return '0s';
  if (ns < NS.s) return ns < NS.us ? `${ns}ns` : ns < NS.ms ? `${decimal(ns, 3)}µs` : `${decimal(ns, 6)}ms`;
  const hours = ns / NS.h;
  const minutes = (ns / NS.m) % 60n;
  const seconds = `${decimal(ns % NS.m, 9)}s`;
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${minutes}m${seconds}` : seconds;
}

function decimal(value: bigint, places: number): string {
  const digits = value.toString().padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return digits.slice(0, -places) + (fraction === '' ? '' : `.${fraction}`);
}
