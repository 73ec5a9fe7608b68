import type { Height, Phase } from '../model/index.js';
import type { Effect, EffectBody, WakeName } from './effects.js';
import { isSameRouting } from './intent.js';
import {
  attemptOf,
  isAttempting,
  type Armed,
  type AtHalt,
  type Attempt,
  type Blocked,
  type Committed,
  type Draining,
  type Holding,
  type Opening,
  type Outcome,
  type State,
  type StateIn,
  type Verifying,
} from './state.js';

/** Taken: the state after the event (the same object when the event changes nothing) and the work that follows. */
export interface Moved {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** Not taken. Only commands are rejected; facts that come too late are taken without effect. */
export interface Rejected {
  readonly rejected: { readonly code: RejectionCode; readonly message: string };
}

export type RejectionCode =
  | 'not_ready'
  | 'postponed'
  | 'attempt_running'
  | 'nothing_to_abort'
  | 'already_committed'
  | 'too_late'
  | 'cooling_down'
  | 'halted'
  | 'blocked'
  | 'not_postponed';

export type Transition = Moved | Rejected;

/** What a phase adds to `Common`. */
export type Draft = {
  [P in Phase]: Pick<StateIn<P>, 'phase'> &
    Omit<StateIn<P>, 'epoch' | 'seq' | 'since' | 'attempts' | 'postponed' | 'last'>;
}[Phase];

interface Change {
  readonly at: number;
  readonly effects?: readonly EffectBody[];
  readonly last?: Outcome;
  readonly postponed?: State['postponed'];
  readonly begins?: boolean;
  readonly epochGap?: number;
}

/** The only place that makes a next state, so that epoch, sequence and effect names cannot be forgotten. */
export function move(from: State, draft: Draft, change: Change): Moved {
  const next = {
    ...draft,
    epoch: from.epoch + (change.epochGap ?? 0),
    seq: from.seq + 1,
    since: draft.phase === from.phase ? from.since : change.at,
    attempts: from.attempts + (change.begins === true ? 1 : 0),
    postponed: change.postponed === undefined ? from.postponed : change.postponed,
    last: change.last ?? from.last,
  } as State;
  const state: State = isSameRouting(from, next) ? next : { ...next, epoch: next.epoch + 1 };
  const attempt = attemptOf(state)?.id ?? '';
  const name = { epoch: state.epoch, seq: state.seq, attempt };
  return { state, effects: (change.effects ?? []).map(body => ({ ...body, ...name })) };
}

/** The event means nothing here, on purpose. */
export const stay = (state: State): Moved => ({ state, effects: [] });

export const no =
  (code: RejectionCode, message: string): (() => Rejected) =>
  () => ({ rejected: { code, message } });

const wake = (name: WakeName): EffectBody => ({ kind: 'wake', name });

const NO_EXPEDITE: EffectBody = { kind: 'expedite', height: null };

// ── an attempt ──

export function arm(
  from: StateIn<'ready'>,
  kind: 'switch' | 'rehearsal',
  by: { at: number; actor: string; reason: string },
): Transition {
  if (from.postponed !== null) {
    return {
      rejected: {
        code: 'postponed',
        message: `postponed by ${from.postponed.by}: ${from.postponed.reason}; resume first`,
      },
    };
  }
  const attempt: Attempt = {
    id: `${kind}-${from.attempts + 1}`,
    kind,
    by: by.actor,
    reason: by.reason,
    at: by.at,
    heldAt: null,
  };
  return move(
    from,
    { phase: 'armed', attempt },
    {
      at: by.at,
      begins: true,
      effects: [wake('attempt'), wake('arm'), { kind: 'run-preflight' }],
    },
  );
}

export const hold = (from: Armed, at: number): Moved =>
  move(
    from,
    { phase: 'holding', attempt: { ...from.attempt, heldAt: at } },
    {
      at,
      effects: [wake('hold'), wake('quiet'), { kind: 'await-quiet' }],
    },
  );

export const drain = (from: Holding, at: number): Moved =>
  move(
    from,
    { phase: 'draining', attempt: from.attempt, drainHeight: null },
    {
      at,
      effects: [wake('settle'), { kind: 'await-settled' }],
    },
  );

/** Only now is the height known that the new network must show: nothing can be added to the old one by us (I2). */
export const fixDrainHeight = (from: Draining, drainHeight: Height, at: number): Moved =>
  move(
    from,
    { phase: 'draining', attempt: from.attempt, drainHeight },
    {
      at,
      effects: [
        { kind: 'expedite', height: drainHeight },
        wake('catch-up'),
        { kind: 'await-applied', height: drainHeight },
      ],
    },
  );

export const verify = (from: Draining & { drainHeight: Height }, at: number): Moved =>
  move(
    from,
    { phase: 'verifying', attempt: from.attempt, drainHeight: from.drainHeight },
    {
      at,
      effects: [wake('check'), { kind: 'final-check', height: from.drainHeight }],
    },
  );

/** The one decision (I4): the record of this move, once durable, is the switch. */
export function commit(from: Verifying | AtHalt, facts: { drainHeight: Height; applied: Height; at: number }): Moved {
  const { attempt } = from;
  const last: Outcome = {
    attempt: attempt.id,
    kind: attempt.kind,
    result: 'switched',
    reason: `the new network shows old height ${facts.applied}, ${facts.drainHeight} was needed`,
    at: facts.at,
    holdMs: heldFor(attempt, facts.at),
  };
  return move(
    from,
    { phase: 'committed', decision: { attempt, ...facts } },
    { at: facts.at, last, effects: committedEffects },
  );
}

export const committedEffects: readonly EffectBody[] = [NO_EXPEDITE, wake('open'), { kind: 'await-adopted' }];
export const openingEffects: readonly EffectBody[] = [wake('open'), { kind: 'await-open' }];

/** Nothing turns a committed switch back; somebody should know that it takes long. */
export const alarmOpening = (from: Committed | Opening, at: number): Moved =>
  again(from, at, [
    { kind: 'alarm', text: 'the switch is decided, but the new network does not take writes yet; it will not go back' },
    ...(from.phase === 'committed' ? committedEffects : openingEffects),
  ]);

/** Same phase, same data, effects once more. */
export const again = (from: State, at: number, effects: readonly EffectBody[], epochGap = 0): Moved =>
  move(from, draftOf(from), { at, effects, epochGap });

/** Ends an attempt before its commit: the same step gives the writes back to the old network. */
export function release(
  from: Armed | Holding | Draining | Verifying,
  at: number,
  reason: string,
  options: {
    readonly result?: 'aborted' | 'rehearsed';
    readonly postponed?: State['postponed'];
    readonly epochGap?: number;
  } = {},
): Moved {
  const { attempt } = from;
  const last = endOf(attempt, options.result ?? 'aborted', reason, at);
  return move(
    from,
    { phase: 'aborting', attempt },
    {
      at,
      last,
      ...(options.postponed === undefined ? {} : { postponed: options.postponed }),
      ...(options.epochGap === undefined ? {} : { epochGap: options.epochGap }),
      effects: [NO_EXPEDITE, wake('cool-down')],
    },
  );
}

export const endOf = (attempt: Attempt, result: Outcome['result'], reason: string, at: number): Outcome => ({
  attempt: attempt.id,
  kind: attempt.kind,
  result,
  reason,
  at,
  holdMs: heldFor(attempt, at),
});

// A clock that was set back must not make a negative duration.
const heldFor = (attempt: Attempt, at: number): number | null =>
  attempt.heldAt === null ? null : Math.max(0, at - attempt.heldAt);

// ── End came first ──

export interface HaltFacts {
  readonly at: number;
  readonly endHeight: Height;
  readonly retryAfterMs: number;
}

/** From any undecided state: nothing can be given back to a network that takes nothing, so the same steps run towards End. */
export function halt(
  from: Exclude<State, { phase: 'committed' | 'opening' | 'switched' | 'settled' | 'at-halt' }>,
  facts: HaltFacts,
): Moved {
  const attempt: Attempt = {
    id: `halt-${from.attempts + 1}`,
    kind: 'halt',
    by: 'gateway',
    reason: `the old network reached End (${facts.endHeight}) before a switch`,
    at: facts.at,
    heldAt: facts.at,
  };
  const running = isAttempting(from) ? from.attempt : null;
  return move(
    from,
    { phase: 'at-halt', attempt, endHeight: facts.endHeight, step: 'quiet', retryAfterMs: facts.retryAfterMs },
    {
      at: facts.at,
      begins: true,
      ...(running === null
        ? {}
        : {
            last: endOf(running, 'overtaken', `the old network reached End (${facts.endHeight}) during it`, facts.at),
          }),
      effects: haltEffects('quiet', facts.endHeight),
    },
  );
}

export const haltStep = (from: AtHalt, step: AtHalt['step'], at: number): Moved =>
  move(from, { ...haltDraft(from), step }, { at, effects: haltEffects(step, from.endHeight) });

/** The check found something that may pass (a node is down): look again after a pause; nobody's write is waiting inside. */
export const pauseHalt = (from: AtHalt, at: number): Moved =>
  move(from, haltDraft(from), { at, effects: [wake('retry')] });

export const alarmHalt = (from: AtHalt, at: number): Moved =>
  move(from, haltDraft(from), {
    at,
    effects: [
      { kind: 'alarm', text: `the old network is halted and the new one is not ready: step ${from.step}` },
      ...haltEffects(from.step, from.endHeight),
    ],
  });

const haltDraft = ({ attempt, endHeight, step, retryAfterMs }: AtHalt): HaltDraft => ({
  phase: 'at-halt',
  attempt,
  endHeight,
  step,
  retryAfterMs,
});

type HaltDraft = Extract<Draft, { phase: 'at-halt' }>;

export function haltEffects(step: AtHalt['step'], endHeight: Height): readonly EffectBody[] {
  const work: Record<AtHalt['step'], EffectBody> = {
    quiet: { kind: 'await-quiet' },
    settle: { kind: 'await-settled' },
    'catch-up': { kind: 'await-applied', height: endHeight },
    check: { kind: 'final-check', height: endHeight },
  };
  // Everything up to End is wanted from the first moment on.
  return [wake('halt'), { kind: 'expedite', height: endHeight }, work[step]];
}

// ── standing ──

export const block = (from: State, at: number, reason: string, halted: Blocked['halted'], last?: Outcome): Moved =>
  move(
    from,
    { phase: 'blocked', reason, halted },
    {
      at,
      ...(last === undefined ? {} : { last }),
      effects: [NO_EXPEDITE, { kind: 'alarm', text: `blocked: ${reason}` }],
    },
  );

export const unblock = (from: Blocked, at: number): Moved =>
  from.halted === null ? move(from, { phase: 'syncing', missing: [] }, { at }) : halt(from, { at, ...from.halted });

export const setPostponed = (from: State, postponed: State['postponed'], at: number): Moved =>
  move(from, draftOf(from), { at, postponed });

function draftOf(state: State): Draft {
  const {
    epoch: _epoch,
    seq: _seq,
    since: _since,
    attempts: _attempts,
    postponed: _postponed,
    last: _last,
    ...draft
  } = state;
  return draft;
}

/**
 * A new process may have shown clients epochs whose records never became durable: at most one change under way and the
 * release that overtook it. It therefore begins above them (I5).
 */
export const RESTART_EPOCH_GAP = 3;
