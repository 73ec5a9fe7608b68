import { afterEach, describe, expect, test } from 'vitest';
import { broadcastBody, createHarness, makeTx, until, type Harness } from './harness.js';
import type { Fault } from './scripted-network.js';

let harness: Harness | null = null;
const open = async (...args: Parameters<typeof createHarness>): Promise<Harness> =>
  (harness = await createHarness(...args));

afterEach(async () => {
  await harness?.close();
  harness = null;
});

const LIMITS = { limits: { writeMs: 400, syncWriteMs: 600 } };

/** After the bytes may have arrived: one delivery and its answer, or a truthful "not known" that the ledger follows up. */
const MAYBE: readonly Fault[] = ['rst-after-read', 'fin-after-read', 'hang', 'cut-body', 'empty-500', 'text-503'];

describe('a write that may have reached the node is never sent again', () => {
  test.each(MAYBE)('%s, the node took it: the answer is learnt by hash', async fault => {
    const { post, old, oldNodes, ledger } = await open({ oldCount: 1, proxy: LIMITS });
    oldNodes[0]!.admitOnFault = true;
    oldNodes[0]!.faults.set('user.broadcast', [fault]);
    const tx = makeTx(1);
    const { json } = await post(broadcastBody(tx));
    expect(json.result).toEqual({ tx_hash: tx.hash });
    expect(old.deliveries.get(tx.hash)).toBe(1);
    expect(ledger.get(tx.hash)?.state).toBe('accepted');
  });

  test.each(MAYBE)(
    '%s, nobody has it: the client is told that it is not known, and nothing is sent again meanwhile',
    async fault => {
      const { post, old, oldNodes, ledger } = await open({ oldCount: 2, proxy: LIMITS });
      for (const node of oldNodes) node.faults.set('user.broadcast', [fault]);
      const tx = makeTx(1);
      const { json, status } = await post(broadcastBody(tx));
      expect(status).toBe(200);
      expect(json.error?.code).toBe(-201);
      expect(json.error?.data).toMatchObject({ reason: 'outcome_unknown', executed: 'unknown', txHash: tx.hash });
      expect(oldNodes.flatMap(node => node.calls).filter(call => call.method === 'user.broadcast')).toHaveLength(1);
      expect(old.deliveries.size).toBe(0);
      expect(ledger.get(tx.hash)?.state).toBe('unknown');
      expect(ledger.get(tx.hash)?.tx.length).toBeGreaterThan(100);
    },
  );
});

test('a reset before the request was read gives one delivery or a truthful "not known", never two', async () => {
  const { post, old, oldNodes } = await open({ oldCount: 1, proxy: LIMITS });
  for (let nonce = 1; nonce <= 3; nonce++) {
    oldNodes[0]!.faults.set('connect', ['rst-before-read']);
    const tx = makeTx(nonce);
    const { json } = await post(broadcastBody(tx));
    const delivered = old.deliveries.get(tx.hash) ?? 0;
    if (json.result === undefined) {
      expect(json.error?.data).toMatchObject({ reason: 'outcome_unknown', executed: 'unknown' });
      expect(delivered).toBe(0);
    } else expect(delivered).toBe(1);
  }
});

test('a refused connection is provably unsent: the next node gets the write', async () => {
  const { post, old, oldNodes } = await open({ oldCount: 2 });
  await oldNodes[0]!.close();
  const tx = makeTx(1);
  expect((await post(broadcastBody(tx))).json.result).toEqual({ tx_hash: tx.hash });
  expect(old.deliveries.get(tx.hash)).toBe(1);
});

test('a node that is back within moments gets the write; without any, it is refused as not executed', async () => {
  const { post, old, oldNodes, ledger } = await open({ oldCount: 1, probeMs: 50 });
  await oldNodes[0]!.close();
  const gone = makeTx(1);
  expect((await post(broadcastBody(gone))).json.error?.data).toMatchObject({ reason: 'no_node', executed: 'no' });
  expect(ledger.get(gone.hash)?.state).toBe('rejected');
  const back = makeTx(2);
  const answer = post(broadcastBody(back));
  await oldNodes[0]!.open();
  expect((await answer).json.result).toEqual({ tx_hash: back.hash });
  expect(old.deliveries.get(back.hash)).toBe(1);
});

test('a node that is catching up has not taken it: the next one gets it', async () => {
  const { post, old, oldNodes } = await open({ oldCount: 2 });
  oldNodes[0]!.faults.set('user.broadcast', ['catching-up']);
  const tx = makeTx(1);
  expect((await post(broadcastBody(tx))).json.result).toEqual({ tx_hash: tx.hash });
  expect(old.deliveries.get(tx.hash)).toBe(1);
});

test('code 10 is accepted-and-unknown: answered from the block when it comes in time', async () => {
  const { post, old, oldNodes } = await open({ oldCount: 1 });
  oldNodes[0]!.faults.set('user.broadcast', ['code-10', 'code-10']);
  const mined = makeTx(1);
  const answer = post(broadcastBody(mined, { sync: true }));
  await until(() => old.txs.has(mined.hash));
  old.mine();
  expect((await answer).json.result).toEqual({ tx_hash: mined.hash, result: { code: 0, gas: 0 } });
  const open10 = makeTx(2);
  const { json } = await post(broadcastBody(open10, { sync: true }));
  expect(json.error).toMatchObject({
    code: -201,
    data: { code: 10, hash: open10.hash, reason: 'outcome_unknown', executed: 'unknown' },
  });
});

test('a refusal by the node is relayed as it is, and the ledger knows that nothing was executed', async () => {
  const { post, oldNodes, ledger } = await open({ oldCount: 1 });
  oldNodes[0]!.faults.set('user.broadcast', ['mempool-full']);
  const tx = makeTx(1);
  const { json } = await post(broadcastBody(tx));
  expect(json.error).toEqual({
    code: -201,
    message: 'broadcast error',
    data: { code: 11, hash: tx.hash, message: 'mempool is full' },
  });
  expect(ledger.get(tx.hash)).toMatchObject({ state: 'rejected', code: 11 });
});

test('"already exists" for a copy that we sent before is success', async () => {
  const { post, old, oldNodes } = await open({ oldCount: 1, proxy: LIMITS });
  const tx = makeTx(1);
  oldNodes[0]!.faults.set('user.broadcast', ['rst-after-read']);
  expect((await post(broadcastBody(tx))).json.error?.data?.['reason']).toBe('outcome_unknown');
  // It had arrived after all, as the client learns by trying again.
  old.txs.set(tx.hash, -1);
  expect((await post(broadcastBody(tx))).json.result).toEqual({ tx_hash: tx.hash });
});

test('the same bytes at the same time are one delivery with one outcome', async () => {
  const { post, oldNodes } = await open({ oldCount: 1 });
  const tx = makeTx(1);
  // All of them are there before the first one ends.
  oldNodes[0]!.answers.set('user.broadcast', () => ({ result: `{"tx_hash":"${tx.hash}"}`, delayMs: 1000 }));
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => post(broadcastBody(tx, { id: String(i) }))));
  expect(answers.map(({ json }) => json.result)).toEqual(Array.from({ length: 10 }, () => ({ tx_hash: tx.hash })));
  expect(answers.map(({ json }) => json.id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(oldNodes[0]!.calls.filter(({ method }) => method === 'user.broadcast')).toHaveLength(1);
});

test('what may have arrived and vanished is offered again after new blocks, in nonce order, until a block has it', async () => {
  const { post, old, oldNodes, ledger, probe } = await open({ oldCount: 1, proxy: LIMITS });
  const txs = [makeTx(1), makeTx(2), makeTx(3)];
  for (const tx of txs) expect((await post(broadcastBody(tx))).json.result).toEqual({ tx_hash: tx.hash });
  // The leader is away for too long: every mempool is emptied, silently.
  for (const tx of txs) old.txs.delete(tx.hash);
  oldNodes[0]!.calls.length = 0;
  await until(() => txs.every(tx => ledger.get(tx.hash)!.at < Date.now() - 1000));
  for (let block = 0; block < 40 && ledger.counts().old > 0; block++) {
    old.mine();
    await probe();
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  expect(txs.map(tx => ledger.get(tx.hash)?.state)).toEqual(['mined', 'mined', 'mined']);
  const offered = oldNodes[0]!.calls
    .filter(call => call.method === 'user.broadcast')
    .map(call => (call.params as { tx: { body: { nonce: number } } }).tx.body.nonce);
  expect(offered).toEqual([1, 2, 3]);
});

test('what a halted network has in no block is dead', async () => {
  const { post, old, oldNodes, ledger, probe } = await open({ oldCount: 1, probeMs: 50, proxy: LIMITS });
  oldNodes[0]!.faults.set('user.broadcast', ['rst-after-read']);
  const tx = makeTx(1);
  await post(broadcastBody(tx));
  old.migration = { status: 'MigrationCompleted', start_height: 5, end_height: old.height };
  await probe();
  await until(() => ledger.get(tx.hash)?.state === 'dead');
});

test('while the head stands with accepted writes waiting, new ones wait and then learn that the network is busy', async () => {
  const { post, old, proxy, probe } = await open({ oldCount: 1, probeMs: 50 });
  // Blocks a second apart were seen: three of them without a block is a standing head.
  old.mine();
  await probe();
  expect((await post(broadcastBody(makeTx(1)))).json.result).toBeTruthy();
  let answered: string | undefined;
  for (let i = 0; i < 80 && answered === undefined; i++) {
    const { json } = await post(broadcastBody(makeTx(2 + i)));
    if (json.error !== undefined) answered = String(json.error.data?.['reason']);
    else await new Promise(resolve => setTimeout(resolve, 100));
  }
  expect(answered).toBe('overloaded');
  const waiting = post(broadcastBody(makeTx(1, { key: 0x22 })));
  await until(() => proxy.held().count === 1);
  old.mine();
  expect((await waiting).json.result).toBeTruthy();
});

test('requests that would end a node do not reach it', async () => {
  const { post, oldNodes } = await open({ oldCount: 1 });
  const tx = JSON.parse(makeTx(1).json) as Record<string, unknown>;
  const before = oldNodes[0]!.calls.length;
  for (const broken of [
    { ...tx, body: undefined },
    { ...tx, signature: undefined },
    { ...tx, body: null },
    { ...tx, signature: null },
  ]) {
    const { json } = await post(broadcastBody({ json: JSON.stringify(broken) }));
    expect(json.error).toMatchObject({ code: -32602, data: { reason: 'shielded', executed: 'no' } });
  }
  expect((await post('{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{}}')).json.error?.code).toBe(-32602);
  expect(oldNodes[0]!.calls.length).toBe(before);
});
