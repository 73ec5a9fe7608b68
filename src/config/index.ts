/**
 * config: schema, defaults, validation (pure), and loading (the edge that reads files and environment).
 *
 * Every other room gets a complete, readonly `Config`; only config/load.ts reads the environment.
 */
export * from './schema.js';
