import { afterEach, expect, test } from 'vitest';
import { broadcastBody, COMMITTED, createHarness, makeTx, until, type Harness } from './harness.js';

let harness: Harness | null = null;
const open = async (...args: Parameters<typeof createHarness>): Promise<Harness> =>
  (harness = await createHarness(...args));

afterEach(async () => {
  await harness?.close();
  harness = null;
});

test('reads stay on one node, and move to another only when that one shows as much', async () => {
  const { rpc, old, oldNodes, probe } = await open({ oldCount: 2, probeMs: 40 });
  // The second node is a block behind what the first one shows.
  oldNodes[1]!.lag = 1;
  old.mine();
  await probe();
  for (let i = 0; i < 6; i++)
    expect((await rpc('user.query')).json.result).toMatchObject({ node: 'old-1', height: 11 });
  await oldNodes[0]!.close();
  const moved = rpc('user.query');
  await new Promise(resolve => setTimeout(resolve, 100));
  oldNodes[1]!.lag = 0;
  old.mine();
  expect((await moved).json.result).toMatchObject({ node: 'old-2', height: 12 });
});

test('random blocks, lags and outages of two nodes never show a client an older height', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);
  const random = generator(seed);
  const { rpc, old, oldNodes } = await open({ oldCount: 2, probeMs: 30 });
  const down = [false, false];
  const stuck = [false, false];
  let last = 0;
  /** Blocks go on by themselves; a node that is down or stuck stays where it is (a real one never goes back). */
  const blocks = setInterval(() => {
    for (const n of [0, 1]) {
      if (down[n] || stuck[n]) oldNodes[n]!.lag++;
      else oldNodes[n]!.lag = 0;
      if (random() < 0.3) stuck[n] = false;
    }
    old.mine();
  }, 40);
  for (let i = 0; i < 250; i++) {
    const which = random() < 0.5 ? 0 : 1;
    if (random() < 0.1) stuck[which] = true;
    if (random() < 0.05) {
      if (down[which]) await oldNodes[which]!.open();
      else if (!down[1 - which]) await oldNodes[which]!.close();
      else continue;
      down[which] = !down[which];
    }
    const { json } = await rpc('user.query');
    if (json.result === undefined) continue;
    const height = Number(json.result['height']);
    // The scripted nodes tell the height at once: what a read shows is what health says, give or take the looks between.
    expect(height, `seed ${seed}, step ${i}; repeat with SEED=${seed}`).toBeGreaterThanOrEqual(last);
    last = height;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  clearInterval(blocks);
  for (const [i, isDown] of down.entries()) if (isDown) await oldNodes[i]!.open();
}, 60_000);

test('after the commit reads wait until the new network shows everything that was seen on the old one', async () => {
  const { rpc, intent, watermark } = await open({ probeMs: 40 });
  expect((await rpc('user.query')).json.result?.['network']).toBe('kwil-old');
  watermark({ applied: 9, perNode: { 'new/new-1': 9 }, lagBlocks: 1 });
  intent(COMMITTED);
  let answered = false;
  const crossing = rpc('user.query').then(answer => {
    answered = true;
    return answer;
  });
  await new Promise(resolve => setTimeout(resolve, 500));
  expect(answered).toBe(false);
  watermark({ applied: 10, perNode: { 'new/new-1': 10 }, lagBlocks: 0 });
  expect((await crossing).json.result?.['network']).toBe('kwil-new');
});

test('while the new network does not get there, reads go on with the old one, but not after somebody saw the new one', async () => {
  const { rpc, intent, watermark, post } = await open({ probeMs: 40, proxy: { limits: { sessionWaitMs: 300 } } });
  await rpc('user.query');
  watermark({ applied: 5, perNode: { 'new/new-1': 5 }, lagBlocks: 5 });
  intent(COMMITTED);
  expect((await rpc('user.query')).json.result?.['network']).toBe('kwil-old');
  const written = await post(broadcastBody(makeTx(1, { chainId: 'kwil-new' }), { sync: true }));
  expect(written.json.result?.['tx_hash']).toBeTruthy();
  expect((await rpc('user.query')).json.error?.data?.['reason']).toBe('no_node');
});

test('a session token carries what its client has seen; a forged one is worth nothing', async () => {
  const { rpc, old, oldNodes, probe } = await open({
    oldCount: 2,
    probeMs: 40,
    proxy: { limits: { sessionWaitMs: 300 } },
  });
  old.mine();
  await probe();
  const first = await rpc('user.query');
  const token = first.headers.get('x-switchyard-session')!;
  expect(token).toBeTruthy();
  const node = String(first.json.result?.['node']);
  const other = oldNodes.find(candidate => candidate.name !== node)!;
  other.lag = 3;
  await oldNodes.find(candidate => candidate.name === node)!.close();
  await probe();
  const refused = await rpc('user.query', {}, { 'x-switchyard-session': token });
  expect(refused.json.error?.data?.['reason']).toBe('no_node');
  other.lag = 0;
  old.mine();
  await probe();
  expect((await rpc('user.query', {}, { cookie: `x-switchyard-session=${token}` })).json.result?.['height']).toBe(12);
  expect((await rpc('user.query', {}, { 'x-switchyard-session': `${token}x` })).json.result?.['height']).toBe(12);
});

test('a read that fails on one node is answered by another one of the same network', async () => {
  const { rpc, oldNodes } = await open({ oldCount: 2, probeMs: 40 });
  oldNodes[0]!.faults.set('user.query', ['rst-after-read']);
  oldNodes[1]!.faults.set('user.query', []);
  expect((await rpc('user.query')).json.result?.['network']).toBe('kwil-old');
  for (const node of oldNodes) node.faults.set('user.query', ['empty-500', 'empty-500']);
  const harmful = await rpc('user.query');
  expect(harmful.json.error?.data?.['reason']).toBe('bad_answer');
});

test('a node of another chain is never asked by a client', async () => {
  const { rpc, oldNodes, nodes } = await open({ oldCount: 2, probeMs: 40 });
  oldNodes[0]!.answers.set('user.health', () => ({
    result:
      '{"chain_id":"else","height":9000,"block_height":9000,"block_hash":"","block_time":0,"syncing":false,"mode":"open"}',
  }));
  await until(() => nodes.view('old')!.nodes[0]!.state === 'quarantined');
  expect(nodes.view('old')!.head).toBe(10);
  for (let i = 0; i < 5; i++) expect((await rpc('user.query')).json.result?.['node']).toBe('old-2');
});

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('asking for an old transaction after the switch, with the old network gone or halted, holds up no read', async () => {
  const { rpc, post, intent, watermark, old, oldNodes, probe } = await open({ oldCount: 1, probeMs: 40 });
  const tx = makeTx(1);
  await post(broadcastBody(tx));
  old.mine();
  await probe();
  await rpc('user.query');
  watermark({ applied: 11, perNode: { 'new/new-1': 11 }, lagBlocks: 0 });
  old.migration = { status: 'MigrationCompleted', start_height: 5, end_height: 11 };
  await probe();
  intent(COMMITTED);
  expect((await rpc('user.query')).json.result?.['network']).toBe('kwil-new');
  expect((await rpc('user.tx_query', { tx_hash: tx.hash })).json.result?.['height']).toBe(11);
  await oldNodes[0]!.close();
  const answers = await Promise.all(Array.from({ length: 20 }, () => rpc('user.query')));
  expect(answers.every(({ json }) => json.result?.['network'] === 'kwil-new')).toBe(true);
});

test('what a dead node last showed counts until most other nodes have had time for it, and with too few of them reads are refused', async () => {
  const read = async (oldCount: number): Promise<Awaited<ReturnType<Harness['rpc']>>> => {
    const { rpc, old, oldNodes, probe } = await open({
      oldCount,
      probeMs: 40,
      proxy: { limits: { sessionWaitMs: 400 } },
    });
    old.mine();
    await probe();
    const { json } = await rpc('user.query');
    await oldNodes.find(node => node.name === json.result?.['node'])!.close();
    // The network stands (it has lost its leader): the next height never comes.
    const second = await rpc('user.query');
    await harness?.close();
    harness = null;
    return second;
  };
  expect((await read(3)).json.result?.['height']).toBe(11);
  expect((await read(2)).json.error?.data?.['reason']).toBe('no_node');
});
