/**
 * protocol: everything on Kwil's wire, in both directions. The only room that knows wire names and byte layouts.
 *
 * Owns: JSON-RPC framing over raw bytes (envelope, scan), transactions and payloads, values and query results, block
 * bytes and parameter hashes, changeset streams and events, migration answers, error codes, signatures.
 * Does not own: what a request means for routing (routing/), sockets, retries, or any state. Pure: bytes in, values out;
 * malformed input is a CodecError with its offset, never a crash or a large allocation. Names are translated here once:
 * `chain_height` is `currentHeight`, `activation_height` is `activationPeriodBlocks`.
 */
export * from './accounts.js';
export * from './block.js';
export * from './bytes.js';
export * from './call.js';
export * from './changeset.js';
export * from './column-values.js';
export * from './envelope.js';
export * from './errors.js';
export * from './events.js';
export * from './hash.js';
export * from './json.js';
export * from './methods.js';
export * from './migration.js';
export * from './numeric.js';
export * from './params.js';
export * from './payloads.js';
export * from './query.js';
export { Reader } from './reader.js';
export * from './scan.js';
export * from './signing.js';
export * from './tx.js';
export * from './values.js';
export { Writer } from './writer.js';
