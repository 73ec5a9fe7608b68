import type { DemoOptions } from './options.js';
import type { ReaderRecord, WriterTotals } from './load/records.js';
import type { Verdict } from './verdict/index.js';

/** The object that `demo --json` prints (contract, section 5). */
export interface DemoResult {
  readonly verdict: 'ok' | 'failed';
  readonly seed: number;
  readonly oldChainId: string;
  readonly newChainId: string;
  readonly startHeight: number;
  readonly endHeight: number;
  readonly writes: {
    readonly acknowledged: number;
    readonly lost: number;
    readonly duplicated: number;
    readonly refused: number;
    readonly unknown: number;
    readonly resigned: number;
    readonly perSecond: number;
  };
  readonly reads: {
    readonly total: number;
    readonly errors: number;
    readonly stale: number;
    readonly backwards: number;
    readonly old: number;
    readonly new: number;
  };
  readonly replication: {
    readonly changesets: number;
    readonly rows: number;
    readonly lagBlocksMax: number;
    readonly lagMsP50: number;
    readonly lagMsMax: number;
    readonly merged: number;
    readonly repairs: Readonly<Record<string, number>>;
  };
  readonly cutover: {
    readonly outageMs: number;
    readonly gatewayMs: number;
    readonly networkFloorMs: number;
    readonly heldWrites: number;
  };
  readonly verification: { readonly tables: number; readonly rows: number; readonly differences: number };
  readonly durationMs: number;
  /** What is wrong, in words; empty when the verdict is ok. */
  readonly problems: readonly string[];
}

export interface ResultInput {
  readonly options: DemoOptions;
  readonly oldChainId: string;
  readonly newChainId: string;
  readonly startHeight: number;
  readonly endHeight: number;
  readonly verdict: Verdict;
  readonly writers: WriterTotals;
  readonly readers: ReaderRecord;
  readonly loadMs: number;
  readonly replication: DemoResult['replication'];
  readonly networkFloorMs: number;
  readonly finalCheckMs: number;
  readonly heldWrites: number;
  readonly durationMs: number;
  readonly moreProblems: readonly string[];
}

export function buildResult(input: ResultInput): DemoResult {
  const { verdict, writers, readers } = input;
  const outageMs = verdict.outage === null ? 0 : Math.max(0, verdict.outage.firstNewAck - verdict.outage.firstTrouble);
  const problems = [...input.moreProblems, ...verdict.problems];
  const reads = {
    total: readers.total + writers.readsTotal,
    errors: readers.errors + writers.readErrors + (input.options.kills > 0 ? 0 : readers.cuts + writers.readCuts),
    stale: writers.stale,
    backwards: readers.backwards,
    old: readers.old,
    new: readers.new,
  };
  if (reads.errors + reads.stale + reads.backwards > 0) problems.push(...readers.notes, ...writers.notes);
  if (verdict.outage === null)
    problems.push('no write was acknowledged on the new network after one was turned away from the old one');
  const ok =
    problems.length === 0 &&
    verdict.lost + verdict.duplicated + verdict.differences + reads.errors + reads.stale + reads.backwards === 0;
  return {
    verdict: ok ? 'ok' : 'failed',
    seed: input.options.seed,
    oldChainId: input.oldChainId,
    newChainId: input.newChainId,
    startHeight: input.startHeight,
    endHeight: input.endHeight,
    writes: {
      acknowledged: verdict.acknowledged,
      lost: verdict.lost,
      duplicated: verdict.duplicated,
      refused: verdict.refused,
      unknown: verdict.unknown,
      resigned: writers.resigned,
      perSecond: Math.round((verdict.acknowledged * 10_000) / Math.max(1, input.loadMs)) / 10,
    },
    reads,
    replication: input.replication,
    cutover: {
      outageMs,
      gatewayMs: Math.max(0, Math.round(outageMs - input.networkFloorMs - input.finalCheckMs)),
      networkFloorMs: Math.round(input.networkFloorMs),
      heldWrites: input.heldWrites,
    },
    verification: { tables: verdict.tables, rows: verdict.rows, differences: verdict.differences },
    durationMs: Math.round(input.durationMs),
    problems,
  };
}

/** The result as a person reads it. */
export function printResult(result: DemoResult): string {
  const { writes, reads, replication, cutover, verification } = result;
  const lines = [
    '',
    `${result.oldChainId} → ${result.newChainId}, changesets ${result.startHeight} to ${result.endHeight}, seed ${result.seed}`,
    `writes       ${writes.acknowledged} acknowledged (${writes.perSecond}/s), ${writes.lost} lost, ${writes.duplicated} duplicated, ${writes.resigned} clients signed again`,
    `reads        ${reads.total}, ${reads.errors} errors, ${reads.stale} stale, ${reads.backwards} backwards`,
    `replication  ${replication.changesets} changesets, lag p50 ${replication.lagMsP50} ms, max ${replication.lagMsMax} ms, ${replication.merged} merged, repairs ${describeRepairs(replication.repairs)}`,
    `cutover      ${cutover.outageMs} ms without writes, of which the networks themselves need ${cutover.networkFloorMs} ms; ${cutover.heldWrites} writes held`,
    `verification ${verification.tables} tables, ${verification.rows} rows, ${verification.differences} differences`,
    ...result.problems.slice(0, 20).map(problem => `  ! ${problem}`),
    `${result.verdict === 'ok' ? 'OK' : 'FAILED'} after ${(result.durationMs / 1000).toFixed(1)} s`,
  ];
  return lines.join('\n');
}

const describeRepairs = (repairs: Readonly<Record<string, number>>): string =>
  Object.entries(repairs)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';
