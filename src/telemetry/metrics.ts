import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const PREFIX = 'switchyard_';

/** Buckets from 0.1 ms (our own overhead) to 30 s (the longest attempt). */
const SECONDS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Every metric of the contract, section 4, plus ours. One catalogue per process; tests make their own. */
export function createMetrics(build: { version: string; commit: string }) {
  const registry = new Registry();
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name: PREFIX + name, help, labelNames: [...labelNames], registers: [registry] });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name: PREFIX + name, help, labelNames: [...labelNames], registers: [registry] });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram<L>({
      name: PREFIX + name,
      help,
      labelNames: [...labelNames],
      buckets: SECONDS,
      registers: [registry],
    });

  const metrics = {
    registry,
    rpcRequests: counter('rpc_requests_total', 'JSON-RPC calls answered', ['method', 'class', 'network', 'outcome']),
    rpcDuration: histogram('rpc_request_duration_seconds', 'From request read to answer written', [
      'class',
      'network',
      'outcome',
    ]),
    overhead: histogram('overhead_seconds', 'Time of a call spent in the gateway itself', ['class']),
    routeDecisions: counter('route_decisions_total', 'Routing decisions', ['class', 'network', 'reason']),
    upstreamAttempts: counter('upstream_attempts_total', 'Calls sent to nodes', ['network', 'node', 'kind', 'outcome']),
    nodeUp: gauge('node_up', '1 when the node takes requests', ['network', 'node']),
    nodeState: gauge('node_state', '1 for the state the node is in', ['network', 'node', 'state']),
    nodeHeight: gauge('node_height', 'Committed height the node reports', ['network', 'node']),
    networkHeight: gauge('network_height', 'Greatest height of usable nodes', ['network']),
    migrationStatus: gauge('migration_status', "1 for the network's own migration status", ['network', 'status']),
    migrationRemaining: gauge('migration_remaining_blocks', 'Old blocks left until End'),
    endMargin: gauge('end_margin', 'Margins of time before End that were reached while nobody has switched (0 to 3)'),
    replicationHeight: gauge('replication_height', 'Old height per stage', ['stage']),
    replicationLagBlocks: gauge('replication_lag_blocks', 'Old head less watermark'),
    replicationLagSeconds: gauge('replication_lag_seconds', 'Age of the oldest unapplied changeset'),
    replicationRepairs: counter('replication_repairs_total', 'Rewrites of the stream', ['repair']),
    replicationLosses: gauge('replication_losses', 'Values that the stream lost, or may have lost', ['state']),
    archiveBytes: gauge('archive_bytes', 'Size of the changeset archive'),
    relayRequests: counter('relay_requests_total', 'Calls of the new nodes', ['validator', 'method', 'outcome']),
    phase: gauge('phase', '1 for the current phase', ['phase']),
    epoch: gauge('epoch', 'Routing epoch'),
    preflightCheck: gauge('preflight_check', '1 pass, 0 fail', ['check']),
    heldWrites: gauge('held_writes', 'Writes held now'),
    heldWritesTotal: counter('held_writes_total', 'Writes that were held, by how it ended', ['result']),
    writeHold: histogram('write_hold_seconds', 'Time a write was held', ['result']),
    writes: counter('writes_total', 'Broadcasts', ['network', 'outcome']),
    writeResolutions: counter('write_resolutions_total', 'How the outcome of an open write was learnt', ['result']),
    headStalled: gauge('head_stalled', '1 while accepted writes wait and no block comes', ['network']),
    unminedWrites: gauge('unmined_writes', 'Writes sent and in no block yet', ['network']),
    unminedWritesMax: gauge('unmined_writes_max', 'As many of them as the network is given at once', ['network']),
    misroutedWrites: counter('misrouted_writes_total', 'Writes that named another chain than the open one'),
    bypassTransactions: counter(
      'bypass_transactions_total',
      'Transactions on the old network that did not come through us',
    ),
    verificationDifferences: gauge(
      'verification_differences',
      'Differing keys and definitions that the last whole comparison found',
    ),
    cacheRequests: counter('cache_requests_total', 'Exact cache', ['result']),
    rejections: counter('rejections_total', 'Requests refused by the gateway', ['reason']),
    cutoverStep: histogram('cutover_step_seconds', 'Time per step of a switch', ['step']),
    buildInfo: gauge('build_info', 'Always 1', ['version', 'commit', 'node']),
  };
  metrics.buildInfo.set({ ...build, node: process.version }, 1);
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Process metrics (CPU, memory, event loop); not for tests, since they hold timers. */
export const addProcessMetrics = (metrics: Metrics): void =>
  collectDefaultMetrics({ register: metrics.registry, prefix: PREFIX });
