import { expect, it } from 'vitest';
import { compareAnswers, type Difference } from './compare.js';
import type { Answer } from './recordings.js';

const answer = (body: unknown, more: Partial<Answer> = {}): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: JSON.stringify(body),
  ...more,
});

const kinds = (recorded: Answer, ours: Answer, method = 'user.query'): string[] =>
  compareAnswers(recorded, ours, { method, identities: new Map([['node-key', 'our-key']]) }).map(
    ({ kind, path }: Difference) => `${kind} ${path}`,
  );

it('sees status, headers, codes, members and types as shape', () => {
  const recorded = answer({ id: 1, error: { code: -300, message: 'no', data: null } });
  expect(kinds(recorded, { ...recorded, status: 500 })).toEqual(['shape HTTP status']);
  expect(kinds(recorded, { ...recorded, headers: {} })).toEqual(['shape header content-type']);
  expect(kinds(recorded, answer({ id: 1, error: { code: -301, message: 'no', data: null } }))).toEqual([
    'shape error.code',
  ]);
  expect(kinds(recorded, answer({ id: 1, error: { code: -300, message: 'no' } }))).toEqual(['shape error.data']);
  expect(kinds(recorded, answer({ id: '1', error: { code: -300, message: 'no', data: null } }))).toEqual(['shape id']);
  expect(kinds(answer({ result: { rows: null } }), answer({ result: { rows: [] } }))).toEqual(['shape result.rows']);
  expect(kinds(answer({ rows: [{ a: 1 }] }), answer({ rows: [{ a: 1 }, { b: 1 }] }))).toEqual([
    'value rows (length)',
    'shape rows (element)',
  ]);
});

it('sees what the shapes hold as values', () => {
  expect(kinds(answer({ message: 'no such table' }), answer({ message: 'no such row' }))).toEqual(['value message']);
  expect(kinds(answer({ values: [['1']] }), answer({ values: [['2']] }))).toEqual(['value values.0.0']);
  expect(kinds(answer('x', { body: 'not found\n' }), answer('x', { body: 'Not Found\n' }))).toEqual(['value body']);
});

it('compares only the form of what keys and time decide', () => {
  const health = (hash: string, age: number): Answer => answer({ result: { block_hash: hash, block_age: age } });
  expect(kinds(health('a1'.repeat(32), 1), health('b2'.repeat(32), 2))).toEqual([]);
  expect(kinds(health('a1'.repeat(32), 1), health('00'.repeat(32), 1))).toEqual(['shape result.block_hash']);
  expect(kinds(health('a1'.repeat(32), 1), health('b2'.repeat(32), 9223372036854))).toEqual(['shape result.block_age']);
});

it('takes our node for the recorded one, and nobody else', () => {
  expect(kinds(answer({ leader: 'node-key' }), answer({ leader: 'our-key' }))).toEqual([]);
  expect(kinds(answer({ leader: 'node-key' }), answer({ leader: 'other' }))).toEqual(['value leader']);
});

it('leaves out rows of extensions only where they make the whole difference', () => {
  const rows = (...names: string[]): Answer => answer({ result: { values: names.map(name => [name]) } });
  expect(kinds(rows('info', 'kwil_erc20_meta', 'lab'), rows('info', 'lab'))).toEqual([
    'value result.values (rows of extensions)',
  ]);
  expect(kinds(rows('info', 'kwil_erc20_meta', 'lab'), rows('info', 'shop'))).toEqual([
    'value result.values (rows of extensions)',
    'value result.values.1.0',
  ]);
});
