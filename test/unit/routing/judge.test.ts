import { expect, test } from 'vitest';
import { judge, REQUEST_CLASSES, type Outcome, type RequestClass } from '../../../src/routing/index.js';

const rejected = (inner: number, message = ''): Outcome => ({ kind: 'error', code: -201, inner, message });
const ROOM = { node: true, network: true, resend: false };

test.each<[string, Outcome, Partial<typeof ROOM>, string]>([
  ['accepted', { kind: 'result' }, {}, 'relay'],
  ['unsent', { kind: 'failed', sent: 'no' }, {}, 'another-node'],
  ['unsent, no node left', { kind: 'failed', sent: 'no' }, { node: false }, 'give-up'],
  ['perhaps sent', { kind: 'failed', sent: 'maybe' }, {}, 'look-up'],
  ['crashed handler', { kind: 'unusable' }, {}, 'look-up'],
  ['code 10', rejected(10), {}, 'look-up'],
  ['deadline of a sync wait', rejected(65535, 'context deadline exceeded'), {}, 'look-up'],
  ['already exists, not by us', rejected(65535, 'transaction already exists'), {}, 'relay'],
  ['already exists, by us', rejected(65535, 'transaction already exists'), { resend: true }, 'accepted'],
  ['catching up', rejected(65535, 'node is catching up, cannot process transactions right now'), {}, 'another-node'],
  ['catching up, last node', rejected(65535, 'node is catching up'), { node: false }, 'relay'],
  ['bad nonce', rejected(4), {}, 'relay'],
  ['halted', rejected(201), {}, 'relay'],
  ['invalid params', { kind: 'error', code: -32602, inner: null, message: '' }, {}, 'relay'],
])('write, %s', (_name, outcome, room, verdict) => {
  expect(judge('write', outcome, { ...ROOM, ...room }).kind).toBe(verdict);
});

test('no write that may have left is ever sent again, nor to the other network', () => {
  const outcomes: Outcome[] = [{ kind: 'failed', sent: 'maybe' }, { kind: 'unusable' }, rejected(10)];
  for (const outcome of outcomes) {
    for (const node of [true, false]) {
      for (const resend of [true, false]) {
        expect(['another-node', 'another-network']).not.toContain(
          judge('write', outcome, { node, network: true, resend }).kind,
        );
      }
    }
  }
});

test('everything else may be repeated after a failure, but for what one node holds', () => {
  const failed: Outcome = { kind: 'failed', sent: 'maybe' };
  const expected: Record<Exclude<RequestClass, 'write'>, string> = {
    read: 'another-node',
    'write-affine': 'another-node',
    'node-affine': 'give-up',
    'by-hash': 'another-node',
    'chain-data': 'another-node',
    migration: 'another-node',
    'node-status': 'another-node',
    denied: 'give-up',
  };
  for (const cls of REQUEST_CLASSES) {
    if (cls === 'write') continue;
    expect(judge(cls, failed, { ...ROOM, network: false }).kind).toBe(expected[cls]);
  }
});

test('not found on one network asks the other one; an error is an answer everywhere else', () => {
  const notFound: Outcome = { kind: 'error', code: -202, inner: null, message: '' };
  expect(judge('by-hash', notFound, ROOM).kind).toBe('another-network');
  expect(judge('by-hash', notFound, { ...ROOM, network: false }).kind).toBe('relay');
  expect(judge('read', { kind: 'error', code: -300, inner: null, message: '' }, ROOM).kind).toBe('relay');
  expect(judge('migration', { kind: 'error', code: -700, inner: null, message: '' }, ROOM).kind).toBe('another-node');
});
