import { KwilSigner, NodeKwil } from '@kwilteam/kwil-js';
import { Wallet } from 'ethers';
import { afterEach, describe, expect, it } from 'vitest';
import { createDevnet, OWNER_KEY, type Devnet } from '../../../src/devnet/index.js';

const SCHEMA = `
CREATE NAMESPACE shop;
{shop}CREATE TABLE items (id int8 PRIMARY KEY, name text NOT NULL, stock int8);
{shop}CREATE ACTION put($id int8, $name text) PUBLIC {
  INSERT INTO items (id, name, stock) VALUES ($id, $name, 0) ON CONFLICT (id) DO UPDATE SET name = $name, stock = items.stock + 1;
};
{shop}CREATE ACTION drop_item($id int8) PUBLIC { DELETE FROM items WHERE id = $id; };
`;

const wallet = new Wallet(`0x${OWNER_KEY}`);
const signer = new KwilSigner(wallet, wallet.address);

/** A migration with kwil-js writing all along, the new network's nodes listening to the old node itself. */
describe('old network to new network on PGlite, without any gateway', () => {
  let devnet: Devnet;
  afterEach(() => devnet.stop());

  it('ends with equal tables when the listener has none of its defects', { timeout: 120_000 }, async () => {
    devnet = createDevnet();
    const old = devnet.createNetwork({ name: 'old', chainId: 'kwil-old', nodes: 2, blockMs: 200, defects: 'none' });
    await old.start();
    const kwil = new NodeKwil({ kwilProvider: old.urls[1]!, chainId: 'kwil-old', timeout: 30_000 });
    await kwil.execSql(SCHEMA, {}, signer, true);
    const put = (id: number, name: string) =>
      kwil.execute({ namespace: 'shop', name: 'put', inputs: [{ $id: id, $name: name }] }, signer, true);
    await put(1, 'before');
    const { end } = await old.proposeMigration({ activationPeriod: 5, duration: 40 });
    const fresh = devnet.createNetwork({
      name: 'new',
      chainId: 'kwil-new',
      nodes: 2,
      blockMs: 200,
      migrateFrom: old.urls,
      listenerPaceMs: 50,
      listenerBackoffMs: [50, 200],
      metadataPollMs: 100,
      defects: 'none',
    });
    await fresh.start();
    for (let i = 0; old.height() < end - 8; i++) {
      await put(i % 9, `name ${i}`);
      if (i % 5 === 4)
        await kwil.execute({ namespace: 'shop', name: 'drop_item', inputs: [{ $id: i % 9 }] }, signer, true);
    }
    await old.waitForStatus('MigrationCompleted', 60_000);
    await fresh.waitForStatus('NoActiveMigration', 60_000);

    const sql = '{shop}SELECT id, name, stock FROM items ORDER BY id';
    const rowsOf = async (url: string, chainId: string) =>
      (await new NodeKwil({ kwilProvider: url, chainId, timeout: 30_000 }).selectQuery(sql)).data;
    const expected = await rowsOf(old.urls[0]!, 'kwil-old');
    expect(expected!.length).toBeGreaterThan(3);
    for (const url of fresh.urls) expect(await rowsOf(url, 'kwil-new')).toEqual(expected);

    // The window is over: the old network takes nothing more, the new one goes on with the nonces of Start.
    await expect(put(1, 'late')).rejects.toThrow(/network is halted following migration/);
    const after = new NodeKwil({ kwilProvider: fresh.urls[0]!, chainId: 'kwil-new', timeout: 30_000 });
    const sent = await after.execute(
      { namespace: 'shop', name: 'put', inputs: [{ $id: 77, $name: 'new' }] },
      signer,
      true,
    );
    expect(sent.status).toBe(200);
  });

  it('stops the new network at the first replicated delete, as real nodes do', { timeout: 120_000 }, async () => {
    devnet = createDevnet();
    const old = devnet.createNetwork({ name: 'old', chainId: 'kwil-old', nodes: 1, blockMs: 200 });
    await old.start();
    const kwil = new NodeKwil({ kwilProvider: old.urls[0]!, chainId: 'kwil-old', timeout: 30_000 });
    await kwil.execSql(SCHEMA, {}, signer, true);
    await kwil.execute({ namespace: 'shop', name: 'put', inputs: [{ $id: 1, $name: 'x' }] }, signer, true);
    const { start } = await old.proposeMigration({ activationPeriod: 3, duration: 60 });
    const fresh = devnet.createNetwork({
      name: 'new',
      chainId: 'kwil-new',
      nodes: 1,
      blockMs: 200,
      migrateFrom: old.urls[0]!,
      listenerPaceMs: 50,
      listenerBackoffMs: [50, 200],
      metadataPollMs: 100,
    });
    await fresh.start();
    await old.waitForHeight(start, 60_000);
    await kwil.execute({ namespace: 'shop', name: 'drop_item', inputs: [{ $id: 1 }] }, signer, true);
    await fresh.waitUntil(() => fresh.nodes[0]!.lastWords() !== null, 'the end of the new node', 60_000);
    expect(fresh.nodes[0]!.lastWords()).toContain('unexpected end of data');
    expect(fresh.nodes[0]!.mode()).toBe('down');
  });
});
