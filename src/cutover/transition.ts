import type { Phase } from '../model/index.js';
import type { EventKind, EventOf, MachineEvent } from './events.js';
import {
  again,
  alarmHalt,
  alarmOpening,
  arm,
  block,
  commit,
  committedEffects,
  drain,
  endOf,
  fixDrainHeight,
  halt,
  haltEffects,
  haltStep,
  hold,
  move,
  no,
  openingEffects,
  pauseHalt,
  release,
  RESTART_EPOCH_GAP,
  setPostponed,
  stay,
  unblock,
  verify,
  type Moved,
  type Rejected,
  type Transition,
} from './moves.js';
import type { Armed, AtHalt, Draining, Holding, State, StateIn, Verifying } from './state.js';

/**
 * What happens in `state` when `event` arrives (SPEC.md). Pure and total: every phase has a cell for every event, or this
 * file does not compile. The state object itself comes back when the event changes nothing; then there is nothing to journal.
 */
export function transition(state: State, event: MachineEvent): Transition {
  // The table pairs each cell with its own state and event type, which an index by two variables cannot express.
  const cell = TABLE[state.phase][event.kind] as (state: State, event: MachineEvent) => Transition;
  return cell(state, event);
}

export const isRejected = (result: Transition): result is Rejected => 'rejected' in result;

type Cell<P extends Phase, K extends EventKind> = (state: StateIn<P>, event: EventOf<K>) => Transition;
type Table = { readonly [P in Phase]: { readonly [K in EventKind]: Cell<P, K> } };

// Short forms for the table. An undecided state's way out is always the same, a decided one's never exists.
type Attempting = Armed | Holding | Draining | Verifying;

const running = no('attempt_running', 'an attempt is running; wait for its end or abort it');
const committed = no('already_committed', 'the switch is decided and only goes forward');
const tooLate = no('too_late', 'writes are held already; use abort');
const automatic = no(
  'halted',
  'the old network has reached End: the switch happens by itself as soon as the new network has everything',
);
const idle = no('nothing_to_abort', 'no attempt is running');
const early = no('not_ready', 'the migration has not begun, or its replication does not run yet');
const notPostponed = no('not_postponed', 'nothing is postponed');

const postpone = (state: State, { actor, reason, at }: EventOf<'postpone'>): Moved =>
  setPostponed(state, { by: actor, reason, at }, at);
const resume = (state: State, { at }: EventOf<'resume'>): Transition =>
  state.postponed === null ? notPostponed() : setPostponed(state, null, at);
const abort = (state: Attempting, { at, actor, reason }: EventOf<'abort'>): Moved =>
  release(state, at, reason === '' ? `aborted by ${actor}` : `aborted by ${actor}: ${reason}`);
const doubt = (state: Attempting, { at, reason }: EventOf<'doubted'>): Moved => release(state, at, reason);
const fail = (state: Attempting, event: EventOf<'failed'>): Moved =>
  isMine(state, event) ? release(state, event.at, event.reason) : stay(state);
const crash = (state: Attempting, { at }: EventOf<'restarted'>): Moved =>
  release(state, at, `the gateway ended while the attempt was ${state.phase}`, { epochGap: RESTART_EPOCH_GAP });
const unjournalled = (state: Attempting, { at, reason }: EventOf<'journal-failed'>): Moved =>
  release(state, at, `the journal failed: ${reason}`);
const rest = (state: State, { at }: EventOf<'restarted'>): Moved => again(state, at, [], RESTART_EPOCH_GAP);

const isMine = (state: { readonly attempt: { readonly id: string } }, event: { readonly attempt: string }): boolean =>
  state.attempt.id === event.attempt;
const isOurs = (state: StateIn<'committed' | 'opening'>, event: { readonly attempt: string }): boolean =>
  state.decision.attempt.id === event.attempt;

/** Which deadlines end an attempt in which phase; a late one of an earlier step means nothing. */
const LIMITS: Record<Attempting['phase'], Partial<Record<EventOf<'deadline'>['name'], string>>> = {
  armed: { arm: 'the preflight checks took too long', attempt: 'the attempt took too long' },
  holding: {
    quiet: 'writes sent before the hold did not end in time',
    hold: 'writes could not be held any longer',
    attempt: 'the attempt took too long',
  },
  draining: {
    settle: 'writes to the old network were not settled in time',
    'catch-up': 'the new network did not catch up in time',
    hold: 'writes could not be held any longer',
    attempt: 'the attempt took too long',
  },
  verifying: {
    check: 'the final check took too long',
    hold: 'writes could not be held any longer',
    attempt: 'the attempt took too long',
  },
};

function limit(state: Attempting, event: EventOf<'deadline'>): Moved {
  const text = LIMITS[state.phase][event.name];
  if (text === undefined || !isMine(state, event)) return stay(state);
  // The limit for settling is met once the drain height is fixed.
  if (state.phase === 'draining' && event.name === (state.drainHeight === null ? 'catch-up' : 'settle'))
    return stay(state);
  return release(state, event.at, text);
}

const TABLE: Table = {
  standby: {
    start: early,
    rehearse: early,
    abort: idle,
    postpone,
    resume,
    began: (state, { at }) => move(state, { phase: 'syncing', missing: [] }, { at }),
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': halt,
    // Nothing can be switched yet, so nothing has to be stopped.
    doubted: stay,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: stay,
    deadline: stay,
    restarted: rest,
    'journal-failed': stay,
  },

  syncing: {
    start: notReady,
    rehearse: notReady,
    abort: idle,
    postpone,
    resume,
    began: stay,
    'caught-up': (state, { at }) => move(state, { phase: 'ready' }, { at }),
    'fell-behind': stay,
    'old-ended': halt,
    doubted: (state, { at, reason }) => block(state, at, reason, null),
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: stay,
    deadline: stay,
    restarted: rest,
    'journal-failed': stay,
  },

  ready: {
    start: (state, event) => arm(state, 'switch', event),
    rehearse: (state, event) => arm(state, 'rehearsal', event),
    abort: idle,
    postpone,
    resume,
    began: stay,
    'caught-up': stay,
    'fell-behind': (state, { at, missing }) => move(state, { phase: 'syncing', missing }, { at }),
    'old-ended': halt,
    doubted: (state, { at, reason }) => block(state, at, reason, null),
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: stay,
    deadline: stay,
    // What was true before the restart has to be seen again.
    restarted: (state, { at }) =>
      move(state, { phase: 'syncing', missing: ['seen'] }, { at, epochGap: RESTART_EPOCH_GAP }),
    'journal-failed': stay,
  },

  armed: {
    start: running,
    rehearse: running,
    abort,
    postpone: (state, { at, actor, reason }) =>
      release(state, at, `postponed by ${actor}: ${reason}`, { postponed: { by: actor, reason, at } }),
    resume: notPostponed,
    began: stay,
    'caught-up': stay,
    // The preflight checks that are running see it themselves.
    'fell-behind': stay,
    'old-ended': halt,
    doubted: doubt,
    cleared: stay,
    finished: stay,
    'preflight-done': (state, event) => {
      if (!isMine(state, event)) return stay(state);
      if (event.failed.length > 0) return release(state, event.at, `preflight failed: ${event.failed.join(', ')}`);
      return hold(state, event.at);
    },
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: fail,
    deadline: limit,
    restarted: crash,
    'journal-failed': unjournalled,
  },

  holding: {
    start: running,
    rehearse: running,
    abort,
    postpone: tooLate,
    resume: notPostponed,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': halt,
    doubted: doubt,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: (state, event) =>
      isMine(state, event) && event.epoch === state.epoch ? drain(state, event.at) : stay(state),
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: fail,
    deadline: limit,
    restarted: crash,
    'journal-failed': unjournalled,
  },

  draining: {
    start: running,
    rehearse: running,
    abort,
    postpone: tooLate,
    resume: notPostponed,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': halt,
    doubted: doubt,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': (state, event) =>
      isMine(state, event) && state.drainHeight === null && event.open === 0
        ? fixDrainHeight(state, event.drainHeight, event.at)
        : stay(state),
    reached: (state, event) => {
      const { drainHeight } = state;
      const isThere = isMine(state, event) && drainHeight !== null && event.applied >= drainHeight;
      return isThere ? verify({ ...state, drainHeight }, event.at) : stay(state);
    },
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: fail,
    deadline: limit,
    restarted: crash,
    'journal-failed': unjournalled,
  },

  verifying: {
    start: running,
    rehearse: running,
    abort,
    postpone: tooLate,
    resume: notPostponed,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': halt,
    doubted: doubt,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: (state, event) => {
      if (!isMine(state, event)) return stay(state);
      const against = objections(event, state.drainHeight);
      if (against.length > 0) return release(state, event.at, `the final check failed: ${against.join('; ')}`);
      if (state.attempt.kind === 'rehearsal')
        return release(state, event.at, 'rehearsed: a switch would have been decided now', { result: 'rehearsed' });
      return commit(state, { drainHeight: state.drainHeight, applied: event.applied, at: event.at });
    },
    adopted: stay,
    opened: stay,
    failed: fail,
    deadline: limit,
    restarted: crash,
    'journal-failed': unjournalled,
  },

  committed: {
    start: committed,
    rehearse: committed,
    abort: committed,
    postpone: committed,
    resume: committed,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': stay,
    doubted: stay,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: (state, event) =>
      isOurs(state, event) && event.epoch === state.epoch
        ? move(state, { phase: 'opening', decision: state.decision }, { at: event.at, effects: openingEffects })
        : stay(state),
    opened: stay,
    failed: (state, event) => (isOurs(state, event) ? alarmOpening(state, event.at) : stay(state)),
    deadline: (state, event) =>
      isOurs(state, event) && event.name === 'open' ? alarmOpening(state, event.at) : stay(state),
    restarted: (state, { at }) => again(state, at, committedEffects, RESTART_EPOCH_GAP),
    'journal-failed': stay,
  },

  opening: {
    start: committed,
    rehearse: committed,
    abort: committed,
    postpone: committed,
    resume: committed,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': stay,
    doubted: stay,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: (state, event) =>
      isOurs(state, event)
        ? move(state, { phase: 'switched', decision: state.decision }, { at: event.at })
        : stay(state),
    failed: (state, event) => (isOurs(state, event) ? alarmOpening(state, event.at) : stay(state)),
    deadline: (state, event) =>
      isOurs(state, event) && event.name === 'open' ? alarmOpening(state, event.at) : stay(state),
    restarted: (state, { at }) => again(state, at, openingEffects, RESTART_EPOCH_GAP),
    'journal-failed': stay,
  },

  switched: {
    start: committed,
    rehearse: committed,
    abort: committed,
    postpone: committed,
    resume: committed,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': stay,
    doubted: stay,
    cleared: stay,
    finished: (state, { at }) => move(state, { phase: 'settled', decision: state.decision }, { at }),
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: stay,
    deadline: stay,
    restarted: rest,
    'journal-failed': stay,
  },

  settled: {
    start: committed,
    rehearse: committed,
    abort: committed,
    postpone: committed,
    resume: committed,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': stay,
    doubted: stay,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: stay,
    deadline: stay,
    restarted: rest,
    'journal-failed': stay,
  },

  aborting: {
    start: no('cooling_down', 'the last attempt has just been aborted; wait for the end of the pause'),
    rehearse: no('cooling_down', 'the last attempt has just been aborted; wait for the end of the pause'),
    abort: no('nothing_to_abort', 'the attempt is aborted already'),
    postpone,
    resume,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': halt,
    // Looked at again when the pause is over.
    doubted: stay,
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: stay,
    deadline: (state, event) =>
      isMine(state, event) && event.name === 'cool-down'
        ? move(state, { phase: 'syncing', missing: ['seen'] }, { at: event.at })
        : stay(state),
    restarted: (state, { at }) =>
      again(
        state,
        at,
        [
          { kind: 'expedite', height: null },
          { kind: 'wake', name: 'cool-down' },
        ],
        RESTART_EPOCH_GAP,
      ),
    'journal-failed': stay,
  },

  'at-halt': {
    start: automatic,
    rehearse: automatic,
    abort: no('halted', 'the old network has halted: there is nothing to go back to'),
    postpone: automatic,
    resume,
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': stay,
    doubted: (state, { at, reason }) =>
      block(
        state,
        at,
        reason,
        { endHeight: state.endHeight, retryAfterMs: state.retryAfterMs },
        endOf(state.attempt, 'aborted', `blocked: ${reason}`, at),
      ),
    cleared: stay,
    finished: stay,
    'preflight-done': stay,
    quiet: (state, event) =>
      isMine(state, event) && event.epoch === state.epoch && state.step === 'quiet'
        ? haltStep(state, 'settle', event.at)
        : stay(state),
    'writes-settled': (state, event) =>
      isMine(state, event) && state.step === 'settle' && event.open === 0
        ? haltStep(state, 'catch-up', event.at)
        : stay(state),
    reached: (state, event) =>
      isMine(state, event) && state.step === 'catch-up' && event.applied >= state.endHeight
        ? haltStep(state, 'check', event.at)
        : stay(state),
    checked: (state, event) => checkedAtHalt(state, event),
    adopted: stay,
    opened: stay,
    failed: (state, event) => (isMine(state, event) ? pauseHalt(state, event.at) : stay(state)),
    deadline: (state, event) => {
      if (!isMine(state, event)) return stay(state);
      if (event.name === 'halt') return alarmHalt(state, event.at);
      return event.name === 'retry' ? haltStep(state, state.step, event.at) : stay(state);
    },
    // The new process has sent nothing, but what it may send is for it to say: all steps again.
    restarted: (state, { at }) =>
      move(
        state,
        {
          phase: 'at-halt',
          attempt: state.attempt,
          endHeight: state.endHeight,
          step: 'quiet',
          retryAfterMs: state.retryAfterMs,
        },
        { at, effects: haltEffects('quiet', state.endHeight), epochGap: RESTART_EPOCH_GAP },
      ),
    'journal-failed': stay,
  },

  blocked: {
    start: isBlocked,
    rehearse: isBlocked,
    abort: idle,
    postpone,
    resume: (state, { at }) => unblock(state, at),
    began: stay,
    'caught-up': stay,
    'fell-behind': stay,
    'old-ended': (state, { at, endHeight, retryAfterMs }) =>
      state.halted === null ? block(state, at, state.reason, { endHeight, retryAfterMs }) : stay(state),
    doubted: stay,
    cleared: (state, { at }) => unblock(state, at),
    finished: stay,
    'preflight-done': stay,
    quiet: stay,
    'writes-settled': stay,
    reached: stay,
    checked: stay,
    adopted: stay,
    opened: stay,
    failed: stay,
    deadline: stay,
    restarted: rest,
    'journal-failed': stay,
  },
};

function notReady(state: StateIn<'syncing'>): Rejected {
  const missing =
    state.missing.length === 0 ? 'the new network is still catching up' : `missing: ${state.missing.join(', ')}`;
  return { rejected: { code: 'not_ready', message: `not ready: ${missing}` } };
}

function isBlocked(state: StateIn<'blocked'>): Rejected {
  return { rejected: { code: 'blocked', message: `blocked: ${state.reason}; put it right, then resume` } };
}

/** I2 once more at the decision itself, from facts read again. */
function objections(event: EventOf<'checked'>, drainHeight: number): readonly string[] {
  return [
    ...event.problems,
    ...(event.open > 0 ? [`${event.open} writes to the old network are not settled`] : []),
    ...(event.applied < drainHeight
      ? [`the new network shows old height ${event.applied}, ${drainHeight} is needed`]
      : []),
  ];
}

function checkedAtHalt(state: AtHalt, event: EventOf<'checked'>): Moved {
  if (!isMine(state, event) || state.step !== 'check') return stay(state);
  if (event.open > 0) return haltStep(state, 'settle', event.at);
  if (event.applied < state.endHeight) return haltStep(state, 'catch-up', event.at);
  if (event.problems.length > 0) return pauseHalt(state, event.at);
  return commit(state, { drainHeight: state.endHeight, applied: event.applied, at: event.at });
}
