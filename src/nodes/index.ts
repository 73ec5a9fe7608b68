/**
 * nodes: owns every connection to a node.
 *
 * Owns: pools, probes, health with hysteresis, the order in which nodes are tried, typed calls for the control plane.
 * Does not own which network a call belongs to (routing/) or what a session may see (proxy/). Needs a clock, a logger and
 * the metrics; knows nodes only by the names of the configuration.
 */
export { RpcCallError, UPSTREAM_CODES, UpstreamError, type UpstreamCode } from './errors.js';
export { FAILURES_UNTIL_DOWN, INITIAL_HEALTH, LAG_ENTER, LAG_LEAVE, SUCCESSES_UNTIL_UP, observe } from './health.js';
export type { HealthContext, HealthEvent, HealthFacts, NodeHealth } from './health.js';
export {
  createNodes,
  parseAnswer,
  type CallKind,
  type CallOptions,
  type NetworkOptions,
  type Nodes,
  type NodesOptions,
  type NodesPorts,
  type SendOptions,
} from './nodes.js';
export { choosePrimary, isUsable, rank } from './pick.js';
export { createPool, type NodePool, type PoolOptions, type UpstreamAnswer, type UpstreamCall } from './pool.js';
export { blockTime, readHealth, readMigration, readVersion } from './probe.js';
