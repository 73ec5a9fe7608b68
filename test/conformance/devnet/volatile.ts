import type { Json } from './recordings.js';

/*
 * Members whose value comes from node keys, the clock or the machine. Their form is compared (64 hex digits, base64, a
 * zero hash, a number), not their value. Everything that is not named here has to be equal.
 */

/** Of every answer: hashes that contain node keys and times, and the times themselves. */
const ANYWHERE = new Set([
  'block_hash',
  'app_hash',
  'block_time',
  'block_age',
  'prev_hash',
  'prev_app_hash',
  'stamp_ms',
  'merkle_root',
  'params_hash',
  'raw_block',
  'state_hash',
  'challenge',
  'snapshot_metadata',
  'chunk',
  'PrevHash',
  'PrevAppHash',
  'Timestamp',
  'NetworkParamsHash',
  'MerkleRoot',
]);

/** Signatures of nodes, and what nodes put into the payloads that they sign. */
const OF_NODES = [
  /^result\.block\.sig$/,
  /^result\.commit_info\.votes\.\d+\.sig\.sig$/,
  // Which of several equal validators come first is a matter of milliseconds.
  /^result\.commit_info\.votes\.\d+\.sig\.key$/,
];

const BY_METHOD: Readonly<Record<string, readonly RegExp[]>> = {
  'chain.block': [/^result\.hash$/],
  'chain.block_result': [/^result\.hash$/],
  chainInfo: [/^returned\.data\.hash$/],
};

export function isVolatile(method: string, path: readonly string[]): boolean {
  if (ANYWHERE.has(path.at(-1) ?? '')) return true;
  const text = path.join('.');
  return OF_NODES.some(one => one.test(text)) || (BY_METHOD[method] ?? []).some(one => one.test(text));
}

/** Coarse form of a value: enough to tell a hash from an empty text, a zero hash, base64 and a time. */
export function formOf(value: Json): string {
  if (typeof value === 'number') {
    // Go's zero time and largest duration mean "no block yet".
    if (value === -62135596800000 || value === 9223372036854) return String(value);
    return Number.isInteger(value) ? 'integer' : 'fraction';
  }
  if (typeof value !== 'string') return typeof value;
  if (value === '') return 'empty';
  if (/^0+$/.test(value)) return `${value.length} zeros`;
  if (/^[0-9a-f]+$/.test(value)) return value.length >= 32 ? `${value.length} hex digits` : 'hex digits';
  if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return 'time';
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(value) && value.length % 4 === 0) return 'base64';
  return 'text';
}
