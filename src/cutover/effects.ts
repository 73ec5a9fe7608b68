import type { Epoch, Height } from '../model/index.js';

/** Deadlines, each with a budget of its own (budgets.ts). The first five belong to the step they are asked in. */
export const WAKE_NAMES = [
  'arm',
  'quiet',
  'settle',
  'catch-up',
  'check',
  'hold',
  'attempt',
  'cool-down',
  'open',
  'halt',
  'retry',
] as const;
export type WakeName = (typeof WAKE_NAMES)[number];

/**
 * Work for an edge, as plain data. Each may be run again after a restart and then means the same: waits are waits for a
 * state of the world, `expedite` names a height. Every one but `expedite` and `alarm` is answered by an event.
 */
export type EffectBody =
  /** Run every preflight check → `preflight-done`. */
  | { readonly kind: 'run-preflight' }
  /** Wait until no write admitted before this effect's epoch can reach the old network → `quiet`. */
  | { readonly kind: 'await-quiet' }
  /** Wait until no write to the old network is open → `writes-settled`. */
  | { readonly kind: 'await-settled' }
  /** Offer the new nodes everything up to this old height at once; null: as usual. */
  | { readonly kind: 'expedite'; readonly height: Height | null }
  /** Wait until the watermark is there → `reached`. */
  | { readonly kind: 'await-applied'; readonly height: Height }
  /** Read the facts of the decision again → `checked`. */
  | { readonly kind: 'final-check'; readonly height: Height }
  /** Wait until every request sees this effect's epoch → `adopted`. */
  | { readonly kind: 'await-adopted' }
  /** Wait for a node of the new network that takes writes → `opened`. */
  | { readonly kind: 'await-open' }
  /** → `deadline` with this name, unless the step or the attempt is over before. */
  | { readonly kind: 'wake'; readonly name: WakeName }
  /** Tell a person. */
  | { readonly kind: 'alarm'; readonly text: string };

/** Where an effect comes from: the same name is the same work. */
export interface EffectName {
  readonly epoch: Epoch;
  readonly seq: number;
  /** Attempt that the answer must carry; empty when it belongs to none. */
  readonly attempt: string;
}

export type Effect = EffectBody & EffectName;
