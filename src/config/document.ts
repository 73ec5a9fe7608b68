import { LineCounter, isMap, isNode, isScalar, isSeq, parseDocument, type Document } from 'yaml';
import type { ConfigProblem, Origin } from './problems.js';
import type { ConfigPath } from './shape.js';

/** A parsed YAML file that still knows where everything stands. */
export interface ConfigDocument {
  /** Plain values; sections left empty (`relay:` with nothing under it) are absent. */
  readonly tree: Readonly<Record<string, unknown>>;
  readonly problems: readonly ConfigProblem[];
  /** Place of the value (or the key) at `path`; of the nearest section around it when it is not written. */
  locate(path: ConfigPath, what?: 'value' | 'key'): Origin;
  /** Whether the file itself says something at `path`. */
  has(path: ConfigPath): boolean;
}

/** `file` is the name that messages show. */
export function parseConfigDocument(text: string, file: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, strict: true });
  const at = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { kind: 'file', file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const locate = (path: ConfigPath, what: 'value' | 'key' = 'value'): Origin => at(offsetOf(document, path, what));
  const problem = (message: string, origin: Origin): ConfigProblem => ({
    path: [],
    message,
    origin,
    seen: null,
    allowed: null,
    suggestion: null,
  });

  const problems = [...document.errors, ...document.warnings].map(error =>
    problem(yamlMessage(error), at(error.pos[0])),
  );
  let tree: Record<string, unknown> = {};
  if (problems.length === 0) {
    try {
      const value: unknown = document.toJS({ maxAliasCount: 100 });
      if (value !== null && (typeof value !== 'object' || Array.isArray(value))) {
        problems.push(problem('the file must be a map of sections, such as "networks:"', at(0)));
      } else tree = (withoutEmpty(value) ?? {}) as Record<string, unknown>;
    } catch (error) {
      problems.push(problem(error instanceof Error ? error.message : String(error), at(0)));
    }
  }
  return { tree, problems, locate, has: path => document.hasIn(path) };
}

function yamlMessage(error: { readonly code: string; readonly message: string }): string {
  if (error.code === 'DUPLICATE_KEY') return 'this key stands twice in the same section';
  if (error.code === 'TAB_AS_INDENT') return 'tabs cannot indent YAML; use spaces';
  return `not valid YAML: ${error.message.split('\n')[0] ?? ''}`;
}

/** An empty value means "not said": people comment out the lines under a heading and leave the heading. */
function withoutEmpty(value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.map(item => withoutEmpty(item) ?? null);
  if (typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, child]) => [key, withoutEmpty(child)] as const);
  return Object.fromEntries(entries.filter(([, child]) => child !== undefined));
}

function offsetOf(document: Document.Parsed, path: ConfigPath, what: 'value' | 'key'): number {
  let current: unknown = document.contents;
  let offset = 0;
  for (const [index, key] of path.entries()) {
    const isLast = index === path.length - 1;
    if (isMap(current)) {
      const pair = current.items.find(item => keyText(item.key) === String(key));
      if (!pair) return offset;
      const keyOffset = startOf(pair.key) ?? offset;
      offset = isLast && what === 'value' ? (startOf(pair.value) ?? keyOffset) : keyOffset;
      current = pair.value;
    } else if (isSeq(current)) {
      const item = current.items[Number(key)];
      if (item === undefined) return offset;
      offset = startOf(item) ?? offset;
      current = item;
    } else return offset;
  }
  return offset;
}

const keyText = (key: unknown): string => String(isScalar(key) ? key.value : key);

const startOf = (node: unknown): number | undefined => (isNode(node) ? (node.range?.[0] ?? undefined) : undefined);
