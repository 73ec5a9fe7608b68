/**
 * cli: `switchyard <noun> <verb>`, a thin client of the admin contract.
 *
 * Owns: grammar, help, exit codes, what results look like on a terminal, asking before the irreversible. Knows the gateway
 * only through admin/contract.ts; the long-running programs (serve, dev, demo) are handed in by main.ts.
 * Results go to stdout (--json: exactly one object), everything else to stderr.
 */
export { runCli } from './cli.js';
export { EXIT } from './errors.js';
export type { CliIo, Output } from './io.js';
export type { DemoFlags, DevFlags, Programs } from './programs.js';
export { statusScreen } from './screen.js';
