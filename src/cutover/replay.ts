import { GatewayError, type Epoch, type Phase } from '../model/index.js';
import type { Command, MachineEvent } from './events.js';
import { initialState, isCommitted, type State } from './state.js';
import { isRejected, transition } from './transition.js';

/** What the loop writes to the journal, before anything acts on it. */
export type Entry =
  /** An event that changed the state, with the marks of the state it led to. */
  | {
      readonly kind: 'event';
      readonly data: {
        readonly event: MachineEvent;
        readonly phase: Phase;
        readonly epoch: Epoch;
        readonly seq: number;
      };
    }
  /**
   * The state itself: after a failed flush the machine gave the writes back without a record, so that the events in the
   * journal alone no longer lead here.
   */
  | { readonly kind: 'reset'; readonly data: { readonly state: State; readonly reason: string } }
  /** A command that was rejected; part of the audit only. */
  | {
      readonly kind: 'refused';
      readonly data: { readonly command: Command; readonly code: string; readonly phase: Phase };
    };

export const eventEntry = (event: MachineEvent, { phase, epoch, seq }: State): Entry => ({
  kind: 'event',
  data: { event, phase, epoch, seq },
});

/**
 * State after one more entry of a journal. Errors: `journal_rules` (integrity) when the entry does not lead where it led when
 * it was written: the program's rules differ, and a decision must not be taken from a wrong state.
 */
export function applyEntry(state: State, entry: Entry): State {
  switch (entry.kind) {
    case 'refused':
      return state;
    case 'reset':
      // I4: nothing takes a decision back, a reset least of all.
      if (isCommitted(state) !== isCommitted(entry.data.state)) throw differs(state.seq, 'a reset across the commit');
      return entry.data.state;
    case 'event': {
      const result = transition(state, entry.data.event);
      const { phase, epoch, seq } = entry.data;
      if (isRejected(result)) throw differs(seq, `${entry.data.event.kind} is rejected in ${state.phase}`);
      const next = result.state;
      if (next.phase !== phase || next.epoch !== epoch || next.seq !== seq) {
        throw differs(
          seq,
          `${entry.data.event.kind} in ${state.phase} leads to ${next.phase} (epoch ${next.epoch}), recorded was ${phase} (epoch ${epoch})`,
        );
      }
      return next;
    }
  }
}

/** State after all entries. `seen` is told every step, for the history. */
export function replay(entries: readonly Entry[], seen?: (from: State, to: State, index: number) => void): State {
  let state: State = initialState;
  entries.forEach((entry, index) => {
    const next = applyEntry(state, entry);
    seen?.(state, next, index);
    state = next;
  });
  return state;
}

const differs = (seq: number, what: string): GatewayError =>
  new GatewayError(
    'journal_rules',
    'integrity',
    `step ${seq} of the journal does not follow from this program's rules: ${what}. Start the version that wrote the journal`,
    { details: { seq } },
  );
