import { KwilSigner, NodeKwil } from '@kwilteam/kwil-js';
import { Wallet } from 'ethers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDevnet, OWNER_KEY, type Devnet, type NetworkHandle } from '../../../src/devnet/index.js';

const SCHEMA = `
CREATE NAMESPACE shop;
{shop}CREATE TABLE items (id int8 PRIMARY KEY, name text NOT NULL, price numeric(10,2));
{shop}CREATE ACTION add_item($id int8, $name text) PUBLIC { INSERT INTO items (id, name) VALUES ($id, $name); };
{shop}CREATE ACTION rename($id int8, $name text) PUBLIC { UPDATE items SET name = $name WHERE id = $id; };
{shop}CREATE ACTION get_item($id int8) PUBLIC VIEW RETURNS TABLE(id int8, name text) { RETURN SELECT id, name FROM items WHERE id = $id; };
{shop}CREATE ACTION fails() PUBLIC { error('no way'); };
`;

const wallet = new Wallet(`0x${OWNER_KEY}`);
const signer = new KwilSigner(wallet, wallet.address);

describe('kwil-js 0.9.4, unmodified, against a devnet', () => {
  let devnet: Devnet;
  let network: NetworkHandle;
  let kwil: NodeKwil;

  beforeAll(async () => {
    devnet = createDevnet();
    network = devnet.createNetwork({ name: 'old', chainId: 'kwil-dev', nodes: 2, blockMs: 100 });
    await devnet.start();
    kwil = new NodeKwil({ kwilProvider: network.urls[0]!, chainId: 'kwil-dev' });
    const made = await kwil.execSql(SCHEMA, {}, signer, true);
    expect(made.status).toBe(200);
  });
  afterAll(() => devnet.stop());

  it('executes an action with named inputs and reads the row back', async () => {
    const sent = await kwil.execute(
      {
        namespace: 'shop',
        name: 'add_item',
        inputs: [
          { $id: 1, $name: 'lamp' },
          { $id: 2, $name: 'desk' },
        ],
      },
      signer,
      true,
    );
    expect(sent.status).toBe(200);
    const rows = await kwil.selectQuery('{shop}SELECT id, name FROM items WHERE id = $id', { $id: 2 });
    expect(rows.data).toEqual([{ id: '2', name: 'desk' }]);
    const info = await kwil.txInfo(sent.data!.tx_hash);
    expect(info.data).toMatchObject({ tx_result: { code: 0 } });
    expect(info.data!.height).toBeGreaterThan(0);
  });

  it('calls a view action', async () => {
    await kwil.execute({ namespace: 'shop', name: 'add_item', inputs: [{ $id: 10, $name: 'chair' }] }, signer, true);
    const called = await kwil.call({ namespace: 'shop', name: 'get_item', inputs: { $id: 10 } }, signer);
    expect(called.data?.result).toEqual([{ id: '10', name: 'chair' }]);
  });

  it('counts nonces and shows them in the account', async () => {
    const before = await kwil.getAccount(wallet.address.slice(2).toLowerCase());
    await kwil.execute({ namespace: 'shop', name: 'rename', inputs: [{ $id: 1, $name: 'bulb' }] }, signer, true);
    const after = await kwil.getAccount(wallet.address.slice(2).toLowerCase());
    expect(Number(after.data!.nonce)).toBe(Number(before.data!.nonce) + 1);
  });

  it('throws the result of a failing action', async () => {
    await expect(kwil.execute({ namespace: 'shop', name: 'fails', inputs: [] }, signer, true)).rejects.toThrow(
      /no way/,
    );
  });

  it('tells chain id, height and version', async () => {
    const info = await kwil.chainInfo();
    expect(info.data).toMatchObject({ chain_id: 'kwil-dev' });
    expect((await kwil.ping()).data).toBe('pong');
  });

  it('refuses a transaction for another chain', async () => {
    const other = new NodeKwil({ kwilProvider: network.urls[0]!, chainId: 'other' });
    await expect(
      other.execute({ namespace: 'shop', name: 'rename', inputs: [{ $id: 1, $name: 'x' }] }, signer, true),
    ).rejects.toThrow(/wrong chain ID: other/);
  });
});

describe('kwil-js against a private devnet', () => {
  it('authenticates every call with a challenge', async () => {
    const devnet = createDevnet();
    try {
      const network = devnet.createNetwork({ name: 'priv', chainId: 'kwil-priv', mode: 'private', blockMs: 100 });
      await devnet.start();
      const kwil = new NodeKwil({ kwilProvider: network.urls[0]!, chainId: 'kwil-priv' });
      await kwil.execSql(SCHEMA, {}, signer, true);
      await kwil.execute({ namespace: 'shop', name: 'add_item', inputs: [{ $id: 1, $name: 'lamp' }] }, signer, true);
      const called = await kwil.call({ namespace: 'shop', name: 'get_item', inputs: { $id: 1 } }, signer);
      expect(called.data?.result).toEqual([{ id: '1', name: 'lamp' }]);
      await expect(kwil.selectQuery('{shop}SELECT * FROM items')).rejects.toThrow(/-1007/);
    } finally {
      await devnet.stop();
    }
  });
});
