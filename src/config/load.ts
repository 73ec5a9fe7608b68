import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf } from '../model/index.js';
import { applyAssignments, readEnvironment, readFlags, type Assignment } from './assign.js';
import { parseConfigDocument, type ConfigDocument } from './document.js';
import { ConfigError, type ConfigProblem, type Origin } from './problems.js';
import { doubts, type RuleFinding } from './rules.js';
import type { Config } from './schema.js';
import { pathText, type ConfigPath } from './shape.js';
import { validateConfig } from './validate.js';

export interface LoadOptions {
  /** -c/--config; without it the usual places are tried. */
  readonly file?: string | undefined;
  readonly flags?: readonly { readonly name: string; readonly path: string; readonly text: string }[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folder that relative names start from; default: where the process runs. */
  readonly cwd?: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read; null when there was none. */
  readonly file: string | null;
  /** Where the value at `path` came from. */
  readonly originOf: (path: ConfigPath) => Origin;
  /** What works and is probably not meant. */
  readonly doubts: readonly (RuleFinding & { readonly origin: Origin })[];
}

const FILE_NAME = 'switchyard.yaml';

/** Greatest size of a configuration file: anything larger is some other file. */
const FILE_BYTES_MAX = 1_048_576;

/**
 * Reads flags > environment > file > defaults into one complete `Config`.
 * Throws ConfigError with every problem at once.
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const env = options.env ?? process.env;
  const cwd = options.cwd ?? process.cwd();
  const source = readSource(options.file, env, cwd);
  const document = source && parseConfigDocument(source.text, source.name);
  if (document && document.problems.length > 0) throw new ConfigError(document.problems);

  const fromEnv = readEnvironment(env);
  const fromFlags = readFlags(options.flags ?? []);
  const assignments = [...fromEnv.assignments, ...fromFlags.assignments];
  const tree = applyAssignments(document?.tree ?? {}, assignments);
  const locate = (path: ConfigPath, what: 'value' | 'key'): Origin =>
    locateIn(assignments, document ?? null, path, what);
  const checked = validateConfig(tree, locate);
  const problems = [...fromEnv.problems, ...fromFlags.problems, ...(checked.ok ? [] : checked.problems)];
  if (!checked.ok || problems.length > 0) throw new ConfigError(source ? problems : problems.map(withAdvice));

  const originOf = (path: ConfigPath): Origin => {
    const assigned = assignmentAt(assignments, path);
    if (assigned) return assigned.origin;
    return document?.has(path) ? document.locate(path) : { kind: 'default' };
  };
  return {
    config: checked.config,
    file: source?.path ?? null,
    originOf,
    doubts: doubts(checked.config).map(finding => ({ ...finding, origin: originOf(finding.path) })),
  };
}

/** The files that are tried when none is named, in order. */
export function usualPlaces(env: Readonly<Record<string, string | undefined>>, cwd: string): readonly string[] {
  const home = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config');
  return [join(cwd, FILE_NAME), join(home, 'switchyard', FILE_NAME), join('/etc/switchyard', FILE_NAME)];
}

/** Where the admin token lies. */
export const adminTokenFile = (config: Config): string => config.admin.tokenFile ?? join(config.dataDir, 'admin.token');

interface Source {
  readonly path: string;
  /** As it was named: messages show this. */
  readonly name: string;
  readonly text: string;
}

function readSource(
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Source | null {
  const named = file ?? (env['SWITCHYARD_CONFIG'] || undefined);
  if (named !== undefined) {
    const origin: Origin =
      file === undefined ? { kind: 'env', name: 'SWITCHYARD_CONFIG' } : { kind: 'flag', name: '--config' };
    return { path: resolve(cwd, named), name: named, text: readText(resolve(cwd, named), named, origin) };
  }
  for (const [index, path] of usualPlaces(env, cwd).entries()) {
    try {
      const text = readFileSync(path, 'utf8');
      return { path, name: index === 0 ? FILE_NAME : path, text };
    } catch (error) {
      if (isAbsent(error)) continue;
      throw fileError(path, error, { kind: 'default' });
    }
  }
  return null;
}

function readText(path: string, name: string, origin: Origin): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES_MAX) throw new Error(`it has ${bytes.length} bytes, which no configuration has`);
    return bytes.toString('utf8');
  } catch (error) {
    throw fileError(name, error, origin);
  }
}

const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');

function fileError(name: string, error: unknown, origin: Origin): ConfigError {
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return new ConfigError([
    {
      path: [],
      message: absent ? `there is no file ${name}` : `cannot read ${name}: ${messageOf(error)}`,
      origin,
      seen: null,
      allowed: absent ? 'an existing file; `switchyard config init` writes one' : null,
      suggestion: null,
    },
  ]);
}

/** Without any file, "networks.old is missing" alone would puzzle. */
const withAdvice = (problem: ConfigProblem): ConfigProblem =>
  problem.origin.kind === 'default' && problem.message === 'is missing'
    ? {
        ...problem,
        message: `is missing, and no configuration file was found (-c FILE, $SWITCHYARD_CONFIG, ./${FILE_NAME}; \`switchyard config init\` writes one)`,
      }
    : problem;

function locateIn(
  assignments: readonly Assignment[],
  document: ConfigDocument | null,
  path: ConfigPath,
  what: 'value' | 'key',
): Origin {
  return assignmentAt(assignments, path)?.origin ?? document?.locate(path, what) ?? { kind: 'default' };
}

/** The assignment that decides at `path`: the last one that is at it or around it, else the last one inside it. */
function assignmentAt(assignments: readonly Assignment[], path: ConfigPath): Assignment | undefined {
  const wanted = pathText(path);
  const isWithin = (inner: string, outer: string): boolean =>
    inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
  return assignments.findLast(({ path: at }) => isWithin(wanted, pathText(at)));
}
