import { setMaxListeners } from 'node:events';
import type { Height, NodeRef } from '../model/index.js';
import { createNotifier, sleep, waitFor } from '../platform/index.js';
import type { NodeView } from '../routing/index.js';
import { effectiveSize } from './assemble.js';
import { integrityError, isIntegrity, reasonOf, SourceError } from './errors.js';
import { fetchChangeset, type Fetched } from './fetch.js';
import type { ReplicationPorts } from './ports.js';
import { createRecorders, type Recorders } from './recorders.js';
import type { Schema } from './schema.js';

export interface TailOptions {
  readonly timeoutMs: number;
  /** Repairs that are switched off: what is left of a height depends on them. */
  readonly off: ReadonlySet<string>;
  readonly schema: () => Schema | null;
}

export interface Bounds {
  readonly start: Height;
  readonly end: Height;
}

/** Both versions of a height that recorders disagree about. */
export interface Difference {
  readonly height: Height;
  readonly versions: readonly { readonly node: string; readonly bytes: number; readonly sha256: string }[];
}

/**
 * Reads the old network's changesets, Start to End, without a gap: each height from a node that has committed it, compared
 * with a second node when there is one, and durable in the archive before anything else sees it.
 */
export interface Tail {
  start(): void;
  close(): Promise<void>;
  readonly bounds: () => Bounds | null;
  readonly recorders: Recorders;
  /** Why nothing is archived at the moment, in words; null while it runs. */
  reason(): string | null;
  stopped(): boolean;
  readonly difference: () => Difference | null;
  /** An operator decides which version of the disputed height is right. */
  readonly decide: (height: Height, sha256: string) => Promise<boolean>;
  /** Something was archived, or the state changed. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** Heights fetched at once when behind, and the bytes they may hold together. */
const WINDOW = 16;
const BYTES_IN_FLIGHT = 48 * 1024 * 1024;
/** A second recorder that is about to have the height is waited for, but not for long: it may be dying. */
const SECOND_RECORDER_MS = 1_000;
const SECOND_RECORDER_LAG = 3;
const REST_MS = 2_000;
const LACKS_RECORD_REST_MS = 10_000;
const RETRY_MS = 250;
/** How often it looks again without being told: a resting node comes back silently. */
const IDLE_MS = 500;

export function createTail(options: TailOptions, ports: ReplicationPorts): Tail {
  const { archive, clock, logger, nodes } = ports;
  const recorders = createRecorders(() => nodes.view('old'), clock);
  const changes = createNotifier();
  const stop = new AbortController();
  // Many calls listen at once; they are bounded by their own windows.
  setMaxListeners(0, stop.signal);
  let running: Promise<void> | null = null;
  let reason: string | null = null;
  let stopped = false;
  let difference: Difference | null = null;

  const bounds = (): Bounds | null => {
    const stored = archive.record('bounds') as Bounds | undefined;
    return stored ?? null;
  };

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        const range = bounds() ?? (await learnBounds());
        if (range === null) continue;
        const next = (archive.last() ?? range.start - 1) + 1;
        if (next > range.end) {
          setReason(null);
          return;
        }
        await advance(next, range.end);
      } catch (error) {
        if (stop.signal.aborted) return;
        await failed(error);
      }
    }
  }

  /** Start and End as the nodes tell them: fixed once the migration is decided, and the same on all of them. */
  async function learnBounds(): Promise<Bounds | null> {
    const known = (): Bounds | undefined => {
      for (const { migration } of recorders.all()) {
        if (migration?.startHeight && migration.endHeight)
          return { start: migration.startHeight, end: migration.endHeight };
      }
      return undefined;
    };
    if (known() === undefined) setReason('the old network is not recording a migration yet');
    const found = await waitFor(nodes.subscribe, known, { timeoutMs: IDLE_MS, signal: stop.signal, clock });
    if (found === undefined) return null;
    return (await archive.createRecord('bounds', found)) as Bounds;
  }

  /** Fetches from `next` on for as long as some node has more, and archives in order. */
  async function advance(next: Height, end: Height): Promise<void> {
    const ready = (): number | undefined => {
      const head = Math.max(0, ...recorders.all().map(node => node.height));
      return head >= next ? Math.min(head, end) : undefined;
    };
    if (ready() === undefined) setReason(recorders.all().length === 0 ? describe(recorders) : null);
    const head = await waitFor(nodes.subscribe, ready, { timeoutMs: IDLE_MS, signal: stop.signal, clock });
    if (head === undefined) return;
    setReason(null);

    const budget = createBudget(BYTES_IN_FLIGHT);
    const give = new AbortController();
    const signal = AbortSignal.any([stop.signal, give.signal]);
    setMaxListeners(0, signal);
    const jobs = new Map<Height, Promise<Verified>>();
    let launched = next;
    try {
      for (let height = next; height <= head && !signal.aborted; height += 1) {
        budget.first(height);
        for (; launched <= head && launched < height + WINDOW; launched += 1) {
          const job = fetchVerified(launched, budget, signal);
          // Looked at in order below; until then a failure must not count as unhandled.
          job.catch(() => undefined);
          jobs.set(launched, job);
        }
        const batch = [await jobs.get(height)!];
        jobs.delete(height);
        await store(batch);
        budget.release(height);
      }
    } finally {
      give.abort();
      await Promise.allSettled(jobs.values());
    }
  }

  interface Verified {
    readonly fetched: Fetched;
    readonly confirmedBy: string | null;
  }

  async function store(batch: readonly Verified[]): Promise<void> {
    const entries = batch.map(({ fetched, confirmedBy }) => ({
      bytes: fetched.bytes,
      info: {
        height: fetched.height,
        bytes: fetched.bytes.length,
        ...effectiveSize(fetched.bytes, options.off, options.schema()),
        sha256: fetched.sha256,
        source: fetched.node,
        confirmedBy,
        at: clock.now(),
      },
    }));
    await archive.append(entries);
    changes.notify();
  }

  /** One height from two recorders that agree, or from one when there is no second. */
  async function fetchVerified(height: Height, budget: Budget, signal: AbortSignal): Promise<Verified> {
    const decided = archive.record(`decision/${height}`) as { sha256: string } | undefined;
    const tried = new Set<string>();
    const versions: Fetched[] = [];
    let again = false;
    const deadline = clock.monotonic() + options.timeoutMs * 3;
    for (;;) {
      const candidates = recorders.having(height).filter(node => !tried.has(node.name));
      const node = candidates[versions.length === 0 ? height % Math.max(1, candidates.length) : 0];
      if (node === undefined) {
        if (versions.length === 1 && (await secondComes(height, tried, signal))) continue;
        if (versions.length < 2 || again) break;
        // Before two nodes are said to differ, each is asked once more: bytes can also be altered on their way.
        again = true;
        tried.clear();
        versions.length = 0;
        continue;
      }
      tried.add(node.name);
      const fetched = await fetchFrom(node, height, budget, signal);
      if (fetched === null) {
        if (clock.monotonic() > deadline) break;
        continue;
      }
      versions.push(fetched);
      if (decided !== undefined) {
        if (fetched.sha256 === decided.sha256) return { fetched, confirmedBy: 'operator' };
        continue;
      }
      const same = versions.filter(version => version.sha256 === fetched.sha256);
      // Two that agree are enough unless somebody else said otherwise: then it takes more than half of all.
      if (same.length >= 2 && same.length * 2 > versions.length) {
        for (const odd of versions) if (odd.sha256 !== fetched.sha256) distrust(odd, height);
        return { fetched: same[0]!, confirmedBy: same[1]!.node };
      }
    }
    if (versions.length === 1 && decided === undefined) return { fetched: versions[0]!, confirmedBy: null };
    if (versions.length === 0) throw new SourceError(`no old node could serve height ${height}`);
    difference = {
      height,
      versions: versions.map(({ node, bytes, sha256 }) => ({ node, bytes: bytes.length, sha256 })),
    };
    const account = difference.versions
      .map(({ node, bytes, sha256 }) => `${node}: ${bytes} bytes, ${sha256.slice(0, 16)}…`)
      .join('; ');
    throw integrityError('recorders_differ', `old nodes recorded different changes for height ${height} (${account})`, {
      height,
    });
  }

  async function fetchFrom(
    node: NodeView,
    height: Height,
    budget: Budget,
    signal: AbortSignal,
  ): Promise<Fetched | null> {
    const ref: NodeRef = { network: 'old', name: node.name };
    try {
      const fetched = await fetchChangeset(nodes, ref, height, {
        timeoutMs: options.timeoutMs,
        signal,
        reserve: bytes => budget.take(height, bytes, signal),
      });
      recorders.worked(node.name);
      return fetched;
    } catch (error) {
      if (signal.aborted) throw error;
      if (!(error instanceof SourceError)) throw error;
      recorders.rest(node.name, error.message, error.lacksRecord ? LACKS_RECORD_REST_MS : REST_MS);
      logger.warn({ node: node.name, height, reason: error.message }, 'old node failed to serve a changeset');
      return null;
    }
  }

  /** Whether another recorder is just about to have the height. */
  async function secondComes(height: Height, tried: ReadonlySet<string>, signal: AbortSignal): Promise<boolean> {
    const others = (): readonly NodeView[] =>
      recorders.all().filter(node => !tried.has(node.name) && node.height >= height - SECOND_RECORDER_LAG);
    if (others().length === 0) return false;
    const came = await waitFor(nodes.subscribe, () => others().some(node => node.height >= height) || undefined, {
      timeoutMs: SECOND_RECORDER_MS,
      signal,
      clock,
    });
    return came === true;
  }

  function distrust(odd: Fetched, height: Height): void {
    const why = `gave other changes than the majority for height ${height}`;
    recorders.distrust(odd.node, why);
    logger.error({ node: odd.node, height }, 'old node is not asked any more: it gave other changes than the majority');
  }

  async function failed(error: unknown): Promise<void> {
    setReason(reasonOf(error));
    if (!isIntegrity(error)) {
      await sleep(clock, RETRY_MS, stop.signal);
      return;
    }
    stopped = true;
    logger.error({ reason }, 'the changeset pipeline stopped');
    changes.notify();
    // It goes on when an operator decides, or when the nodes that can be asked are others.
    const asked = signature();
    await waitFor(
      listener => {
        const both = [changes.subscribe(listener), nodes.subscribe(listener)];
        return () => both.forEach(unsubscribe => unsubscribe());
      },
      () => (!stopped || signature() !== asked ? true : undefined),
      { timeoutMs: 2_000_000_000, signal: stop.signal, clock },
    );
    stopped = false;
    difference = null;
  }

  const signature = (): string =>
    recorders
      .all()
      .map(node => node.name)
      .join();

  function setReason(next: string | null): void {
    if (reason === next) return;
    reason = next;
    changes.notify();
  }

  return {
    start() {
      running ??= run();
    },
    async close() {
      stop.abort();
      await running;
    },
    bounds,
    recorders,
    reason: () => reason,
    stopped: () => stopped,
    difference: () => difference,
    async decide(height, sha256) {
      if (difference?.height !== height || !difference.versions.some(version => version.sha256 === sha256))
        return false;
      await archive.setRecord(`decision/${height}`, { sha256, at: clock.now() });
      difference = null;
      stopped = false;
      changes.notify();
      return true;
    },
    subscribe: changes.subscribe,
  };
}

function describe(recorders: Recorders): string {
  const reasons = Object.entries(recorders.reasons()).map(([node, why]) => `${node}: ${why}`);
  return `no old node can be asked for changesets (${reasons.join('; ') || 'none is known'})`;
}

interface Budget {
  /** The height that is archived next: it never waits, or nothing would ever be given back. */
  first(height: Height): void;
  take(height: Height, bytes: number, signal: AbortSignal): Promise<void>;
  release(height: Height): void;
}

function createBudget(bytesMax: number): Budget {
  const held = new Map<Height, number>();
  const changes = createNotifier();
  let first = 0;
  let used = 0;
  return {
    first(height) {
      first = height;
      changes.notify();
    },
    async take(height, bytes, signal) {
      const fits = (): boolean => signal.aborted || height <= first || used + bytes <= bytesMax;
      while (!fits()) {
        await new Promise<void>(resolve => {
          const done = (): void => {
            unsubscribe();
            signal.removeEventListener('abort', done);
            resolve();
          };
          const unsubscribe = changes.subscribe(done);
          signal.addEventListener('abort', done, { once: true });
        });
      }
      used += bytes;
      held.set(height, (held.get(height) ?? 0) + bytes);
    },
    release(height) {
      used -= held.get(height) ?? 0;
      held.delete(height);
      changes.notify();
    },
  };
}
