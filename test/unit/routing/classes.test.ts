import { expect, test } from 'vitest';
import { METHODS } from '../../../src/protocol/index.js';
import { classify, METHOD_CLASSES, methodLabel, NO_FACTS, type CallFacts } from '../../../src/routing/index.js';

test('every method of the wire has a class, and no other method has one', () => {
  expect(Object.keys(METHOD_CLASSES).sort()).toEqual(Object.keys(METHODS).sort());
  for (const method of Object.keys(METHODS)) expect(classify(method, NO_FACTS)).not.toBe('denied');
});

test('what is not in the table is denied, admin and look-alikes above all', () => {
  for (const method of [
    'admin.status',
    'admin.',
    'user.Query',
    'user.query ',
    'USER.QUERY',
    '',
    'toString',
    '__proto__',
    'kgw.authn',
  ]) {
    expect(classify(method, NO_FACTS)).toBe('denied');
    expect(methodLabel(method)).toBe('other');
  }
});

test.each<[string, Partial<CallFacts>, string]>([
  ['user.call', { challenge: 'ab' }, 'node-affine'],
  ['user.authenticated_query', { challenge: 'ab' }, 'node-affine'],
  ['user.query', { challenge: 'ab' }, 'read'],
  ['user.query', { actionLookup: true }, 'write-affine'],
  ['user.account', { pending: true }, 'node-affine'],
  ['user.account', {}, 'write-affine'],
  ['chain.block', { hash: 'cd' }, 'by-hash'],
  ['chain.block', {}, 'chain-data'],
  ['chain.tx', { hash: 'cd' }, 'by-hash'],
])('%s with %j is %s', (method, facts, cls) => {
  expect(classify(method, { ...NO_FACTS, ...facts })).toBe(cls);
});
