import { createReadGate, SHARED_READER, type Reader, type ReadGate } from '../../../src/proxy/read-gate.js';
import { createSightings, FRESH_SESSION, type SessionHeights, type Sightings } from '../../../src/proxy/sessions.js';
import { readOrder, type NodeView } from '../../../src/routing/index.js';
import { createScheduler, createWorld, type ModelNode, type Shown, type World } from './read-world.js';

export class StepBack extends Error {}

/** A gate that is broken on purpose; the model has to notice each. */
export interface GateVariant {
  readonly name: string;
  readonly sightings?: (right: Sightings) => Sightings;
  readonly gate?: (right: ReadGate, world: World) => ReadGate;
}

export interface ReadStats {
  sequences: number;
  reads: number;
  refused: number;
  ownWrites: number;
  fromOld: number;
  fromNew: number;
  commits: number;
}

const LIFE_MS = 6000;
const SESSIONS = 8;
const WAIT_MS = 900;
const RETRIES = 3;

/** `worlds` × 8 sequences of reads and writes, each of one client; throws StepBack at the first that goes back. */
export async function simulateReads(seed: number, sequences: number, variant: GateVariant): Promise<ReadStats> {
  const stats: ReadStats = {
    ...{ sequences: 0, reads: 0, refused: 0, ownWrites: 0, fromOld: 0, fromNew: 0, commits: 0 },
  };
  for (let i = 0; stats.sequences < sequences; i++) await runWorld(seed + i, variant, stats);
  return stats;
}

async function runWorld(seed: number, variant: GateVariant, stats: ReadStats): Promise<void> {
  const random = generator(seed);
  const clock = createScheduler();
  const world = createWorld({ random, clock, lifeMs: LIFE_MS });
  const between = (least: number, most: number): number => least + random() * (most - least);
  const sightings = createSightings();
  const right = createReadGate(
    { sessionWaitMs: WAIT_MS },
    { nodes: world.port, clock, snapshot: () => world.snapshot(), onSnapshot: listener => world.onSnapshot(listener) },
    variant.sightings?.(sightings) ?? sightings,
  );
  const gate = variant.gate?.(right, world) ?? right;
  let found: Error | null = null;
  let over = false;

  /** Newest state that somebody of this group has been shown. Clients without a token are one group. */
  const group: { old: number; new: number } = { old: 0, new: 0 };

  async function session(kind: 'token' | 'connection', name: string): Promise<void> {
    const seen = kind === 'connection' ? group : { old: 0, new: 0 };
    let token: SessionHeights = FRESH_SESSION;
    const reader = (): Reader => (kind === 'connection' ? SHARED_READER : { token });
    const learn = (after: SessionHeights): void => void (kind === 'token' && (token = after));
    const took = (shown: Shown): void => {
      seen.old = Math.max(seen.old, shown.old);
      seen.new = Math.max(seen.new, shown.new);
    };

    async function read(): Promise<void> {
      const must = { ...seen };
      const begun = world.snapshot();
      const order = readOrder(begun, Math.floor(random() * 100));
      const tried = new Set<string>();
      for (let attempt = 0; attempt < RETRIES; attempt++) {
        const signal = new AbortController().signal;
        const who = reader();
        const view = gate.pick(who, order, begun, tried) ?? (await gate.await(who, order, begun, tried, signal));
        if (view === null) return void stats.refused++;
        tried.add(view.id);
        const node = nodeOf(view);
        await clock.pause(between(0, 15));
        if (!node.isAlive) continue;
        const shown = world.shown(node);
        await clock.pause(random() < 0.1 ? between(0, 300) : between(0, 15));
        if (!node.isAlive && random() < 0.5) continue;
        stats.reads++;
        stats[node.network === 'old' ? 'fromOld' : 'fromNew']++;
        if (shown.old < must.old || shown.new < must.new)
          found ??= new StepBack(
            `${name} was shown old ${shown.old} / new ${shown.new} by ${node.id} after old ${must.old} / new ${must.new} ` +
              `(${clock.monotonic().toFixed(0)} ms, ${world.snapshot().intent.phase}, seed ${seed}, ${variant.name})`,
          );
        learn(gate.delivered(who, view));
        return took(shown);
      }
    }

    /** Sends, waits until some node says in which block it is; from then on every read has to show it. */
    async function write(): Promise<void> {
      if (world.snapshot().intent.writes.kind !== 'send') return;
      const sent = world.write();
      for (let look = 0; look < 40; look++) {
        await clock.pause(between(10, 60));
        const block = sent.block();
        const node = world.nodes.find(n => n.network === sent.network && n.isAlive && n.state >= (block ?? Infinity));
        if (block === null || node === undefined) continue;
        stats.ownWrites++;
        // A node that catches up takes no transactions: by the time it answers one with its block it is seen to be up.
        if (random() < 0.5 || node.view.state !== 'up') learn(gate.delivered(reader(), node.view, block));
        // A sync answer: no height is read from it, and it shows the state after its block.
        else learn(gate.delivered(reader(), node.view));
        return took(sent.network === 'old' ? { old: block, new: 0 } : { old: 0, new: block });
      }
    }

    while (!over) {
      await (random() < 0.12 ? write() : read());
      await clock.pause(random() < 0.2 ? between(50, 600) : between(0, 30));
    }
  }

  const nodeOf = (view: NodeView): ModelNode => world.nodes.find(({ id }) => id === view.id)!;
  for (let i = 0; i < SESSIONS; i++) {
    const kind = i % 2 === 0 ? 'token' : 'connection';
    void session(kind, `${kind} ${i}`).catch((error: unknown) => (found ??= error as Error));
  }
  await clock.run(LIFE_MS);
  over = true;
  world.stop();
  stats.sequences += SESSIONS;
  if (world.isCommitted()) stats.commits++;
  if (found !== null) throw found as Error;
}

/** mulberry32. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
