import { parse } from 'yaml';
import { nearest } from './suggest.js';
import type { ConfigProblem, Origin } from './problems.js';
import { knownKeys, parsePath, pathText, shapeAt, type ConfigPath, type Shape } from './shape.js';

/** One value from the environment or the command line, laid over the file. */
export interface Assignment {
  readonly path: ConfigPath;
  readonly value: unknown;
  readonly origin: Origin;
}

export interface Assignments {
  readonly assignments: readonly Assignment[];
  readonly problems: readonly ConfigProblem[];
}

export const ENV_PREFIX = 'SWITCHYARD_';

/** `SWITCHYARD_NETWORKS__OLD__CHAIN_ID`: the environment's name of a value. */
export const envName = (path: ConfigPath): string =>
  ENV_PREFIX +
  path
    .map(key =>
      String(key)
        .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
        .replaceAll('-', '_')
        .toUpperCase(),
    )
    .join('__');

/**
 * Values of `SWITCHYARD_SECTION__KEY`. Lists and maps are written as YAML (`[{name: old-1, url: …}]`) or by index
 * (`…__NODES__0__URL`).
 *
 * A name without `__` that fits no key is somebody else's: Kubernetes puts SWITCHYARD_PORT and SWITCHYARD_SERVICE_HOST
 * into every container beside a service of our name. With `__` it is meant for us, so a misspelt one is an error.
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Assignments {
  const assignments: Assignment[] = [];
  const problems: ConfigProblem[] = [];
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (!name.startsWith(ENV_PREFIX) || text === undefined || text === '') continue;
    const words = name.slice(ENV_PREFIX.length).split('__');
    const origin: Origin = { kind: 'env', name };
    const found = envPath(words);
    if (found.kind === 'path') collect({ assignments, problems }, found.path, text, origin);
    else if (words.length > 1) {
      const guess = nearest(found.word, knownKeys(found.parent));
      problems.push({
        path: [],
        message: `no setting has this name: ${found.word} is not known${found.parent.length ? ` in ${pathText(found.parent)}` : ''}`,
        origin,
        seen: null,
        allowed:
          knownKeys(found.parent)
            .map(key => envName([...found.parent, key]))
            .join(', ') || null,
        suggestion:
          guess === undefined
            ? null
            : [envName([...found.parent, guess]), ...words.slice(found.parent.length + 1)].join('__'),
      });
    }
  }
  return { assignments, problems };
}

/** Values of command line flags: path (`writes.holdMs`) → text, with the flag's name for messages. */
export function readFlags(
  flags: readonly { readonly name: string; readonly path: string; readonly text: string }[],
): Assignments {
  const assignments: Assignment[] = [];
  const problems: ConfigProblem[] = [];
  for (const { name, path, text } of flags)
    collect({ assignments, problems }, parsePath(path), text, { kind: 'flag', name });
  return { assignments, problems };
}

/** Lays assignments over a tree, making sections and lists on the way. The tree is not changed. */
export function applyAssignments(tree: unknown, assignments: readonly Assignment[]): Record<string, unknown> {
  return assignments.reduce((current, { path, value }) => setAt(current, path, value), tree) as Record<string, unknown>;
}

function collect(
  into: { assignments: Assignment[]; problems: ConfigProblem[] },
  path: ConfigPath,
  text: string,
  origin: Origin,
): void {
  const shape = shapeAt(path);
  try {
    into.assignments.push({ path, value: shape ? readText(text, shape) : text, origin });
  } catch {
    into.problems.push({
      path,
      message: 'not valid YAML',
      origin,
      seen: JSON.stringify(text),
      allowed: null,
      suggestion: null,
    });
  }
}

/** Turns text into what the schema wants there; what does not fit stays text, so that validation can show it. */
function readText(text: string, shape: Shape): unknown {
  if (shape.anyOf) {
    for (const branch of shape.anyOf) {
      if (branch.type === 'string' || branch.enum) continue;
      const value = readText(text, branch);
      if (typeof value !== 'string') return value;
    }
    return text;
  }
  if (shape.type === 'integer' || shape.type === 'number') {
    return /^[+-]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
  }
  if (shape.type === 'array' && shape.items?.type === 'string' && !text.trimStart().startsWith('[')) {
    return text.split(',').map(item => item.trim());
  }
  if (shape.type === 'array' || shape.type === 'object') return parse(text) as unknown;
  return text;
}

type EnvPath =
  | { readonly kind: 'path'; readonly path: ConfigPath }
  | { readonly kind: 'unknown'; readonly parent: ConfigPath; readonly word: string };

function envPath(words: readonly string[]): EnvPath {
  let path: ConfigPath = [];
  for (const word of words) {
    const shape = shapeAt(path);
    const key = knownKeys(path).find(known => known.toUpperCase() === word.replaceAll('_', '').toUpperCase());
    if (key !== undefined) path = [...path, key];
    else if (/^\d{1,3}$/.test(word) && shape?.items) path = [...path, Number(word)];
    else if (word !== '' && shapeAt([...path, 'any']) !== undefined)
      path = [...path, word.toLowerCase().replaceAll('_', '-')];
    else return { kind: 'unknown', parent: path, word };
  }
  return { kind: 'path', path };
}

function setAt(target: unknown, path: ConfigPath, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof key === 'number') {
    const list: unknown[] = Array.isArray(target) ? [...(target as unknown[])] : [];
    list[key] = setAt(list[key], rest, value);
    return Array.from(list, item => item ?? null);
  }
  const section =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? (target as Record<string, unknown>) : {};
  return { ...section, [key]: setAt(section[key], rest, value) };
}
