import { assertNever, type Epoch, type NetworkName, type Phase } from '../model/index.js';
import type { State } from './state.js';

/** What routing should be in a state. Structurally the routing room's `Intent` without the strategy, which is no matter of the machine. */
export interface SwitchIntent extends RoutedIntent {
  readonly epoch: Epoch;
  readonly phase: Phase;
}

interface RoutedIntent {
  readonly writes:
    | { readonly kind: 'send'; readonly network: NetworkName }
    | { readonly kind: 'hold'; readonly network: NetworkName }
    | { readonly kind: 'refuse'; readonly reason: 'halted'; readonly retryAfterMs: number };
  readonly affine: NetworkName;
  readonly reads: NetworkName;
  readonly committed: boolean;
}

/** Pure function of the state; nothing else in the program decides where writes go. */
export const intentOf = (state: State): SwitchIntent => ({
  epoch: state.epoch,
  phase: state.phase,
  ...routedIntentOf(state),
});

/** Whether two states treat requests differently, which is what an epoch counts (I5). */
export function isSameRouting(left: State, right: State): boolean {
  const a = routedIntentOf(left);
  const b = routedIntentOf(right);
  return a.committed === b.committed && a.writes.kind === b.writes.kind;
}

const OLD: RoutedIntent = { writes: { kind: 'send', network: 'old' }, affine: 'old', reads: 'old', committed: false };
const HELD: RoutedIntent = { ...OLD, writes: { kind: 'hold', network: 'old' } };
const NEW: RoutedIntent = { writes: { kind: 'send', network: 'new' }, affine: 'new', reads: 'new', committed: true };

const halted = (retryAfterMs: number): RoutedIntent => ({
  ...OLD,
  writes: { kind: 'refuse', reason: 'halted', retryAfterMs },
});

function routedIntentOf(state: State): RoutedIntent {
  switch (state.phase) {
    case 'standby':
    case 'syncing':
    case 'ready':
    case 'armed':
    case 'aborting':
      return OLD;
    case 'holding':
    case 'draining':
    case 'verifying':
      return HELD;
    case 'at-halt':
      return halted(state.retryAfterMs);
    case 'blocked':
      return state.halted === null ? OLD : halted(state.halted.retryAfterMs);
    case 'committed':
    case 'opening':
    case 'switched':
    case 'settled':
      return NEW;
    default:
      return assertNever(state, 'state');
  }
}
