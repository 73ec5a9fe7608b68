import type { AnyPhase, GatewayStatus } from '../../../src/model/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import type { MutantName } from './mutants.js';
import { askFor, finishSwitch, isCommitted, type Trial } from './trial.js';

/**
 * Stories in which a broken variant must show itself, whatever the seed: each makes the one moment that the broken rule is about
 * and has a write there. The gateway that is not broken goes through the same stories and must come out right.
 */
export type Exposure = (trial: Trial) => Promise<void>;

const READY_MS = 25_000;
/** Old blocks that the new network does not get while the switch goes on. */
const MISSING_BLOCKS = 3;
const BETWEEN_MS = 120;
/** The stream stays away for several blocks and longer than one slice of the stale intent. */
const STUCK_MS = 1_500;
/** An attempt may be given up on a busy machine. */
const ATTEMPTS_MAX = 3;
const AFTER_MS = 1_500;

/** I1, I2: the new network lacks the newest old blocks, the switch waits, and clients go on sending writes for the old network. */
const switchBehind: Exposure = async trial => {
  const { pair, writes } = trial;
  const node = pair.old.nodes[0]!;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const ready = await pair.waitFor(status => status.phase === 'ready' || isCommitted(status), 'ready', READY_MS);
    if (isCommitted(ready)) return;
    const stuck = node.fault({ kind: 'empty-500', method: 'user.changeset_metadata' });
    let stopSending = (): void => undefined;
    try {
      await pair.old.waitForHeight(pair.old.height() + MISSING_BLOCKS);
      await askFor(pair, 'start');
      stopSending = writes.keepSending(BETWEEN_MS);
      const isPast = (status: GatewayStatus): boolean => status.phase === 'draining' || isOver(status);
      await pair.waitFor(isPast, 'the drain', READY_MS);
      await sleep(systemClock, STUCK_MS);
      node.clearFault(stuck);
      await pair.waitFor(isOver, 'the end of the attempt', READY_MS);
      await sleep(systemClock, AFTER_MS);
    } finally {
      stopSending();
      node.clearFault(stuck);
    }
  }
};

const OVER: ReadonlySet<AnyPhase> = new Set(['aborting', 'syncing', 'ready', 'blocked', 'at-halt']);
const isOver = (status: GatewayStatus): boolean => isCommitted(status) || OVER.has(status.phase);

/** I4: killed after the decision, while clients go on sending writes for the old network. */
const dieSwitched: Exposure = async trial => {
  await finishSwitch(trial);
  await trial.kill();
  const stopSending = trial.writes.keepSending(BETWEEN_MS);
  try {
    await trial.restart();
    await sleep(systemClock, AFTER_MS);
  } finally {
    stopSending();
  }
};

const ACKNOWLEDGED_MAX = 3;

/** I2: killed as soon as a write is acknowledged; the next process must know of it. */
const dieAcknowledged: Exposure = async trial => {
  const { pair, writes } = trial;
  await pair.waitFor(({ phase }) => phase === 'ready', 'ready', READY_MS);
  for (let times = 0; times < ACKNOWLEDGED_MAX; times += 1) {
    const { acknowledged, hash } = await writes.send();
    await trial.kill();
    await trial.restart();
    if (!acknowledged) continue;
    const { admittedAt } = await pair.gateway.admin<{ admittedAt: string | null }>('GET', `/v1/tx/${hash!}`);
    if (admittedAt === null) return trial.wrong(`unresolved: ${hash!} was acknowledged and nobody knows of it`);
  }
};

const EXPOSURES: Readonly<Record<MutantName, Exposure>> = {
  'drain-height-too-early': switchBehind,
  'no-hold': switchBehind,
  'stale-epoch': switchBehind,
  'abort-after-commit': dieSwitched,
  'ledger-after-sending': dieAcknowledged,
};
export const exposing = (mutant: MutantName): Exposure => EXPOSURES[mutant];

/** All of them, one after the other: nothing may be found where nothing is broken. */
export const everyExposure: Exposure = async trial => {
  await dieAcknowledged(trial);
  await switchBehind(trial);
  await dieSwitched(trial);
};
