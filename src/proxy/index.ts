/**
 * proxy: the request path. Bytes in, one decision, bytes out.
 *
 * Owns: the public listener, reading calls without changing them, holding writes, the order of an account's writes, the
 * durable record before a send, learning outcomes by hash, what sessions have seen, our own refusals. Does not own where a
 * call belongs (routing/), connections to nodes (nodes/), the ledger's bytes (storage/) or when a switch happens (cutover/,
 * control/). Needs: ports.ts.
 */
export { REASONS, type Reason } from './errors.js';
export type { RequestExplanation } from './explain.js';
export type { HeldFate } from './held-log.js';
export type { HoldCounts } from './hold.js';
export { DEFAULT_LIMITS } from './ports.js';
export type {
  LedgerPort,
  LedgerRecord,
  MigrationPublic,
  NodesPort,
  ProxyLimits,
  ProxyOptions,
  ProxyPorts,
} from './ports.js';
export { createProxy, type Proxy } from './proxy.js';
export { SHIELD_RULES, type ShieldAction, type ShieldRule } from './shield.js';
export type { TxSighting } from './tx-lookup.js';
