import { afterEach, describe, expect, it } from 'vitest';
import type { NetworkHandle } from '../../../src/devnet/index.js';
import { broadcast, fakeDevnet, K2, putTx, QUICK, result, rpc } from './support.js';

interface Health {
  readonly height: number;
  readonly syncing: boolean;
  readonly healthy: boolean;
}

describe('nodes that come and go', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  let network: NetworkHandle;
  afterEach(() => devnet.stop());

  async function begin(timing: Record<string, number> = {}): Promise<void> {
    devnet = fakeDevnet();
    network = devnet.createNetwork({
      name: 'roll',
      chainId: 'c1',
      nodes: 3,
      ...QUICK,
      timing: { ...QUICK.timing, ...timing },
    });
    await devnet.start();
    await network.waitForHeight(2);
  }

  it('goes on with two of three and takes a restarted follower back in, catching up with old answers', async () => {
    await begin({ catchUpRate: 40 });
    const follower = network.nodes[2]!;
    await follower.kill();
    await expect(rpc(follower.url, 'user.ping')).rejects.toThrow();
    const stopped = network.height();
    await network.waitUntil(() => network.height() >= stopped + 15, 'blocks of the two others');
    await follower.restart();
    await expect
      .poll(() => result<Health>(follower.url, 'user.health'))
      .toMatchObject({ syncing: true, healthy: false });
    expect((await broadcast(follower.url, putTx(K2, 'c1', 1, 'a', '1'))).json).toMatchObject({
      error: { data: { code: 65535, message: 'node is catching up, cannot process transactions right now' } },
    });
    await network.waitUntil(() => follower.mode() === 'running', 'the head');
    expect(await result<Health>(follower.url, 'user.health')).toMatchObject({ syncing: false });
  });

  it('makes no block without a majority, keeps the leader’s mempool, and goes on when one follower is back', async () => {
    await begin();
    await network.nodes[1]!.kill();
    await network.nodes[2]!.kill();
    await new Promise(resolve => setTimeout(resolve, 150));
    const stood = network.height();
    const tx = putTx(K2, 'c1', 1, 'a', '1');
    expect((await broadcast(network.urls[0]!, tx)).status).toBe(200);
    await new Promise(resolve => setTimeout(resolve, 150));
    expect(network.height()).toBe(stood);
    expect(await result(network.urls[0]!, 'user.tx_query', { tx_hash: tx.hash })).toMatchObject({
      height: -1,
      tx_result: null,
    });
    await network.nodes[1]!.restart();
    await network.waitUntil(
      () => network.blocks(stood + 1).some(block => block.txs.length > 0),
      'the write in a block',
    );
  });

  it('forgets accepted writes on followers when the leader stays away, but not their nonces', async () => {
    await begin({ catchUpTick: 400 });
    await network.nodes[0]!.kill();
    const url = network.urls[1]!;
    const tx = putTx(K2, 'c1', 1, 'a', '1');
    expect((await broadcast(url, tx)).json).toMatchObject({ result: { tx_hash: tx.hash } });
    await expect.poll(() => result<{ total: number }>(url, 'chain.unconfirmed_txs')).toMatchObject({ total: 0 });
    expect((await rpc(url, 'user.tx_query', { tx_hash: tx.hash })).json).toMatchObject({ error: { code: -202 } });
    const id = { identifier: Buffer.from(K2.sender).toString('hex'), key_type: 'secp256k1' };
    expect(await result(url, 'user.account', { id, status: 1 })).toMatchObject({ nonce: 1 });
    await expect.poll(async () => (await broadcast(url, tx)).json).toMatchObject({ error: { data: { code: 4 } } });
    const height = network.height();
    await network.nodes[0]!.restart();
    await network.waitForHeight(height + 1);
    expect(await result(url, 'user.account', { id, status: 1 })).toMatchObject({ nonce: 0 });
    expect((await broadcast(url, tx, 1)).json).toMatchObject({ result: { tx_hash: tx.hash, result: { code: 0 } } });
  });

  it('keeps writes over a short absence of the leader', async () => {
    await begin({ reannounce: 200 });
    await network.nodes[0]!.kill();
    const tx = putTx(K2, 'c1', 1, 'a', '1');
    await broadcast(network.urls[1]!, tx);
    await network.nodes[0]!.restart();
    await network.waitUntil(
      () => network.blocks().some(block => block.txs.some(one => one.hash === tx.hash)),
      'the write',
    );
  });

  it('loses a write whose node dies before it told the others', async () => {
    await begin({ gossip: 60_000 });
    const tx = putTx(K2, 'c1', 1, 'a', '1');
    expect((await broadcast(network.urls[1]!, tx)).status).toBe(200);
    await network.nodes[1]!.kill();
    await network.nodes[1]!.restart();
    for (const url of network.urls) {
      expect((await rpc(url, 'user.tx_query', { tx_hash: tx.hash })).json).toMatchObject({ error: { code: -202 } });
    }
  });

  it('hands the lead over without a gap, and the block says so', async () => {
    await begin();
    const height = network.height() + 3;
    network.replaceLeader(1, height);
    await network.waitForHeight(height + 2);
    const key = network.nodes[1]!.publicKey;
    const { block, commit_info } = await result<{
      block: { header: { new_leader?: { key: string } } };
      commit_info: { param_updates?: { leader?: { key: string } } };
    }>(network.urls[2]!, 'chain.block', { height });
    expect(block.header.new_leader?.key).toBe(key);
    expect(commit_info.param_updates?.leader?.key).toBe(key);
    expect(await result(network.urls[0]!, 'chain.consensus_params')).toMatchObject({ leader: { key } });
  });

  it('crashes a replaced leader that meets the hand-over block first after its start, at every start', async () => {
    await begin();
    await network.nodes[0]!.kill();
    const height = network.height() + 1;
    network.replaceLeader(1, height);
    await network.waitUntil(() => network.height() > height, 'the new leader’s blocks');
    for (let start = 0; start < 2; start++) {
      await network.nodes[0]!.restart();
      await network.waitUntil(() => network.nodes[0]!.mode() === 'down', 'the crash');
      expect(network.nodes[0]!.lastWords()).toContain('assignment to entry in nil map');
    }
  });

  it('starts a new chain from the exported state, with its nonces', async () => {
    await begin();
    await broadcast(network.urls[0]!, putTx(K2, 'c1', 1, 'a', '1'), 1);
    const { sql, hash } = await network.exportState();
    const moved = devnet.createNetwork({ name: 'moved', chainId: 'c2', nodes: 2, genesisState: sql, ...QUICK });
    await moved.start();
    await moved.waitForHeight(1);
    const [url] = moved.urls;
    expect(await result(url!, 'chain.genesis')).toMatchObject({ chain_id: 'c2', initial_height: 0, state_hash: hash });
    const block = await result<{ block: { header: { prev_app_hash: string } } }>(url!, 'chain.block', { height: 1 });
    expect(block.block.header.prev_app_hash).toBe(hash);
    expect((await broadcast(url!, putTx(K2, 'c2', 2, 'b', '2'), 1)).json).toMatchObject({
      result: { result: { code: 0 } },
    });
    expect(await result(url!, 'user.query', { query: 'select * from kv' })).toMatchObject({
      values: [
        ['a', '1'],
        ['b', '2'],
      ],
    });
  });
});
