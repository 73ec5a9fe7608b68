import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startLoad } from '../../../src/devnet/demo/load/process.js';
import type { LoadReport } from '../../../src/devnet/demo/load/records.js';
import { sendBarrier } from '../../../src/devnet/demo/owner.js';
import type { Random } from '../../../src/devnet/demo/random.js';
import type { FaultRequest } from '../../../src/devnet/index.js';
import { messageOf, type AnyPhase, type GatewayStatus } from '../../../src/model/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import { createPair, type Pair } from '../../support/pair.js';
import { check, watchReceipts, type ReceiptLog, type Finding } from './checker.js';
import type { MutantName } from './mutants.js';
import {
  DEATHS_FILE,
  DECIDED,
  FOLDER_VARIABLE,
  KILL_VARIABLE,
  MUTANT_VARIABLE,
  pointName,
  RETURNING,
  UNDECIDED,
  type KillPoint,
} from './points.js';

export interface TrialResult extends Finding {
  readonly kills: number;
  /** Names of the kill points at which the process really died. */
  readonly steps: readonly string[];
  /** Greatest time from a restart until the gateway knew its right state again, ms. */
  readonly recoveryMsMax: number;
}

export interface Trial {
  readonly pair: Pair;
  readonly random: Random;
  /** Wall clock (monotonic) after which no further disturbance begins; the trial then comes to its end. */
  readonly deadline: number;
  readonly say: (text: string) => void;
  restart(point?: KillPoint): Promise<void>;
  kill(): Promise<void>;
}

export interface TrialOptions {
  readonly seed: number;
  readonly random: Random;
  readonly deadline: number;
  readonly mutant?: MutantName;
  readonly windowMs?: number;
  readonly say: (text: string) => void;
}

const BLOCK_MS = 200;
const ROWS = 30;
const WRITERS = 6;
const RATE = 18;
const WINDOW_MS = 600_000;
const READY_MS = 25_000;
const DEATH_MS = 12_000;
const SWITCH_MS = 60_000;
const AFTER_MS = 1_500;
const SETTLE_MS = 15_000;

const COMMITTED: ReadonlySet<AnyPhase> = new Set(['committed', 'opening', 'switched', 'settled']);
export const isCommitted = ({ phase }: GatewayStatus): boolean => COMMITTED.has(phase);
const isDone = ({ phase }: GatewayStatus): boolean => phase === 'switched' || phase === 'settled';

/** One pair of networks under load: `story` disturbs it, then it is switched if it is not yet, and both chains are read. */
export async function runTrial(options: TrialOptions, story: (trial: Trial) => Promise<void>): Promise<TrialResult> {
  const pair = await createPair({
    name: 'torture',
    seed: options.seed,
    blockMs: BLOCK_MS,
    rows: ROWS,
    listenerPaceMs: 1000,
    gateway: {
      entry: fileURLToPath(new URL('./gateway.ts', import.meta.url)),
      configLines: ['cutover: { coolDownMs: 200, lagBlocksMax: 10, reserveBlocks: 0 }'],
    },
  });
  const env = { [FOLDER_VARIABLE]: pair.folder, [MUTANT_VARIABLE]: options.mutant ?? '' };
  const recordFile = join(pair.folder, 'attempts.jsonl');
  let kills = 0;
  let recoveryMsMax = 0;
  let log: ReceiptLog | null = null;
  let isWell = false;
  const restart = async (point?: KillPoint): Promise<void> => {
    const begun = performance.now();
    await pair.gateway.start({ ...env, [KILL_VARIABLE]: point === undefined ? '' : pointName(point) });
    recoveryMsMax = Math.max(recoveryMsMax, performance.now() - begun);
    await revive(pair);
  };
  const trial: Trial = {
    ...options,
    pair,
    restart,
    async kill() {
      kills += 1;
      await pair.gateway.kill();
    },
  };
  await restart();
  const writers = startLoad<Extract<LoadReport, { kind: 'writers' }>>({
    kind: 'writers',
    options: {
      url: pair.gateway.url,
      chainId: pair.oldChainId,
      seed: options.seed,
      writers: WRITERS,
      rate: RATE,
      rows: ROWS,
      recordFile,
      lateMs: 0,
      bigAt: 0,
    },
  });
  try {
    await pair.migrate(Math.ceil((options.windowMs ?? WINDOW_MS) / BLOCK_MS));
    log = watchReceipts(pair.fresh());
    // A new network that loses its relay before it has the genesis state is another story.
    await pair.waitFor(({ phase }) => phase !== 'standby' && phase !== 'syncing', 'the new network to catch up');
    recoveryMsMax = 0;
    await story(trial);
    if (!pair.gateway.isRunning()) await restart();
    await finishSwitch(trial);
    await sleep(systemClock, AFTER_MS);
    const totals = await writers.stop();
    const open = ({ writes }: GatewayStatus): boolean => writes.unresolved.old + writes.unresolved.new > 0;
    await pair.waitFor(status => !open(status), 'every outcome', SETTLE_MS).catch(() => undefined);
    await pair.fresh().waitForHeight(pair.fresh().height() + 2);
    const deaths = await deathsOf(pair);
    const finding = await check(pair, recordFile, ROWS, log);
    const problems = [
      ...finding.problems,
      ...(totals.stale > 0
        ? [`stale: ${totals.stale} reads did not show their client's own write`, ...totals.notes]
        : []),
    ];
    isWell = problems.length === 0;
    return { ...finding, problems, kills: kills + deaths.length, steps: [...new Set(deaths)], recoveryMsMax };
  } finally {
    log?.close();
    writers.kill();
    await pair.end(!isWell && options.mutant === undefined);
    if (!isWell && options.mutant === undefined) options.say(`log and records: ${pair.folder}`);
  }
}

/** A new node that ends because its relay was away is started again, as the supervisor of a real one does. */
async function revive(pair: Pair): Promise<void> {
  const node = pair.hasFresh() ? pair.fresh().nodes[0] : undefined;
  if (node?.mode() === 'down') await node.restart();
}

async function deathsOf({ folder }: Pair): Promise<string[]> {
  const text = await readFile(join(folder, DEATHS_FILE), 'utf8').catch(() => '');
  return text.split('\n').filter(line => line !== '');
}

/** As an operator does: start, and start again if an attempt was given up. */
export async function finishSwitch({ pair }: Pick<Trial, 'pair'>): Promise<void> {
  const deadline = performance.now() + SWITCH_MS;
  for (;;) {
    const left = Math.max(1, deadline - performance.now());
    const status = await pair.waitFor(value => value.phase === 'ready' || isDone(value), 'the switch', left);
    if (isDone(status)) return;
    await start(pair);
  }
}

const start = (pair: Pair): Promise<unknown> =>
  pair.gateway.admin('POST', '/v1/cutover/start', { reason: 'torture' }).catch(() => sleep(systemClock, 30));

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
    const decided = DECIDED.filter(({ record }) => record !== 'opened>switched' || performance.now() < deadline + 5000);
    for (const point of decided) await dieAt(trial, point, true);
    say(`kills at records done; phase ${(await statusNow(trial)).phase}`);
  };

async function statusNow(trial: Trial): Promise<GatewayStatus> {
  if (!trial.pair.gateway.isRunning()) await trial.restart();
  return trial.pair.waitFor(() => true, 'a status');
}

/** Starts the gateway armed for one record and lets it come there; true when it died. */
async function dieAt(trial: Trial, point: KillPoint, asksForSwitch: boolean): Promise<boolean> {
  const { pair, say } = trial;
  if (pair.gateway.isRunning()) await pair.gateway.kill();
  try {
    await trial.restart(point);
    const until = performance.now() + DEATH_MS;
    while (pair.gateway.isRunning() && performance.now() < until) {
      const status = await pair.gateway.status();
      if (isDone(status)) break;
      if (asksForSwitch && status.phase === 'ready') await start(pair);
      else await sleep(systemClock, 15);
    }
  } catch (error) {
    // Most points end the process while it starts or while it answers.
    if (pair.gateway.isRunning() && !(await pair.gateway.ended(1000))) say(`${pointName(point)}: ${messageOf(error)}`);
  }
  return !pair.gateway.isRunning();
}

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
      if (strangers++ === 0) await sendBarrier(pair.old);
    },
    async 'two operators'() {
      await Promise.all([
        start(pair),
        start(pair),
        pair.gateway.admin('POST', '/v1/cutover/abort', {}).catch(() => null),
      ]);
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
    const attempt = start(pair);
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
  await start(pair);
  await pair.waitFor(isCommitted, 'the switch by itself', SWITCH_MS);
}

/** What a broken variant needs to show itself: one switch, and for two of them a kill. */
export const exposing =
  (mutant: MutantName) =>
  async (trial: Trial): Promise<void> => {
    const { pair, random } = trial;
    if (mutant === 'ledger-after-sending') {
      await pair.waitFor(({ phase }) => phase === 'ready', 'ready', READY_MS);
      for (let times = 0; times < 3; times += 1) {
        await sleep(systemClock, random.int(300, 900));
        await trial.kill();
        await trial.restart();
      }
    }
    await finishSwitch(trial);
    if (mutant !== 'abort-after-commit') return;
    await sleep(systemClock, 1500);
    await trial.kill();
    await trial.restart();
    await sleep(systemClock, 2500);
  };
