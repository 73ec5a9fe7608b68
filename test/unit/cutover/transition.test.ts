import { describe, expect, it } from 'vitest';
import {
  EVENT_KINDS,
  initialState,
  intentOf,
  isCommitted,
  isRejected,
  isSameRouting,
  transition,
  type EventKind,
  type MachineEvent,
  type Moved,
  type State,
} from '../../../src/cutover/index.js';
import { PHASES, type Phase } from '../../../src/model/index.js';
import { EVENTS, STATES, withState } from './samples.js';

/** Next phase, `-` for an event that changes nothing, or `no` with the code of the rejection. */
type Expected = Phase | '-' | `no ${string}`;

/** Written beside the machine's own table, so that a cell changes only on purpose; a missing one does not compile. */
const TABLE: { readonly [P in Phase]: { readonly [K in EventKind]: Expected } } = {
  standby: {
    start: 'no not_ready',
    rehearse: 'no not_ready',
    abort: 'no nothing_to_abort',
    postpone: 'standby',
    resume: 'no not_postponed',
    began: 'syncing',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': 'at-halt',
    doubted: '-',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: '-',
    deadline: '-',
    restarted: 'standby',
    'journal-failed': '-',
  },
  syncing: {
    start: 'no not_ready',
    rehearse: 'no not_ready',
    abort: 'no nothing_to_abort',
    postpone: 'syncing',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': 'ready',
    'fell-behind': '-',
    'old-ended': 'at-halt',
    doubted: 'blocked',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: '-',
    deadline: '-',
    restarted: 'syncing',
    'journal-failed': '-',
  },
  ready: {
    start: 'armed',
    rehearse: 'armed',
    abort: 'no nothing_to_abort',
    postpone: 'ready',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': '-',
    'fell-behind': 'syncing',
    'old-ended': 'at-halt',
    doubted: 'blocked',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: '-',
    deadline: '-',
    restarted: 'syncing',
    'journal-failed': '-',
  },
  armed: {
    start: 'no attempt_running',
    rehearse: 'no attempt_running',
    abort: 'aborting',
    postpone: 'aborting',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': 'at-halt',
    doubted: 'aborting',
    cleared: '-',
    finished: '-',
    'preflight-done': 'holding',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: 'aborting',
    deadline: 'aborting',
    restarted: 'aborting',
    'journal-failed': 'aborting',
  },
  holding: {
    start: 'no attempt_running',
    rehearse: 'no attempt_running',
    abort: 'aborting',
    postpone: 'no too_late',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': 'at-halt',
    doubted: 'aborting',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: 'draining',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: 'aborting',
    deadline: 'aborting',
    restarted: 'aborting',
    'journal-failed': 'aborting',
  },
  draining: {
    start: 'no attempt_running',
    rehearse: 'no attempt_running',
    abort: 'aborting',
    postpone: 'no too_late',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': 'at-halt',
    doubted: 'aborting',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: 'verifying',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: 'aborting',
    deadline: 'aborting',
    restarted: 'aborting',
    'journal-failed': 'aborting',
  },
  verifying: {
    start: 'no attempt_running',
    rehearse: 'no attempt_running',
    abort: 'aborting',
    postpone: 'no too_late',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': 'at-halt',
    doubted: 'aborting',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: 'committed',
    adopted: '-',
    opened: '-',
    failed: 'aborting',
    deadline: 'aborting',
    restarted: 'aborting',
    'journal-failed': 'aborting',
  },
  committed: {
    start: 'no already_committed',
    rehearse: 'no already_committed',
    abort: 'no already_committed',
    postpone: 'no already_committed',
    resume: 'no already_committed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': '-',
    doubted: '-',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: 'opening',
    opened: '-',
    failed: 'committed',
    deadline: '-',
    restarted: 'committed',
    'journal-failed': '-',
  },
  opening: {
    start: 'no already_committed',
    rehearse: 'no already_committed',
    abort: 'no already_committed',
    postpone: 'no already_committed',
    resume: 'no already_committed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': '-',
    doubted: '-',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: 'switched',
    failed: 'opening',
    deadline: '-',
    restarted: 'opening',
    'journal-failed': '-',
  },
  switched: {
    start: 'no already_committed',
    rehearse: 'no already_committed',
    abort: 'no already_committed',
    postpone: 'no already_committed',
    resume: 'no already_committed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': '-',
    doubted: '-',
    cleared: '-',
    finished: 'settled',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: '-',
    deadline: '-',
    restarted: 'switched',
    'journal-failed': '-',
  },
  settled: {
    start: 'no already_committed',
    rehearse: 'no already_committed',
    abort: 'no already_committed',
    postpone: 'no already_committed',
    resume: 'no already_committed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': '-',
    doubted: '-',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: '-',
    deadline: '-',
    restarted: 'settled',
    'journal-failed': '-',
  },
  aborting: {
    start: 'no cooling_down',
    rehearse: 'no cooling_down',
    abort: 'no nothing_to_abort',
    postpone: 'aborting',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': 'at-halt',
    doubted: '-',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: '-',
    deadline: '-',
    restarted: 'aborting',
    'journal-failed': '-',
  },
  'at-halt': {
    start: 'no halted',
    rehearse: 'no halted',
    abort: 'no halted',
    postpone: 'no halted',
    resume: 'no not_postponed',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': '-',
    doubted: 'blocked',
    cleared: '-',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: 'committed',
    adopted: '-',
    opened: '-',
    failed: 'at-halt',
    deadline: '-',
    restarted: 'at-halt',
    'journal-failed': '-',
  },
  blocked: {
    start: 'no blocked',
    rehearse: 'no blocked',
    abort: 'no nothing_to_abort',
    postpone: 'blocked',
    resume: 'syncing',
    began: '-',
    'caught-up': '-',
    'fell-behind': '-',
    'old-ended': 'blocked',
    doubted: '-',
    cleared: 'syncing',
    finished: '-',
    'preflight-done': '-',
    quiet: '-',
    'writes-settled': '-',
    reached: '-',
    checked: '-',
    adopted: '-',
    opened: '-',
    failed: '-',
    deadline: '-',
    restarted: 'blocked',
    'journal-failed': '-',
  },
};

const step = (state: State, event: MachineEvent): Moved => {
  const result = transition(state, event);
  if (isRejected(result)) throw new Error(`${event.kind} is rejected in ${state.phase}: ${result.rejected.message}`);
  return result;
};
const outcome = (state: State, event: MachineEvent): Expected => {
  const result = transition(state, event);
  if (isRejected(result)) return `no ${result.rejected.code}`;
  return result.state === state ? '-' : result.state.phase;
};
const CELLS = PHASES.flatMap(phase => EVENT_KINDS.map(kind => ({ phase, kind })));
const kindsOf = ({ effects }: Moved): string[] =>
  effects.map(effect => ('name' in effect ? `wake ${effect.name}` : effect.kind));

describe('every cell of the table', () => {
  it.each(PHASES)('%s', phase => {
    const row = Object.fromEntries(EVENT_KINDS.map(kind => [kind, outcome(STATES[phase], EVENTS[kind])]));
    expect(row).toEqual(TABLE[phase]);
  });

  it('is pure: the same input gives the same output and is left as it was', () => {
    for (const { phase, kind } of CELLS) {
      const state = structuredClone(STATES[phase]);
      const event = structuredClone(EVENTS[kind]);
      const first = transition(state, event);
      expect(transition(structuredClone(STATES[phase]), structuredClone(EVENTS[kind]))).toEqual(first);
      expect(state).toEqual(STATES[phase]);
      expect(event).toEqual(EVENTS[kind]);
    }
  });

  it('counts every change, and raises the epoch exactly when requests are treated differently (I5)', () => {
    for (const { phase, kind } of CELLS) {
      const from = STATES[phase];
      const result = transition(from, EVENTS[kind]);
      if (isRejected(result) || result.state === from) continue;
      expect(result.state.seq).toBe(from.seq + 1);
      if (kind === 'restarted') expect(result.state.epoch).toBeGreaterThanOrEqual(from.epoch + 3);
      else
        expect(result.state.epoch - from.epoch, `${phase} × ${kind}`).toBe(isSameRouting(from, result.state) ? 0 : 1);
      for (const effect of result.effects)
        expect(effect).toMatchObject({ epoch: result.state.epoch, seq: result.state.seq });
    }
  });

  it('never goes back from a decision, and decides only by the final check (I4)', () => {
    for (const { phase, kind } of CELLS) {
      const from = STATES[phase];
      const result = transition(from, EVENTS[kind]);
      if (isRejected(result)) continue;
      if (isCommitted(from)) expect(isCommitted(result.state)).toBe(true);
      else if (isCommitted(result.state)) expect(kind).toBe('checked');
      expect(intentOf(result.state).committed).toBe(isCommitted(result.state));
    }
  });

  it('survives being written as JSON, since that is what the journal does', () => {
    for (const { phase, kind } of CELLS) {
      const result = transition(STATES[phase], JSON.parse(JSON.stringify(EVENTS[kind])) as MachineEvent);
      expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    }
  });
});

describe('answers that are not for this step mean nothing', () => {
  const armed = STATES.armed;
  it.each<[string, State, MachineEvent]>([
    ['preflight of an earlier attempt', armed, { ...EVENTS['preflight-done'], attempt: 'switch-0' }],
    ['quiet of an earlier attempt', STATES.holding, { ...EVENTS.quiet, attempt: 'switch-0' }],
    ['quiet of an older epoch', STATES.holding, { ...EVENTS.quiet, epoch: 6 }],
    [
      'settled while writes are open',
      withState('draining', { drainHeight: null }),
      { ...EVENTS['writes-settled'], open: 1 },
    ],
    [
      'settled of an earlier attempt',
      withState('draining', { drainHeight: null }),
      { ...EVENTS['writes-settled'], attempt: 'x' },
    ],
    ['settled a second time', STATES.draining, { ...EVENTS['writes-settled'], drainHeight: 140 }],
    ['a watermark below the drain height', STATES.draining, { ...EVENTS.reached, applied: 149 }],
    ['a watermark before there is a drain height', withState('draining', { drainHeight: null }), EVENTS.reached],
    ['a check of an earlier attempt', STATES.verifying, { ...EVENTS.checked, attempt: 'switch-0' }],
    ['adopted of another epoch', STATES.committed, { ...EVENTS.adopted, epoch: 8 }],
    ['a deadline of an earlier attempt', STATES.draining, { ...EVENTS.deadline, attempt: 'switch-0' }],
    ['a deadline of an earlier step', STATES.draining, { ...EVENTS.deadline, name: 'quiet' }],
    ['the limit for settling once all is settled', STATES.draining, { ...EVENTS.deadline, name: 'settle' }],
    ['at halt, quiet in a later step', STATES['at-halt'], EVENTS.quiet],
    ['at halt, a watermark below End', withState('at-halt', { step: 'catch-up' }), { ...EVENTS.reached, applied: 149 }],
    ['at halt, a check in an earlier step', withState('at-halt', { step: 'settle' }), EVENTS.checked],
  ])('%s', (_name, state, event) => {
    expect(outcome(state, event)).toBe('-');
  });
});

describe('the final check', () => {
  it.each([
    ['writes are open again', { open: 2 }, '2 writes to the old network are not settled'],
    ['the watermark is lower than it was', { applied: 149 }, 'shows old height 149, 150 is needed'],
    ['a problem was found', { problems: ['no node'] }, 'no node'],
  ])('gives the writes back when %s (I2)', (_name, change, text) => {
    const { state } = step(STATES.verifying, { ...EVENTS.checked, ...change });
    expect(state).toMatchObject({ phase: 'aborting', last: { result: 'aborted', holdMs: 1050 } });
    expect(state.last!.reason).toContain(text);
    expect(intentOf(state).writes).toEqual({ kind: 'send', network: 'old' });
  });

  it('of a rehearsal gives the writes back', () => {
    const rehearsal = withState('verifying', { attempt: { ...STATES.verifying.attempt, kind: 'rehearsal' } });
    expect(step(rehearsal, EVENTS.checked).state).toMatchObject({ phase: 'aborting', last: { result: 'rehearsed' } });
  });

  it('at halt goes back to the step that is not done, or looks again later', () => {
    const check = (change: object): Moved => step(STATES['at-halt'], { ...EVENTS.checked, ...change });
    expect(check({ open: 1 }).state).toMatchObject({ phase: 'at-halt', step: 'settle' });
    expect(check({ applied: 149 }).state).toMatchObject({ phase: 'at-halt', step: 'catch-up' });
    expect(kindsOf(check({ problems: ['x'] }))).toEqual(['wake retry']);
    expect(check({}).state).toMatchObject({ phase: 'committed', decision: { drainHeight: 150, applied: 150 } });
  });
});

describe('no state waits without an end (I6)', () => {
  it('each step of an attempt has a deadline of its own beside those of the hold and the attempt', () => {
    const armed = step(STATES.ready, EVENTS.start);
    expect(kindsOf(armed)).toEqual(['wake attempt', 'wake arm', 'run-preflight']);
    const id = { attempt: (armed.state as { attempt: { id: string } }).attempt.id };
    const holding = step(armed.state, { ...EVENTS['preflight-done'], ...id });
    expect(kindsOf(holding)).toEqual(['wake hold', 'wake quiet', 'await-quiet']);
    const draining = step(holding.state, { ...EVENTS.quiet, ...id, epoch: holding.state.epoch });
    expect(kindsOf(draining)).toEqual(['wake settle', 'await-settled']);
    const fixed = step(draining.state, { ...EVENTS['writes-settled'], ...id });
    expect(kindsOf(fixed)).toEqual(['expedite', 'wake catch-up', 'await-applied']);
    const verifying = step(fixed.state, { ...EVENTS.reached, ...id });
    expect(kindsOf(verifying)).toEqual(['wake check', 'final-check']);
    const committed = step(verifying.state, { ...EVENTS.checked, ...id });
    expect(kindsOf(committed)).toEqual(['expedite', 'wake open', 'await-adopted']);
    const opening = step(committed.state, { ...EVENTS.adopted, ...id, epoch: committed.state.epoch });
    expect(kindsOf(opening)).toEqual(['wake open', 'await-open']);
  });

  it.each(['armed', 'holding', 'draining', 'verifying'] as const)(
    '%s ends at the limit of the whole attempt, the hold and its own',
    phase => {
      const own = { armed: 'arm', holding: 'quiet', draining: 'catch-up', verifying: 'check' } as const;
      for (const name of [own[phase], 'attempt', ...(phase === 'armed' ? [] : (['hold'] as const))] as const) {
        const moved = step(STATES[phase], { ...EVENTS.deadline, name });
        expect(moved.state.phase).toBe('aborting');
        expect(kindsOf(moved)).toEqual(['expedite', 'wake cool-down']);
      }
    },
  );

  it('after the commit a deadline alarms and asks again, and never turns back', () => {
    for (const phase of ['committed', 'opening'] as const) {
      const moved = step(STATES[phase], { ...EVENTS.deadline, name: 'open' });
      expect(moved.state).toMatchObject({ phase, decision: STATES[phase].decision });
      expect(kindsOf(moved)).toContain('alarm');
      expect(kindsOf(moved)).toContain('wake open');
    }
  });

  it('at halt a deadline alarms and does the step again', () => {
    const moved = step(withState('at-halt', { step: 'catch-up' }), { ...EVENTS.deadline, name: 'halt' });
    expect(kindsOf(moved)).toEqual(['alarm', 'wake halt', 'expedite', 'await-applied']);
    expect(kindsOf(step(STATES['at-halt'], { ...EVENTS.deadline, name: 'retry' }))).toContain('final-check');
  });
});

describe('a first life', () => {
  it('begins in standby, writing to the old network', () => {
    expect(intentOf(initialState)).toEqual({
      epoch: 1,
      phase: 'standby',
      writes: { kind: 'send', network: 'old' },
      affine: 'old',
      reads: 'old',
      committed: false,
    });
  });

  it('holds only between the hold and the decision', () => {
    const held = PHASES.filter(phase => intentOf(STATES[phase]).writes.kind === 'hold');
    expect(held).toEqual(['holding', 'draining', 'verifying']);
    const sentNew = PHASES.filter(phase => intentOf(STATES[phase]).affine === 'new');
    expect(sentNew).toEqual(['committed', 'opening', 'switched', 'settled']);
  });
});
