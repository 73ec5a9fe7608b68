import type { WakeName } from './effects.js';

export interface BudgetSettings {
  /** Whole attempt, from arm to commit, ms. */
  readonly attemptMs: number;
  /** Longest life of a held write, ms; 0 refuses writes at once, so that no held write limits the hold. */
  readonly holdMs: number;
  readonly coolDownMs: number;
}

export type Budgets = Readonly<Record<WakeName, number>>;

/** Time that an abort has to reach the held writes before they expire by themselves. */
const RELEASE_MARGIN_MS = 1000;
/** An early step that eats this share of the hold leaves too little for the rest; waiting on would only cost clients time. */
const EARLY_STEP = 0.7;
const ARM_MS = 10_000;
const CHECK_MS = 2000;
const ALARM_MS = 30_000;
const RETRY_MS = 1000;

/** How long each deadline is, ms. Steps inside the hold never get more than the hold itself. */
export function budgetsOf({ attemptMs, holdMs, coolDownMs }: BudgetSettings): Budgets {
  const hold = holdMs === 0 ? attemptMs : Math.min(attemptMs, Math.max(holdMs - RELEASE_MARGIN_MS, holdMs * 0.75));
  return {
    arm: Math.min(ARM_MS, attemptMs),
    quiet: hold * EARLY_STEP,
    settle: hold * EARLY_STEP,
    'catch-up': hold,
    check: Math.min(CHECK_MS, hold),
    hold,
    attempt: attemptMs,
    'cool-down': coolDownMs,
    open: ALARM_MS,
    halt: ALARM_MS,
    retry: RETRY_MS,
  };
}
