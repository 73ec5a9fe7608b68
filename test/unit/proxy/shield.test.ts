import { expect, test } from 'vitest';
import {
  arrayOf,
  boolValue,
  dataType,
  encodePayload,
  INT8,
  nullValue,
  TEXT,
  textValue,
  type EncodedValue,
  type Transaction,
} from '../../../src/protocol/index.js';
import { createShield, SHIELD_RULES } from '../../../src/proxy/shield.js';

const txOf = (type: string, payload: Uint8Array): Transaction => ({
  signature: { sig: new Uint8Array(65), type: 'secp256k1_ep' },
  body: { desc: '', payload, type, fee: 0n, nonce: 1n, chainId: 'c' },
  serialization: 'concat',
  sender: new Uint8Array(20),
});
const execute = (...args: EncodedValue[]): Transaction =>
  txOf('execute', encodePayload({ kind: 'execute', namespace: 'main', action: 'a', calls: [args] }));
const names = (tx: Transaction, overrides = {}): string[] =>
  createShield(overrides)
    .check(tx)
    .map(({ name }) => name);
const bare: EncodedValue = { type: dataType('bool'), elements: [Uint8Array.of(1)] };
const empty = (name: string): EncodedValue => ({ type: arrayOf(dataType(name)), elements: [] });

test.each<[string, Transaction, string[]]>([
  ['honest arguments', execute(textValue('x'), boolValue(true), boolValue(null)), []],
  ['a bool without its value', execute(bare), ['bool-without-value']],
  [
    'one among others in an array',
    execute({ type: arrayOf(dataType('boolean')), elements: [Uint8Array.of(1, 1), Uint8Array.of(1)] }),
    ['bool-without-value'],
  ],
  [
    'in a statement parameter',
    txOf(
      'raw_statement',
      encodePayload({ kind: 'raw_statement', statement: 'SELECT $a', params: [{ name: '$a', value: bare }] }),
    ),
    ['bool-without-value'],
  ],
  ['empty arrays of fragile types', execute(empty('int8'), empty('uuid')), ['empty-array']],
  ['empty arrays that nodes survive', execute(empty('text'), empty('bytea')), []],
  ['a null array', execute(nullValue({ ...INT8, isArray: true }), nullValue(TEXT)), []],
  ['a payload that cannot be read', txOf('execute', Uint8Array.of(9, 9)), ['unreadable-payload']],
  ['a payload nobody here knows', txOf('something_new', Uint8Array.of(9, 9)), []],
  [
    'an array built in a statement',
    txOf(
      'raw_statement',
      encodePayload({ kind: 'raw_statement', statement: 'INSERT INTO t VALUES (array [ ]::int8[])', params: [] }),
    ),
    ['array-literal'],
  ],
  ['no body', { ...execute(), body: null }, ['incomplete-transaction']],
  ['no signature', { ...execute(), signature: null }, ['incomplete-transaction']],
])('%s', (_name, tx, expected) => {
  expect(names(tx)).toEqual(expected);
});

test('each rule can be turned off or down by its name', () => {
  expect(names(execute(bare), { 'bool-without-value': 'off' })).toEqual([]);
  expect(createShield({ 'bool-without-value': 'warn' }).check(execute(bare))[0]?.action).toBe('warn');
  expect(SHIELD_RULES.filter(({ action }) => action === 'refuse').map(({ name }) => name)).toContain(
    'incomplete-transaction',
  );
});
