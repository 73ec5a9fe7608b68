import { nodeId, type NodeRef } from '../model/index.js';
import { backoffMs, sleep, type Clock } from '../platform/index.js';
import type { MigrationView, NodeView } from '../routing/index.js';
import type { Logger } from '../telemetry/index.js';
import { UpstreamError } from './errors.js';
import { INITIAL_HEALTH, observe, type HealthContext, type HealthEvent, type NodeHealth } from './health.js';
import type { NodePool } from './pool.js';
import { blockTime, readHealth, readMigration, readVersion } from './probe.js';

export interface ProbeOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface NodePorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly context: () => HealthContext;
  readonly call: (
    method: string,
    params: unknown,
    opts: { timeoutMs: number; signal: AbortSignal },
  ) => Promise<unknown>;
  /** `meaningful`: anything but the time of the last look has changed. */
  readonly changed: (meaningful: boolean) => void;
}

/** One node: its connections, its probes and what they have shown. Modes are those of NodeHealth.state. */
export interface ProbedNode {
  readonly ref: NodeRef;
  readonly url: string;
  readonly pool: NodePool;
  view(): NodeView;
  start(): void;
  stop(): void;
  /** A fresh look that begins now; resolves when it has ended either way. */
  probe(): Promise<void>;
  /** A client's call failed: nobody listens (`hard`), or something is wrong and worth a look. */
  suspect(hard: boolean, reason: string): void;
  feed(event: HealthEvent): void;
}

const MIGRATION_EVERY_MS = 1000;
/** The call blocks on a node that dumps its genesis state; the node itself gives up after 20 s. */
const MIGRATION_TIMEOUT_MS = 5000;
const VERSION_EVERY_MS = 60_000;
const BACKOFF_MAX_MS = 1000;

export function createProbedNode(
  ref: NodeRef,
  url: string,
  pool: NodePool,
  options: ProbeOptions,
  ports: NodePorts,
): ProbedNode {
  const { clock, logger, context, call, changed } = ports;
  const id = nodeId(ref);
  const stop = new AbortController();
  let wake = new AbortController();
  let health: NodeHealth = INITIAL_HEALTH;
  let migration: MigrationView | null = null;
  let version: string | null = null;
  let blockTimeMs: number | null = null;
  let cached: NodeView | null = null;
  let probing: Promise<void> | null = null;
  let migrationBusy = false;
  let migrationAt = -Infinity;
  let migrationHeight = -1;
  let versionAt = -Infinity;

  function feed(event: HealthEvent): void {
    const before = health;
    if (event.kind === 'answer') blockTimeMs = blockTime(blockTimeMs, before.facts, event.facts);
    health = observe(before, event, context());
    cached = null;
    if (before.state !== health.state) {
      logger.info({ node: id, from: before.state, to: health.state, reason: health.reason }, 'node state changed');
      // What a restarted node says about itself is asked again.
      versionAt = -Infinity;
    }
    changed(
      before.state !== health.state || before.reason !== health.reason || before.facts?.height !== health.facts?.height,
    );
  }

  async function probeOnce(): Promise<void> {
    const begun = clock.monotonic();
    try {
      const result = await call('user.health', {}, { timeoutMs: options.timeoutMs, signal: stop.signal });
      const facts = readHealth(result);
      if (facts === null)
        feed({ kind: 'failure', reason: 'answers, but not as a Kwil node', hard: false, at: clock.monotonic() });
      // What it tells was true at some time since then, not when it arrived.
      else feed({ kind: 'answer', facts, at: begun });
    } catch (error) {
      if (stop.signal.aborted) return;
      const hard = error instanceof UpstreamError && error.code === 'node_refused';
      feed({ kind: 'failure', reason: (error as Error).message, hard, at: clock.monotonic() });
    }
  }

  function probe(): Promise<void> {
    probing ??= probeOnce().finally(() => (probing = null));
    return probing;
  }

  /** Asked when the height changed or a second has passed; runs beside the health probes because it may block. */
  async function askMigration(): Promise<void> {
    const height = health.facts?.height ?? -1;
    const due = clock.monotonic() - migrationAt >= MIGRATION_EVERY_MS || height !== migrationHeight;
    if (migrationBusy || !due || health.facts === null) return;
    migrationBusy = true;
    try {
      const result = await call('user.migration_status', {}, { timeoutMs: MIGRATION_TIMEOUT_MS, signal: stop.signal });
      const next = readMigration(result);
      if (next !== null && JSON.stringify(next) !== JSON.stringify(migration)) {
        migration = next;
        cached = null;
        changed(true);
      }
    } catch {
      // An error (-700 above all) tells that this node cannot say, not that there is no migration: keep what is known.
    } finally {
      migrationBusy = false;
      migrationAt = clock.monotonic();
      migrationHeight = height;
    }
  }

  async function askVersion(): Promise<void> {
    if (clock.monotonic() - versionAt < VERSION_EVERY_MS || health.facts === null) return;
    versionAt = clock.monotonic();
    try {
      const next = readVersion(await call('user.version', {}, { timeoutMs: options.timeoutMs, signal: stop.signal }));
      if (next === version) return;
      version = next;
      cached = null;
      changed(true);
    } catch {
      // Seldom needed and asked again later.
    }
  }

  async function loop(): Promise<void> {
    while (!stop.signal.aborted) {
      await probe();
      if (health.failures === 0) {
        void askMigration();
        void askVersion();
      }
      const pause =
        health.failures === 0
          ? options.intervalMs
          : backoffMs(health.failures - 1, {
              minMs: options.intervalMs,
              maxMs: Math.max(BACKOFF_MAX_MS, options.intervalMs),
            });
      await sleep(clock, pause, wake.signal);
      if (wake.signal.aborted && !stop.signal.aborted) wake = new AbortController();
    }
  }

  const wakeUp = (): void => wake.abort();
  return {
    ref,
    url,
    pool,
    feed,
    view: () =>
      (cached ??= Object.freeze({
        id,
        network: ref.network,
        name: ref.name,
        state: health.state,
        reason: health.reason,
        height: health.facts?.height ?? 0,
        heightMax: health.facts === null ? 0 : health.facts.height + 1,
        blockHash: health.facts?.blockHash || null,
        blockTimeMs,
        mode: health.facts?.mode ?? null,
        version,
        migration,
        seenAt: health.seenAt,
      })),
    start: () => void loop(),
    stop() {
      stop.abort();
      wakeUp();
    },
    async probe() {
      // One that is under way may have looked before the caller's event.
      if (probing !== null) await probing;
      await probe();
    },
    suspect(hard, reason) {
      if (hard) feed({ kind: 'failure', reason, hard, at: clock.monotonic() });
      wakeUp();
    },
  };
}
