import { afterEach, expect, test, vi } from 'vitest';
import { createNotifier, systemClock } from '../../../src/platform/index.js';
import {
  dataType,
  decodeEncodedValueJson,
  decodeValue,
  encodeColumnData,
  encodeElements,
  type Element,
} from '../../../src/protocol/index.js';
import {
  createRecentVerifier,
  type ArchivePort,
  type NodesPort,
  type RecentVerifier,
} from '../../../src/replication/index.js';
import type { NodeView } from '../../../src/routing/index.js';
import { silentLogger } from '../../../src/telemetry/index.js';
import { createMemoryArchive } from './memory-archive.js';

type Table = Map<string, string>;
type Side = 'old' | 'new';

const TEXT = dataType('text');

/** One table `shop.items (id text primary key, label text)` on both networks, behind the query method. */
function scriptedTables() {
  const rows: Record<Side, Table> = { old: new Map(), new: new Map() };
  const port = {
    rows,
    /** Keys that were asked for, on the new network. */
    asked: [] as string[],
    catalogueFails: false,
    mode: 'open' as 'open' | 'private',
    view: (network: Side) => ({ name: network, chainId: network, head: 9, nodes: [node(network, port.mode)] }),
    subscribe: createNotifier().subscribe,
    async call<T>({ network }: { network: string }, _: string, params: unknown): Promise<T> {
      const { query, params: given } = params as { query: string; params: Record<string, unknown> };
      const answer = (values: unknown[]): T =>
        ({
          column_types: [
            { name: 'text', is_array: false },
            { name: 'text', is_array: false },
          ],
          values,
        }) as T;
      if (query.includes('info.namespaces')) {
        if (port.catalogueFails) throw new Error('the view cannot be read');
        return answer([['shop', 'USER']]);
      }
      if (query.includes('info.columns'))
        return answer([
          ['shop', 'items', 'id', '1', true],
          ['shop', 'items', 'label', '2', false],
        ]);
      if (query.includes('info.indexes')) return answer([['shop', 'items', ['id']]]);
      const keys = Object.values(given).map(value =>
        String(decodeValue(decodeEncodedValueJson(JSON.stringify(value)))),
      );
      if (network === 'new') port.asked.push(...keys);
      const table = rows[network as Side];
      return answer(keys.filter(key => table.has(key)).map(key => [key, table.get(key)]));
    },
  };
  return port;
}

const node = (network: Side, mode: 'open' | 'private'): NodeView => ({
  network,
  id: `${network}/${network}-1`,
  name: `${network}-1`,
  state: 'up',
  height: 9,
  heightMax: 9,
  reason: null,
  blockHash: null,
  blockTimeMs: null,
  mode,
  version: null,
  seenAt: 0,
  migration: null,
});

const cell = (text: string) => ({ kind: 2 as const, data: encodeColumnData(TEXT, text) });

/** One height with inserts (a label) and deletes (null). */
async function record(archive: ArchivePort, changes: Record<string, string | null>): Promise<void> {
  const height = (archive.last() ?? 0) + 1;
  const columns = ['id', 'label'].map(name => ({ name, type: TEXT }));
  const elements: Element[] = [{ kind: 'relation', schema: 'shop', table: 'items', columns }];
  for (const [id, label] of Object.entries(changes)) {
    const row = [cell(id), cell(label ?? 'gone')];
    elements.push({ kind: 'row', relation: 0, old: label === null ? row : [], new: label === null ? [] : row });
  }
  const bytes = encodeElements(elements);
  const info = {
    height,
    bytes: bytes.length,
    effective: bytes.length,
    sha256: '',
    rows: 1,
    source: 'old-1',
    confirmedBy: null,
    at: 0,
  };
  await archive.append([{ info, bytes }]);
}

const made: RecentVerifier[] = [];
afterEach(async () => {
  await Promise.all(made.splice(0).map(verifier => verifier.close()));
});

function verifierOf(port: ReturnType<typeof scriptedTables>, archive: ArchivePort): RecentVerifier {
  const nodes = port as unknown as NodesPort;
  const verifier = createRecentVerifier({ nodes, clock: systemClock, logger: silentLogger, archive });
  made.push(verifier);
  return verifier;
}

const signal = (): AbortSignal => new AbortController().signal;

test('what the background pass settled is not looked at again, by a later process neither', async () => {
  const [port, archive] = [scriptedTables(), createMemoryArchive()];
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, 'same']));
  await record(archive, many);
  for (const key of Object.keys(many)) for (const side of ['old', 'new'] as const) port.rows[side].set(key, 'same');
  const first = verifierOf(port, archive);
  first.start({ applied: () => archive.last(), resting: () => false });
  await vi.waitFor(() => expect(archive.record('verify/settled')).toEqual({ height: 1 }), { timeout: 10_000 });
  expect(first.state()).toEqual({ settledTo: 1, open: 0 });
  expect(new Set(port.asked).size).toBe(1000);
  await first.close();

  await record(archive, { late: 'value' });
  port.rows.old.set('late', 'value');
  port.asked.length = 0;
  const found = await verifierOf(port, archive).verifyRecent(2, signal());
  expect(found).toMatchObject({ compared: 1, differences: 1, leftOut: 0, heightsLeftOut: 0 });
  expect(found.examples).toEqual(['shop.items ["late"]']);
  expect(new Set(port.asked)).toEqual(new Set(['late']));
});

test('a row changed by another hand on the new network after it was settled is found inside the switch', async () => {
  const [port, archive] = [scriptedTables(), createMemoryArchive()];
  await record(archive, { a: 'one' });
  for (const side of ['old', 'new'] as const) port.rows[side].set('a', 'one');
  const verifier = verifierOf(port, archive);
  verifier.start({ applied: () => 1, resting: () => false });
  await vi.waitFor(() => expect(verifier.state()).toEqual({ settledTo: 1, open: 0 }), { timeout: 10_000 });
  port.rows.new.set('a', 'two');
  expect(await verifier.verifyRecent(1, signal())).toMatchObject({ compared: 1, differences: 1 });
});

test('a row that neither network has is equal after a delete only', async () => {
  const [port, archive] = [scriptedTables(), createMemoryArchive()];
  await record(archive, { deleted: null, lost: 'value' });
  expect(await verifierOf(port, archive).verifyRecent(1, signal())).toMatchObject({
    differences: 1,
    examples: ['shop.items ["lost"]'],
  });
});

test('while writes are held the background pass asks nothing', async () => {
  const [port, archive] = [scriptedTables(), createMemoryArchive()];
  await record(archive, { a: 'one' });
  for (const side of ['old', 'new'] as const) port.rows[side].set('a', 'one');
  let isHeld = true;
  let looks = 0;
  const verifier = verifierOf(port, archive);
  verifier.start({
    applied: () => 1,
    resting: () => {
      looks += 1;
      return isHeld;
    },
  });
  await vi.waitFor(() => expect(looks).toBeGreaterThan(1), { timeout: 10_000 });
  expect(port.asked).toEqual([]);
  isHeld = false;
  await vi.waitFor(() => expect(port.asked).toEqual(['a']), { timeout: 10_000 });
});

test('an old catalogue that cannot be read is a failure, private mode is said', async () => {
  const [port, archive] = [scriptedTables(), createMemoryArchive()];
  await record(archive, { a: 'one' });
  port.catalogueFails = true;
  await expect(verifierOf(port, archive).verifyRecent(1, signal())).rejects.toThrow('the view cannot be read');
  port.mode = 'private';
  const found = await verifierOf(port, archive).verifyRecent(1, signal());
  expect(found).toMatchObject({ compared: 0, impossible: 'the old network answers no free queries (private mode)' });
});
