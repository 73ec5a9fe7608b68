import { afterEach, describe, expect, it } from 'vitest';
import { blockHash, decodeBlock, merkleRoot, validatorSetHash } from '../../../src/protocol/index.js';
import { broadcast, fakeDevnet, K2, putTx, QUICK, result } from './support.js';

interface RawBlock {
  readonly raw_block: string;
  readonly commit_info: { readonly app_hash: string; readonly votes: readonly unknown[] };
}

describe('a devnet network', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  afterEach(() => devnet.stop());

  it('puts a broadcast transaction into a block on every node', async () => {
    devnet = fakeDevnet();
    const network = devnet.createNetwork({ name: 'old', chainId: 'c1', nodes: 2, ...QUICK });
    await devnet.start();
    const tx = putTx(K2, 'c1', 1, 'a', '1');
    const sent = await broadcast(network.urls[1]!, tx, 1);
    expect(sent.json).toEqual({ jsonrpc: '2.0', id: 7, result: { tx_hash: tx.hash, result: { code: 0, gas: 0 } } });
    const { height } = await result<{ height: number }>(network.urls[1]!, 'user.tx_query', { tx_hash: tx.hash });
    await network.waitForHeight(height);
    for (const url of network.urls) {
      expect(await result(url, 'chain.tx', { hash: tx.hash })).toMatchObject({ height, index: 0 });
      expect(await result(url, 'user.query', { query: 'select * from kv' })).toMatchObject({ values: [['a', '1']] });
      const id = { identifier: Buffer.from(K2.sender).toString('hex'), key_type: 'secp256k1' };
      expect(await result(url, 'user.account', { id })).toEqual({ id, balance: '0', nonce: 1 });
    }
  });

  it('makes blocks whose bytes, hashes and votes agree', async () => {
    devnet = fakeDevnet();
    const network = devnet.createNetwork({ name: 'old', chainId: 'c1', nodes: 3, ...QUICK });
    await devnet.start();
    await broadcast(network.urls[0]!, putTx(K2, 'c1', 1, 'a', '1'), 1);
    await network.waitForHeight(3);
    let previous = { hash: '0'.repeat(64), appHash: '0'.repeat(64) };
    for (const { height, hash, appHash, txs } of network.blocks(1, 3)) {
      const answer = await result<RawBlock>(network.urls[2]!, 'chain.block', { height, raw: true });
      const block = decodeBlock(Buffer.from(answer.raw_block, 'base64'));
      expect(blockHash(block)).toBe(hash);
      expect(block.header.prevHash).toBe(previous.hash);
      expect(block.header.prevAppHash).toBe(previous.appHash);
      expect(block.header.valsHash).toBe(validatorSetHash(3));
      expect(block.header.merkleRoot).toBe(merkleRoot(txs.map(tx => tx.hash)));
      expect(answer.commit_info.app_hash).toBe(appHash);
      expect(answer.commit_info.votes).toHaveLength(2);
      previous = { hash, appHash };
    }
  });
});
