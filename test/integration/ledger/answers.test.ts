import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAnswerStore, type AnswerStore } from '../../../src/storage/index.js';

let folder = '';
let store: AnswerStore;
const reopened = async (bytesMax?: number): Promise<AnswerStore> => {
  const opened = createAnswerStore({ folder, ...(bytesMax === undefined ? {} : { bytesMax }) });
  await opened.open();
  return opened;
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'switchyard-answers-'));
  store = await reopened();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const hashOf = (n: number): string => n.toString(16).padStart(64, '0');
const settled = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 50));

test('answers are there after a restart, byte for byte, by method and hash', async () => {
  const body = Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"height":7,"x":"\\ud800"}}');
  store.keep('user.tx_query', hashOf(1), { network: 'old', body });
  store.keep('chain.tx', hashOf(1), { network: 'new', body: Buffer.from('{}') });
  await store.close();
  store = await reopened();
  expect(store.get('user.tx_query', hashOf(1))).toEqual({ network: 'old', body });
  expect(store.get('chain.tx', hashOf(1))).toEqual({ network: 'new', body: Buffer.from('{}') });
  expect(store.get('user.tx_query', hashOf(2))).toBeNull();
  expect(store.counts()).toEqual({ answers: 2, bytes: body.length + 2 });
});

test('the first answer stays; past its bytes the oldest go, also after a restart', async () => {
  await store.close();
  store = await reopened(100);
  const body = Buffer.alloc(30, 0x61);
  for (let n = 1; n <= 3; n++) store.keep('user.tx_query', hashOf(n), { network: 'old', body });
  await settled();
  store.keep('user.tx_query', hashOf(2), { network: 'new', body: Buffer.from('other') });
  expect(store.get('user.tx_query', hashOf(2))?.network).toBe('old');
  await store.close();
  store = await reopened(100);
  store.keep('user.tx_query', hashOf(4), { network: 'old', body });
  await settled();
  expect([1, 2, 3, 4].filter(n => store.get('user.tx_query', hashOf(n)) !== null)).toEqual([2, 3, 4]);
  expect(store.counts()).toEqual({ answers: 3, bytes: 90 });
  store.keep('user.tx_query', hashOf(5), { network: 'old', body: Buffer.alloc(101) });
  expect(store.counts().answers).toBe(3);
});

test('many in one turn come back within the bound with the next one', async () => {
  await store.close();
  store = await reopened(1000);
  for (let n = 1; n <= 200; n++) store.keep('chain.tx', hashOf(n), { network: 'old', body: Buffer.alloc(100) });
  await settled();
  store.keep('chain.tx', hashOf(201), { network: 'old', body: Buffer.alloc(100) });
  expect(store.counts().bytes).toBeLessThanOrEqual(1000);
  await store.close();
  store = await reopened(1000);
  expect(store.counts().bytes).toBeLessThanOrEqual(1000);
  expect(store.get('chain.tx', hashOf(201))).not.toBeNull();
});

test('a closed store knows nothing and keeps nothing', async () => {
  await store.close();
  store.keep('user.tx_query', hashOf(1), { network: 'old', body: Buffer.from('{}') });
  expect(store.get('user.tx_query', hashOf(1))).toBeNull();
  store = await reopened();
  expect(store.counts()).toEqual({ answers: 0, bytes: 0 });
});
