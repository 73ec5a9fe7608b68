import { describe, expect, it } from 'vitest';
import { createOfflineControl, type OfflineControl } from '../../../src/control/index.js';
import type { ExportedFiles } from '../../../src/strategies/index.js';
import type { MemoryRecord } from '../../unit/control/fakes.js';
import { dice, type Dice } from '../../unit/protocol/property.js';
import { createKiller, Killed, killPoints, stepOf, type KillPoint } from './killed-at-records.js';
import { createModel, modelClock, repeat, seedsOf, type ModelNetwork } from './model.js';

/** Fewer for a quick look. */
const RUNS = Number(process.env['STRATEGIES_RUNS'] ?? 100);
const STORY_MS = 20 * 60_000;
const HASH = 'e'.repeat(64);

interface Scene {
  readonly clock: ReturnType<typeof modelClock>;
  readonly random: Dice;
  readonly old: ModelNetwork;
  fresh: ModelNetwork | null;
  /** The control of the process that lives now. */
  control(): OfflineControl;
  kill(): Promise<void>;
  files(change?: Partial<ExportedFiles>): ExportedFiles;
  readonly records: readonly MemoryRecord[];
  /** The step at which the process was killed by itself; null before. */
  killedAt(): string | null;
  /** Runs until the migration is in this phase. */
  until(phase: string): Promise<void>;
  startNew(change?: (network: ModelNetwork) => void): void;
  readonly seed: number;
}

async function scene(seed: number, killAt: KillPoint | null = null): Promise<Scene> {
  const random = dice(seed);
  const clock = modelClock();
  const model = createModel(clock);
  const old = model.addNetwork('old', 'kwil-old', 3);
  const records: MemoryRecord[] = [];
  const leader = random.next(2) === 0 ? 'old-1' : null;
  const killer = createKiller(killAt);
  let control!: OfflineControl;
  const begin = async (): Promise<void> => {
    const ports = model.ports(records, error => {
      if (!(error instanceof Killed)) throw error;
      control.destroy();
      void begin();
    });
    killer.wrap(ports.journal);
    control = createOfflineControl(
      { oldChainId: 'kwil-old', newChainId: () => 'kwil-new', leader, operatorMs: 600_000, holdMs: 8000 },
      ports,
    );
    await control.start();
  };
  await begin();
  await clock.run(3000 + random.next(3000));
  const here: Scene = {
    seed,
    clock,
    random,
    old,
    fresh: null,
    records,
    killedAt: () => {
      const reached = killer.reached();
      return reached === null ? null : stepOf(reached);
    },
    control: () => control,
    async kill() {
      control.destroy();
      await begin();
    },
    files: change => ({
      snapshotHash: HASH,
      snapshotBytes: 100,
      snapshotHeight: old.head(),
      complete: true,
      genesis: {
        chain_id: 'kwil-new',
        initial_height: 0,
        leader: { type: 'secp256k1', key: '02aa' },
        validators: [0, 1, 2].map(i => ({ pubkey: `02a${i}`, type: 'secp256k1', power: 1 })),
        state_hash: HASH,
        max_block_size: 1000,
        join_expiry: '1h',
        disabled_gas_costs: false,
        max_votes_per_tx: 5,
      },
      ...change,
    }),
    async until(phase) {
      await clock.run(STORY_MS, () => control.move().state.phase === phase);
      expect(control.move().state.phase, repeat(seed)).toBe(phase);
    },
    startNew(change) {
      here.fresh = model.addNetwork('new', 'kwil-new', 3, HASH);
      change?.(here.fresh);
    },
  };
  return here;
}

/** Does what the operator does up to a phase; `between` is called before every step. */
async function goTo(here: Scene, phase: string, between: () => Promise<void> = async () => undefined): Promise<void> {
  const { clock, old } = here;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    await between();
    let value: { readonly done: T } | null = null;
    const running = work().then(done => (value = { done }));
    await clock.run(60_000, () => value !== null);
    await running;
    return value!.done;
  };
  expect(await step(() => here.control().begin('ann', '', 120_000)), repeat(here.seed)).toEqual({ accepted: true });
  await here.until('stopping');
  await between();
  old.leader.up = false;
  await here.until('frozen');
  if (phase === 'frozen') return;
  expect(await step(() => here.control().files(here.files(), 'ann')), repeat(here.seed)).toHaveProperty('findings');
  expect(here.control().move().state.phase, repeat(here.seed)).toBe('building');
  here.startNew();
  await clock.run(2000);
  if (phase === 'building') return;
  expect(await step(async () => here.control().check('ann')), repeat(here.seed)).toEqual({ accepted: true });
  await here.until('verified');
  if (phase === 'verified') return;
  expect(await step(() => here.control().open('ann', '')), repeat(here.seed)).toEqual({ accepted: true });
  await here.until('switched');
}

const PHASES = ['idle', 'draining', 'stopping', 'frozen', 'building', 'verified', 'committed', 'opening', 'switched'];

/** The same by an operator who gives a command again when the gateway died over it. */
async function carry(here: Scene): Promise<void> {
  const isPast = (phase: string): boolean => PHASES.indexOf(here.control().move().state.phase) >= PHASES.indexOf(phase);
  const reach = async (phase: string, command: () => unknown): Promise<void> => {
    for (let tries = 0; tries < 3 && !isPast(phase); tries += 1) {
      await Promise.resolve();
      void command();
      await here.clock.run(150_000, () => isPast(phase));
    }
    expect(isPast(phase), `${repeat(here.seed)}; not ${phase} but ${here.control().move().state.phase}`).toBe(true);
  };
  await reach('stopping', () => here.control().begin('ann', '', 120_000));
  here.old.leader.up = false;
  await reach('frozen', () => undefined);
  await reach('building', () => here.control().files(here.files(), 'ann'));
  here.startNew();
  await here.clock.run(2000);
  await reach('verified', () => here.control().check('ann'));
  await reach('switched', () => here.control().open('ann', ''));
}

async function checkFails(here: Scene): Promise<readonly string[]> {
  expect(here.control().check('ann')).toEqual({ accepted: true });
  await here.clock.run(120_000, () => here.control().move().check?.state !== 'running');
  const { check, state } = here.control().move();
  expect([check?.state, state.phase], repeat(here.seed)).toEqual(['failed', 'building']);
  expect(await here.control().open('ann', ''), repeat(here.seed)).toMatchObject({ accepted: false, code: 'not_yet' });
  expect(here.control().intent().writes.kind).toBe('refuse');
  return check!.findings.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
}

const each = async (act: (here: Scene) => Promise<void>): Promise<void> => {
  for (const seed of seedsOf(RUNS)) {
    const here = await scene(seed);
    await act(here);
    here.control().destroy();
  }
};

describe(`offline migration of a model network (${RUNS} runs each)`, { timeout: 240_000 }, () => {
  it('goes from the old to the new network, by one decision', () =>
    each(async here => {
      await goTo(here, 'switched');
      expect(here.control().intent()).toMatchObject({
        committed: true,
        writes: { kind: 'send', network: 'new' },
        reads: 'new',
      });
      expect(here.control().status()).toMatchObject({ phase: 'switched', writeNetwork: 'new' });
      const [story] = here.control().history();
      expect(story).toMatchObject({
        id: 'offline-1',
        kind: 'offline',
        result: 'switched',
        drainHeight: here.old.head(),
      });
      expect(story!.steps.map(({ phase }) => phase)).toEqual([
        ...['draining', 'stopping', 'frozen', 'building', 'verified', 'committed', 'opening', 'switched'],
      ]);
      expect(story!.holdMs).toBeGreaterThan(0);
    }));

  it('goes on after a kill before any step', () =>
    each(async here => {
      let epoch = 0;
      await goTo(here, 'switched', async () => {
        await here.clock.run(here.random.next(1500));
        if (here.random.next(2) === 0) await here.kill();
        const { epoch: now } = here.control().intent();
        expect(now, repeat(here.seed)).toBeGreaterThanOrEqual(epoch);
        epoch = now;
      });
      await here.kill();
      expect(here.control().intent(), repeat(here.seed)).toMatchObject({ committed: true, reads: 'new' });
      expect(await here.control().abort('ann', '')).toMatchObject({ accepted: false, code: 'committed' });
    }));

  it('goes on from a kill before and after every record of its journal', async () => {
    const [seed] = seedsOf(1);
    const whole = await scene(seed!);
    await carry(whole);
    whole.control().destroy();
    const steps = whole.records.map(stepOf);
    const killed = new Set<string>();
    for (const killAt of killPoints(steps.length, RUNS)) {
      const here = await scene(seed!, killAt);
      await carry(here);
      const where = `${repeat(seed!)}; ${killAt.when} record ${killAt.record}, ${here.killedAt()}`;
      expect(here.control().intent(), where).toMatchObject({
        committed: true,
        writes: { kind: 'send', network: 'new' },
        reads: 'new',
      });
      const epochs = here.records.flatMap(({ kind, data }) =>
        kind === 'offline' ? [(data as { epoch: number }).epoch] : [],
      );
      expect(epochs, where).toEqual(epochs.toSorted((a, b) => a - b));
      // One decision, however often it was asked for (I4).
      expect(here.records.filter(({ data }) => (data as { phase: string }).phase === 'committed').length, where).toBe(
        1,
      );
      killed.add(`${killAt.when} ${here.killedAt()}`);
      here.control().destroy();
    }
    expect([...killed]).toEqual(
      expect.arrayContaining([...new Set(steps)].flatMap(step => [`before ${step}`, `after ${step}`])),
    );
  });

  it('takes no snapshot that is cut, altered or of another height', () =>
    each(async here => {
      await goTo(here, 'frozen');
      const [change, words] = here.random.pick<[Partial<ExportedFiles>, string]>([
        [{ complete: false, snapshotHash: 'f'.repeat(64) }, 'snapshot-complete,state-hash'],
        [{ snapshotHash: 'f'.repeat(64) }, 'state-hash'],
        [{ snapshotHeight: here.old.head() - 1 - here.random.next(3) }, 'snapshot-height'],
      ]);
      const result = await here.control().files(here.files(change), 'ann');
      const findings = 'findings' in result ? result.findings : [];
      expect(
        findings
          .filter(({ verdict }) => verdict === 'fail')
          .map(({ id }) => id)
          .join(),
        repeat(here.seed),
      ).toBe(words);
      expect(here.control().move().state.phase).toBe('frozen');
    }));

  it('raises the alarm over a write after the freeze, names it, and starts over', () =>
    each(async here => {
      const phase = here.random.pick(['frozen', 'building', 'verified']);
      await goTo(here, phase);
      const frozenAt = here.old.head();
      const hash = here.old.strangerWrites();
      here.old.leader.up = true;
      await here.clock.run(20_000, () => (here.control().move().state.alarm?.strangers.length ?? 0) > 0);
      const { state, waitingFor } = here.control().move();
      expect([state.phase, state.freeze, state.export], repeat(here.seed)).toEqual(['draining', null, null]);
      expect(state.alarm, repeat(here.seed)).toMatchObject({ frozenAt, strangers: [{ height: frozenAt + 1, hash }] });
      expect(waitingFor).toMatch(new RegExp(`ALARM: the old network went on to \\d+, past ${frozenAt}; .*${hash}`));
      expect(await here.control().open('ann', '')).toMatchObject({ accepted: false });
      // The leader is stopped again: a new freeze, past the stranger's write.
      await here.until('stopping');
      here.old.leader.up = false;
      await here.until('frozen');
      expect(here.control().move().state.freeze!.height).toBeGreaterThan(frozenAt);
    }));

  it('tells of the old network when it is started again after the opening, and stays where it is', () =>
    each(async here => {
      await goTo(here, 'switched');
      const hash = here.old.strangerWrites();
      here.old.leader.up = true;
      await here.clock.run(20_000, () => (here.control().move().state.alarm?.strangers.length ?? 0) > 0);
      const { state } = here.control().move();
      expect([state.phase, state.alarm?.strangers.map(one => one.hash)], repeat(here.seed)).toEqual([
        'switched',
        [hash],
      ]);
      expect(here.control().intent()).toMatchObject({ committed: true, writes: { kind: 'send', network: 'new' } });
    }));

  it.each<[string, (network: ModelNetwork, random: Dice) => void, RegExp]>([
    [
      'has another snapshot',
      (network, random) => (network.nodes[1 + random.next(2)]!.stateHash = 'f'.repeat(64)),
      /new-\d state hash.*new-\d first block/,
    ],
    [
      'runs on unverified data under the right hash',
      (network, random) => (random.pick(network.nodes).oddRows = 1),
      /^new-\d data$/,
    ],
    [
      'runs another genesis file',
      (network, random) => (random.pick(network.nodes).chainId = 'kwil-testnet'),
      /new-\d chain/,
    ],
    ['does not come up', (network, random) => (network.nodes[1 + random.next(2)]!.up = false), /^new-\d answers$/],
    [
      'stands still',
      (network, random) => (network.nodes[1 + random.next(2)]!.stuck = true),
      /new-\d (first block|blocks)/,
    ],
  ])('stays closed when a node of the new network %s', (_, spoil, words) =>
    each(async here => {
      await goTo(here, 'frozen');
      await here.control().files(here.files(), 'ann');
      here.startNew(network => spoil(network, here.random));
      await here.clock.run(3000);
      expect((await checkFails(here)).join(), repeat(here.seed)).toMatch(words);
    }),
  );

  it('gives the old network back on abort, before the opening', () =>
    each(async here => {
      await goTo(here, here.random.pick(['frozen', 'building', 'verified']));
      expect(await here.control().abort('ann', 'enough')).toEqual({ accepted: true });
      expect(here.control().intent()).toMatchObject({ committed: false, writes: { kind: 'send', network: 'old' } });
      expect(here.control().status().lastOutcome).toBe('offline-1 aborted: enough');
    }));
});
