/**
 * devnet/engine: the state machine of an embedded network, on PGlite in a worker thread.
 *
 * Owns: SQL and actions, accounts and fees, the recording of changesets and the applying of another network's, dump and
 * restore. Does not own blocks, votes, mempools, migrations' statuses or sockets (devnet/node).
 */
export { ALL_DEFECTS, NO_DEFECTS } from './defects.js';
export { createEngine } from './engine.js';
export { EngineError, EngineHalt, ReplicationHalt } from './errors.js';
export { GAS_PRICES } from './state/accounts.js';
export type * from './types.js';
