import {
  bufferOf,
  canonicalTypeName,
  CodecError,
  decodeCall,
  decodePayload,
  foldName,
  type EncodedValue,
  type Transaction,
} from '../protocol/index.js';

export type ShieldAction = 'off' | 'warn' | 'refuse';

export interface ShieldRule {
  readonly name: string;
  readonly action: ShieldAction;
  readonly text: string;
}

/** Requests that end or harm a real node; a closed list. Each can be turned down by name in the configuration. */
export const SHIELD_RULES = [
  { name: 'incomplete-transaction', action: 'refuse', text: 'a broadcast needs a transaction with body and signature' },
  { name: 'unreadable-payload', action: 'refuse', text: 'the payload of an execution cannot be read' },
  { name: 'bool-without-value', action: 'refuse', text: 'a bool element is not well formed' },
  { name: 'empty-array', action: 'refuse', text: 'an empty array of this type cannot be stored' },
  { name: 'array-literal', action: 'warn', text: 'the statement builds an array, which must not be empty' },
  { name: 'incomplete-request', action: 'refuse', text: 'the request lacks a member that its method needs' },
  { name: 'null-parameter', action: 'refuse', text: 'a parameter has no value' },
  { name: 'empty-element', action: 'refuse', text: 'an element of a value is empty' },
  { name: 'null-typed-parameter', action: 'warn', text: 'a parameter has no type of its own' },
] as const satisfies readonly ShieldRule[];

export type ShieldName = (typeof SHIELD_RULES)[number]['name'];

export interface ShieldHit {
  readonly name: ShieldName;
  readonly action: 'warn' | 'refuse';
  readonly text: string;
}

export interface Shield {
  /** Rules that the transaction breaks, those that are off left out. */
  check(tx: Transaction): readonly ShieldHit[];
  /** The same for the params of any other call, none when there are no rules for the method. */
  checkCall(method: string, params: Uint8Array | null): readonly ShieldHit[];
}

/** Empty arrays of these end the node that stores them. */
const FRAGILE_ARRAYS: ReadonlySet<string> = new Set(['int8', 'bool', 'uuid', 'numeric', 'int4']);
const CHECKED_PAYLOADS: ReadonlySet<string> = new Set(['execute', 'raw_statement', 'maa_exec']);
const ARRAY_LITERAL = /array\s*\[\s*\]/i;
const CHECKED_CALLS: ReadonlySet<string> = new Set([
  'user.query',
  'user.call',
  'user.authenticated_query',
  'user.estimate_price',
  'function.verify_sig',
]);
/** Larger params are left to the node: what these rules catch costs it one answer, and reading them costs everybody time. */
const LOOK_BYTES_MAX = 1_048_576;

export function createShield(overrides: Readonly<Record<string, ShieldAction>> = {}): Shield {
  const actionOf = (name: ShieldName): ShieldAction =>
    overrides[name] ?? SHIELD_RULES.find(rule => rule.name === name)!.action;

  const collect =
    (hits: ShieldHit[]): Hit =>
    name => {
      const action = actionOf(name);
      if (action === 'off' || hits.some(other => other.name === name)) return;
      hits.push({ name, action, text: SHIELD_RULES.find(rule => rule.name === name)!.text });
    };

  return {
    checkCall(method, params) {
      if (!CHECKED_CALLS.has(method) || (params !== null && params.length > LOOK_BYTES_MAX)) return NO_HITS;
      const hits: ShieldHit[] = [];
      checkParams(method, parse(params), collect(hits));
      return hits;
    },
    check(tx) {
      const hits: ShieldHit[] = [];
      const hit = collect(hits);
      if (tx.body === null || tx.signature === null) {
        hit('incomplete-transaction');
        return hits;
      }
      if (!CHECKED_PAYLOADS.has(tx.body.type)) return hits;
      try {
        const payload = decodePayload(tx.body.type, tx.body.payload);
        if (payload === null) return hits;
        if (payload.kind === 'execute')
          for (const args of payload.calls) for (const value of args) checkValue(value, hit);
        if (payload.kind === 'maa_exec') for (const value of payload.args) checkValue(value, hit);
        if (payload.kind === 'raw_statement') {
          for (const { value } of payload.params) checkValue(value, hit);
          if (ARRAY_LITERAL.test(payload.statement)) hit('array-literal');
        }
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
        hit('unreadable-payload');
      }
      return hits;
    },
  };
}

type Hit = (name: ShieldName) => void;
const NO_HITS: readonly ShieldHit[] = [];

function checkValue({ type, elements }: EncodedValue, hit: Hit): void {
  const name = canonicalTypeName(type.name);
  checkElements(name, elements, hit);
  if (type.isArray && elements.length === 0 && name !== null && FRAGILE_ARRAYS.has(name)) hit('empty-array');
}

function checkElements(name: string | null, elements: readonly Uint8Array[], hit: Hit): void {
  if (name === null || name === 'null') return;
  for (const element of elements) {
    if (element.length === 0) hit('empty-element');
    else if (name === 'bool' && element.length === 1 && element[0] === 1) hit('bool-without-value');
  }
}

function checkParams(method: string, params: unknown, hit: Hit): void {
  switch (method) {
    case 'user.query':
      for (const named of members(params, 'params'))
        if (typeof named === 'object' && named !== null)
          for (const value of Object.values(named)) checkJsonValue(value, hit);
      return;
    case 'user.call': {
      const body = last(params, 'body');
      return body === null ? hit('incomplete-request') : checkCallPayload(last(body, 'payload'), hit);
    }
    case 'user.authenticated_query': {
      const body = last(params, 'body');
      if (body === null) return hit('incomplete-request');
      const named = last(body, 'parameters');
      if (Array.isArray(named)) for (const item of named) checkJsonValue(last(item, 'value'), hit);
      return;
    }
    case 'user.estimate_price': {
      const tx = last(params, 'tx');
      if (tx === null || last(tx, 'body') === null) hit('incomplete-request');
      return;
    }
    case 'function.verify_sig':
      if (last(params, 'signature') === null) hit('incomplete-request');
  }
}

/** Arguments of a view call, in its binary payload. What cannot be read is the node's to refuse. */
function checkCallPayload(payload: unknown, hit: Hit): void {
  if (typeof payload !== 'string') return;
  try {
    for (const { type, elements } of decodeCall(Buffer.from(payload, 'base64')).args)
      checkElements(canonicalTypeName(type.name), elements, hit);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
}

/** A parameter's value in its JSON form: `{"type":{"name":…},"data":["base64"…]}`. */
function checkJsonValue(value: unknown, hit: Hit): void {
  if (value === null) return hit('null-parameter');
  const type = last(last(value, 'type'), 'name');
  const name = typeof type === 'string' ? canonicalTypeName(type) : null;
  if (name === 'null') hit('null-typed-parameter');
  const data = last(value, 'data');
  if (Array.isArray(data)) checkElements(name, data.map(elementOf), hit);
}

/** A null among the elements is an empty one for a node. */
const elementOf = (item: unknown): Uint8Array =>
  typeof item === 'string' ? Buffer.from(item, 'base64') : item === null ? NOTHING : ONE_BYTE;
const NOTHING = new Uint8Array(0);
/** Stands for what a node refuses to read. */
const ONE_BYTE = new Uint8Array(1);

/** Every member that a node takes for `name`: it ignores the case, and merges maps that come twice. */
function members(value: unknown, name: string): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => (foldName(key) === name ? [item as unknown] : []));
}

/** The member as a node sees it: the last one; null when absent or null. */
const last = (value: unknown, name: string): unknown => members(value, name).at(-1) ?? null;

function parse(params: Uint8Array | null): unknown {
  if (params === null) return null;
  try {
    return JSON.parse(bufferOf(params).toString('utf8'));
  } catch {
    return null;
  }
}
