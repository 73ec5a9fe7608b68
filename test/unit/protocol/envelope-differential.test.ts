import { describe, expect, it } from 'vitest';
import { CodecError, decodeTxJson, scanBroadcast, scanEnvelope, sliceOf } from '../../../src/protocol/index.js';
import { dice, SEED, type Dice } from './property.js';

/*
 * A model of how Go's encoding/json fills a struct: names match exactly or under simple folding, the last member that
 * matches wins, null leaves a string alone, an object given twice is merged. Written on other means than the scanner
 * (JSON.parse for the grammar, the regular expression flags `iu` for folding), so that both would have to err alike.
 */

type Field = 'string' | 'any' | { readonly [name: string]: Field };
interface Filled {
  [name: string]: unknown;
}

class GoError extends Error {}

/** Members of a valid object text in order, duplicates included. */
function membersOfText(object: string): [name: string, value: string][] {
  const members: [string, string][] = [];
  let at = 1;
  const skip = (): void => {
    while (' \t\r\n,:'.includes(object[at]!)) at++;
  };
  const value = (): string => {
    const start = at;
    let depth = 0;
    for (;;) {
      const char = object[at]!;
      if (char === '"') {
        at++;
        while (object[at] !== '"') at += object[at] === '\\' ? 2 : 1;
        at++;
      } else if (char === '{' || char === '[') {
        depth++;
        at++;
      } else if (depth > 0 && (char === '}' || char === ']')) {
        depth--;
        at++;
      } else if (depth > 0) at++;
      else {
        while (!' \t\r\n,:}]'.includes(object[at]!)) at++;
      }
      if (depth === 0) return object.slice(start, at);
    }
  };
  for (skip(); object[at] !== '}'; skip()) {
    const name = JSON.parse(value()) as string;
    skip();
    members.push([name, value()]);
  }
  return members;
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const folded = new Map<string, RegExp>();
function foldEqual(field: string, name: string): boolean {
  const pattern = folded.get(field) ?? new RegExp(`^${escapeRegExp(field)}$`, 'iu');
  folded.set(field, pattern);
  return pattern.test(name);
}

function fill(schema: Readonly<Record<string, Field>>, object: string, into: Filled): void {
  for (const [name, value] of membersOfText(object)) {
    const fields = Object.keys(schema);
    const field = fields.find(candidate => candidate === name) ?? fields.find(candidate => foldEqual(candidate, name));
    if (field === undefined) continue;
    const kind = schema[field]!;
    if (kind === 'any') into[field] = value;
    else if (value === 'null') {
      // A pointer becomes nil; a string keeps what an earlier member gave it.
      if (kind !== 'string') delete into[field];
    } else if (kind === 'string') {
      if (!value.startsWith('"')) throw new GoError('not a string');
      into[field] = (JSON.parse(value) as string).replace(/[\ud800-\udfff]/gu, '\ufffd');
    } else {
      if (!value.startsWith('{')) throw new GoError('not an object');
      const inner = (into[field] ?? {}) as Filled;
      into[field] = inner;
      fill(kind, value, inner);
    }
  }
}

function goDecode(body: Uint8Array, schema: Readonly<Record<string, Field>>): Filled {
  const text = Buffer.from(body).toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new GoError('grammar');
  }
  const into: Filled = {};
  if (parsed === null) return into;
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new GoError('not an object');
  fill(schema, text.trim(), into);
  return into;
}

const attempt = <T>(run: () => T): T | GoError => {
  try {
    return run();
  } catch (error) {
    if (error instanceof GoError) return error;
    throw error;
  }
};

const ENVELOPE = { jsonrpc: 'string', id: 'any', method: 'string', params: 'any' } as const;
const PARAMS = {
  tx: {
    signature: { sig: 'any', type: 'string' },
    body: { desc: 'string', payload: 'any', type: 'string', fee: 'string', nonce: 'any', chain_id: 'string' },
    serialization: 'string',
    sender: 'any',
  },
  sync: 'any',
} as const;

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A spelling of a name: usually exact, often not. */
function spelling(d: Dice, name: string): string {
  const change = (char: string): string => {
    switch (d.next(8)) {
      case 0:
        return char.toUpperCase();
      case 1:
        return escaped(char);
      case 2:
        return char === 's' ? 'ſ' : char === 'k' ? '\u212a' : char;
      case 3:
        return escaped(char.toUpperCase());
      default:
        return char;
    }
  };
  return d.next(3) === 0 ? Array.from(name, change).join('') : name;
}

const space = (d: Dice): string => d.pick(['', '', '', ' ', '\n', '\t \r']);
const OTHER_NAMES = [
  'extra',
  '',
  'meth',
  'methods',
  'idd',
  'ıd',
  'İd',
  'paramſſ',
  'json rpc',
  '__proto__',
  'constructor',
  '\\u0000',
];
const SCALARS = [
  'null',
  'true',
  '0',
  '-0',
  '1e5',
  '1.50',
  '"x"',
  '""',
  '"\\ud800"',
  '"\\u006d"',
  '18446744073709551616',
  '[]',
  '{}',
  '[1,{"a":[]}]',
  '{"method":"a.b"}',
];

function object(d: Dice, members: readonly (readonly [string, string])[]): string {
  const parts = members.map(([name, value]) => `${space(d)}"${name}"${space(d)}:${space(d)}${value}${space(d)}`);
  return `{${parts.join(',')}}`;
}

function envelope(d: Dice): string {
  const values = {
    jsonrpc: () => d.pick(['"2.0"', '"2.0"', '"2.0"', '"2.0"', '"\\u0032.0"', '"1.0"', '2.0', 'null']),
    id: () => d.pick(['1', '"a"', ...SCALARS]),
    method: () =>
      d.pick([
        '"user.ping"',
        '"user.broadcast"',
        '"chain.tx"',
        '"user.\\u0070ing"',
        '""',
        'null',
        '5',
        '"\\ud83d\\ude00"',
        '"\\udc00"',
      ]),
    params: () => d.pick(['{}', '{"a":1}', '{ "tx" : null }', ...SCALARS]),
  };
  const members: [string, string][] = [];
  for (const name of ['jsonrpc', 'id', 'method', 'params'] as const)
    if (d.next(12) !== 0) members.push([spelling(d, name), values[name]()]);
  for (let extra = d.next(6) === 0 ? d.next(3) : 0; extra > 0; extra--) {
    const name = d.pick(['jsonrpc', 'id', 'method', 'params'] as const);
    const member: [string, string] =
      d.next(2) === 0 ? [spelling(d, name), values[name]()] : [d.pick(OTHER_NAMES), d.pick(SCALARS)];
    members.splice(d.next(members.length + 1), 0, member);
  }
  return damaged(d, space(d) + object(d, members) + d.pick(['', '', '', ' ', '\n', 'x', '{}']));
}

function damaged(d: Dice, text: string): string {
  if (d.next(10) !== 0 || text.length === 0) return text;
  const at = d.next(text.length);
  switch (d.next(4)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1);
    case 2:
      return (
        text.slice(0, at) + d.pick(['"', '\\', '{', '}', ',', ':', '\u0000', '\ufeff', 'e', '-', '.']) + text.slice(at)
      );
    default:
      return text.slice(0, at) + d.pick(['"', '\\', '0', ' ', ']']) + text.slice(at + 1);
  }
}

describe(`our reading against a model of Go’s decoder (seed ${SEED})`, () => {
  it('gives the same method and params for 120,000 envelopes, or refuses', () => {
    const d = dice(SEED);
    const seen = { accepted: 0, refusedByBoth: 0, refusedByUs: 0 };
    for (let i = 0; i < 120_000; i++) {
      const body = Buffer.from(envelope(d));
      const scan = scanEnvelope(body);
      const model = attempt(() => goDecode(body, ENVELOPE));
      const where = (): string => `envelope ${i} of seed ${SEED}: ${body.toString()}`;
      if (scan.ok) {
        if (model instanceof GoError) throw new Error(`accepted what Go refuses: ${where()}`);
        const params = scan.params === null ? undefined : Buffer.from(sliceOf(body, scan.params)).toString();
        const id = scan.id === null ? undefined : Buffer.from(sliceOf(body, scan.id)).toString();
        if (
          model['method'] !== scan.method ||
          model['params'] !== params ||
          model['id'] !== id ||
          model['jsonrpc'] !== '2.0'
        )
          throw new Error(`read differently: ${where()}`);
        seen.accepted++;
      } else if (scan.reason === 'node') {
        const code =
          model instanceof GoError
            ? -32700
            : (model['jsonrpc'] ?? '') !== '2.0'
              ? -32600
              : (model['method'] ?? '') === ''
                ? -32601
                : 0;
        if (code !== scan.code) throw new Error(`${scan.code} where a node says ${code}: ${where()}`);
        seen.refusedByBoth++;
      } else seen.refusedByUs++;
    }
    // Each kind must really have been tried.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5_000);
  }, 240_000);

  it('gives the same chain id and transaction members for 60,000 broadcasts, or refuses', () => {
    const d = dice(SEED ^ 0x5bd1e995);
    const seen = { accepted: 0, refused: 0 };
    for (let i = 0; i < 60_000; i++) {
      const body = Buffer.from(broadcast(d));
      const model = attempt(() => goDecode(body, PARAMS));
      const where = (): string => `params ${i} of seed ${SEED}: ${body.toString()}`;
      const scan = scanBroadcast(body, { start: 0, end: body.length });
      if (!scan.ok) {
        seen.refused++;
        continue;
      }
      if (model instanceof GoError) {
        // The scan looks at the path to the chain id only; the decoder behind it must refuse what Go refuses.
        expect(scan.tx === null ? 'no tx' : refusesTx(sliceOf(body, scan.tx)), where()).toBe(true);
        continue;
      }
      const tx = model['tx'] as
        { body?: { chain_id?: string; type?: string }; signature?: object; serialization?: string } | undefined;
      const read = { chainId: scan.chainId, hasTx: scan.tx !== null, hasSignature: scan.signature !== null };
      const go = {
        chainId: tx?.body === undefined ? null : (tx.body.chain_id ?? ''),
        hasTx: tx !== undefined,
        hasSignature: tx?.signature !== undefined,
      };
      if (JSON.stringify(read) !== JSON.stringify(go)) throw new Error(`read differently: ${where()}`);
      if (scan.tx !== null && !refusesTx(sliceOf(body, scan.tx))) {
        const decoded = decodeTxJson(sliceOf(body, scan.tx));
        expect(decoded.body?.type ?? '', where()).toBe(tx?.body?.type ?? '');
        expect(decoded.serialization, where()).toBe(tx?.serialization ?? '');
      }
      seen.accepted++;
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5_000);
  }, 240_000);
});

function refusesTx(text: Uint8Array): boolean {
  try {
    decodeTxJson(text);
    return false;
  } catch (error) {
    if (error instanceof CodecError) return true;
    throw error;
  }
}

function broadcast(d: Dice): string {
  const some = (members: [string, string][]): string => {
    const kept = members
      .filter(() => d.next(10) !== 0)
      .map(([name, value]): [string, string] => [d.next(6) === 0 ? spelling(d, name) : name, value]);
    if (d.next(10) === 0 && kept.length > 0) {
      const [name] = d.pick(members);
      kept.push([spelling(d, name), d.pick(['null', '"other"', '{}', '5'])]);
    }
    if (d.next(8) === 0) kept.push([d.pick(OTHER_NAMES), d.pick(SCALARS)]);
    return d.next(25) === 0 ? d.pick(['null', '[]', '5']) : object(d, kept);
  };
  const text = (): string => d.pick(['"old-net"', '"new-net"', '""', '"\\u006fld-net"', 'null']);
  const signature = some([
    ['sig', '"AA=="'],
    ['type', '"secp256k1_ep"'],
  ]);
  const body = some([
    ['desc', '""'],
    ['payload', '"AAA="'],
    ['type', d.pick(['"execute"', '"transfer"', 'null'])],
    ['fee', d.pick(['"0"', 'null', '"12"'])],
    ['nonce', d.pick(['1', '18446744073709551615'])],
    ['chain_id', text()],
  ]);
  const tx = some([
    ['signature', signature],
    ['body', body],
    ['serialization', '"concat"'],
    ['sender', '"00ff"'],
  ]);
  // The outermost value is always an object here: anything else never reaches this scan.
  return object(d, [
    ['tx', tx],
    ...(d.next(3) === 0 ? ([['sync', d.pick(['0', '1'])]] as [string, string][]) : []),
    ...(d.next(12) === 0 ? ([[spelling(d, 'tx'), d.pick(['null', '{}', tx])]] as [string, string][]) : []),
  ]);
}
