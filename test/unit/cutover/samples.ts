import { type EventKind, type EventOf, type State, type StateIn } from '../../../src/cutover/index.js';
import type { Phase } from '../../../src/model/index.js';

/** One state per phase, in the middle of its life, and one event per kind that fits it. */
const common = { epoch: 7, seq: 20, since: 1000, attempts: 1, postponed: null, last: null };
const attempt = { id: 'switch-1', kind: 'switch', by: 'alice', reason: '', at: 900, heldAt: 950 } as const;
const decision = { attempt, drainHeight: 150, applied: 151, at: 990 };

export const STATES: { readonly [P in Phase]: StateIn<P> } = {
  standby: { ...common, phase: 'standby' },
  syncing: { ...common, phase: 'syncing', missing: ['lag'] },
  ready: { ...common, phase: 'ready' },
  armed: { ...common, phase: 'armed', attempt: { ...attempt, heldAt: null } },
  holding: { ...common, phase: 'holding', attempt },
  draining: { ...common, phase: 'draining', attempt, drainHeight: 150 },
  verifying: { ...common, phase: 'verifying', attempt, drainHeight: 150 },
  committed: { ...common, phase: 'committed', decision },
  opening: { ...common, phase: 'opening', decision },
  switched: { ...common, phase: 'switched', decision },
  settled: { ...common, phase: 'settled', decision },
  aborting: { ...common, phase: 'aborting', attempt },
  'at-halt': {
    ...common,
    phase: 'at-halt',
    attempt: { ...attempt, kind: 'halt' },
    endHeight: 150,
    step: 'check',
    retryAfterMs: 1000,
  },
  blocked: { ...common, phase: 'blocked', reason: 'a gap', halted: null },
};

const at = 2000;
const by = { at, actor: 'bob', reason: 'why' };
const mine = { at, attempt: 'switch-1' };

export const EVENTS: { readonly [K in EventKind]: EventOf<K> } = {
  start: { kind: 'start', ...by },
  rehearse: { kind: 'rehearse', ...by },
  abort: { kind: 'abort', ...by },
  postpone: { kind: 'postpone', ...by },
  resume: { kind: 'resume', ...by },
  began: { kind: 'began', at },
  'caught-up': { kind: 'caught-up', at },
  'fell-behind': { kind: 'fell-behind', at, missing: ['lag'] },
  'old-ended': { kind: 'old-ended', at, endHeight: 150, retryAfterMs: 1000 },
  doubted: { kind: 'doubted', at, reason: 'a gap' },
  cleared: { kind: 'cleared', at },
  finished: { kind: 'finished', at },
  'preflight-done': { kind: 'preflight-done', ...mine, failed: [] },
  quiet: { kind: 'quiet', ...mine, epoch: 7 },
  'writes-settled': { kind: 'writes-settled', ...mine, open: 0, drainHeight: 150 },
  reached: { kind: 'reached', ...mine, applied: 150 },
  checked: { kind: 'checked', ...mine, open: 0, applied: 150, problems: [] },
  adopted: { kind: 'adopted', ...mine, epoch: 7 },
  opened: { kind: 'opened', ...mine },
  failed: { kind: 'failed', ...mine, reason: 'no' },
  deadline: { kind: 'deadline', ...mine, name: 'attempt' },
  restarted: { kind: 'restarted', at },
  'journal-failed': { kind: 'journal-failed', at, reason: 'full' },
};

export const withState = <P extends Phase>(phase: P, change: Partial<StateIn<P>>): State => ({
  ...STATES[phase],
  ...change,
});
