/**
 * routing: classify a call, decide where it goes, judge what came back, project facts to a snapshot. Pure: no clock, no
 * I/O, no randomness.
 */
export * from './snapshot.js';
