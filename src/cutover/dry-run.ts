import { assertNever, type Phase } from '../model/index.js';
import type { Effect } from './effects.js';
import type { MachineEvent } from './events.js';
import type { State } from './state.js';
import { intentOf } from './intent.js';
import { isRejected, transition } from './transition.js';
import type { Rejected } from './moves.js';

/** One step of a switch as it would go if nothing fails. */
export interface PlannedStep {
  readonly phase: Phase;
  /** What happens to client writes meanwhile. */
  readonly writes: 'to the old network' | 'held' | 'refused' | 'to the new network';
  readonly work: readonly string[];
}

/**
 * The steps that `start` or `rehearse` would take from `state`, by the same transitions, with every effect answered well and
 * none of them run.
 */
export function dryRun(
  state: State,
  kind: 'start' | 'rehearse',
  by: { at: number; actor: string; reason: string },
): readonly PlannedStep[] | Rejected {
  let result = transition(state, { kind, ...by });
  if (isRejected(result)) return result;
  const steps: PlannedStep[] = [];
  // Bounded by the number of phases; a machine that runs in circles would be a mistake worth seeing.
  for (let turn = 0; turn < 20; turn += 1) {
    steps.push({ phase: result.state.phase, writes: writesIn(result.state), work: result.effects.map(describe) });
    const answer = result.effects.map(effect => goodAnswer(effect, by.at)).find(event => event !== null);
    if (answer === undefined) return steps;
    const next = transition(result.state, answer);
    if (isRejected(next)) return next;
    result = next;
  }
  return steps;
}

function writesIn(state: State): PlannedStep['writes'] {
  const { writes } = intentOf(state);
  if (writes.kind === 'hold') return 'held';
  if (writes.kind === 'refuse') return 'refused';
  return writes.network === 'old' ? 'to the old network' : 'to the new network';
}

function describe(effect: Effect): string {
  switch (effect.kind) {
    case 'run-preflight':
      return 'run every preflight check';
    case 'await-quiet':
      return 'hold new writes and wait until none that was let through can still reach the old network';
    case 'await-settled':
      return 'wait until every write sent to the old network is mined, rejected or dead; this fixes the drain height';
    case 'expedite':
      return effect.height === null
        ? 'replicate at the usual pace'
        : 'offer the new nodes everything up to the drain height at once';
    case 'await-applied':
      return 'wait until the new network shows the drain height';
    case 'final-check':
      return 'read all facts of the decision again';
    case 'await-adopted':
      return 'the switch is decided: every request sees the new network';
    case 'await-open':
      return 'wait for a node of the new network that takes writes';
    case 'wake':
      return `deadline: ${effect.name}`;
    case 'alarm':
      return `tell a person: ${effect.text}`;
    default:
      return assertNever(effect, 'effect');
  }
}

function goodAnswer(effect: Effect, at: number): MachineEvent | null {
  const { attempt } = effect;
  switch (effect.kind) {
    case 'run-preflight':
      return { kind: 'preflight-done', at, attempt, failed: [] };
    case 'await-quiet':
      return { kind: 'quiet', at, attempt, epoch: effect.epoch };
    case 'await-settled':
      return { kind: 'writes-settled', at, attempt, open: 0, drainHeight: 0 };
    case 'await-applied':
      return { kind: 'reached', at, attempt, applied: effect.height };
    case 'final-check':
      return { kind: 'checked', at, attempt, open: 0, applied: effect.height, problems: [] };
    case 'await-adopted':
      return { kind: 'adopted', at, attempt, epoch: effect.epoch };
    case 'await-open':
      return { kind: 'opened', at, attempt };
    case 'expedite':
    case 'wake':
    case 'alarm':
      return null;
    default:
      return assertNever(effect, 'effect');
  }
}
