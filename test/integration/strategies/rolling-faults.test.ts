import { describe, expect, it } from 'vitest';
import { createRollingControl, type RollingControl } from '../../../src/control/index.js';
import { dice, type Dice } from '../../unit/protocol/property.js';
import { createModel, modelClock, repeat, seedsOf, type ModelNetwork, type ModelNode } from './model.js';
import type { MemoryRecord } from '../../unit/control/fakes.js';
import { createKiller, Killed, killPoints, stepOf, type KillPoint } from './killed-at-records.js';

/** Fewer for a quick look. */
const RUNS = Number(process.env['STRATEGIES_RUNS'] ?? 100);
const OPERATOR_MS = 90_000;
const STORY_MS = 15 * 60_000;
const WANTED = '2.0.0';

interface Story {
  /** What goes wrong with the node that the operator restarts as the n-th; does it itself. */
  readonly fault?: (
    node: ModelNode,
    network: ModelNetwork,
    random: Dice,
    later: (ms: number, act: () => void) => void,
  ) => void;
  /** Kills the gateway now and then. */
  readonly kills?: boolean;
  /** Kills it once, at a record of its journal. */
  readonly killAt?: KillPoint;
}

interface Ending {
  readonly control: RollingControl;
  readonly network: ModelNetwork;
  readonly records: readonly MemoryRecord[];
  /** Name of the node with the fault; null in a run without. */
  readonly faulty: string | null;
  readonly starts: number;
  /** The step at which it was killed; null when the story has fewer. */
  readonly killedAt: string | null;
}

/** One roll of three nodes by an operator who does what the gateway says; the n-th restart goes wrong. */
async function play(seed: number, story: Story): Promise<Ending> {
  const random = dice(seed);
  const clock = modelClock();
  const model = createModel(clock);
  const network = model.addNetwork('old', 'kwil-old', 3);
  const leader = random.next(2) === 0 ? 'old-1' : null;
  const records: MemoryRecord[] = [];
  const turn = story.fault === undefined ? -1 : random.next(3);
  const restarted = new Set<string>();
  let faulty: string | null = null;
  let starts = 0;
  let control!: RollingControl;
  const killer = createKiller(story.killAt ?? null);

  const begin = async (): Promise<void> => {
    starts += 1;
    for (const node of network.nodes) node.drained = false;
    const ports = model.ports(records, error => {
      if (!(error instanceof Killed)) throw error;
      control.destroy();
      void begin();
    });
    killer.wrap(ports.journal);
    control = createRollingControl({ leader, wantedBuild: WANTED, operatorMs: OPERATOR_MS, holdMs: 8000 }, ports);
    await control.start();
  };
  const later = (ms: number, act: () => void): void => void clock.after(ms, act);

  const operate = (): void => {
    const { state } = control.upgrade();
    const node = network.nodes.find(({ name }) => name === state.node);
    if (state.phase === 'ready' && node !== undefined && !restarted.has(node.name)) {
      const isFaulty = restarted.size === turn;
      restarted.add(node.name);
      node.up = false;
      node.build = WANTED;
      if (isFaulty) {
        faulty = node.name;
        story.fault!(node, network, random, later);
      } else later(random.next(4000), () => (node.up = true));
    }
    later(40, operate);
  };

  const maybeKill = (): void => {
    if (random.next(6) === 0) {
      control.destroy();
      void begin();
    }
    later(500 + random.next(1500), maybeKill);
  };

  await begin();
  await clock.run(3000);
  const watch = async (): Promise<unknown> => {
    const watching = control.watch('ann', '');
    await clock.run(6000);
    return watching;
  };
  const answer = await watch();
  // Killed over the command: the operator gives it again, and may hear that it was taken.
  if (killer.reached() === null) expect(answer, repeat(seed)).toEqual({ accepted: true });
  else await watch();
  operate();
  if (story.kills) maybeKill();
  const isOver = (): boolean => ['stopped', 'finished'].includes(control.upgrade().state.phase);
  await clock.run(STORY_MS, isOver);
  await clock.run(1000);
  const reached = killer.reached();
  return { control, network, records, faulty, starts, killedAt: reached === null ? null : stepOf(reached) };
}

const back =
  (change: (node: ModelNode, network: ModelNetwork) => void): NonNullable<Story['fault']> =>
  (node, network, random, later) =>
    later(random.next(3000), () => {
      change(node, network);
      node.up = true;
    });

const FAULTS: readonly (readonly [string, NonNullable<Story['fault']>, RegExp])[] = [
  ['does not come back', () => undefined, /did not come back in 90 s.*Incorrect AppHash/],
  [
    'comes back on another chain',
    back(node => (node.chainId = 'kwil-testnet')),
    /is back on chain kwil-testnet instead of kwil-old/,
  ],
  [
    'comes back with another build',
    back(node => (node.build = '1.5.0')),
    /is back with build 1\.5\.0, wanted is 2\.0\.0/,
  ],
  [
    'comes back forked',
    back(node => (node.forkedFrom = 1)),
    /has block [0-9a-f]{64} at height \d+, old-\d has [0-9a-f]{64}: another chain of blocks/,
  ],
  [
    'comes back with stale state',
    (node, network, random, later) => {
      node.stuck = true;
      later(8000 + random.next(3000), () => (node.up = true));
    },
    /answers but does not get to the head|no block for/,
  ],
  [
    'comes back and ends again',
    (node, _, random, later) => {
      const flicker = (): void => {
        node.up = !node.up;
        if (node.up) later(300, flicker);
      };
      later(random.next(3000), flicker);
    },
    /answered and ended again: look in its log for "Incorrect AppHash|did not come back/,
  ],
  [
    'comes back with other rows under equal hashes',
    back(node => (node.oddRows = 2)),
    /shows other rows than old-\d: main\.users \["0"\] different.*Equal app hashes do not prove equal data/,
  ],
  [
    'is joined by another node that nobody announced',
    (node, network, random, later) => {
      later(200 + random.next(1000), () => {
        const other = network.nodes.find(one => one !== node)!;
        other.up = false;
      });
      later(5000, () => (node.up = true));
    },
    /is down \(the node refused the connection\), while it is the turn of old-\d: nobody announced that/,
  ],
];

describe('rolling upgrade of a model network', () => {
  it(`ends with every node back, the leader last when it is known (${RUNS} runs)`, { timeout: 120_000 }, async () => {
    for (const seed of seedsOf(RUNS)) {
      const { control, network } = await play(seed, {});
      const { state } = control.upgrade();
      expect(state.phase, `${repeat(seed)}; ${state.stop?.evidence}`).toBe('finished');
      expect(state.roll!.done.map(({ node }) => node).toSorted()).toEqual(['old-1', 'old-2', 'old-3']);
      if (state.roll!.leader?.source === 'configured') expect(state.roll!.done.at(-1)!.node).toBe('old-1');
      expect(network.nodes.every(({ drained, up }) => up && !drained)).toBe(true);
      expect(control.intent().writes.kind).toBe('send');
      const [story, ...more] = control.history();
      expect(more).toEqual([]);
      expect(story).toMatchObject({
        id: 'roll-1',
        kind: 'roll',
        by: 'ann',
        result: 'finished',
        endedAt: state.last!.at,
      });
      // One node after another, and no step of theirs is left out.
      const turns = state.roll!.done.flatMap(({ node }) => [`${node} ready`, `${node} away`, `${node} comparing`]);
      expect(
        story!.steps.map(step => ('about' in step ? step.about : '')).filter(about => turns.includes(about)),
      ).toEqual(turns);
      expect(story!.steps.every(({ ms }) => ms !== null)).toBe(true);
      control.destroy();
    }
  });

  it(`survives being killed at any step (${RUNS} runs)`, { timeout: 240_000 }, async () => {
    let kills = 0;
    for (const seed of seedsOf(RUNS)) {
      const { control, starts } = await play(seed, { kills: true });
      kills += starts - 1;
      const { state } = control.upgrade();
      expect(state.phase, `${repeat(seed)}; ${state.stop?.evidence}`).toBe('finished');
      expect(state.roll!.done.length).toBe(3);
      control.destroy();
    }
    if (process.env['STRATEGIES_SEED'] === undefined) expect(kills).toBeGreaterThan(RUNS / 2);
  });

  it(
    `goes on from a kill before and after every record of its journal (${RUNS} runs or more)`,
    { timeout: 240_000 },
    async () => {
      const [first] = seedsOf(1);
      const whole = await play(first!, {});
      whole.control.destroy();
      const steps = whole.records.map(stepOf);
      const killed = new Set<string>();
      for (const killAt of killPoints(steps.length, RUNS)) {
        const { control, records, killedAt, starts } = await play(first!, { killAt });
        const where = `${repeat(first!)}; ${killAt.when} record ${killAt.record}, ${killedAt}`;
        const { state } = control.upgrade();
        expect(state.phase, `${where}; ${state.stop?.evidence}`).toBe('finished');
        expect([state.roll!.done.length, starts], where).toEqual([3, 2]);
        const epochs = records.flatMap(({ kind, data }) =>
          kind === 'rolling' ? [(data as { epoch: number }).epoch] : [],
        );
        expect(epochs, where).toEqual(epochs.toSorted((a, b) => a - b));
        killed.add(`${killAt.when} ${killedAt}`);
        control.destroy();
      }
      expect([...killed]).toEqual(
        expect.arrayContaining([...new Set(steps)].flatMap(step => [`before ${step}`, `after ${step}`])),
      );
    },
  );

  it.each(FAULTS)(`a node that %s (${RUNS} runs)`, { timeout: 240_000 }, async (_, fault, words) => {
    for (const seed of seedsOf(RUNS)) {
      const { control, network, faulty } = await play(seed, { fault });
      const { state } = control.upgrade();
      expect(state.phase, repeat(seed)).toBe('stopped');
      expect(state.stop!.evidence, repeat(seed)).toMatch(words);
      // The node in doubt gets no request; the others do.
      expect(
        network.nodes.filter(({ drained }) => drained).map(({ name }) => name),
        repeat(seed),
      ).toEqual([faulty]);
      expect(control.status().waitingFor).toContain('a person: ');
      control.destroy();
    }
  });
});
