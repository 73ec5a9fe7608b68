/**
 * devnet: embedded Kwil networks that speak the real protocol over real sockets, for development, tests and the demo.
 *
 * Owns: nodes with their ports, mempools, challenges, health, lag and process life; blocks with real bytes, votes and
 * hashes; validator set and resolutions; both sides of a migration with the real listener's habits and crashes; faults on
 * request. The state of a network is devnet/engine's. Never loaded by `serve`. Needs protocol/, model/, platform/.
 */
export {
  createDevnet,
  type BlockSummary,
  type Devnet,
  type DevnetOptions,
  type NetworkHandle,
  type NodeHandle,
} from './devnet.js';
export { FAULT_KINDS, type Fault, type FaultKind, type FaultRequest } from './faults.js';
export { LISTENER_STEPS, type ListenerStep } from './migration/listener.js';
export {
  NO_DEFECTS,
  OWNER_KEY,
  REAL_DEFECTS,
  type Defects,
  type NetworkOptions,
  type NodeDefects,
  type Timing,
} from './options.js';
