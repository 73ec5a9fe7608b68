/**
 * cutover: the machine that decides where writes go. Pure: no clock, no I/O, no logging; time arrives in events.
 *
 * Owns: states, events, effects, `transition`, the intent of every state, budgets, the story of attempts, the steps that a dry
 * run prints. Does not own: the journal (storage/), running effects and measuring facts (control/), carrying the intent to
 * requests (gateway.ts, proxy/). SPEC.md beside this file has the invariants and which test proves which.
 */
export * from './budgets.js';
export * from './dry-run.js';
export * from './effects.js';
export * from './events.js';
export * from './history.js';
export * from './intent.js';
export * from './replay.js';
export * from './state.js';
export { isRejected, transition } from './transition.js';
export type { Moved, Rejected, RejectionCode, Transition } from './moves.js';
