import type { Epoch } from '../model/index.js';

/** What every strategy's state carries. */
export interface StepMarks {
  /** Rises with every change of what happens to writes (I5). */
  readonly epoch: Epoch;
  /** Events that changed the state so far. */
  readonly seq: number;
  /** When the phase was entered, wall clock ms; a record, never a measure. */
  readonly since: number;
}

export interface Refused {
  readonly refused: { readonly code: string; readonly message: string };
}

export const refuse = (code: string, message: string): Refused => ({ refused: { code, message } });

export const isRefused = (result: object): result is Refused => 'refused' in result;

/** What happens to a client's writes. Structurally a part of the routing room's intent. */
export type Writes =
  | { readonly kind: 'send'; readonly network: 'old' | 'new' }
  | { readonly kind: 'hold'; readonly network: 'old' }
  | { readonly kind: 'refuse'; readonly reason: 'halted' | 'overloaded'; readonly retryAfterMs: number };

/** What the routing does in a state: the one thing that requests see of a strategy. */
export interface Routing {
  readonly writes: Writes;
  readonly affine: 'old' | 'new';
  readonly reads: 'old' | 'new';
  readonly committed: boolean;
  /** Nodes of the old network that get no new request. */
  readonly drained: readonly string[];
}

/** Something that only a person can do, and how the gateway knows that it was done. */
export interface HandWork {
  readonly todo: string;
  readonly sign: string;
}

/** What an event does in a phase: the next state, the same one (nothing), or a refusal. */
export type Cell<S, E> = (state: S, event: E) => S | Refused;

type Kinds<E> = E extends { readonly kind: infer K extends string } ? K : never;

/** One cell for every phase and every event: leaving one out does not compile. */
export type Table<S extends { readonly phase: string }, E extends { readonly kind: string }> = {
  readonly [P in S['phase']]: { readonly [K in Kinds<E>]: Cell<S, Extract<E, { readonly kind: K }>> };
};

/** A strategy as a value. Pure: time arrives in events. */
export interface Machine<S extends StepMarks & { readonly phase: string }, E> {
  readonly initial: S;
  transition(state: S, event: E): S | Refused;
  /** `at`: wall clock ms, for advice when to try again. */
  routing(state: S, at: number): Routing;
  handWork(state: S): HandWork | null;
}

interface Rules<
  S extends StepMarks & { readonly phase: string },
  E extends { readonly kind: string; readonly at: number },
> {
  readonly initial: S;
  readonly table: Table<S, E>;
  readonly routing: Machine<S, E>['routing'];
  readonly handWork: Machine<S, E>['handWork'];
}

/** Looks the cell up and keeps the marks: the epoch rises exactly when writes are treated in another way. */
export function machineOf<
  S extends StepMarks & { readonly phase: string },
  E extends { readonly kind: string; readonly at: number },
>({ initial, table, routing, handWork }: Rules<S, E>): Machine<S, E> {
  const writesOf = (state: S): string => {
    const { writes, committed } = routing(state, 0);
    return `${writes.kind} ${committed}`;
  };
  return {
    initial,
    routing,
    handWork,
    transition(state, event) {
      // The table's type pairs each kind with its own event; TypeScript cannot follow that through an index.
      const row = table[state.phase as S['phase']] as unknown as Readonly<Record<string, Cell<S, E>>>;
      const next = row[event.kind]!(state, event);
      if (isRefused(next) || next === state) return next;
      return {
        ...next,
        epoch: writesOf(state) === writesOf(next) ? state.epoch : state.epoch + 1,
        seq: state.seq + 1,
        since: next.phase === state.phase ? state.since : event.at,
      };
    },
  };
}

/** The event means nothing in this phase: a late answer, or a fact that changes nothing. */
export const same = <S>(state: S): S => state;
