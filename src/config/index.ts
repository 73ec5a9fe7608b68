/**
 * config: schema, defaults, validation (pure), and loading (the edge that reads files and environment).
 *
 * Owns: what people may write, where each value came from, and saying every problem at once with file, line and column.
 * Every other room gets a complete, readonly `Config`; only load.ts reads the environment and files.
 * Does not own: secrets (rooms that need one make it in dataDir) and deciding what a change means to a running gateway.
 */
export * from './addresses.js';
export { envName } from './assign.js';
export * from './changes.js';
export { adminTokenFile, loadConfig, usualPlaces, type LoadOptions, type LoadedConfig } from './load.js';
export {
  CONFIG_INVALID,
  ConfigError,
  maskCredentials,
  originText,
  printable,
  problemText,
  type ConfigProblem,
  type Origin,
} from './problems.js';
export { doubts } from './rules.js';
export * from './schema.js';
export { configJsonSchema, isReloadable, parsePath, pathText, shapeAt, type ConfigPath, type Shape } from './shape.js';
export { nearest } from './suggest.js';
export { exampleConfig } from './template.js';
export { validateConfig, valueAt, type Validation } from './validate.js';
