import { afterEach, describe, expect, it } from 'vitest';
import {
  createSigner,
  encodePayload,
  encodeTxJson,
  signTx,
  validatorSetHash,
  type Payload,
} from '../../../src/protocol/index.js';
import { encodeParamProposal } from '../../../src/devnet/chain/params.js';
import type { NetworkHandle } from '../../../src/devnet/index.js';
import { fakeDevnet, QUICK, result, rpc } from './support.js';

const K5 = createSigner({ type: 'secp256k1', privateKey: '55'.repeat(32) });

describe('validators and parameters', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  let network: NetworkHandle;
  afterEach(() => devnet.stop());

  const validators = async (): Promise<string[]> =>
    (await result<{ validators: { pubkey: string }[] }>(network.urls[0]!, 'chain.validators')).validators.map(
      one => one.pubkey,
    );

  it('take in a candidate that both of two approve, and let it go, as only header counts and the set show', async () => {
    devnet = fakeDevnet();
    network = devnet.createNetwork({ name: 'two', chainId: 'c1', nodes: 2, ...QUICK });
    await devnet.start();
    let nonce = 0;
    const sendK5 = async (payload: Payload): Promise<void> => {
      const body = {
        desc: '',
        payload: encodePayload(payload),
        type: payload.kind,
        fee: 0n,
        nonce: BigInt(++nonce),
        chainId: 'c1',
      };
      const tx = JSON.parse(encodeTxJson(signTx(body, K5))) as unknown;
      const answer = await rpc(network.urls[0]!, 'user.broadcast', { tx, sync: 1 });
      expect(answer.text).toContain('"code":0');
    };
    const approve = encodePayload({ kind: 'validator_approve', publicKey: K5.sender, keyType: 'secp256k1' });
    const key = Buffer.from(K5.sender).toString('hex');
    await sendK5({ kind: 'validator_join', power: 1n });
    await network.sendAsValidator(0, 'validator_approve', approve);
    expect(await validators()).not.toContain(key);
    await network.sendAsValidator(1, 'validator_approve', approve);
    const joined = network.height();
    await network.waitForHeight(joined + 1);
    expect(await validators()).toContain(key);
    expect(network.block(joined + 1)!.header.valsHash).toBe(validatorSetHash(3));
    expect(JSON.stringify((await rpc(network.urls[0]!, 'chain.block', { height: joined })).json)).not.toContain(
      'validator_updates',
    );
    // Its key has no node: of three validators two vote, which is a majority.
    await sendK5({ kind: 'validator_leave' });
    await network.waitForHeight(network.height() + 1);
    expect(await validators()).not.toContain(key);
  });

  it('change a parameter with one of two votes, in the block of the proposal', async () => {
    devnet = fakeDevnet();
    network = devnet.createNetwork({ name: 'two', chainId: 'c1', nodes: 2, ...QUICK });
    await devnet.start();
    const body = encodeParamProposal('more votes', { maxVotesPerTx: 300n });
    const { hash } = await network.sendAsValidator(
      1,
      'create_resolution',
      encodePayload({ kind: 'create_resolution', event: { type: 'param_updates', body } }),
    );
    const { height } = await result<{ height: number }>(network.urls[1]!, 'chain.tx', { hash });
    expect(network.block(height)!.updates).toEqual({ maxVotesPerTx: 300n });
    expect(await result(network.urls[1]!, 'user.list_update_proposals')).toEqual({ proposals: null });
    await network.waitForHeight(height + 1);
    expect(await result(network.urls[0]!, 'chain.consensus_params')).toMatchObject({ max_votes_per_tx: 300 });
  });
});

describe('a network with an engine per node', () => {
  it('executes every block on each, follows with a lag of its own, and ends a node whose state differs', async () => {
    const devnet = fakeDevnet();
    try {
      const network = devnet.createNetwork({ name: 'each', chainId: 'c1', nodes: 3, enginePerNode: true, ...QUICK });
      await devnet.start();
      await network.waitForHeight(2);
      expect(devnet.engines).toHaveLength(3);
      // A row changed in one database by hand: unseen until a block executes over it.
      (devnet.engines[2]!.rows() as Map<string, string>).set('odd', '1');
      await network.waitUntil(() => network.nodes[2]!.mode() === 'down', 'the end of the odd node');
      expect(network.nodes[2]!.lastWords()).toBe('Incorrect AppHash, halting the node');
      const height = network.height();
      await network.waitUntil(() => network.height() > height + 2, 'blocks of the others');
    } finally {
      await devnet.stop();
    }
  });
});
