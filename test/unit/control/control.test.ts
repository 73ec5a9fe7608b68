import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { createControl, type Control } from '../../../src/control/index.js';
import { fakeClock, fakeWorld, memoryJournal, settle, type FakeWorld } from './fakes.js';

const OPTIONS = {
  strategy: 'zero-downtime' as const,
  cutover: {
    attemptMs: 30_000,
    lagBlocksMax: 5,
    reserveBlocks: 10,
    coolDownMs: 5_000,
    differencesMax: 0,
    endWarningsMs: [3_600_000, 600_000, 60_000],
  },
  writes: { holdMs: 8_000, holdBytesMax: 1024 },
  dataDir: tmpdir(),
};

let control: Control;
const start = async (world: FakeWorld): Promise<Control> => {
  control = createControl(OPTIONS, world.ports());
  await control.start();
  await settle();
  return control;
};
const phases = (world: FakeWorld): string[] =>
  world.journal.kept.filter(record => record.kind === 'event').map(record => (record.data as { phase: string }).phase);
/** The new-blocks check wants to see the head move. */
const makeBlocks = async (world: FakeWorld): Promise<void> => {
  world.newHead += 1;
  await world.changed();
};

afterEach(async () => {
  await control.close();
});

/** Up to the moment in which writes are held. */
const startHeld = async (world: FakeWorld): Promise<void> => {
  await start(world);
  await makeBlocks(world);
  await control.command({ kind: 'start', actor: 'alice', reason: 'now' });
  await eventually(() => control.intent().phase !== 'armed');
};

/** The disk check asks the operating system, which takes a moment of real time. */
const eventually = async (isTrue: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 500 && !isTrue(); turn += 1) await pause();
  expect(isTrue()).toBe(true);
};
const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 2));

it('commits with as many differing rows as the operator has accepted, and with none more', async () => {
  for (const [differencesMax, result] of [
    [1, 'aborted'],
    [2, 'switched'],
  ] as const) {
    const world = fakeWorld();
    const found = { differences: 2, examples: ['main.notes ["7"]'], leftOut: 0, heightsLeftOut: 0 };
    const ports = { ...world.ports(), verifier: { verifyRecent: async () => found } };
    control = createControl({ ...OPTIONS, cutover: { ...OPTIONS.cutover, differencesMax } }, ports);
    await control.start();
    await settle();
    await makeBlocks(world);
    await control.command({ kind: 'start', actor: 'alice', reason: 'now' });
    await eventually(() => typeof control.history()[0]?.result === 'string');
    const [story] = control.history();
    expect(story).toMatchObject({ result });
    if (result === 'aborted') expect(story!.outcome).toContain('2 of the rows changed last differ');
    await control.close();
  }
});

it('warns of the old network’s End in status and metrics until the switch is decided', async () => {
  const world = fakeWorld();
  const ports = world.ports();
  control = createControl(OPTIONS, ports);
  await control.start();
  await settle();
  expect(control.status()).toMatchObject({ phase: 'ready' });
  expect(control.status().endWarning).toMatch(/^the old network ends in 850 blocks, about 14 minutes/);
  expect((await ports.metrics.endMargin.get()).values[0]!.value).toBe(1);
  world.endHeight = 5000;
  await world.changed();
  expect(control.status().endWarning).toBe(null);
  expect((await ports.metrics.endMargin.get()).values[0]!.value).toBe(0);
});

describe('a switch', () => {
  it('goes from standby to switched when the world lets it', async () => {
    const world = fakeWorld();
    await start(world);
    expect(control.intent()).toMatchObject({
      phase: 'ready',
      writes: { kind: 'send', network: 'old' },
      committed: false,
    });
    await makeBlocks(world);
    const answer = await control.command({ kind: 'start', actor: 'alice', reason: 'now' });
    expect(answer).toMatchObject({ accepted: true, attempt: 'switch-1', phase: 'armed' });
    await eventually(() => control.intent().phase === 'switched');
    expect(control.intent()).toMatchObject({
      writes: { kind: 'send', network: 'new' },
      affine: 'new',
      reads: 'new',
      committed: true,
    });
    expect(phases(world)).toEqual([
      'standby',
      'syncing',
      'ready',
      'armed',
      'holding',
      'draining',
      'draining',
      'verifying',
      'committed',
      'opening',
      'switched',
    ]);
    expect(world.expedited).toEqual(['rally', 149, null]);
    const [story] = control.history();
    expect(story).toMatchObject({ id: 'switch-1', by: 'alice', result: 'switched', drainHeight: 149, applied: 149 });
    expect(story!.steps.map(step => step.phase)).toEqual([
      'armed',
      'holding',
      'draining',
      'verifying',
      'committed',
      'opening',
      'switched',
    ]);
  });

  it('holds writes until none can reach the old network, then until each is settled, then until the watermark is there', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    world.open = [{ state: 'accepted', at: 0 }];
    world.applied = 148;
    await startHeld(world);
    expect(control.intent()).toMatchObject({ phase: 'holding', writes: { kind: 'hold' } });
    expect(world.quiet.map(wait => wait.epoch)).toEqual([control.intent().epoch]);

    world.quiet[0]!.resolve();
    await settle();
    expect(control.status()).toMatchObject({
      phase: 'draining',
      drainHeight: null,
      waitingFor: '1 writes to the old network to be mined, rejected or dead',
    });
    await world.changed();
    expect(control.intent().phase).toBe('draining');

    // The last write turns out to be in block 151: that is what the new network has to show, not what was known before.
    world.open = [];
    world.lastMined = 151;
    world.oldHead = 153;
    await world.changed();
    expect(control.status()).toMatchObject({ phase: 'draining', drainHeight: 151 });
    expect(world.expedited).toEqual(['rally', 151]);
    world.applied = 150;
    await world.changed();
    expect(control.intent().phase).toBe('draining');
    world.applied = 151;
    world.perNode = { 'new-1': 150 };
    await world.changed();
    expect(control.intent().phase).toBe('verifying');
    world.perNode = { 'new-1': 151 };
    await world.changed();
    // Decided: requests are told at once, the rest of the steps only makes sure that they all know.
    expect(control.intent()).toMatchObject({ phase: 'committed', writes: { kind: 'send', network: 'new' } });
    world.quiet[1]!.resolve();
    await settle();
    expect(control.intent().phase).toBe('switched');
  });

  it('tells every listener of a new intent before the effects of the step begin', async () => {
    const world = fakeWorld();
    const seen: string[] = [];
    const ports = world.ports();
    const proxy = {
      ...ports.proxy,
      quiesced: async (epoch: number) => {
        seen.push(`quiesced ${epoch} after ${seen.at(-1)}`);
      },
    };
    control = createControl(OPTIONS, { ...ports, proxy });
    control.subscribe(() => seen.push(`intent ${control.intent().epoch}`));
    await control.start();
    await settle();
    await makeBlocks(world);
    await control.command({ kind: 'start', actor: 'alice', reason: '' });
    await eventually(() => control.intent().phase === 'switched');
    const waits = seen.filter(line => line.startsWith('quiesced'));
    expect(waits).toHaveLength(2);
    for (const line of waits) expect(line).toMatch(/^quiesced (\d+) after intent \1$/);
  });

  it('settles once both networks say that the migration is over and no write is open', async () => {
    const world = fakeWorld();
    await startHeld(world);
    await eventually(() => control.intent().phase === 'switched');
    world.oldStatus = 'MigrationCompleted';
    world.oldHead = world.endHeight;
    world.newStatus = 'NoActiveMigration';
    world.open = [{ state: 'accepted', at: 0 }];
    await world.changed();
    expect(control.intent().phase).toBe('switched');
    world.open = [];
    await world.changed();
    expect(control.intent().phase).toBe('settled');
  });
});

describe('commands', () => {
  it('rehearse does everything but the commit and gives the writes back', async () => {
    const world = fakeWorld();
    await start(world);
    await makeBlocks(world);
    await control.command({ kind: 'rehearse', actor: 'bob', reason: '' });
    const story = await control.outcome('rehearsal-1', { timeoutMs: 60_000 });
    expect(story).toMatchObject({ result: 'rehearsed', drainHeight: 149 });
    expect(story!.holdMs).not.toBeNull();
    expect(control.intent()).toMatchObject({
      phase: 'aborting',
      writes: { kind: 'send', network: 'old' },
      committed: false,
    });
    await settle();
    expect(phases(world)).toContain('verifying');
    expect(phases(world)).not.toContain('committed');
    await world.clock.advance(5_000);
    expect(control.intent().phase).toBe('ready');
  });

  it('abort works while writes are held and never after the commit', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    expect(await control.command({ kind: 'abort', actor: 'bob', reason: 'lunch' })).toMatchObject({
      accepted: true,
      phase: 'aborting',
    });
    expect(control.intent().writes).toEqual({ kind: 'send', network: 'old' });
    expect(control.history()[0]).toMatchObject({ result: 'aborted', outcome: 'aborted by bob: lunch' });
    expect(await control.command({ kind: 'start', actor: 'bob', reason: '' })).toMatchObject({
      accepted: false,
      code: 'cooling_down',
    });

    await world.clock.advance(5_000);
    world.isQuiet = true;
    await control.command({ kind: 'start', actor: 'bob', reason: '' });
    await eventually(() => control.intent().phase === 'switched');
    expect(await control.command({ kind: 'abort', actor: 'bob', reason: '' })).toMatchObject({
      accepted: false,
      code: 'already_committed',
    });
    expect(control.intent().committed).toBe(true);
  });

  it('of two operators who start at once one is refused, and both are in the audit', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await start(world);
    await makeBlocks(world);
    const answers = await Promise.all([
      control.command({ kind: 'start', actor: 'alice', reason: 'plan' }),
      control.command({ kind: 'start', actor: 'bob', reason: 'also' }),
    ]);
    expect(answers.map(answer => answer.accepted)).toEqual([true, false]);
    expect(answers[1]).toMatchObject({ code: 'attempt_running' });
    await settle();
    expect(control.audit()).toMatchObject([
      { command: 'start', actor: 'alice', reason: 'plan', before: 'ready', after: 'armed', refused: null },
      { command: 'start', actor: 'bob', reason: 'also', before: 'armed', after: 'armed', refused: 'attempt_running' },
    ]);
  });

  it('postponed means that nothing begins until resume', async () => {
    const world = fakeWorld();
    await start(world);
    await control.command({ kind: 'postpone', actor: 'alice', reason: 'release day' });
    expect(await control.command({ kind: 'start', actor: 'bob', reason: '' })).toMatchObject({
      accepted: false,
      code: 'postponed',
    });
    expect(control.status().postponed).toMatchObject({ by: 'alice' });
    expect(await control.command({ kind: 'resume', actor: 'alice', reason: '' })).toMatchObject({ accepted: true });
    expect(await control.command({ kind: 'start', actor: 'bob', reason: '' })).toMatchObject({ accepted: true });
  });

  it('a dry run lists the steps of the machine and changes nothing', async () => {
    const world = fakeWorld();
    await start(world);
    const before = world.journal.kept.length;
    const answer = await control.command({ kind: 'start', actor: 'bob', reason: '', dryRun: true });
    expect(answer).toMatchObject({ accepted: true, phase: 'ready' });
    const steps = 'steps' in answer ? answer.steps : [];
    expect(steps.map(step => `${step.phase}: ${step.writes}`)).toEqual([
      'armed: to the old network',
      'holding: held',
      'draining: held',
      'draining: held',
      'verifying: held',
      'committed: to the new network',
      'opening: to the new network',
      'switched: to the new network',
    ]);
    const rehearsal = await control.command({ kind: 'rehearse', actor: 'bob', reason: '', dryRun: true });
    const rehearsed = 'steps' in rehearsal ? rehearsal.steps : [];
    expect(rehearsed.map(step => step.phase)).toEqual([
      'armed',
      'holding',
      'draining',
      'draining',
      'verifying',
      'aborting',
    ]);
    expect(world.journal.kept).toHaveLength(before);
    expect(control.intent().phase).toBe('ready');
  });

  it('start says what is missing while the new network lags', async () => {
    const world = fakeWorld();
    world.applied = 100;
    await start(world);
    expect(control.status()).toMatchObject({ phase: 'syncing', notReady: ['lag'] });
    expect(await control.command({ kind: 'start', actor: 'bob', reason: '' })).toMatchObject({
      accepted: false,
      code: 'not_ready',
    });
    world.applied = 148;
    await world.changed();
    expect(control.intent().phase).toBe('ready');
    // A sawtooth a little above the limit is the pace of the relay, not a network that fell behind.
    world.applied = 140;
    await world.changed();
    expect(control.intent().phase).toBe('ready');
    world.applied = 120;
    await world.changed();
    expect(control.intent().phase).toBe('syncing');
  });
});

describe('before the commit every failure gives the writes back to the old network', () => {
  const back = { phase: 'aborting', writes: { kind: 'send', network: 'old' }, committed: false };

  it('when a write that was let through does not end', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    await world.clock.advance(4_800);
    expect(control.intent().phase).toBe('holding');
    await world.clock.advance(200);
    expect(control.intent()).toMatchObject(back);
  });

  it.each([
    ['a write stays open', (world: FakeWorld) => void (world.open = [{ state: 'unknown', at: 0 }]), 'draining', 4_900],
    ['the new network stalls', (world: FakeWorld) => void (world.applied = 145), 'draining', 7_000],
    [
      'no new node shows the drain height',
      (world: FakeWorld) => void (world.perNode = { 'new-1': 140 }),
      'verifying',
      2_000,
    ],
  ])('before held writes expire, when %s', async (_name, spoil, phase, limitMs) => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    spoil(world);
    world.quiet[0]!.resolve();
    await settle();
    await world.clock.advance(limitMs - 1);
    expect(control.intent()).toMatchObject({ phase, writes: { kind: 'hold' } });
    await world.clock.advance(1);
    expect(control.intent()).toMatchObject(back);
    expect(world.expedited.at(-1)).toBe(null);
    expect(control.history()[0]!.result).toBe('aborted');
  });

  it('when a late write appears at the final check', async () => {
    const world = fakeWorld();
    world.perNode = { 'new-1': 140 };
    await startHeld(world);
    await eventually(() => control.intent().phase === 'verifying');
    world.open = [{ state: 'accepted', at: 0 }];
    await world.changed();
    expect(control.intent()).toMatchObject(back);
    expect(control.history()[0]!.outcome).toContain('1 writes to the old network are not settled');
  });

  it('when replication stops, and then nothing begins until it runs again', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    world.replicationState = 'stopped';
    await world.changed();
    expect(control.intent()).toMatchObject(back);
    await world.clock.advance(5_000);
    expect(control.intent()).toMatchObject({ phase: 'blocked', writes: { kind: 'send', network: 'old' } });
    expect(await control.command({ kind: 'start', actor: 'bob', reason: '' })).toMatchObject({
      accepted: false,
      code: 'blocked',
    });
    world.replicationState = 'running';
    await world.changed();
    expect(control.intent().phase).toBe('ready');
  });

  it('when the preflight checks of the armed attempt fail', async () => {
    const world = fakeWorld();
    await start(world);
    await makeBlocks(world);
    world.open = [{ state: 'unknown', at: 0 }];
    await control.command({ kind: 'start', actor: 'bob', reason: '' });
    // The look-up of its outcome is given a moment.
    await world.clock.advance(2_500);
    await eventually(() => control.intent().phase === 'aborting');
    expect(control.history()[0]).toMatchObject({ outcome: 'preflight failed: unknown-writes', holdMs: null });
    expect(phases(world)).not.toContain('holding');
  });
});

describe('the preflight of an armed attempt', () => {
  it('gives a write whose outcome is being looked up a moment', async () => {
    const world = fakeWorld();
    await start(world);
    await makeBlocks(world);
    world.open = [{ state: 'unknown', at: 0 }];
    await control.command({ kind: 'start', actor: 'bob', reason: '' });
    await world.clock.advance(1_000);
    world.open = [];
    await world.changed();
    await eventually(() => control.intent().phase === 'switched');
  });
});

describe('the journal', () => {
  it('is flushed before the step is acted on', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    world.journal.setMode('hang');
    world.quiet[0]!.resolve();
    await settle();
    expect(control.intent().phase).toBe('holding');
    world.journal.setMode('ok');
    await settle();
    expect(control.intent().phase).toBe('committed');
  });

  it('that hangs cannot keep held writes: the watchdog gives them back while the flush is under way', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    world.journal.setMode('hang');
    world.quiet[0]!.resolve();
    await settle();
    expect(control.intent().phase).toBe('holding');
    await world.clock.advance(7_000);
    expect(control.intent()).toMatchObject({ phase: 'aborting', writes: { kind: 'send', network: 'old' } });
    world.journal.setMode('ok');
    await settle();
    // The overtaken step is in the journal, without having been acted on; a restart finds the same end.
    expect(phases(world).slice(-2)).toEqual(['draining', 'aborting']);
    expect(control.history()[0]!.steps.map(step => step.phase)).toEqual(['armed', 'holding', 'aborting']);
    expect(await restarted(world)).toMatchObject({ phase: 'aborting', writes: { kind: 'send', network: 'old' } });
  });

  it('that refuses a record ends the attempt and is brought up to date when it works again', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    world.journal.setMode('no');
    world.quiet[0]!.resolve();
    await settle();
    expect(control.intent()).toMatchObject({ phase: 'aborting', writes: { kind: 'send', network: 'old' } });
    expect(control.status().journalFault).toBe('no space left');
    expect(await answered(control.command({ kind: 'postpone', actor: 'bob', reason: '' }), world)).toMatchObject({
      accepted: true,
    });
    expect(world.fatal).toEqual([]);
    expect(control.status().journalFault).toBe(null);
    expect(await restarted(world)).toMatchObject({ phase: 'aborting' });
  });

  it('that refuses a record overtaken by an abort is brought up to date by the state itself', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    world.journal.setMode('hang');
    world.quiet[0]!.resolve();
    await settle();
    await control.command({ kind: 'abort', actor: 'bob', reason: '' });
    expect(control.intent().phase).toBe('aborting');
    const { epoch } = control.intent();
    world.journal.setMode('no');
    await settle();
    world.journal.setMode('ok');
    await world.clock.advance(1_000);
    expect(world.journal.kept.at(-1)).toMatchObject({ kind: 'reset', data: { state: { phase: 'aborting', epoch } } });
    expect(await restarted(world)).toMatchObject({ phase: 'aborting' });
  });

  it('that refuses the commit record ends the attempt: nothing was decided', async () => {
    const world = fakeWorld();
    world.perNode = { 'new-1': 140 };
    await startHeld(world);
    await eventually(() => control.intent().phase === 'verifying');
    world.journal.setMode('no');
    world.perNode = null;
    await world.changed();
    expect(control.intent()).toMatchObject({ phase: 'aborting', committed: false });
    world.journal.setMode('ok');
    await world.clock.advance(200);
    expect(await restarted(world)).toMatchObject({ phase: 'aborting', committed: false });
  });

  it('that may or may not hold the commit record stops the process with writes still held', async () => {
    const world = fakeWorld();
    world.perNode = { 'new-1': 140 };
    await startHeld(world);
    await eventually(() => control.intent().phase === 'verifying');
    world.journal.setMode('maybe');
    world.perNode = null;
    await world.changed();
    await world.clock.advance(60_000);
    expect(control.intent()).toMatchObject({ phase: 'verifying', writes: { kind: 'hold' } });
    expect(world.fatal).toHaveLength(1);
    await expect(control.command({ kind: 'abort', actor: 'bob', reason: '' })).rejects.toMatchObject({
      code: 'control_closed',
    });
  });

  it('after the commit is retried for as long as it takes; nothing goes back', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    world.quiet[0]!.resolve();
    await eventually(() => control.intent().phase === 'committed');
    world.journal.setMode('no');
    world.quiet[1]!.resolve();
    await settle();
    await world.clock.advance(1_000);
    expect(control.intent()).toMatchObject({ phase: 'committed', writes: { kind: 'send', network: 'new' } });
    world.journal.setMode('ok');
    await world.clock.advance(1_000);
    expect(control.intent().phase).toBe('switched');
  });
});

describe('a restart', () => {
  it('takes what it sees while its own record is being flushed only after that record', async () => {
    const world = fakeWorld();
    await start(world);
    expect(control.intent().phase).toBe('ready');
    await control.close();

    // The new network fell behind meanwhile, which the new process sees before its first record is on the disk.
    world.applied = 1;
    world.journal.setMode('hang');
    control = createControl(OPTIONS, world.ports());
    const starting = control.start();
    await settle();
    await world.changed();
    world.journal.setMode('ok');
    await starting;
    await settle();
    expect(control.intent().phase).toBe('syncing');
    // The next process accepts what this one wrote.
    await expect(restarted(world)).resolves.toMatchObject({ committed: false, epoch: 10 });
  });

  /** Ends the process at its n-th record: the ones before are durable, the record itself is or is not. */
  const runUntil = async (crashAt: number, isRecordKept: boolean) => {
    const clock = fakeClock();
    const journal = memoryJournal([], clock);
    const world = fakeWorld({ clock, journal });
    let isDead = false;
    const append = journal.append.bind(journal);
    const never = new Promise<never>(() => undefined);
    journal.append = async entry => {
      if (isDead) return never;
      isDead = journal.kept.length + 1 === crashAt;
      if (!isDead) return append(entry);
      if (isRecordKept) await append(entry);
      return never;
    };
    control = createControl(OPTIONS, world.ports());
    void control.start();
    await settle();
    await makeBlocks(world);
    void control.command({ kind: 'start', actor: 'alice', reason: '' });
    for (let turn = 0; turn < 200 && !isDead && control.intent().phase !== 'switched'; turn += 1) await pause();
    await settle();
    const before = control.intent();
    await control.close();
    return { world, before, isDead };
  };

  it('after a kill at any record ends on the network that the journal decided, and its epochs go on growing', async () => {
    let covered = 0;
    for (let crashAt = 1; crashAt < 30; crashAt += 1) {
      for (const isRecordKept of [false, true]) {
        const { world, before, isDead } = await runUntil(crashAt, isRecordKept);
        if (!isDead) continue;
        covered += 1;
        const isDecided = phases(world).includes('committed');
        const { epoch, committed, writes, phase } = await restarted(world);
        expect({ crashAt, isRecordKept, committed, network: writes.kind === 'send' ? writes.network : 'none' }).toEqual(
          {
            crashAt,
            isRecordKept,
            committed: isDecided,
            network: isDecided ? 'new' : 'old',
          },
        );
        expect(epoch).toBeGreaterThan(before.epoch);
        if (isDecided) expect(phase).toBe('switched');
        await control.close();
      }
    }
    expect(covered).toBe(22);
  });

  it('names the attempt that it ended', async () => {
    const world = fakeWorld();
    world.isQuiet = false;
    await startHeld(world);
    expect(await restarted(world)).toMatchObject({ phase: 'aborting' });
    expect(control.history()).toMatchObject([
      { id: 'switch-1', result: 'aborted', outcome: 'the gateway ended while the attempt was holding' },
    ]);
  });

  it('refuses a journal that does not follow from the rules', async () => {
    const world = fakeWorld();
    await start(world);
    const kept = structuredClone(world.journal.kept) as unknown as { data: { phase: string } }[];
    kept[1]!.data.phase = 'committed';
    const next = createControl(OPTIONS, fakeWorld({ journal: memoryJournal(kept as never) }).ports());
    await expect(next.start()).rejects.toMatchObject({ code: 'journal_rules' });
    expect(next.intent().writes).toMatchObject({ kind: 'refuse' });
  });

  it('lets nothing be written before the journal has been read', () => {
    control = createControl(OPTIONS, fakeWorld().ports());
    expect(control.intent()).toMatchObject({ epoch: 0, writes: { kind: 'refuse' } });
  });
});

describe('End of the old network', () => {
  const end = (world: FakeWorld): void => {
    world.oldHead = world.endHeight;
    world.oldStatus = 'MigrationCompleted';
  };

  it('before a switch: writes are refused with a time, and the switch happens by itself when the new network has everything', async () => {
    const world = fakeWorld();
    await start(world);
    end(world);
    await world.changed();
    expect(control.intent()).toMatchObject({
      phase: 'at-halt',
      writes: { kind: 'refuse', reason: 'halted', retryAfterMs: 1000 },
      reads: 'old',
    });
    expect(await control.command({ kind: 'abort', actor: 'bob', reason: '' })).toMatchObject({
      accepted: false,
      code: 'halted',
    });
    world.applied = world.endHeight;
    await world.changed();
    expect(control.intent()).toMatchObject({ phase: 'switched', writes: { kind: 'send', network: 'new' } });
    expect(control.history()).toMatchObject([
      { id: 'halt-1', kind: 'halt', result: 'switched', drainHeight: world.endHeight },
    ]);
  });

  it('is over when the new network says that it is finished, even before the watermark is read', async () => {
    const world = fakeWorld();
    await start(world);
    end(world);
    await world.changed();
    world.newStatus = 'NoActiveMigration';
    await world.changed();
    expect(control.history()[0]).toMatchObject({ result: 'switched', drainHeight: world.endHeight });
    expect(control.intent()).toMatchObject({ phase: 'settled', committed: true });
  });

  it('waits for writes whose outcome is open', async () => {
    const world = fakeWorld();
    world.open = [{ state: 'accepted', at: 0 }];
    await start(world);
    end(world);
    world.applied = world.endHeight;
    await world.changed();
    expect(control.intent()).toMatchObject({ phase: 'at-halt', committed: false });
    world.open = [];
    await world.changed();
    expect(control.intent().committed).toBe(true);
  });

  it.each(['holding', 'draining', 'verifying'])(
    'during %s turns the attempt into the automatic switch',
    async phase => {
      const world = fakeWorld();
      world.isQuiet = phase !== 'holding';
      if (phase === 'draining') world.applied = 148;
      if (phase === 'verifying') world.perNode = { 'new-1': 140 };
      await startHeld(world);
      await eventually(() => control.intent().phase === phase);
      end(world);
      await world.changed();
      expect(control.intent()).toMatchObject({ phase: 'at-halt', writes: { kind: 'refuse' } });
      expect(control.history()[0]).toMatchObject({ id: 'switch-1', result: 'overtaken' });
      world.isQuiet = true;
      world.quiet.at(-1)?.resolve();
      world.perNode = null;
      world.applied = world.endHeight;
      await world.changed();
      expect(control.intent().committed).toBe(true);
      expect(control.history().at(-1)).toMatchObject({ kind: 'halt', result: 'switched' });
    },
  );

  it('after the commit changes nothing', async () => {
    const world = fakeWorld();
    await startHeld(world);
    await eventually(() => control.intent().phase === 'switched');
    const before = control.intent();
    end(world);
    await world.changed();
    expect(control.intent()).toEqual(before);
  });

  it('of a network whose stream is broken is not switched over by itself', async () => {
    const world = fakeWorld();
    await start(world);
    world.replicationState = 'stopped';
    await world.changed();
    end(world);
    world.applied = world.endHeight;
    await world.changed();
    expect(control.intent()).toMatchObject({ phase: 'blocked', writes: { kind: 'refuse', reason: 'halted' } });
    world.replicationState = 'finished';
    await world.changed();
    expect(control.intent().phase).toBe('switched');
  });
});

describe('after the commit', () => {
  it('a new network that takes no writes is waited for, with an alarm, and nothing goes back', async () => {
    const world = fakeWorld();
    world.perNode = { 'new-1': 140 };
    await startHeld(world);
    await eventually(() => control.intent().phase === 'verifying');
    world.isQuiet = false;
    world.perNode = null;
    await world.changed();
    expect(control.intent().phase).toBe('committed');
    world.newState = 'down';
    world.quiet.at(-1)!.resolve();
    await settle();
    await world.clock.advance(120_000);
    expect(control.intent()).toMatchObject({ phase: 'opening', writes: { kind: 'send', network: 'new' } });
    world.newState = 'up';
    await world.changed();
    expect(control.intent().phase).toBe('switched');
  });
});

/** A second process on the same journal. */
async function restarted(world: FakeWorld) {
  await control.close();
  const next = fakeWorld({ journal: memoryJournal(structuredClone(world.journal.kept)) });
  control = createControl(OPTIONS, next.ports());
  await control.start();
  await settle();
  return control.intent();
}

/** A command that waits for the journal, which begins to work again. */
async function answered<T>(answer: Promise<T>, world: FakeWorld): Promise<T> {
  world.journal.setMode('ok');
  await world.clock.advance(1_000);
  return answer;
}
