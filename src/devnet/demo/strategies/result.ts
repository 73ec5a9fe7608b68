import type { DemoResult } from '../result.js';
import type { ReaderRecord, WriterTotals } from '../load/records.js';
import type { Verdict } from '../verdict/index.js';
import type { DemoOptions } from '../options.js';

/** The object that `demo --json` prints, with what belongs to the strategy beside it. */
export interface StrategyResult extends DemoResult {
  readonly strategy: 'rolling' | 'offline';
  /** Rolling: every restart. */
  readonly nodes?: readonly {
    readonly node: string;
    readonly role: 'leader' | 'follower';
    readonly downMs: number;
    /** Longest time without an acknowledged write around it. */
    readonly writeOutageMs: number;
  }[];
  /** Offline: height of the freeze, and writes turned away by reason. */
  readonly offline?: {
    readonly frozenAt: number;
    readonly refusals: Readonly<Record<string, number>>;
    readonly firstExport: readonly string[];
    readonly verifiedRows: number;
    readonly retryAfterMs: number | null;
  };
}

interface Input {
  readonly strategy: 'rolling' | 'offline';
  readonly options: DemoOptions;
  readonly oldChainId: string;
  readonly newChainId: string;
  readonly endHeight: number;
  readonly verdict: Verdict;
  readonly writers: WriterTotals;
  readonly readers: ReaderRecord;
  readonly loadMs: number;
  readonly outageMs: number;
  readonly heldWrites: number;
  readonly durationMs: number;
  readonly problems: readonly string[];
  readonly more: Pick<StrategyResult, 'nodes' | 'offline'>;
}

export function buildStrategyResult(input: Input): StrategyResult {
  const { verdict, writers, readers, options } = input;
  const reads = {
    total: readers.total + writers.readsTotal,
    errors: readers.errors + readers.cuts + writers.readErrors + writers.readCuts,
    stale: writers.stale,
    backwards: readers.backwards,
    old: readers.old,
    new: readers.new,
  };
  const hasReadTrouble = reads.errors + reads.stale + reads.backwards > 0;
  const problems = [
    ...input.problems,
    ...verdict.problems,
    ...(hasReadTrouble ? [...readers.notes, ...writers.notes] : []),
  ];
  const isGood =
    problems.length === 0 && !hasReadTrouble && verdict.lost + verdict.duplicated + verdict.differences === 0;
  return {
    verdict: isGood ? 'ok' : 'failed',
    strategy: input.strategy,
    seed: options.seed,
    oldChainId: input.oldChainId,
    newChainId: input.newChainId,
    startHeight: 0,
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
    replication: { changesets: 0, rows: 0, lagBlocksMax: 0, lagMsP50: 0, lagMsMax: 0, merged: 0, repairs: {} },
    cutover: { outageMs: Math.round(input.outageMs), gatewayMs: 0, networkFloorMs: 0, heldWrites: input.heldWrites },
    verification: { tables: verdict.tables, rows: verdict.rows, differences: verdict.differences },
    durationMs: Math.round(input.durationMs),
    problems,
    ...input.more,
  };
}

export function printStrategyResult(result: StrategyResult): string {
  const { writes, reads, cutover, verification, nodes, offline } = result;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  return [
    '',
    `${result.strategy}, ${result.oldChainId}${result.newChainId === result.oldChainId ? '' : ` → ${result.newChainId}`}, seed ${result.seed}`,
    `writes       ${writes.acknowledged} acknowledged (${writes.perSecond}/s), ${writes.lost} lost, ${writes.duplicated} duplicated, ${writes.refused} refused, ${writes.unknown} unknown, ${writes.resigned} clients signed again`,
    `reads        ${reads.total}, ${reads.errors} errors, ${reads.stale} stale, ${reads.backwards} backwards`,
    ...(nodes ?? []).map(
      ({ node, role, downMs, writeOutageMs }) =>
        `restart      ${node} (${role}): down ${seconds(downMs)}, longest time without a write ${seconds(writeOutageMs)}`,
    ),
    ...(offline === undefined
      ? []
      : [
          `frozen       at height ${offline.frozenAt}; ${offline.verifiedRows} rows found equal before opening`,
          `turned away  ${Object.entries(offline.refusals)
            .map(([reason, count]) => `${reason} ${count}`)
            .join(
              ', ',
            )}; told to come back in ${offline.retryAfterMs === null ? 'no time' : seconds(offline.retryAfterMs)}`,
          `first export ${offline.firstExport.join(', ')} had to be corrected`,
        ]),
    `outage       ${seconds(cutover.outageMs)} without writes; ${cutover.heldWrites} writes held`,
    `verification ${verification.tables} tables, ${verification.rows} rows, ${verification.differences} differences`,
    ...result.problems.slice(0, 20).map(problem => `  ! ${problem}`),
    `${result.verdict === 'ok' ? 'OK' : 'FAILED'} after ${seconds(result.durationMs)}`,
  ].join('\n');
}
