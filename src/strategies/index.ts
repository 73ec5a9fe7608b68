/**
 * strategies: the two simpler ways to move as values: rolling upgrade and offline migration.
 *
 * Owns: phases and events as total tables, what the routing does in each phase, what only an operator can do and how it is
 * known to be done, the plan of an upgrade, the judgement of snapshot, genesis file and new network. Pure: no clock, no I/O.
 * Does not own: the zero-downtime machine (cutover/), journal (storage/), watching nodes and running steps (control/).
 */
export * from './machine.js';
export * from './offline-check.js';
export * from './offline-files.js';
export * from './offline.js';
export * from './rolling-plan.js';
export * from './rolling.js';
