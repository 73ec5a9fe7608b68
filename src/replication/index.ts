/**
 * replication: the stream from the old network to the new one, `tail → verify → archive → plan → serve → watermark`.
 *
 * Owns: reading the old nodes' changesets (tail, fetch, recorders), the genesis state, the plan and its durable records (plan,
 * stream), the relay address that new nodes take for a node of the old network, the repairs of the stream, the watermark from
 * the new network's public blocks, the count of strangers, the comparison of both networks' tables (verify).
 * Does not own: connections to nodes (nodes/), bytes on disk (storage/), what follows from the watermark (routing/, cutover/).
 * From `archive` on a changeset is durable before it moves; a gap or a difference stops with a reason. Needs: see ports.ts.
 */
export {
  createReplication,
  type Replication,
  type ReplicationOptions,
  type ShownHeight,
  type ShownRepair,
} from './replication.js';
export type { ArchivedInfo, ArchivePort, CallOptions, NodesPort, ReplicationPorts } from './ports.js';
export type { PlanRecord, Terms } from './plan.js';
export type { Strangers } from './old-blocks.js';
export type { Difference } from './tail.js';
export { REPAIR_NAMES, REPAIRS } from './repairs/index.js';
export {
  createVerifier,
  type VerificationReport,
  type Verifier,
  type VerifierOptions,
  type VerifyProgress,
  type VerifyScope,
} from './verify/verifier.js';
export type { Insight } from './insight.js';
export type { ListedLoss, Losses } from './loss-watch.js';
export type { Finding } from './findings.js';
export { createRecentVerifier, type RecentComparison, type RecentState, type RecentVerifier } from './verify/recent.js';
export { digestTables, type TableDigest } from './verify/digest.js';
