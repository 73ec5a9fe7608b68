import type { z } from 'zod';
import { printable, type ConfigProblem, type Origin } from './problems.js';
import { brokenRules } from './rules.js';
import { configSchema, type Config } from './schema.js';
import { allowedText, knownKeys, pathText, shapeAt, type ConfigPath } from './shape.js';
import { nearest } from './suggest.js';

export type Validation =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export type Locate = (path: ConfigPath, what: 'value' | 'key') => Origin;

/** Checks a merged tree: every problem at once, each with where it came from. Pure. */
export function validateConfig(tree: unknown, locate: Locate = () => ({ kind: 'default' })): Validation {
  const parsed = configSchema.safeParse(tree);
  if (parsed.success) {
    const problems = ruleProblems(parsed.data, locate);
    return problems.length === 0 ? { ok: true, config: parsed.data } : { ok: false, problems };
  }
  const { issues } = parsed.error;
  const wrong = issues.flatMap(issue => issueProblems(issue, tree, locate));
  // Rules need a complete value: they look at what is left without the wrong parts, so that nobody corrects in two rounds.
  const rest = configSchema.safeParse(wrong.reduce<unknown>((left, { path }) => withoutPath(left, path), tree));
  const broken = rest.success
    ? ruleProblems(rest.data, locate).filter(({ path }) => valueAt(tree, path) !== undefined)
    : [];
  return { ok: false, problems: [...wrong, ...broken].sort(byPlace) };
}

/** The value at `path` of a plain tree; undefined where there is none. */
export function valueAt(tree: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string | number, unknown>)[key]
        : undefined,
    tree,
  );
}

function ruleProblems(config: Config, locate: Locate): readonly ConfigProblem[] {
  return brokenRules(config).map(({ path, message, allowed }) => ({
    path,
    message,
    origin: locate(path, 'value'),
    seen: printable(valueAt(config, path)),
    allowed: allowed ?? null,
    suggestion: null,
  }));
}

/** The tree without the value at `path`. A list entry is replaced by a harmless one, so that the others keep their index. */
function withoutPath(tree: unknown, path: ConfigPath): unknown {
  const [key, ...rest] = path;
  if (key === undefined || typeof tree !== 'object' || tree === null) return tree;
  if (Array.isArray(tree))
    return (tree as unknown[]).map((entry, index) => (index === key ? harmlessEntry(entry, index) : entry));
  const { [String(key)]: child, ...others } = tree as Record<string, unknown>;
  const left = rest.length === 0 ? undefined : withoutPath(child, rest);
  return left === undefined ? others : { ...others, [String(key)]: left };
}

/** The schema has lists of nodes and lists of names. */
function harmlessEntry(entry: unknown, index: number): unknown {
  const name = `unreadable-${index}`;
  return typeof entry === 'object' ? { name, url: `http://${name}.invalid` } : name;
}

/** File order, then everything else as found. */
function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  if (a.origin.kind !== 'file' || b.origin.kind !== 'file')
    return Number(b.origin.kind === 'file') - Number(a.origin.kind === 'file');
  return a.origin.line - b.origin.line || a.origin.column - b.origin.column;
}

type Issue = z.core.$ZodIssue;

function issueProblems(issue: Issue, tree: unknown, locate: Locate): readonly ConfigProblem[] {
  const path = issue.path as ConfigPath;
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey([...path, key], locate));
  if (issue.code === 'invalid_union') {
    // The branch that got furthest into the value is the one that was meant.
    const deepest = issue.errors.flat().filter(inner => inner.path.length > 0);
    if (deepest.length > 0)
      return deepest.flatMap(inner => issueProblems({ ...inner, path: [...path, ...inner.path] }, tree, locate));
  }
  return [wrongValue(issue, path, tree, locate)];
}

function unknownKey(path: ConfigPath, locate: Locate): ConfigProblem {
  const parent = path.slice(0, -1);
  const key = String(path.at(-1));
  const known = knownKeys(parent);
  const guess = nearest(key, known) ?? elsewhere(key);
  return {
    path,
    message: 'no setting has this name',
    origin: locate(path, 'key'),
    seen: null,
    allowed: known.length > 0 ? known.join(', ') : null,
    suggestion: guess === undefined ? null : known.includes(guess) ? pathText([...parent, guess]) : guess,
  };
}

/** A right name in the wrong section: `tokenFile` at the top is `admin.tokenFile`. */
function elsewhere(key: string): string | undefined {
  const section = knownKeys([]).find(name => knownKeys([name]).includes(key));
  return section === undefined ? undefined : `${section}.${key}`;
}

function wrongValue(issue: Issue, path: ConfigPath, tree: unknown, locate: Locate): ConfigProblem {
  const value = valueAt(tree, path);
  const shape = shapeAt(path);
  const isMissing = value === undefined || value === null;
  return {
    path,
    message: isMissing ? 'is missing' : messageOf(issue, value),
    origin: locate(path, 'value'),
    seen: isMissing ? null : `${printable(value)}${kindText(value, shape?.type)}`,
    allowed: shape ? allowedText(shape) : null,
    suggestion: typeof value === 'string' && shape?.enum ? (nearest(value, shape.enum.map(String)) ?? null) : null,
  };
}

function messageOf(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'too_small':
      return Array.isArray(value) ? 'has too few entries' : typeof value === 'string' ? 'is too short' : 'is too small';
    case 'too_big':
      return Array.isArray(value) ? 'has too many entries' : typeof value === 'string' ? 'is too long' : 'is too large';
    case 'invalid_format':
      return issue.format === 'url' ? 'must be an http:// or https:// URL' : issue.message;
    default:
      return 'is not an allowed value';
  }
}

/** Says the kind where it is the mistake: `kwil` and 5 look alike in YAML. */
function kindText(value: unknown, wanted: string | undefined): string {
  if (wanted === 'string' && typeof value === 'number') return ' (a number: put it in quotes)';
  if (wanted === 'string' && typeof value === 'boolean') return ' (true/false: put it in quotes)';
  return '';
}
