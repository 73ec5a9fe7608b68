import { afterEach, describe, expect, it } from 'vitest';
import type { NetworkHandle, NetworkOptions } from '../../../src/devnet/index.js';
import { createSource, type Source } from './source.js';
import { broadcast, fakeDevnet, K2, putTx, QUICK } from './support.js';

describe('the listener of a new network', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  let source: Source;
  let old: NetworkHandle;
  let fresh: NetworkHandle;
  let nonce = 0;
  afterEach(async () => {
    await source.close();
    await devnet.stop();
  });

  /** An old network in its window with a write at every height, and a new one that listens through a scripted source. */
  async function begin(options: Partial<NetworkOptions> = {}, duration = 30): Promise<void> {
    devnet = fakeDevnet();
    nonce = 0;
    old = devnet.createNetwork({ name: 'old', chainId: 'c-old', ...QUICK });
    await old.start();
    await old.proposeMigration({ activationPeriod: 3, duration });
    source = await createSource(old.urls[0]!);
    fresh = devnet.createNetwork({
      name: 'new',
      chainId: 'c-new',
      nodes: 1,
      migrateFrom: source.url,
      ...QUICK,
      ...options,
    });
    await fresh.start();
  }

  const write = async (): Promise<void> => {
    const sent = await broadcast(old.urls[0]!, putTx(K2, 'c-old', ++nonce, `k${nonce % 5}`, String(nonce)), 1);
    expect(sent.text).toContain('"code":0');
  };

  async function writeToEnd(): Promise<void> {
    const { end } = old.migrationWindow()!;
    while (old.height() < end - 3) await write();
    await old.waitForStatus('MigrationCompleted');
  }

  const rows = (): unknown[] => devnet.engines.map(engine => [...engine.rows()].sort());

  it(
    'asks for health twice, the metadata, each chunk once and then height after height',
    { timeout: 60_000 },
    async () => {
      await begin();
      await writeToEnd();
      await fresh.waitForStatus('NoActiveMigration');
      const { start, end } = old.migrationWindow()!;
      const count = (method: string): number => source.asked.filter(one => one.method === method).length;
      expect(count('user.health')).toBe(2);
      expect(count('user.migration_genesis_chunk')).toBe(1);
      const heights = source.asked.filter(one => one.method === 'user.changeset_metadata').map(one => one.height);
      expect([...new Set(heights)]).toEqual(Array.from({ length: end - start + 1 }, (_, i) => start + i));
      expect(rows()[1]).toEqual(rows()[0]);
    },
  );

  it(
    'panics at every start when it was killed with a stored chunk, until the height gets a second chunk',
    { timeout: 60_000 },
    async () => {
      await begin({}, 60);
      await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'running', 'the new node');
      fresh.nodes[0]!.killListenerAt('chunk-stored');
      await Promise.all([write(), fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'down', 'the kill')]);
      const stuck = fresh.nodes[0]!.listenerAsks()!;
      for (let start = 0; start < 2; start++) {
        await fresh.nodes[0]!.restart();
        await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'down', 'the panic');
        expect(fresh.nodes[0]!.lastWords()).toBe('panic: sync: negative WaitGroup counter');
      }
      source.rule = request => {
        const { method, params } = request;
        if (params.height === stuck && method === 'user.changeset_metadata') {
          return request.pass().then(answer => {
            const { chunk_sizes } = answer as { chunk_sizes: number[] };
            return { height: stuck, changesets: 2, chunk_sizes: [chunk_sizes[0], 0] };
          });
        }
        return params.index === 1 ? 'hold' : request.pass();
      };
      await fresh.nodes[0]!.restart();
      await writeToEnd();
      await fresh.waitForStatus('NoActiveMigration');
      expect(rows()[1]).toEqual(rows()[0]);
    },
  );

  it('dies of a held second chunk that fails after the height went on', { timeout: 60_000 }, async () => {
    await begin({ listenerBackoffMs: [1, 2] }, 60);
    await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'running', 'the new node');
    fresh.nodes[0]!.killListenerAt('chunk-stored');
    await Promise.all([write(), fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'down', 'the kill')]);
    const stuck = fresh.nodes[0]!.listenerAsks()!;
    source.rule = async request => {
      if (request.params.index === 1) throw new Error('no such chunk');
      const answer = await request.pass();
      if (request.params.height !== stuck || request.method !== 'user.changeset_metadata') return answer;
      return { height: stuck, changesets: 2, chunk_sizes: [(answer as { chunk_sizes: number[] }).chunk_sizes[0], 0] };
    };
    await fresh.nodes[0]!.restart();
    await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'down', 'the panic');
    expect(fresh.nodes[0]!.lastWords()).toBe('panic: send on closed channel');
  });

  it('survives a kill between two heights', { timeout: 60_000 }, async () => {
    await begin({}, 60);
    await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'running', 'the new node');
    fresh.nodes[0]!.killListenerAt('height-marked');
    await Promise.all([write(), fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'down', 'the kill')]);
    await fresh.nodes[0]!.restart();
    await writeToEnd();
    await fresh.waitForStatus('NoActiveMigration');
    expect(rows()[1]).toEqual(rows()[0]);
  });

  it(
    'emits a height again with itself as the previous one after a kill between two marks (D16)',
    { timeout: 60_000 },
    async () => {
      await begin({}, 60);
      await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'running', 'the new node');
      fresh.nodes[0]!.killListenerAt('chunks-deleted');
      await Promise.all([write(), fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'down', 'the kill')]);
      const again = fresh.nodes[0]!.listenerAsks()!;
      await fresh.nodes[0]!.restart();
      await fresh.waitUntil(() => fresh.appliedHeight() >= again, 'the height');
      await writeToEnd();
      await fresh.waitForStatus('NoActiveMigration');
      const bodies = source.asked.filter(one => one.method === 'user.changeset' && one.height === again);
      expect(bodies).toHaveLength(2);
      expect(rows()[1]).toEqual(rows()[0]);
    },
  );

  it('ends its process when a chunk cannot be had, and goes on after a restart', { timeout: 60_000 }, async () => {
    await begin({ listenerBackoffMs: [1, 2] }, 60);
    await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'running', 'the new node');
    source.rule = request => (request.method === 'user.changeset' ? Promise.reject(new Error('gone')) : request.pass());
    await Promise.all([write(), fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'down', 'the end')]);
    expect(fresh.nodes[0]!.lastWords()).toContain('node stopped with error');
    source.rule = request => request.pass();
    await fresh.nodes[0]!.restart();
    await writeToEnd();
    await fresh.waitForStatus('NoActiveMigration');
  });

  it('asks for metadata for ever', { timeout: 60_000 }, async () => {
    await begin({ listenerBackoffMs: [1, 2] }, 60);
    await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'running', 'the new node');
    source.rule = request =>
      request.method === 'user.changeset_metadata' ? Promise.reject(new Error('not yet')) : request.pass();
    const before = source.asked.length;
    await fresh.waitUntil(() => source.asked.length > before + 40, 'forty questions');
    source.rule = request => request.pass();
    await writeToEnd();
    await fresh.waitForStatus('NoActiveMigration');
  });

  it('ends at start when nothing listens at its source', { timeout: 60_000 }, async () => {
    await begin();
    await fresh.waitUntil(() => fresh.nodes[0]!.mode() === 'running', 'the new node');
    await source.away();
    await fresh.nodes[0]!.kill();
    await fresh.nodes[0]!.restart();
    expect(fresh.nodes[0]!.mode()).toBe('down');
    expect(fresh.nodes[0]!.lastWords()).toContain('failed to prepare for migration');
    await source.back();
    await fresh.nodes[0]!.restart();
    expect(fresh.nodes[0]!.mode()).toBe('running');
  });
});
