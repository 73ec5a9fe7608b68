import type { Epoch, Height, Phase } from '../model/index.js';

/** In every state. */
export interface Common {
  /** Rises with every change of the routing intent (I5); set by `move` only. */
  readonly epoch: Epoch;
  /** Events that changed the state so far; with the epoch it names the effects of a step. */
  readonly seq: number;
  /** When the phase was entered, wall clock ms; a record, never a measure. */
  readonly since: number;
  /** Attempts begun so far; numbers the next one. */
  readonly attempts: number;
  /** Set by `postpone`: nothing begins until `resume`. */
  readonly postponed: { readonly by: string; readonly reason: string; readonly at: number } | null;
  /** How the last attempt ended. */
  readonly last: Outcome | null;
}

/** One try to switch: asked for by a person (`switch`, `rehearsal`) or begun by the old network's End (`halt`). */
export interface Attempt {
  readonly id: string;
  readonly kind: 'switch' | 'rehearsal' | 'halt';
  readonly by: string;
  readonly reason: string;
  readonly at: number;
  /** When writes were first held or refused; null before. */
  readonly heldAt: number | null;
}

export interface Outcome {
  readonly attempt: string;
  readonly kind: Attempt['kind'];
  readonly result: 'switched' | 'rehearsed' | 'aborted' | 'overtaken';
  /** In words: what went wrong, or what was done. */
  readonly reason: string;
  readonly at: number;
  /** From the hold to the decision or the release; null when nothing was held. */
  readonly holdMs: number | null;
}

/** What the commit record says (I4). */
export interface Decision {
  readonly attempt: Attempt;
  /** Old height that the new network had to show at least (I2). */
  readonly drainHeight: Height;
  /** Watermark at the decision, at or past `drainHeight`. */
  readonly applied: Height;
  readonly at: number;
}

export interface Standby extends Common {
  readonly phase: 'standby';
}
export interface Syncing extends Common {
  readonly phase: 'syncing';
  /** Ids of the readiness conditions that fail. */
  readonly missing: readonly string[];
}
export interface Ready extends Common {
  readonly phase: 'ready';
}
export interface Armed extends Common {
  readonly phase: 'armed';
  readonly attempt: Attempt;
}
/** Writes are held; waits until none can reach the old network any more (I1). */
export interface Holding extends Common {
  readonly phase: 'holding';
  readonly attempt: Attempt;
}
/** No write can reach the old network. First every open write is settled, which fixes the drain height, then the watermark gets there. */
export interface Draining extends Common {
  readonly phase: 'draining';
  readonly attempt: Attempt;
  /** Null until every write that was sent to the old network is settled (I2). */
  readonly drainHeight: Height | null;
}
export interface Verifying extends Common {
  readonly phase: 'verifying';
  readonly attempt: Attempt;
  readonly drainHeight: Height;
}
/** Decided and durable; the intent names the new network. */
export interface Committed extends Common {
  readonly phase: 'committed';
  readonly decision: Decision;
}
/** Every request sees the new intent; waits for a new node that takes writes. */
export interface Opening extends Common {
  readonly phase: 'opening';
  readonly decision: Decision;
}
export interface Switched extends Common {
  readonly phase: 'switched';
  readonly decision: Decision;
}
/** Old network completed, new one finished, no open write left. */
export interface Settled extends Common {
  readonly phase: 'settled';
  readonly decision: Decision;
}
/** Writes go to the old network again; waits out the cool-down. */
export interface Aborting extends Common {
  readonly phase: 'aborting';
  readonly attempt: Attempt;
}
/** The old network reached End before a switch. The same steps as an attempt, but nothing can be given back. */
export interface AtHalt extends Common {
  readonly phase: 'at-halt';
  readonly attempt: Attempt;
  readonly endHeight: Height;
  readonly step: HaltStep;
  /** Advice for refused writes, ms. */
  readonly retryAfterMs: number;
}
export type HaltStep = 'quiet' | 'settle' | 'catch-up' | 'check';
export interface Blocked extends Common {
  readonly phase: 'blocked';
  readonly reason: string;
  /** Set when the old network has halted meanwhile. */
  readonly halted: { readonly endHeight: Height; readonly retryAfterMs: number } | null;
}

export type State =
  | Standby
  | Syncing
  | Ready
  | Armed
  | Holding
  | Draining
  | Verifying
  | Committed
  | Opening
  | Switched
  | Settled
  | Aborting
  | AtHalt
  | Blocked;

export type StateIn<P extends Phase> = Extract<State, { phase: P }>;

/** The machine before its first event. */
export const initialState: Standby = {
  phase: 'standby',
  epoch: 1,
  seq: 0,
  since: 0,
  attempts: 0,
  postponed: null,
  last: null,
};

const COMMITTED: ReadonlySet<Phase> = new Set(['committed', 'opening', 'switched', 'settled']);
const ATTEMPT: ReadonlySet<Phase> = new Set(['armed', 'holding', 'draining', 'verifying']);

/** Decided: only forward from here (I4). */
export const isCommitted = (state: State): state is Committed | Opening | Switched | Settled =>
  COMMITTED.has(state.phase);

/** An attempt that may still be aborted. */
export const isAttempting = (state: State): state is Armed | Holding | Draining | Verifying => ATTEMPT.has(state.phase);

export const attemptOf = (state: State): Attempt | null => {
  if ('attempt' in state) return state.attempt;
  return 'decision' in state ? state.decision.attempt : null;
};
