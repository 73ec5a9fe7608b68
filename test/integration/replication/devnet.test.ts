import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KwilSigner, NodeKwil } from '@kwilteam/kwil-js';
import { Wallet } from 'ethers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDevnet, OWNER_KEY, type Devnet, type NetworkHandle } from '../../../src/devnet/index.js';
import { createNodes, type Nodes } from '../../../src/nodes/index.js';
import { systemClock, waitFor } from '../../../src/platform/index.js';
import {
  createReplication,
  createVerifier,
  type Replication,
  type ReplicationOptions,
} from '../../../src/replication/index.js';
import { createChangesetArchive } from '../../../src/storage/index.js';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.js';

const SCHEMA = `
CREATE NAMESPACE shop;
{shop}CREATE TABLE items (id int8 PRIMARY KEY, name text, body text, price numeric(38,18), tags text[], amounts numeric(10,2)[], ids uuid[], ok bool);
{shop}CREATE TABLE lines (space text, num int8, item int8 REFERENCES items(id) ON DELETE CASCADE, PRIMARY KEY (space, num));
{shop}CREATE ACTION put($id int8, $name text) PUBLIC { INSERT INTO items (id, name) VALUES ($id, $name) ON CONFLICT (id) DO UPDATE SET name = $name; };
{shop}CREATE ACTION line($space text, $num int8, $item int8) PUBLIC { INSERT INTO lines (space, num, item) VALUES ($space, $num, $item); };
{shop}CREATE ACTION body($id int8, $body text) PUBLIC { UPDATE items SET body = $body WHERE id = $id; };
{shop}CREATE ACTION drop_item($id int8) PUBLIC { DELETE FROM items WHERE id = $id; };
{shop}CREATE ACTION same($id int8) PUBLIC { UPDATE items SET name = name WHERE id = $id; };
{shop}CREATE ACTION rename($id int8, $name text) PUBLIC { UPDATE items SET name = $name WHERE id = $id; };
{shop}CREATE ACTION tiny($id int8) PUBLIC { UPDATE items SET price = 0.000000000000000001::numeric(38,18) WHERE id = $id; };
{shop}CREATE ACTION holes($id int8) PUBLIC { UPDATE items SET amounts = ARRAY[1.50::numeric(10,2), null], tags = ARRAY['a', null], ok = true WHERE id = $id; };
`;

const owner = new Wallet(`0x${OWNER_KEY}`);
const signer = new KwilSigner(owner, owner.address);
/** Not compressible, so that it is stored out of line. */
const large = (seed: number): string =>
  Array.from({ length: 700 }, (_, index) =>
    ((index * 7919 + seed * 104729) % 1_000_003).toString(36).padStart(5, 'x'),
  ).join('');

let folder: string;
let devnet: Devnet;
let nodes: Nodes | null;
let replication: Replication | null;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'switchyard-devnet-'));
  devnet = createDevnet();
  nodes = null;
  replication = null;
});
afterEach(async () => {
  await replication?.close();
  await nodes?.close();
  await devnet.stop();
  await rm(folder, { recursive: true, force: true });
});

const shared = () => ({
  clock: systemClock,
  logger: silentLogger,
  metrics: createMetrics({ version: 'test', commit: 'test' }),
});
const networkOf = (handle: NetworkHandle) => ({
  chainId: handle.chainId,
  nodes: handle.nodes.map(({ name, url }) => ({ name, url })),
});

async function startReplication(relay: Partial<ReplicationOptions['relay']> = {}, port = 0): Promise<Replication> {
  const made = createReplication(
    {
      dataDir: folder,
      oldChainId: 'kwil-old',
      relay: {
        listen: `127.0.0.1:${port}`,
        validators: ['v1', 'v2', 'v3'],
        merge: 'auto',
        ownEnd: 'auto',
        timeline: 'keep',
        repairs: 'auto',
        listenerPaceMs: 60,
        ...relay,
      },
    },
    { ...shared(), nodes: nodes!, archive: createChangesetArchive({ folder: join(folder, 'archive') }) },
  );
  await made.start();
  return made;
}

const until = (check: () => boolean, timeoutMs: number): Promise<boolean | undefined> =>
  waitFor(
    listener => replication!.subscribe(listener),
    () => check() || undefined,
    { timeoutMs, clock: systemClock },
  );

async function oldNetwork(duration: number): Promise<{
  old: NetworkHandle;
  kwil: NodeKwil;
  run: (name: string, inputs: Record<string, string | number>) => Promise<unknown>;
  start: number;
  end: number;
}> {
  const old = devnet.createNetwork({ name: 'old', chainId: 'kwil-old', nodes: 2, blockMs: 150 });
  await old.start();
  const kwil = new NodeKwil({ kwilProvider: old.urls[0]!, chainId: 'kwil-old', timeout: 30_000 });
  await kwil.execSql(SCHEMA, {}, signer, true);
  const run = (name: string, inputs: Record<string, string | number>) =>
    kwil.execute(
      {
        namespace: 'shop',
        name,
        inputs: [Object.fromEntries(Object.entries(inputs).map(([key, value]) => [`$${key}`, value]))],
      },
      signer,
      true,
    );
  for (let id = 1; id <= 6; id += 1) await run('put', { id, name: id === 5 ? 'NULL' : id === 6 ? '' : `before ${id}` });
  await run('body', { id: 2, body: large(2) });
  const { start, end } = await old.proposeMigration({ activationPeriod: 4, duration });
  nodes = createNodes({ networks: { old: networkOf(old) }, probes: { intervalMs: 50, timeoutMs: 2000 } }, shared());
  await nodes.start();
  return { old, kwil, run, start, end };
}

function newNetwork(): NetworkHandle {
  const urls = replication!.relayUrls().map(({ url }) => url);
  return devnet.createNetwork({
    name: 'new',
    chainId: 'kwil-new',
    nodes: 3,
    blockMs: 150,
    migrateFrom: urls,
    listenerPaceMs: 60,
    listenerBackoffMs: [50, 200],
    metadataPollMs: 100,
  });
}

describe('a new network with every defect of a real one, behind the relay', () => {
  it(
    'takes all that would stop or corrupt it, loses a node inside a height and the relay twice, and is equal at End',
    { timeout: 180_000 },
    async () => {
      const { old, run, end } = await oldNetwork(110);
      replication = await startReplication();
      const port = Number(new URL(replication.relayUrls()[0]!.url).port);
      const fresh = newNetwork();
      await fresh.start();

      const steps: (() => Promise<unknown>)[] = [
        () => run('put', { id: 10, name: 'inserted' }),
        () => run('same', { id: 10 }),
        () => run('rename', { id: 2, name: 'its body is not touched' }),
        () => run('tiny', { id: 10 }),
        () => run('holes', { id: 10 }),
        () => run('rename', { id: 5, name: 'was the text NULL' }),
        () => run('rename', { id: 6, name: 'was empty' }),
        () => run('line', { space: 'a', num: 1, item: 10 }),
        () => run('line', { space: 'a', num: 2, item: 10 }),
        () => run('line', { space: 'b', num: 1, item: 1 }),
        () => run('drop_item', { id: 10 }),
        () => run('put', { id: 11, name: '"NULL"' }),
        () => run('body', { id: 11, body: large(11).repeat(330) }),
        () => run('drop_item', { id: 3 }),
      ];
      await fresh.waitUntil(() => fresh.nodes[1]!.listenerAsks() !== null, 'its listener', 60_000);
      nodes!.setNetwork('new', networkOf(fresh));
      fresh.nodes[1]!.killListenerAt('chunk-stored');
      for (const [index, step] of steps.entries()) {
        await step();
        if (index === 4 || index === 9) {
          await replication.close();
          replication = await startReplication({}, port);
        }
        if (fresh.nodes[1]!.mode() === 'down') await fresh.nodes[1]!.restart();
      }
      const caught = old.height();
      expect(
        await until(() => (replication!.watermark().applied ?? 0) >= caught, 30_000),
        JSON.stringify(replication.status()),
      ).toBe(true);
      expect(fresh.appliedHeight()).toBeGreaterThan(0);

      await old.waitForStatus('MigrationCompleted', 60_000);
      await fresh.waitForStatus('NoActiveMigration', 30_000);
      expect(
        await until(() => replication!.status().state === 'finished', 10_000),
        JSON.stringify(replication.status()),
      ).toBe(true);
      expect(replication.watermark().applied).toBe(end);
      const report = await createVerifier({ settleMs: 2_000 }, { ...shared(), nodes: nodes! }).verify(
        { rows: true },
        () => undefined,
        new AbortController().signal,
      );
      expect(report).toMatchObject({ differing: [], structure: [], notCompared: [], equal: true, tables: 2 });
      expect(Object.keys(replication.status().repairs)).toEqual(
        expect.arrayContaining([
          'delete-pad',
          'noop-update',
          'toast-unchanged',
          'small-numeric',
          'null-text',
          'null-array-items',
          'big-height',
        ]),
      );
      for (const node of fresh.nodes) expect(node.mode()).not.toBe('down');
    },
  );

  it(
    'joins late and is current with its first answers, and finds what is different',
    { timeout: 120_000 },
    async () => {
      const { old, run, end } = await oldNetwork(60);
      replication = await startReplication();
      for (let index = 0; index < 12; index += 1) await run('put', { id: 20 + index, name: `early ${index}` });
      const fresh = newNetwork();
      await fresh.start();
      await fresh.waitUntil(() => fresh.height() > 0, 'its first block', 60_000);
      nodes!.setNetwork('new', networkOf(fresh));
      const head = old.height();
      expect(
        await until(() => (replication!.watermark().applied ?? 0) >= head, 5_000),
        JSON.stringify(replication.status()),
      ).toBe(true);

      const other = new NodeKwil({ kwilProvider: fresh.urls[0]!, chainId: 'kwil-new', timeout: 30_000 });
      await other.execute({ namespace: 'shop', name: 'put', inputs: [{ $id: 900, $name: 'only here' }] }, signer, true);
      await other.execute(
        { namespace: 'shop', name: 'rename', inputs: [{ $id: 21, $name: 'changed here' }] },
        signer,
        true,
      );
      await old.waitForStatus('MigrationCompleted', 60_000);
      await fresh.waitForStatus('NoActiveMigration', 30_000);
      expect(await until(() => replication!.watermark().applied === end, 10_000)).toBe(true);
      const report = await createVerifier({ settleMs: 300 }, { ...shared(), nodes: nodes! }).verify(
        { rows: true },
        () => undefined,
        new AbortController().signal,
      );
      expect(report.equal).toBe(false);
      expect(report.differing.map(({ table, key, side }) => ({ table, key, side }))).toEqual([
        { table: 'items', key: '["21"]', side: 'different' },
        { table: 'items', key: '["900"]', side: 'new-only' },
      ]);
    },
  );
});
