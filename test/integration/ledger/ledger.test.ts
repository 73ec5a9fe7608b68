import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLedger, type Ledger, type LedgerEntry } from '../../../src/storage/index.js';

let folder = '';
let ledger: Ledger;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'switchyard-ledger-'));
  ledger = await reopened();
});

afterEach(async () => {
  await ledger.close();
  await rm(folder, { recursive: true, force: true });
});

async function reopened(options: Partial<Parameters<typeof createLedger>[0]> = {}): Promise<Ledger> {
  const opened = createLedger({ folder, reserveBytes: 0, ...options });
  await opened.open();
  return opened;
}

const hashOf = (n: number): string => n.toString(16).padStart(64, '0');
const entry = (n: number, change: Partial<LedgerEntry> = {}): LedgerEntry => ({
  hash: hashOf(n),
  network: 'old',
  node: null,
  account: 'secp256k1:aa',
  nonce: '18446744073709551615',
  tx: Uint8Array.of(1, 2, 3, n),
  at: 1000 + n,
  epoch: 1,
  state: 'sending',
  ...change,
});

test('what was admitted is there after a restart, with its bytes; whether it was sent is then not known', async () => {
  await Promise.all([ledger.admit(entry(1)), ledger.admit(entry(2, { network: 'new' }))]);
  await ledger.settle(hashOf(2), { state: 'accepted', node: 'new-1' });
  await ledger.close();
  ledger = await reopened();
  expect(ledger.unresolved('old')).toEqual([entry(1, { state: 'unknown' })]);
  expect(ledger.unresolved('new')).toEqual([entry(2, { network: 'new', state: 'accepted', node: 'new-1' })]);
  expect(ledger.counts()).toEqual({ old: 1, new: 1 });
  expect(ledger.lastAccepted('new')).toEqual({ hash: hashOf(2), at: 1002 });
});

test('a final outcome is read back at once, frees the bytes, and only a block changes it again', async () => {
  await ledger.admit(entry(1));
  const settled = ledger.settle(hashOf(1), { state: 'dead' });
  expect(ledger.get(hashOf(1))?.state).toBe('dead');
  await settled;
  await ledger.settle(hashOf(1), { state: 'accepted' });
  expect(ledger.get(hashOf(1))?.state).toBe('dead');
  await ledger.settle(hashOf(1), { state: 'mined', height: 7, code: 0 });
  await ledger.settle(hashOf(1), { state: 'rejected' });
  expect(ledger.get(hashOf(1))).toMatchObject({ state: 'mined', height: 7, code: 0 });
  expect(ledger.get(hashOf(1))?.tx).toHaveLength(0);
  expect(ledger.lastMined('old')).toBe(7);
  expect(ledger.unresolved('old')).toEqual([]);
});

test('bytes that are known already are not admitted over what is known; refused ones may try again', async () => {
  await ledger.admit(entry(1));
  await ledger.settle(hashOf(1), { state: 'mined', height: 7, code: 0 });
  await ledger.admit(entry(1));
  expect(ledger.get(hashOf(1))?.state).toBe('mined');
  await ledger.admit(entry(2));
  await ledger.settle(hashOf(2), { state: 'rejected', code: 11 });
  await ledger.admit(entry(2, { at: 5000 }));
  expect(ledger.get(hashOf(2))).toMatchObject({ state: 'sending', at: 5000 });
});

test('more open writes than allowed are refused, and nothing of them stays', async () => {
  await ledger.close();
  ledger = await reopened({ openMax: 2 });
  await ledger.admit(entry(1));
  await ledger.admit(entry(2));
  await expect(ledger.admit(entry(3))).rejects.toMatchObject({ code: 'ledger_full', family: 'refused' });
  expect(ledger.get(hashOf(3))).toBeUndefined();
  await ledger.settle(hashOf(1), { state: 'mined', height: 1, code: 0 });
  await ledger.admit(entry(3));
});

test('a disk below its reserve refuses writes before anything is sent', async () => {
  await ledger.close();
  ledger = await reopened({ reserveBytes: Number.MAX_SAFE_INTEGER });
  await expect(ledger.admit(entry(1))).rejects.toMatchObject({ code: 'ledger_full', family: 'refused' });
  expect(ledger.get(hashOf(1))).toBeUndefined();
  expect(ledger.counts()).toEqual({ old: 0, new: 0 });
});

test('a closed ledger admits nothing', async () => {
  await ledger.close();
  await expect(ledger.admit(entry(1))).rejects.toMatchObject({ code: 'ledger_closed' });
  ledger = await reopened();
});

test('admissions of one moment share flushes: hundreds cost few', async () => {
  let notices = 0;
  ledger.subscribe(() => notices++);
  await Promise.all(Array.from({ length: 500 }, (_, n) => ledger.admit(entry(n + 1))));
  expect(ledger.counts().old).toBe(500);
  expect(notices).toBeLessThanOrEqual(2);
});

test('old final entries are forgotten, open ones never', async () => {
  await Promise.all([ledger.admit(entry(1)), ledger.admit(entry(2)), ledger.admit(entry(900))]);
  await ledger.settle(hashOf(1), { state: 'mined', height: 5, code: 0 });
  await ledger.settle(hashOf(900), { state: 'mined', height: 6, code: 0 });
  expect(await ledger.prune(1500)).toBe(1);
  expect(ledger.get(hashOf(1))).toBeUndefined();
  expect(ledger.get(hashOf(2))?.state).toBe('sending');
  expect(ledger.get(hashOf(900))?.state).toBe('mined');
});

test('forgetting goes through any number of entries, bounded, and leaves a refused write alone that tries again', async () => {
  const count = 1200;
  await Promise.all(Array.from({ length: count }, (_, n) => ledger.admit(entry(n + 1, { at: 1000 }))));
  await Promise.all(Array.from({ length: count }, (_, n) => ledger.settle(hashOf(n + 1), { state: 'rejected' })));
  const again = ledger.admit(entry(7, { at: 5000 }));
  expect(await ledger.prune(2000, 10)).toBe(10);
  expect(await ledger.prune(2000)).toBe(count - 10 - 1);
  await again;
  expect(ledger.get(hashOf(7))?.state).toBe('sending');
  await ledger.close();
  ledger = await reopened();
  expect(ledger.unresolved('old').map(({ hash }) => hash)).toEqual([hashOf(7)]);
  expect(ledger.get(hashOf(8))).toBeUndefined();
});
