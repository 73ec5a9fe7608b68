/**
 * routing: classify a call, decide where it goes, judge what came back, project facts to a snapshot. Pure: no clock, no
 * I/O, no randomness.
 *
 * Owns: the class of every method, the ordered rules that `explain` prints, the verdict after each attempt, and the
 * snapshot every request reads once. Does not own which node is least loaded (nodes/pick), what a session has seen
 * (proxy/), or when the intent changes (cutover/).
 */
export * from './classes.js';
export * from './decide.js';
export * from './digest.js';
export * from './judge.js';
export * from './reads.js';
export * from './snapshot.js';
