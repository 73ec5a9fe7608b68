import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startLoad } from '../../../src/devnet/demo/load/process.js';
import type { LoadReport } from '../../../src/devnet/demo/load/records.js';
import { sendBarrier } from '../../../src/devnet/demo/owner.js';
import type { Random } from '../../../src/devnet/demo/random.js';
import type { AnyPhase, GatewayStatus } from '../../../src/model/index.js';
import { sleep, systemClock, writeFileAtomic } from '../../../src/platform/index.js';
import { createPair, type Pair } from '../../support/pair.js';
import { check, watchReceipts, type ReceiptLog, type Finding } from './checker.js';
import { readDecision } from './decision.js';
import { createDirectedWrites, type DirectedWrites } from './directed.js';
import type { MutantName } from './mutants.js';
import { CONDITIONS_FILE, DEATHS_FILE, FOLDER_VARIABLE, MUTANT_VARIABLE, type Conditions } from './points.js';

export interface TrialResult extends Finding {
  readonly kills: number;
  /** Names of the kill points at which the process really died. */
  readonly steps: readonly string[];
  /** Of every restart that was left alone: from its beginning to the final right state, no operator, ms. */
  readonly restartsMs: readonly number[];
}

export interface Trial {
  readonly pair: Pair;
  readonly random: Random;
  /** Monotonic clock, ms, after which no further disturbance begins; the trial then comes to its end. */
  readonly deadline: number;
  readonly writes: DirectedWrites;
  readonly say: (text: string) => void;
  /** Left alone until it is in its right state, and that time is taken; or no longer than until it listens. */
  restart(rests?: 'rests' | 'goes on'): Promise<void>;
  kill(): Promise<void>;
  /** A transaction past the gateway; one per trial. */
  stranger(): Promise<void>;
  /** What the gateway lives in from now on, also after a restart. */
  conditions(value: Conditions): Promise<void>;
  /** Something that is wrong beyond what the checker looks at. */
  wrong(problem: string): void;
}

export interface TrialOptions {
  /** Program of the gateway (gateway.ts), compiled. */
  readonly entry: string;
  readonly seed: number;
  readonly random: Random;
  readonly deadline: number;
  readonly mutant?: MutantName;
  readonly windowMs?: number;
  readonly say: (text: string) => void;
}

const BLOCK_MS = 200;
const ROWS = 30;
const WRITERS = 5;
const RATE = 12;
const WINDOW_MS = 600_000;
const SWITCH_MS = 60_000;
const RIGHT_MS = 15_000;
const LOOK_MS = 15;
const AFTER_MS = 1_500;
const SETTLE_MS = 15_000;

const COMMITTED: ReadonlySet<AnyPhase> = new Set(['committed', 'opening', 'switched', 'settled']);
export const isCommitted = ({ phase }: GatewayStatus): boolean => COMMITTED.has(phase);
export const isDone = ({ phase }: GatewayStatus): boolean => phase === 'switched' || phase === 'settled';
/** Undecided: everything is given back to the old network and the next attempt may begin at once. */
const isGivenBack = ({ phase, writeNetwork }: GatewayStatus): boolean =>
  writeNetwork === 'old' && (phase === 'ready' || phase === 'syncing');

/** What is running in this process; a run that must end ends it all. */
const running = new Set<() => Promise<void>>();
export const endAll = async (): Promise<void> => void (await Promise.allSettled([...running].map(end => end())));

/** One pair of networks under load: `story` disturbs it, then it is switched if it is not yet, and both chains are read. */
export async function runTrial(options: TrialOptions, story: (trial: Trial) => Promise<void>): Promise<TrialResult> {
  const pair = await createPair({
    name: 'torture',
    seed: options.seed,
    blockMs: BLOCK_MS,
    rows: ROWS,
    listenerPaceMs: 1000,
    gateway: {
      entry: options.entry,
      configLines: ['cutover: { coolDownMs: 200, lagBlocksMax: 30, reserveBlocks: 0 }'],
    },
  });
  const conditionsFile = join(pair.folder, CONDITIONS_FILE);
  const env = {
    [FOLDER_VARIABLE]: pair.folder,
    [MUTANT_VARIABLE]: options.mutant ?? '',
  };
  const recordFile = join(pair.folder, 'attempts.jsonl');
  const problems: string[] = [];
  const strangers = new Set<string>();
  const restartsMs: number[] = [];
  const writes = createDirectedWrites(pair, options.seed);
  let kills = 0;
  let lives = 0;
  let log: ReceiptLog | null = null;
  let isWell = false;
  let writers: ReturnType<typeof startLoad<Extract<LoadReport, { kind: 'writers' }>>> | null = null;

  /** Takes the time until the gateway is where it belongs, unless it dies before or an operator asks for something else. */
  const timeRestart = async (begun: number): Promise<void> => {
    const life = lives;
    const { decision } = await readDecision(pair.folder);
    const isRight = (status: GatewayStatus): boolean => isDone(status) || (decision === null && isGivenBack(status));
    while (lives === life && pair.gateway.isRunning() && performance.now() - begun < RIGHT_MS) {
      const status = await pair.gateway.status().catch(() => null);
      if (status !== null && isRight(status)) return void restartsMs.push(performance.now() - begun);
      await sleep(systemClock, LOOK_MS);
    }
  };
  const restart = async (rests = 'rests'): Promise<void> => {
    lives += 1;
    const begun = performance.now();
    await pair.gateway.start(env);
    if (pair.hasFresh() && rests === 'rests') await timeRestart(begun);
    await revive(pair);
  };
  const trial: Trial = {
    ...options,
    pair,
    writes,
    restart,
    async kill() {
      kills += 1;
      await pair.gateway.kill();
    },
    async stranger() {
      strangers.add(await sendBarrier(pair.old));
    },
    conditions: value => writeFileAtomic(conditionsFile, JSON.stringify(value)),
    wrong: problem => void problems.push(problem),
  };
  const end = async (): Promise<void> => {
    running.delete(end);
    log?.close();
    writers?.kill();
    const keeps = !isWell && options.mutant === undefined;
    await pair.end(keeps);
    if (keeps) options.say(`log and records: ${pair.folder}`);
  };
  running.add(end);
  try {
    await restart();
    writers = startLoad({
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
    await pair.migrate(Math.ceil((options.windowMs ?? WINDOW_MS) / BLOCK_MS));
    log = watchReceipts(pair.fresh());
    // A new network that loses its relay before it has the genesis state is another story.
    await pair.waitFor(({ phase }) => phase !== 'standby' && phase !== 'syncing', 'the new network to catch up');
    await story(trial);
    await trial.conditions({});
    if (!pair.gateway.isRunning()) await restart();
    const early = [...problems, ...(await evidence(pair, strangers))];
    if (early.length > 0) {
      // What is wrong already would only get in the way of the rest; the chains are not read any more.
      const none = { lost: 0, duplicated: 0, unresolved: 0, acknowledged: 0 };
      return { ...none, problems: early, ...(await counts()) };
    }
    await finishSwitch(trial);
    await sleep(systemClock, AFTER_MS);
    const totals = await writers.stop();
    const directed = await writes.attempts();
    await appendFile(recordFile, directed.map(attempt => `${JSON.stringify(attempt)}\n`).join(''));
    const open = ({ writes: { unresolved } }: GatewayStatus): boolean => unresolved.old + unresolved.new > 0;
    await pair.waitFor(status => !open(status), 'every outcome', SETTLE_MS).catch(() => undefined);
    await pair.fresh().waitForHeight(pair.fresh().height() + 2);
    const finding = await check(pair, recordFile, ROWS, log, strangers);
    problems.push(...finding.problems);
    if (totals.stale > 0)
      problems.push(`stale: ${totals.stale} reads did not show their client's own write`, ...totals.notes);
    isWell = problems.length === 0;
    return { ...finding, problems, ...(await counts()) };
  } finally {
    await end();
  }

  async function counts(): Promise<Pick<TrialResult, 'kills' | 'steps' | 'restartsMs'>> {
    const deaths = await deathsOf(pair);
    return { kills: kills + deaths.length, steps: [...new Set(deaths)], restartsMs };
  }
}

/** What the journal and the old chain say before the trial is over: a write above the decision stays there. */
async function evidence({ folder, old }: Pair, strangers: ReadonlySet<string>): Promise<readonly string[]> {
  const { decision, problems } = await readDecision(folder);
  if (decision === null) return problems;
  const { drainHeight } = decision;
  const above = old
    .blocks(drainHeight + 1)
    .flatMap(({ txs }) => txs.filter(({ type, hash }) => type === 'execute' && !strangers.has(hash)));
  return above.length === 0
    ? problems
    : [
        ...problems,
        `order: decided on old height ${drainHeight}, but the old network took ${above.length} writes above it`,
      ];
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
    await askFor(pair, 'start');
  }
}

/** A command as an operator gives it; a refusal or a gateway that is away is part of the game. */
export const askFor = (pair: Pair, command: 'start' | 'rehearse' | 'abort' | 'postpone' | 'resume'): Promise<unknown> =>
  pair.gateway.admin('POST', `/v1/cutover/${command}`, { reason: 'torture' }).catch(() => sleep(systemClock, 30));
