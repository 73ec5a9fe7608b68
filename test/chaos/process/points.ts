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

export const recordOf = (name: string): string => parsePoint(name).record;

export const MODES: readonly KillMode[] = ['before', 'torn', 'after'];

/** Records of an attempt and of an operator, before the decision. */
export const UNDECIDED = [
  'start>armed',
  'rehearse>armed',
  'preflight-done>holding',
  'quiet>draining',
  'writes-settled>draining',
  'reached>verifying',
  'checked>aborting',
  'abort>aborting',
  'deadline>syncing',
  'journal-failed>aborting',
  'fell-behind>syncing',
  'caught-up>ready',
  'postpone>ready',
  'resume>ready',
  'restarted>aborting',
  'restarted>syncing',
] as const;

/** From the decision on, in the order in which one pair meets them. */
export const DECIDED = [
  'checked>committed',
  'restarted>committed',
  'adopted>opening',
  'restarted>opening',
  'opened>switched',
  'restarted>switched',
] as const;

/** When End comes first, in the order in which one pair meets them. */
export const HALTED = [
  'old-ended>at-halt',
  'restarted>at-halt',
  'quiet>at-halt',
  'writes-settled>at-halt',
  'reached>at-halt',
  'finished>settled',
  'restarted>settled',
] as const;

export type UndecidedRecord = (typeof UNDECIDED)[number];

/**
 * Every record at which a run must have killed a gateway at least once. The other records of the machine (an effect that cannot be
 * done at all, a preflight that fails, a stream that stopped, alarms of half a minute, commands in rarer
 * phases) are the model test's (test/chaos/sim).
 */
export const RECORDS: readonly string[] = [...UNDECIDED, ...DECIDED, ...HALTED];

/** File in the data folder's parent to which a point is written by the process that dies there. */
export const DEATHS_FILE = 'deaths.txt';
export const MUTANT_VARIABLE = 'TORTURE_MUTANT';
export const FOLDER_VARIABLE = 'TORTURE_FOLDER';
/** In that folder; absent: all as it should be. */
export const CONDITIONS_FILE = 'conditions.json';

/** What a process lives in at the moment; looked at whenever it matters. */
export interface Conditions {
  /** Name of the point at which to die. */
  readonly kill?: string;
  /** full: no write of the journal gets room; broken: it cannot be flushed; slow: each flush takes a second. */
  readonly disk?: 'full' | 'broken' | 'slow';
  /** Added to the wall clock, ms. */
  readonly clockMs?: number;
}
