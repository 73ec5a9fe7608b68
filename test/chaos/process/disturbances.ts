import type { FaultRequest } from '../../../src/devnet/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import type { Conditions } from './points.js';
import { askFor, isCommitted, type Trial } from './trial.js';

const READY_MS = 25_000;
const SWITCH_MS = 40_000;

/**
 * Attempts under faults, every kind once in random order and then again: stopped processes, connections cut and half cut, stalled
 * networks, a disk that is full, slow or broken, a clock that jumps, a write that waits in a mempool, a stranger, two operators,
 * kills. A process that ends itself is started again, as a supervisor does.
 */
export async function disturbed(trial: Trial): Promise<void> {
  const { pair, random, deadline, say } = trial;
  let strangers = 0;
  const living = async (conditions: Conditions): Promise<void> => {
    await trial.conditions(conditions);
    await sleep(systemClock, random.int(200, 2000));
    await trial.conditions({});
  };
  const disturbances: Readonly<Record<string, () => Promise<void>>> = {
    async 'gateway stopped'() {
      pair.gateway.signal('SIGSTOP');
      await sleep(systemClock, random.int(200, 3000));
      pair.gateway.signal('SIGCONT');
    },
    async 'new network stalled'() {
      pair.fresh().nodes[0]!.pause();
      await sleep(systemClock, random.int(300, 4000));
      pair.fresh().nodes[0]!.resume();
    },
    async 'old network stalled'() {
      pair.old.nodes[0]!.pause();
      await sleep(systemClock, random.int(300, 2000));
      pair.old.nodes[0]!.resume();
    },
    'connections to the old network cut': () => faulty('old', random.pick(CUTS)),
    'connections to the new network cut': () => faulty('new', random.pick(CUTS)),
    'connections to the old network half cut': () => faulty('old', random.pick(HALF_CUTS)),
    'connections to the new network half cut': () => faulty('new', random.pick(HALF_CUTS)),
    'disk full': () => living({ disk: 'full' }),
    'flush fails': () => living({ disk: 'broken' }),
    'flush slow': () => living({ disk: 'slow' }),
    'clock ahead': () => living({ clockMs: CLOCK_JUMP_MS }),
    'clock back': () => living({ clockMs: -CLOCK_JUMP_MS }),
    // The node takes it, says that its time is over, and keeps it.
    async 'late transaction in a mempool'() {
      const id = pair.old.nodes[0]!.fault({
        kind: 'reset',
        when: 'after-handling',
        times: 2,
        method: 'user.broadcast',
      });
      void trial.writes.send();
      await sleep(systemClock, random.int(50, 300));
      pair.old.nodes[0]!.clearFault(id);
    },
    async stranger() {
      if (strangers++ === 0) await trial.stranger();
    },
    async 'two operators'() {
      await Promise.all([askFor(pair, 'start'), askFor(pair, 'start'), askFor(pair, 'abort')]);
    },
    async killed() {
      await trial.kill();
      await trial.restart();
    },
  };
  const faulty = async (network: 'old' | 'new', fault: FaultRequest): Promise<void> => {
    const node = (network === 'old' ? pair.old : pair.fresh()).nodes[0]!;
    const id = node.fault(fault);
    await sleep(systemClock, random.int(100, 1500));
    node.clearFault(id);
  };
  let left: string[] = [];
  do {
    if (!pair.gateway.isRunning()) await trial.restart();
    const status = await pair.waitFor(value => value.phase === 'ready' || isCommitted(value), 'ready', READY_MS);
    if (isCommitted(status)) return;
    if (left.length === 0) left = Object.keys(disturbances);
    const name = left.splice(random.int(0, left.length - 1), 1)[0]!;
    // A rehearsal is disturbed like a switch and leaves the pair for the next one; the last is real.
    const attempt = askFor(pair, left.length > 0 && random.next() < REHEARSED ? 'rehearse' : 'start');
    await sleep(systemClock, random.int(0, 600));
    say(name);
    await disturbances[name]!();
    await attempt;
  } while (performance.now() < deadline - LAST_MS);
}

const CLOCK_JUMP_MS = 3_600_000;
/** Of the attempts. */
const REHEARSED = 0.75;
/** For the switch after the last disturbance and for reading the chains. */
const LAST_MS = 15_000;

const CUTS: readonly FaultRequest[] = [
  { kind: 'reset', when: 'before-read', times: 3 },
  { kind: 'reset', when: 'after-read', times: 3 },
  { kind: 'reset', when: 'after-handling', times: 3 },
  { kind: 'refuse' },
];

/** The request arrives and its answer does not, or not whole, or not soon. */
const HALF_CUTS: readonly FaultRequest[] = [
  { kind: 'cut', times: 3 },
  { kind: 'hang', times: 2 },
  { kind: 'slow', bytesPerSecond: 400 },
  { kind: 'code-10', times: 3 },
  { kind: 'delay', ms: 400 },
];

/** The window is short, and an attempt begins in its last blocks: End comes in the middle of a step. */
export async function endInside({ pair, random }: Trial): Promise<void> {
  const { end } = pair.window();
  await pair.old.waitUntil(() => pair.old.height() >= end - random.int(0, 4), 'the last blocks', 60_000);
  await askFor(pair, 'start');
  await pair.waitFor(isCommitted, 'the switch by itself', SWITCH_MS);
}
