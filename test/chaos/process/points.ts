/** Where the torture build ends itself: at the journal record of one step, before, in the middle of, or after its flush. */
export type KillMode = 'before' | 'torn' | 'after';

export interface KillPoint {
  readonly mode: KillMode;
  /** `event>phase` as the record says: what happened and where it led. */
  readonly record: string;
}

export const pointName = ({ mode, record }: KillPoint): string => `${mode}:${record}`;

export function parsePoint(text: string): KillPoint {
  const at = text.indexOf(':');
  return { mode: text.slice(0, at) as KillMode, record: text.slice(at + 1) };
}

const MODES: readonly KillMode[] = ['before', 'torn', 'after'];
const all = (records: readonly string[]): KillPoint[] =>
  records.flatMap(record => MODES.map((mode): KillPoint => ({ mode, record })));

/** Undecided: a restart gives everything back to the old network, and the next attempt can be made on the same pair. */
export const UNDECIDED: readonly KillPoint[] = [
  ...all(['start>armed', 'preflight-done>holding', 'quiet>draining', 'writes-settled>draining', 'reached>verifying']),
  { mode: 'before', record: 'checked>committed' },
  { mode: 'torn', record: 'checked>committed' },
];

/** From the decision on, in the order in which one pair can meet them all. */
export const DECIDED: readonly KillPoint[] = [
  { mode: 'after', record: 'checked>committed' },
  ...all(['restarted>committed']),
  { mode: 'before', record: 'adopted>opening' },
  { mode: 'torn', record: 'adopted>opening' },
  { mode: 'after', record: 'adopted>opening' },
  ...all(['restarted>opening']),
  ...all(['opened>switched']),
];

/** What a restart after an undecided kill writes; met on the way. */
export const RETURNING: readonly KillPoint[] = all(['restarted>aborting', 'deadline>syncing']);

export const POINT_COUNT = UNDECIDED.length + DECIDED.length + RETURNING.length;

/** File in the data folder's parent to which a point is written by the process that dies there. */
export const DEATHS_FILE = 'deaths.txt';
export const KILL_VARIABLE = 'TORTURE_KILL';
export const MUTANT_VARIABLE = 'TORTURE_MUTANT';
export const FOLDER_VARIABLE = 'TORTURE_FOLDER';
/** Path of a file with the conditions that a process lives in at the moment; absent: all as it should be. */
export const CONDITIONS_VARIABLE = 'TORTURE_CONDITIONS';

export interface Conditions {
  /** full: no write of the journal gets room; broken: it cannot be flushed; slow: each flush takes a second. */
  readonly disk?: 'full' | 'broken' | 'slow';
  /** Added to the wall clock, ms. */
  readonly clockMs?: number;
}
