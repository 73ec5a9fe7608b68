import type { FaultRequest } from '../../../src/devnet/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import { askFor, isCommitted, type Trial } from './trial.js';

const READY_MS = 25_000;
const SWITCH_MS = 40_000;

/** Attempts under faults: stopped processes, cut connections, a stalled network, a stranger, two operators, random kills. */
export async function disturbed(trial: Trial): Promise<void> {
  const { pair, random, deadline, say } = trial;
  let strangers = 0;
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
  do {
    const status = await pair.waitFor(value => value.phase === 'ready' || isCommitted(value), 'ready', READY_MS);
    if (isCommitted(status)) return;
    const name = random.pick(Object.keys(disturbances));
    const attempt = askFor(pair, 'start');
    await sleep(systemClock, random.int(0, 600));
    say(name);
    await disturbances[name]!();
    await attempt;
  } while (performance.now() < deadline);
}

const CUTS: readonly FaultRequest[] = [
  { kind: 'reset', when: 'before-read', times: 3 },
  { kind: 'reset', when: 'after-read', times: 3 },
  { kind: 'reset', when: 'after-handling', times: 3 },
  { kind: 'cut', times: 3 },
  { kind: 'hang', times: 2 },
  { kind: 'refuse' },
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
