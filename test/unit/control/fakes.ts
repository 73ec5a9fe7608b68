import type { Clock } from '../../../src/platform/index.js';
import { createNotifier } from '../../../src/platform/index.js';
import type { ControlPorts } from '../../../src/control/index.js';
import type { NodeState, ReplicationStatus } from '../../../src/model/index.js';
import { GatewayError } from '../../../src/model/index.js';
import type { NetworkView, NodeView, WatermarkView } from '../../../src/routing/index.js';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.js';

/** Time that stands still until a test moves it. */
export function fakeClock(): Clock & { advance(ms: number): Promise<void>; pending(): number } {
  let now = 1_800_000_000_000;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    monotonic: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn };
      timers.push(timer);
      return { cancel: () => void (timers = timers.filter(other => other !== timer)) };
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = timers.filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter(timer => timer !== next);
        now = Math.max(now, next.at);
        next.fn();
        await settle();
      }
      now = end;
      await settle();
    },
    pending: () => timers.length,
  };
}

/** Lets everything run that waits for nothing but the event loop. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve));
}

export interface MemoryRecord {
  readonly sequence: number;
  readonly at: number;
  readonly kind: string;
  readonly data: unknown;
}

/** A journal in memory whose flush can be slow, refused or left open. Records are stored as JSON, like the real one. */
export function memoryJournal(kept: MemoryRecord[] = [], clock?: Clock) {
  let mode: 'ok' | 'hang' | 'no' | 'maybe' = 'ok';
  const hanging: (() => void)[] = [];
  const journal = {
    kept,
    setMode(next: typeof mode): void {
      mode = next;
      if (next !== 'hang') for (const go of hanging.splice(0)) go();
    },
    /** Called with each record before its flush; throwing is a crash at that step. */
    onAppend: (_record: MemoryRecord): void => undefined,
    async append({ kind, data }: { kind: string; data: unknown }): Promise<unknown> {
      const record = JSON.parse(
        JSON.stringify({ sequence: kept.length + 1, at: clock?.now() ?? 0, kind, data }),
      ) as MemoryRecord;
      journal.onAppend(record);
      if (mode === 'hang') await new Promise<void>(resolve => hanging.push(resolve));
      if (mode === 'no')
        throw new GatewayError('journal_append_failed', 'control', 'no space left', { details: { written: 'no' } });
      if (mode === 'maybe')
        throw new GatewayError('journal_uncertain', 'control', 'input/output error', { details: { written: 'maybe' } });
      await Promise.resolve();
      kept.push({ ...record, sequence: kept.length + 1 });
      return record;
    },
    records: () => kept,
    probeMs: async () => 1,
  };
  return journal;
}

export const NODE: NodeView = {
  id: 'old/old-1',
  network: 'old',
  name: 'old-1',
  state: 'up',
  reason: null,
  height: 150,
  heightMax: 150,
  blockHash: null,
  blockTimeMs: 1000,
  mode: 'open',
  version: '0.10.1',
  migration: { status: 'MigrationInProgress', startHeight: 100, endHeight: 1000 },
  seenAt: 0,
};

/** Everything around the loop, in a state from which a switch works; tests change it and call `changed`. */
export function fakeWorld(
  options: { journal?: ReturnType<typeof memoryJournal>; clock?: ReturnType<typeof fakeClock> } = {},
) {
  const clock = options.clock ?? fakeClock();
  const journal = options.journal ?? memoryJournal([], clock);
  const changes = createNotifier();
  const quiet: { epoch: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  const world = {
    clock,
    journal,
    oldHead: 150,
    newHead: 40,
    oldStatus: 'MigrationInProgress',
    newStatus: 'GenesisMigration',
    oldState: 'up' as NodeState,
    newState: 'up' as NodeState,
    newChain: 'kwil-new',
    applied: 149 as number | null,
    perNode: null as Record<string, number> | null,
    replicationState: 'running' as ReplicationStatus['state'],
    open: [] as { state: string; at: number }[],
    lastMined: 149 as number | null,
    held: 0,
    /** Whether `quiesced` resolves by itself. */
    isQuiet: true,
    quiet,
    expedited: [] as (number | null | 'rally')[],
    fatal: [] as Error[],
    endHeight: 1000,
    changed(): Promise<void> {
      changes.notify();
      return settle();
    },
    ports(): ControlPorts {
      return {
        clock,
        logger: silentLogger,
        metrics: createMetrics({ version: '0', commit: 'test' }),
        journal,
        nodes: {
          view: network => (network === 'old' ? oldView() : newView()),
          subscribe: changes.subscribe,
          call: async () => ({ block_time: clock.now() - 500, block_age: 500 }) as never,
        },
        replication: {
          status,
          watermark,
          subscribe: changes.subscribe,
          expedite: height => void world.expedited.push(height),
          rally: async () => void world.expedited.push('rally'),
        },
        ledger: {
          unresolved: network => (network === 'old' ? world.open : []),
          lastMined: () => world.lastMined,
          subscribe: changes.subscribe,
        },
        proxy: {
          quiesced(epoch, signal) {
            if (world.isQuiet) return Promise.resolve();
            return new Promise((resolve, reject) => {
              quiet.push({ epoch, resolve, reject });
              signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
            });
          },
          held: () => ({ count: world.held, bytes: 0 }),
          inFlightWrites: () => 0,
        },
        fatal: error => void world.fatal.push(error),
      };
    },
  };

  const oldView = (): NetworkView => ({
    name: 'old',
    chainId: 'kwil-old',
    head: world.oldHead,
    nodes: [
      {
        ...NODE,
        state: world.oldState,
        height: world.oldHead,
        heightMax: world.oldHead,
        migration: { status: world.oldStatus, startHeight: 100, endHeight: world.endHeight },
      },
    ],
  });
  const newView = (): NetworkView => ({
    name: 'new',
    chainId: world.newChain,
    head: world.newHead,
    nodes: [
      {
        ...NODE,
        id: 'new/new-1',
        network: 'new',
        name: 'new-1',
        state: world.newState,
        height: world.newHead,
        heightMax: world.newHead,
        migration: { status: world.newStatus, startHeight: 100, endHeight: world.endHeight },
      },
    ],
  });
  const lag = (): number | null => (world.applied === null ? null : Math.max(0, world.oldHead - world.applied));
  const watermark = (): WatermarkView => ({
    applied: world.applied,
    perNode: world.perNode ?? (world.applied === null ? {} : { 'new-1': world.applied }),
    lagBlocks: lag(),
  });
  const status = (): ReplicationStatus => ({
    state: world.replicationState,
    reason: world.replicationState === 'stopped' ? 'a gap at height 120' : null,
    startHeight: 100,
    endHeight: world.endHeight,
    archived: world.oldHead,
    served: world.oldHead,
    applied: world.applied,
    lagBlocks: lag(),
    lagMs: null,
    blocksToEnd: world.endHeight - world.oldHead,
    msToEnd: (world.endHeight - world.oldHead) * 1000,
    repairs: {},
    validators: [{ name: 'v1', lastRequestAt: null, askedHeight: 140, health: 'asking' }],
  });
  return world;
}
export type FakeWorld = ReturnType<typeof fakeWorld>;
