import { isObject, jsonOf, type Answer, type Json, type JsonObject } from './recordings.js';
import { formOf, isVolatile } from './volatile.js';

/**
 * How an answer of ours differs from the recorded one.
 *
 * `shape`: what the comparison is about: HTTP status, headers, JSON-RPC code, inner code, member names and JSON types at
 * every depth, shapes of list elements. `value`: everything else that does not depend on keys, time or machine: messages,
 * heights, counts, rows, hashes of transactions, changeset bytes.
 */
export interface Difference {
  readonly kind: 'shape' | 'value';
  /** Where, such as `result.status.chain_height`. */
  readonly path: string;
  readonly recorded: string;
  readonly ours: string;
}

export interface CompareOptions {
  readonly method: string;
  /** Public keys of the recorded nodes, and of ours in their place. */
  readonly identities: ReadonlyMap<string, string>;
}

export function compareAnswers(recorded: Answer, ours: Answer, options: CompareOptions): Difference[] {
  const found: Difference[] = [];
  if (recorded.status !== ours.status) note(found, 'shape', 'HTTP status', recorded.status, ours.status);
  for (const name of new Set([...Object.keys(recorded.headers), ...Object.keys(ours.headers)])) {
    // A connection that stays open is announced by some servers and not by others: only `close` says something.
    const [a, b] = [recorded.headers[name], ours.headers[name]].map(text =>
      name === 'connection' && text === 'keep-alive' ? undefined : text,
    );
    if (a !== b) note(found, 'shape', `header ${name}`, a ?? null, b ?? null);
  }
  const [a, b] = [jsonOf(recorded.body), jsonOf(ours.body)];
  if (a === undefined || b === undefined) {
    if (recorded.body !== ours.body) note(found, a === b ? 'value' : 'shape', 'body', recorded.body, ours.body);
    return found;
  }
  compareValues(a, b, [], { ...options, found, nodeTxs: [] });
  return found;
}

/** The same for values that are no answers, such as what a client returned. */
export function compareJson(recorded: Json, ours: Json, options: CompareOptions): Difference[] {
  const found: Difference[] = [];
  compareValues(recorded, ours, [], { ...options, found, nodeTxs: [] });
  return found;
}

interface Walk extends CompareOptions {
  readonly found: Difference[];
  /** Paths of transactions that a node signed. */
  readonly nodeTxs: string[];
}

function compareValues(recorded: Json, ours: Json, path: readonly string[], walk: Walk): void {
  const [a, b] = [typeName(recorded), typeName(ours)];
  if (a !== b) return note(walk.found, 'shape', path.join('.'), recorded, ours);
  if (Array.isArray(recorded) && Array.isArray(ours)) {
    const [theirs, own] = isSet(path, walk)
      ? [byKey(recorded, key => inOurWords(key, walk)), byKey(ours, key => key)]
      : [recorded, ours];
    return compareLists(theirs, own, path, walk);
  }
  if (isObject(recorded) && isObject(ours)) return compareObjects(recorded, ours, path, walk);
  if (isVolatile(walk.method, path) || isNodesOwn(path, walk)) {
    if (formOf(recorded) !== formOf(ours)) note(walk.found, 'shape', path.join('.'), recorded, ours);
    return;
  }
  const expected = typeof recorded === 'string' ? inOurWords(recorded, walk) : recorded;
  if (expected !== ours) note(walk.found, isCode(path) ? 'shape' : 'value', path.join('.'), expected, ours);
}

/** Validators come in an order of the moment: the node keeps them in a map. */
const isSet = (path: readonly string[], { method }: Walk): boolean =>
  method === 'chain.validators' && path.join('.') === 'result.validators';

function byKey(list: readonly Json[], words: (key: string) => string): readonly Json[] {
  const keyOf = (one: Json): string => (isObject(one) && typeof one.pubkey === 'string' ? words(one.pubkey) : '');
  return [...list].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** What a node puts into a transaction of its own: its signature, and events whose number is a matter of pace. */
function isNodesOwn(path: readonly string[], { nodeTxs }: Walk): boolean {
  const text = path.join('.');
  return nodeTxs.some(tx =>
    [`${tx}.signature.sig`, `${tx}.body.payload`, `${tx}.body.nonce`, `${tx}.hash`].includes(text),
  );
}

function inOurWords(text: string, { identities }: Walk): string {
  let ours = text;
  for (const [recorded, own] of identities) ours = ours.replaceAll(recorded, own);
  return ours;
}

/** Codes are part of the shape: clients branch on them. */
const isCode = (path: readonly string[]): boolean => path.at(-1) === 'code' || path.at(-1) === 'jsonrpc';

function compareObjects(recorded: JsonObject, ours: JsonObject, path: readonly string[], walk: Walk): void {
  if (typeof recorded.sender === 'string' && walk.identities.has(recorded.sender)) walk.nodeTxs.push(path.join('.'));
  for (const name of new Set([...Object.keys(recorded), ...Object.keys(ours)])) {
    const [a, b] = [recorded[name], ours[name]];
    const at = [...path, name];
    if (a === undefined) note(walk.found, 'shape', at.join('.'), '(absent)', b!);
    else if (b === undefined) note(walk.found, 'shape', at.join('.'), a, '(absent)');
    else compareValues(a, b, at, walk);
  }
}

/** Namespaces that extensions bring to every real network. */
const EXTENSIONS = new Set<Json>(['kwil_erc20_meta', 'kwil_ordered_sync']);

const isOfExtension = (row: Json): boolean => Array.isArray(row) && row.some(value => EXTENSIONS.has(value));

/** Element by element when the lengths agree or only extensions make the difference; otherwise every kind of element must be known from the other side. */
function compareLists(recorded: readonly Json[], ours: readonly Json[], path: readonly string[], walk: Walk): void {
  if (recorded.length === ours.length) {
    recorded.forEach((one, index) => compareValues(one, ours[index]!, [...path, String(index)], walk));
    return;
  }
  const others = recorded.filter(one => !isOfExtension(one));
  if (others.length === ours.length) {
    note(walk.found, 'value', `${path.join('.')} (rows of extensions)`, recorded.length - ours.length, 0);
    return others.forEach((one, index) => compareValues(one, ours[index]!, [...path, String(index)], walk));
  }
  note(walk.found, 'value', `${path.join('.')} (length)`, recorded.length, ours.length);
  if (recorded.length === 0 || ours.length === 0) return;
  const known = new Set(recorded.map(shapeOf));
  for (const one of ours) {
    const shape = shapeOf(one);
    if (!known.has(shape))
      return note(walk.found, 'shape', `${path.join('.')} (element)`, [...known].join(' or '), shape);
  }
}

/** JSON types at every depth; list elements in the order of their first appearance. */
function shapeOf(value: Json): string {
  if (Array.isArray(value)) return `[${[...new Set(value.map(shapeOf))].sort().join('|')}]`;
  if (!isObject(value)) return typeName(value);
  const members = Object.entries(value).map(([name, member]) => `${name}:${shapeOf(member)}`);
  return `{${members.sort().join(',')}}`;
}

const typeName = (value: Json): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

/** Long texts are shown from a little before the place where they part. */
const TEXT_SHOWN = 200;
const TEXT_BEFORE = 40;

function note(found: Difference[], kind: Difference['kind'], path: string, recorded: Json, ours: Json): void {
  const [a, b] = [recorded, ours].map(value => (typeof value === 'string' ? value : JSON.stringify(value))) as [
    string,
    string,
  ];
  let parting = 0;
  while (parting < a.length && a[parting] === b[parting]) parting++;
  const from = Math.max(0, Math.min(parting - TEXT_BEFORE, Math.max(a.length, b.length) - TEXT_SHOWN));
  const show = (text: string): string =>
    `${from > 0 ? '…' : ''}${text.slice(from, from + TEXT_SHOWN)}${text.length > from + TEXT_SHOWN ? '…' : ''}`;
  found.push({ kind, path, recorded: show(a), ours: show(b) });
}
