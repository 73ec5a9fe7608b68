import { afterEach, expect, test } from 'vitest';
import { GatewayError } from '../../../src/model/index.js';
import { broadcastBody, createHarness, makeTx, until, type Harness } from './harness.js';

let harness: Harness;
afterEach(() => harness.close());

const broadcasts = (): number =>
  harness.oldNodes.flatMap(({ calls }) => calls).filter(({ method }) => method === 'user.broadcast').length;

test.each([
  ['a flush that fails', new GatewayError('ledger_failed', 'control', 'x'), 'ledger_unavailable'],
  ['a full disk', new GatewayError('ledger_full', 'refused', 'x'), 'overloaded'],
])(
  '%s: the write is refused and not sent; the same bytes go once it is over, and no place is lost',
  async (_name, error, reason) => {
    harness = await createHarness({
      proxy: { writes: { holdMs: 400, holdMax: 10, holdBytesMax: 1_000_000, unminedMax: 1 } },
    });
    const admit = harness.ledger.admit.bind(harness.ledger);
    harness.ledger.admit = () => Promise.reject(error);
    const tx = makeTx(1);
    for (let i = 0; i < 3; i++) {
      const { json } = await harness.post(broadcastBody(tx));
      expect(json.error?.data).toMatchObject({ reason, executed: 'no', txHash: tx.hash });
      expect(json.error?.data?.['retryAfterMs']).toBeGreaterThan(0);
    }
    // Reads do not depend on it.
    expect((await harness.rpc('user.query', { query: 'SELECT 1' })).json.result).toMatchObject({ network: 'kwil-old' });
    expect(broadcasts()).toBe(0);
    expect(harness.proxy.inFlightWrites()).toBe(0);
    harness.ledger.admit = admit;
    expect((await harness.post(broadcastBody(tx))).json.result?.['tx_hash']).toBe(tx.hash);
    expect(harness.old.deliveries.get(tx.hash)).toBe(1);
  },
);

test('a write that was held for its turn and hangs up leaves at once, and the next one gets the room', async () => {
  harness = await createHarness({
    oldCount: 1,
    probeMs: 25,
    proxy: { writes: { holdMs: 8000, holdMax: 100, holdBytesMax: 1_000_000, unminedMax: 1 } },
  });
  await harness.post(broadcastBody(makeTx(1, { key: 1 })));
  const hangUp = new AbortController();
  const gone = harness.post(broadcastBody(makeTx(1, { key: 2 })), {}, hangUp.signal).catch(() => null);
  await until(() => harness.proxy.held().count === 1);
  const stays = harness.post(broadcastBody(makeTx(1, { key: 3 })));
  await until(() => harness.proxy.held().count === 2);
  hangUp.abort();
  expect(await gone).toBeNull();
  await until(() => harness.proxy.held().count === 1);
  harness.old.mine();
  expect((await stays).json.error).toBeUndefined();
  expect(harness.old.deliveries.has(makeTx(1, { key: 2 }).hash)).toBe(false);
  const { counts } = harness.proxy.heldWrites();
  expect(counts).toEqual({ entered: 2, released: 1, expired: 0, full: 0, gone: 1 });
});
