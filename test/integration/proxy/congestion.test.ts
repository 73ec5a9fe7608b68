import { afterEach, expect, test } from 'vitest';
import { broadcastBody, createHarness, makeTx, until, type Harness } from './harness.js';

let harness: Harness;
afterEach(() => harness.close());

const ROOM = 3;
const create = async (holdMs: number): Promise<void> => {
  harness = await createHarness({
    oldCount: 1,
    probeMs: 25,
    proxy: { writes: { holdMs, holdMax: 100, holdBytesMax: 1_000_000, unminedMax: ROOM } },
  });
};
const delivered = (): number => harness.old.deliveries.size;
const sendAll = (count: number) =>
  Array.from({ length: count }, (_, i) => makeTx(1, { key: i + 1 })).map(tx => ({
    tx,
    answer: harness.post(broadcastBody(tx)),
  }));
const waiting = (): number => harness.proxy.held().count;

test('a network is given what it digests; the rest waits for its blocks in the order it came', async () => {
  await create(8000);
  const sent = sendAll(8);
  await until(() => delivered() === ROOM && waiting() === 5);
  // A copy of what waits for its block already takes no place of its own.
  const again = await harness.post(broadcastBody(sent[0]!.tx));
  expect(again.text).toContain(sent[0]!.tx.hash);
  expect(again.json.error?.data?.['reason']).toBeUndefined();
  const request = Buffer.from(broadcastBody(makeTx(1, { key: 100 })));
  const explained = harness.proxy.explain(request);
  expect(explained.decision).toMatchObject({ kind: 'hold', reason: 'congested' });
  expect(explained.rule?.id).toBe('W9b');
  expect(explained.facts.join('\n')).toMatch(/3 writes of ours are in no block yet, at most 3 may be; 5 wait/);
  expect(await harness.metrics.registry.metrics()).toMatch(/unmined_writes_max\{network="old"\} 3/);
  // Whoever comes later waits behind them, although there may be room for a moment.
  harness.old.mine();
  await until(() => delivered() === 2 * ROOM && waiting() === 2);
  harness.old.mine();
  const answers = await Promise.all(sent.map(({ answer }) => answer));
  for (const [i, { json }] of answers.entries()) expect(json.result?.['tx_hash']).toBe(sent[i]!.tx.hash);
  // The copy reached the node as well, which knows its hash.
  expect([...harness.old.deliveries.values()]).toEqual(sent.map((_, i) => (i === 0 ? 2 : 1)));
  const counts = harness.proxy.heldWrites().counts;
  expect(counts).toEqual({ entered: 5, released: 5, expired: 0, full: 0, gone: 0 });
});

test('what waits too long, or is too much for one client, is told that the network is busy and until when', async () => {
  await create(600);
  const first = sendAll(ROOM);
  await Promise.all(first.map(({ answer }) => answer));
  // A tenth of the hold is one client's share: 10 wait, the rest is turned away at once.
  const more = Array.from({ length: 14 }, (_, i) => harness.post(broadcastBody(makeTx(1, { key: 50 + i }))));
  for (const { json } of await Promise.all(more)) {
    expect(json.error?.data).toMatchObject({ reason: 'overloaded', executed: 'no' });
    expect(json.error?.data?.['retryAfterMs']).toBeGreaterThanOrEqual(500);
  }
  expect(delivered()).toBe(ROOM);
  expect(harness.proxy.heldWrites().counts).toMatchObject({ entered: 14, expired: 10, full: 4 });
  expect(harness.ledger.counts().old).toBe(ROOM);
  harness.old.mine();
  await until(() => harness.ledger.counts().old === 0);
  const { json } = await harness.post(broadcastBody(makeTx(1, { key: 90 })));
  expect(json.error).toBeUndefined();
});

test('without a bound nothing waits', async () => {
  harness = await createHarness({
    oldCount: 1,
    proxy: { writes: { holdMs: 400, holdMax: 10, holdBytesMax: 1_000_000, unminedMax: 0 } },
  });
  for (const { json } of await Promise.all(sendAll(30).map(({ answer }) => answer))) expect(json.error).toBeUndefined();
  expect(harness.proxy.heldWrites().counts.entered).toBe(0);
});
