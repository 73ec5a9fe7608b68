/**
 * model: the words that every room uses. Imports nothing.
 *
 * Owns: networks, heights, hashes, phases, the error base. Does not own wire names (protocol/) or decisions.
 */
export * from './errors.js';
export * from './network.js';
export * from './phase.js';
export * from './status.js';
