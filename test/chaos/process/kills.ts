import { messageOf, type GatewayStatus } from '../../../src/model/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import { DECIDED, pointName, RETURNING, UNDECIDED, type KillPoint } from './points.js';
import { askFor, isDone, type Trial } from './trial.js';

const DEATH_MS = 12_000;

/** Kills at the record of every step: first all before the decision, in random order, then all behind it. */
export const everyStep =
  (skip: ReadonlySet<string>) =>
  async (trial: Trial): Promise<void> => {
    const { pair, random, deadline, say } = trial;
    const open = UNDECIDED.filter(point => !skip.has(pointName(point)));
    const returning = RETURNING.filter(point => !skip.has(pointName(point)));
    while (open.length > 0 && performance.now() < deadline) {
      const point = open.splice(random.int(0, open.length - 1), 1)[0]!;
      await dieAt(trial, point, true);
      // The restart after it writes records of its own.
      const next = returning.shift();
      if (next !== undefined && !pair.gateway.isRunning()) await dieAt(trial, next, false);
    }
    for (const point of DECIDED) if (performance.now() < deadline) await dieAt(trial, point, true);
    say(`kills at records done; phase ${(await statusNow(trial)).phase}`);
  };

async function statusNow(trial: Trial): Promise<GatewayStatus> {
  if (!trial.pair.gateway.isRunning()) await trial.restart();
  return trial.pair.waitFor(() => true, 'a status');
}

/** Starts the gateway armed for one record and lets it come there; true when it died. */
export async function dieAt(trial: Trial, point: KillPoint, asksForSwitch: boolean): Promise<boolean> {
  const { pair, say } = trial;
  if (pair.gateway.isRunning()) await pair.gateway.kill();
  try {
    await trial.restart(point);
    const until = performance.now() + DEATH_MS;
    while (pair.gateway.isRunning() && performance.now() < until) {
      const status = await pair.gateway.status();
      if (isDone(status)) break;
      if (asksForSwitch && status.phase === 'ready') await askFor(pair, 'start');
      else await sleep(systemClock, 15);
    }
  } catch (error) {
    // Most points end the process while it starts or while it answers.
    if (pair.gateway.isRunning() && !(await pair.gateway.ended(1000))) say(`${pointName(point)}: ${messageOf(error)}`);
  }
  return !pair.gateway.isRunning();
}
