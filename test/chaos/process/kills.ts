import type { AnyPhase, GatewayStatus } from '../../../src/model/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import { DECIDED, HALTED, MODES, pointName, UNDECIDED, type KillMode, type UndecidedRecord } from './points.js';
import { askFor, finishSwitch, isDone, type Trial } from './trial.js';

const DEATH_MS = 20_000;
const LOOK_MS = 15;
/** A trial needs this long for its decided part and for the reading of the chains. */
const END_MS = 15_000;

/** What has to happen so that the machine comes to a record; called with every status until the process has died. */
type Drive = (trial: Trial, status: GatewayStatus) => Promise<unknown>;

const pause = (): Promise<void> => sleep(systemClock, LOOK_MS);
const ATTEMPTING: ReadonlySet<AnyPhase> = new Set(['armed', 'holding', 'draining', 'verifying']);

const wait: Drive = pause;
const whenReady =
  (command: Parameters<typeof askFor>[1]): Drive =>
  ({ pair }, { phase }) =>
    phase === 'ready' ? askFor(pair, command) : pause();
const start = whenReady('start');
const rehearse = whenReady('rehearse');

const DRIVES: Readonly<Record<UndecidedRecord, Drive>> = {
  'start>armed': start,
  'rehearse>armed': rehearse,
  'preflight-done>holding': rehearse,
  'quiet>draining': rehearse,
  'writes-settled>draining': rehearse,
  'reached>verifying': rehearse,
  'checked>aborting': rehearse,
  async 'abort>aborting'({ pair }, { phase }) {
    if (phase === 'ready') await Promise.all([askFor(pair, 'start'), askFor(pair, 'abort')]);
    else if (ATTEMPTING.has(phase)) await askFor(pair, 'abort');
    else await pause();
  },
  'deadline>syncing': rehearse,
  // The disk is full while the attempt is under way; what was given back is noted down when there is room again.
  async 'journal-failed>aborting'(trial, { phase }) {
    if (phase === 'ready') await askFor(trial.pair, 'rehearse');
    const kill = pointName({ mode: modeOf(trial), record: 'journal-failed>aborting' });
    if (ATTEMPTING.has(phase)) await trial.conditions({ kill, disk: 'full' });
    else await trial.conditions({ kill });
    await pause();
  },
  async 'fell-behind>syncing'({ pair }, { phase }) {
    const node = pair.fresh().nodes[0]!;
    if (phase === 'ready' && node.faults().length === 0) node.fault({ kind: 'refuse' });
    await pause();
  },
  'caught-up>ready': wait,
  'postpone>ready': whenReady('postpone'),
  async 'resume>ready'({ pair }, { phase }) {
    if (phase !== 'ready') return pause();
    await askFor(pair, 'postpone');
    return askFor(pair, 'resume');
  },
  'restarted>aborting': wait,
  'restarted>syncing': wait,
};

const modes = new WeakMap<Trial, KillMode>();
const modeOf = (trial: Trial): KillMode => modes.get(trial)!;

/** Moments in an order of the seed, those first at which no process has died yet. */
function momentsFor(trial: Trial, record: string, done: ReadonlySet<string>): readonly KillMode[] {
  const first = trial.random.int(0, MODES.length - 1);
  const all = MODES.map((_, i) => MODES[(first + i) % MODES.length]!);
  return all.filter(mode => !done.has(pointName({ mode, record })));
}

/**
 * Kills at every record of an attempt, of its end and of the way back, in random order, each at one moment of its flush and with time
 * left at the others; then, on the way forward, at every record from the decision on.
 */
export const killsInSwitch =
  (done: ReadonlySet<string>) =>
  async (trial: Trial): Promise<void> => {
    const records = shuffled(trial, UNDECIDED).map(record => ({
      record,
      moments: [...momentsFor(trial, record, done)],
    }));
    for (let round = 0; round < MODES.length; round += 1) {
      for (const { record, moments } of records) {
        const mode = moments.shift();
        if (mode === undefined || (round > 0 && performance.now() > trial.deadline - END_MS)) continue;
        if (record === 'restarted>aborting') await dieAt(trial, 'preflight-done>holding', 'after', rehearse);
        await dieAt(trial, record, mode, DRIVES[record]);
      }
    }
    const moments = MODES[trial.random.int(0, 1)]!;
    await dieAt(trial, 'checked>committed', moments, start);
    for (const record of DECIDED) {
      // The record must be there for the next one to follow.
      if (record.startsWith('restarted'))
        await dieAt(trial, record, momentsFor(trial, record, done)[0] ?? 'after', wait);
      else await dieAt(trial, record, 'after', start, true);
    }
  };

/** The same where End comes before anyone asked for a switch. */
export const killsAtEnd =
  (done: ReadonlySet<string>) =>
  async (trial: Trial): Promise<void> => {
    for (const record of HALTED) {
      const isForced = record === 'old-ended>at-halt' || record === 'finished>settled';
      const mode = isForced ? 'after' : (momentsFor(trial, record, done)[0] ?? 'after');
      if (record === 'finished>settled') await finishSwitch(trial);
      await dieAt(trial, record, mode, wait, true);
    }
  };

/**
 * Brings the gateway to a record and lets it die there. A restart before it is left alone until it is in its right state, unless it is
 * the restart's own way that is looked at (`isHurried`).
 */
async function dieAt(
  trial: Trial,
  record: string,
  mode: KillMode,
  drive: Drive,
  isHurried = drive === wait,
): Promise<void> {
  const { pair, say } = trial;
  const kill = pointName({ mode, record });
  modes.set(trial, mode);
  if (isHurried && pair.gateway.isRunning() && drive === wait && !record.startsWith('finished'))
    await pair.gateway.kill();
  // The restart of a gateway that has given everything back: an attempt that died must be over first.
  const needsRest = !isHurried || record === 'restarted>syncing';
  if (needsRest && !pair.gateway.isRunning()) await trial.restart();
  if (isHurried && needsRest) await pair.gateway.kill();
  await trial.conditions({ kill });
  // Many points end the process while it starts or while it answers.
  if (!pair.gateway.isRunning()) await trial.restart('goes on').catch(() => undefined);
  const until = performance.now() + DEATH_MS;
  while (pair.gateway.isRunning() && performance.now() < until) {
    const status = await pair.gateway.status().catch(() => null);
    if (status === null) await pause();
    else if (isDone(status) && drive !== wait) break;
    else await drive(trial, status).catch(() => undefined);
  }
  const isDead = !pair.gateway.isRunning();
  await trial.conditions({});
  pair.fresh().nodes[0]!.clearFaults();
  if (!isDead) {
    say(`${kill} was not reached`);
    await askFor(pair, 'resume');
  } else if (record.startsWith('postpone') || record.startsWith('resume')) {
    await trial.restart();
    await askFor(pair, 'resume');
  }
}

function shuffled<T>({ random }: Trial, items: readonly T[]): readonly T[] {
  const left = [...items];
  return items.map(() => left.splice(random.int(0, left.length - 1), 1)[0]!);
}
