/**
 * devnet/engine: the state machine of an embedded network, on PGlite in a worker thread.
 *
 * Owns: SQL and actions, accounts and fees, the recording of changesets and the applying of another network's, dump and
 * restore. Does not own blocks, votes, mempools, migrations' statuses or sockets (devnet/node).
 */
export { EngineError, EngineHalt, ReplicationHalt } from './errors.js';
export type * from './types.js';
