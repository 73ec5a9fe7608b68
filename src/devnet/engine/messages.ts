import type { EngineMachine } from './run/machine.js';

/** Methods that the thread answers, with the arguments they take. */
type Method = 'init' | 'restore' | 'dump' | 'executeBlock' | 'query' | 'call' | 'account' | 'numAccounts';

export type WorkerRequest = {
  [M in Method]: { readonly id: number; readonly method: M; readonly args: Parameters<EngineMachine[M]> };
}[Method];

/** An error on its way through a message: class and the members that matter. */
export type WorkerFailure =
  | { readonly kind: 'refusal'; readonly rpcCode: number; readonly message: string }
  | { readonly kind: 'halt'; readonly message: string; readonly code: string }
  | { readonly kind: 'replication-halt'; readonly message: string; readonly oldHeight: number }
  | { readonly kind: 'fault'; readonly message: string };

/** Id 0 is the thread itself: ready, or why not. */
export type WorkerAnswer =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly failure: WorkerFailure };
