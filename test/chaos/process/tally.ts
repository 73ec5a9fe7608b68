import type { MutantName } from './mutants.js';
import { recordOf } from './points.js';
import type { TrialResult } from './trial.js';

export interface Tally {
  /** Points at which a process died: records with the moment of their flush. */
  readonly points: ReadonlySet<string>;
  add(name: string, result: TrialResult): void;
  /** A trial of a broken variant: caught when something was found. */
  judged(mutant: MutantName, result: TrialResult): void;
  /** A trial that could not be carried through: neither well nor a catch. */
  failed(name: string, reason: string): void;
  /** There was no time for it. */
  skipped(name: string): void;
  readonly seen: () => Seen;
}

interface Seen {
  readonly wanted: { readonly records: readonly string[]; readonly mutants: readonly MutantName[] };
  readonly trials: number;
  readonly kills: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly unresolved: number;
  readonly acknowledged: number;
  readonly restartsMs: readonly number[];
  readonly caught: ReadonlySet<MutantName>;
  readonly missed: readonly string[];
  readonly problems: readonly string[];
  readonly failures: readonly string[];
  readonly skips: readonly string[];
}

export function createTally(wanted: Seen['wanted']): Tally {
  const points = new Set<string>();
  const caught = new Set<MutantName>();
  const restartsMs: number[] = [];
  const missed: string[] = [];
  const problems: string[] = [];
  const failures: string[] = [];
  const skips: string[] = [];
  const sums = { trials: 0, kills: 0, lost: 0, duplicated: 0, unresolved: 0, acknowledged: 0 };
  return {
    points,
    add(name, result) {
      sums.trials += 1;
      for (const key of ['kills', 'lost', 'duplicated', 'unresolved', 'acknowledged'] as const)
        sums[key] += result[key];
      for (const point of result.steps) points.add(point);
      restartsMs.push(...result.restartsMs);
      problems.push(...result.problems.map(problem => `${name}: ${problem}`));
    },
    judged(mutant, { problems: found }) {
      if (found.length > 0) caught.add(mutant);
      else missed.push(`the broken variant ${mutant} was not caught`);
    },
    failed: (name, reason) => void failures.push(`${name}: the trial itself failed: ${reason}`),
    skipped: name => void skips.push(name),
    seen: () => ({ ...sums, wanted, restartsMs, caught, missed, problems, failures, skips }),
  };
}

const WORDS_MAX = 10;
/** Goal of issue and SPEC: the restarted gateway is in its final right state, ms. */
const RESTART_GOAL_MS = 2000;

export function report(
  tally: Tally,
  run: { readonly seed: number; readonly repeat: string; readonly durationMs: number },
): { readonly json: object; readonly words: string; readonly isWell: boolean } {
  const { wanted, restartsMs, caught, missed, problems, failures, skips, ...sums } = tally.seen();
  const sorted = [...restartsMs].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
  const restartMs = { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
  const met = new Set([...tally.points].map(recordOf));
  const uncovered = wanted.records.filter(record => !met.has(record));
  const covered = wanted.records.length - uncovered.length;
  const wrong = [
    ...problems,
    ...missed,
    ...failures,
    ...(uncovered.length > 0 ? [`no kill at ${uncovered.join(', ')}`] : []),
    ...(skips.length > 0 ? [`too short a run: no time for ${skips.join(', ')}`] : []),
  ];
  const isWell = wrong.length === 0;
  const json = {
    ...sums,
    stepsCovered: covered,
    steps: wanted.records.length,
    killPoints: tally.points.size,
    mutantsCaught: caught.size,
    mutants: wanted.mutants.length,
    trialsFailed: failures.length,
    restartMs,
    seed: run.seed,
    durationMs: Math.round(run.durationMs),
  };
  const words = isWell
    ? `all well: ${sums.trials} trials, ${sums.kills} kills at ${covered} of ${wanted.records.length} journal records, ` +
      `${caught.size} of ${wanted.mutants.length} broken variants caught; a restart took ${restartMs.p50} ms, ` +
      `at most ${restartMs.max} (goal ${RESTART_GOAL_MS})`
    : `NOT WELL (repeat: ${run.repeat}): ${wrong.slice(0, WORDS_MAX).join(' | ')}`;
  return { json, words, isWell };
}
