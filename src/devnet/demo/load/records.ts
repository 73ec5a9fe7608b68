import type { Operation } from '../workload.js';

/**
 * What a client came to know of one attempt.
 * applied / failed: in a block with code 0 / another code · refused: certainly not executed · unknown: may have been.
 */
export type Outcome = 'applied' | 'failed' | 'refused' | 'unknown';

export interface AttemptRecord {
  readonly operation: Operation;
  readonly outcome: Outcome;
  /** Chain id that the transaction was signed for. */
  readonly chainId: string;
  /** 64 hex digits; null when no answer named one. */
  readonly hash: string | null;
  /** Acknowledged with a hash, whatever became of it. */
  readonly acknowledged: boolean;
  /** Wall clock, ms. */
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly reason: string | null;
}

export interface ReaderRecord {
  readonly total: number;
  readonly errors: number;
  /** Connections that ended instead of an answer: errors unless the gateway was killed on purpose. */
  readonly cuts: number;
  readonly backwards: number;
  readonly old: number;
  readonly new: number;
  readonly notes: readonly string[];
}

export interface WriterTotals {
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly resigned: number;
  /** Own writes that a later read of the same client did not show (I8). */
  readonly stale: number;
  readonly readsTotal: number;
  readonly readErrors: number;
  readonly readCuts: number;
  readonly notes: readonly string[];
}

/** Parent → load process. */
export type LoadCommand =
  | { readonly kind: 'writers'; readonly options: WriterOptions }
  | { readonly kind: 'readers'; readonly options: ReaderOptions }
  | { readonly kind: 'stop' };

export interface WriterOptions {
  readonly url: string;
  readonly chainId: string;
  readonly seed: number;
  readonly writers: number;
  readonly rate: number;
  readonly rows: number;
  /** Attempts are appended here as JSON lines, so that nothing is lost if the process is. */
  readonly recordFile: string;
  /** The last quarter of the writers waits so long before its first write: accounts the new network cannot know. */
  readonly lateMs: number;
  /** Which write of writer 1 is the large one. */
  readonly bigAt: number;
}

export interface ReaderOptions {
  readonly url: string;
  readonly chainId: string;
  readonly seed: number;
  readonly readers: number;
  readonly writers: number;
}

/** Load process → parent, several times a second and once at the end. */
export type LoadReport =
  | { readonly kind: 'writers'; readonly done: boolean; readonly totals: WriterTotals }
  | { readonly kind: 'readers'; readonly done: boolean; readonly totals: ReaderRecord };
