/**
 * repairs: rewrites of the stream that mean exactly the same and spare the new network's nodes a defect of theirs.
 *
 * Each is a pure function over the elements of one old height, applied only where needed, counted, and can be switched off.
 */
export * from './catalogue.js';
export * from './repair.js';
export { literalOf } from './literal.js';
