import { GatewayError } from '../model/index.js';
import { pathText, type ConfigPath } from './shape.js';

/** Where a value came from; `config show` prints it beside the value. */
export type Origin =
  | { readonly kind: 'flag'; readonly name: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: 'default' };

export interface ConfigProblem {
  /** Empty for what concerns the whole file. */
  readonly path: ConfigPath;
  readonly message: string;
  readonly origin: Origin;
  /** The value that was found, printable, secrets masked; null when it is missing. */
  readonly seen: string | null;
  /** The values that would be right, in words. */
  readonly allowed: string | null;
  /** What was probably meant. */
  readonly suggestion: string | null;
}

/** Code of every ConfigError; the process ends with 78. */
export const CONFIG_INVALID = 'config_invalid';

/** Every problem of a configuration at once. */
export class ConfigError extends GatewayError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(CONFIG_INVALID, 'config', problems.map(problemText).join('\n'), { details: { problems: problems.length } });
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `switchyard.yaml:7:13`, `environment SWITCHYARD_LISTEN`, `flag --listen` or `default`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'file':
      return `${origin.file}:${origin.line}:${origin.column}`;
    case 'env':
      return `environment ${origin.name}`;
    case 'flag':
      return `flag ${origin.name}`;
    case 'default':
      return 'default';
  }
}

/** One line `where: path: what`, followed by indented lines for value seen, values allowed and suggestion. */
export function problemText(problem: ConfigProblem): string {
  const path = pathText(problem.path);
  const where = problem.origin.kind === 'default' ? [] : [originText(problem.origin)];
  const head = [...where, ...(path === '' ? [] : [path]), problem.message].join(': ');
  return [
    head,
    ...(problem.seen === null ? [] : [`    seen     ${problem.seen}`]),
    ...(problem.allowed === null ? [] : [`    allowed  ${problem.allowed}`]),
    ...(problem.suggestion === null ? [] : [`    did you mean ${problem.suggestion}?`]),
  ].join('\n');
}

/** A value as it may be printed: short, on one line, credentials of URLs masked. */
export function printable(value: unknown): string {
  const text = maskCredentials(
    typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value)),
  );
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}

/** Masks `user:password@` inside URLs. */
export const maskCredentials = (text: string): string => text.replace(/(\w+:\/\/)[^/@\s"]+@/g, '$1***@');
