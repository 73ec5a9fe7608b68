import { afterEach, expect, test, vi } from 'vitest';
import type { NodeRef } from '../../../src/model/index.js';
import { createNotifier, systemClock } from '../../../src/platform/index.js';
import {
  arrayOf,
  encodeColumnData,
  encodeElements,
  INT8,
  TEXT,
  utf8Bytes,
  type ColumnValue,
  type Element,
} from '../../../src/protocol/index.js';
import type { ArchivePort, NodesPort } from '../../../src/replication/index.js';
import { createLossWatch, type LossWatch } from '../../../src/replication/loss-watch.js';
import { suspectsOf, truthOf } from '../../../src/replication/losses.js';
import { createSchema } from '../../../src/replication/schema.js';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.js';
import { createMemoryArchive } from './memory-archive.js';

const SCHEMA = createSchema([{ schema: 'shop', table: 'notes', columns: ['id', 'note', 'tags'], primaryKey: ['id'] }]);
const RELATION: Element = {
  kind: 'relation',
  schema: 'shop',
  table: 'notes',
  columns: [
    { name: 'id', type: INT8 },
    { name: 'note', type: TEXT },
    { name: 'tags', type: arrayOf(TEXT) },
  ],
};
const id = (value: bigint): ColumnValue => ({ kind: 2, data: encodeColumnData(INT8, value) });
const text = (value: string): ColumnValue => ({ kind: 2, data: utf8Bytes(value) });
const tags = (...items: (string | null)[]): ColumnValue => ({ kind: 2, data: encodeColumnData(arrayOf(TEXT), items) });
const SAME: ColumnValue = { kind: 3 };
const insert = (...columns: ColumnValue[]): Element => ({ kind: 'row', relation: 0, old: [], new: columns });
const update = (old: ColumnValue[], fresh: ColumnValue[]): Element => ({ kind: 'row', relation: 0, old, new: fresh });
const remove = (...columns: ColumnValue[]): Element => ({ kind: 'row', relation: 0, old: columns, new: [] });

const places = (...elements: Element[]) =>
  suspectsOf(7, [RELATION, ...elements], SCHEMA.tables).suspects.map(
    ({ key, column, recorded }) => `${key.map(part => part.text).join()} ${column} ${JSON.stringify(recorded)}`,
  );

test('I2: an empty text, a null item and an array of one empty text may each be something else', () => {
  expect(places(insert(id(1n), text(''), tags('a')))).toEqual(['1 note ""']);
  expect(places(insert(id(2n), text('a'), tags('')))).toEqual(['2 tags [""]']);
  expect(places(insert(id(3n), text('a'), tags('x', null)))).toEqual(['3 tags ["x",null]']);
  expect(places(insert(id(4n), text('a'), tags('', 'b')), insert(id(5n), { kind: 0 }, { kind: 0 }))).toEqual([]);
  // From '' to NULL both forms are the same: it looks as if nothing changed.
  expect(places(update([id(6n), text(''), tags('a')], [id(6n), SAME, tags('b')]))).toEqual(['6 note ""']);
});

test('the last change of a row within a height counts', () => {
  const written = insert(id(1n), text(''), tags('a'));
  expect(places(written, update([id(1n), text(''), tags('a')], [id(1n), text('b'), tags('a')]))).toEqual([]);
  expect(places(written, remove(id(1n), text(''), tags('a')))).toEqual([]);
});

test('the row of the old network decides, and the statement changes only what was applied', () => {
  const [note, array, items] = suspectsOf(
    7,
    [RELATION, insert(id(1n), text(''), tags('')), insert(id(2n), text('x'), tags("o'k", null))],
    SCHEMA.tables,
  ).suspects;
  expect(truthOf(note!, '')).toEqual({ kind: 'fine' });
  expect(truthOf(note!, undefined)).toEqual({ kind: 'fine' });
  expect(truthOf(note!, 'changed since')).toEqual({ kind: 'fine' });
  expect(truthOf(note!, 'NULL')).toMatchObject({
    statement: "{shop}UPDATE notes SET note = 'NULL' WHERE id = 1 AND note = ''",
  });
  expect(truthOf(array!, [''])).toEqual({ kind: 'fine' });
  expect(truthOf(array!, [])).toMatchObject({
    statement: "{shop}UPDATE notes SET tags = ARRAY[]::text[] WHERE id = 1 AND tags = ARRAY['']::text[]",
  });
  expect(truthOf(items!, ["o'k", null])).toEqual({ kind: 'fine' });
  expect(truthOf(items!, ["o'k", 'NULL'])).toMatchObject({
    statement:
      "{shop}UPDATE notes SET tags = ARRAY['o''k', 'NULL']::text[] WHERE id = 2 AND tags IS NOT DISTINCT FROM ARRAY['o''k', NULL]::text[]",
  });
});

/** Old network that answers queries of the notes table from these rows; null: it answers none. */
function oldNetwork(): NodesPort & { rows: Map<string, { note: string | null; tags: (string | null)[] }> | null } {
  const port = {
    rows: null as Map<string, { note: string | null; tags: (string | null)[] }> | null,
    subscribe: createNotifier().subscribe,
    view: () => ({
      name: 'old' as const,
      chainId: 'kwil-old',
      head: 9,
      nodes: [{ name: 'old-1', state: 'up', height: 9 } as never],
    }),
    async call<T>(_: NodeRef, method: string, params: unknown): Promise<T> {
      if (method !== 'user.query' || port.rows === null) throw new Error('this node answers no queries');
      const column = (params as { query: string }).query.includes('"tags"') ? 'tags' : 'note';
      return { column_types: [], values: [...port.rows].map(([key, row]) => [key, row[column]]) } as T;
    },
  };
  return port;
}

let running: LossWatch | null = null;
afterEach(async () => await running?.close());

async function append(archive: ArchivePort, height: number, elements: readonly Element[]): Promise<void> {
  const bytes = encodeElements(elements);
  const info = { height, bytes: bytes.length, effective: bytes.length, sha256: '', rows: 1, source: 'old-1' };
  await archive.append([{ info: { ...info, confirmedBy: null, at: 0 }, bytes }]);
}

function watch(archive: ArchivePort, nodes: NodesPort, notify: ReturnType<typeof createNotifier>): LossWatch {
  const shared = { clock: systemClock, logger: silentLogger, metrics: createMetrics({ version: 't', commit: 't' }) };
  running = createLossWatch(() => SCHEMA, notify, { ...shared, archive, nodes });
  running.start();
  return running;
}

test('I2: what the stream lost is found, kept over a restart, and forgotten once the row is written again', async () => {
  const archive = createMemoryArchive();
  const nodes = oldNetwork();
  const tail = createNotifier();
  await append(archive, 5, [RELATION, insert(id(1n), text(''), tags('a')), insert(id(2n), text(''), tags('a'))]);
  const first = watch(archive, nodes, tail);
  await vi.waitFor(() => expect(first.losses()).toMatchObject({ unknown: 2, lost: 0 }));
  await first.close();

  nodes.rows = new Map([
    ['1', { note: 'NULL', tags: ['a'] }],
    ['2', { note: '', tags: ['a'] }],
  ]);
  const second = watch(archive, nodes, tail);
  await vi.waitFor(() => expect(second.losses()).toMatchObject({ unknown: 0, lost: 1, fine: 1 }), { timeout: 10_000 });
  expect(second.losses().listed).toMatchObject([
    { height: 5, table: 'shop.notes', column: 'note', key: { id: '1' }, state: 'lost' },
  ]);

  await append(archive, 6, [RELATION, update([id(1n), text(''), tags('a')], [SAME, text('b'), SAME])]);
  tail.notify();
  await vi.waitFor(() => expect(second.losses()).toMatchObject({ unknown: 0, lost: 0, fine: 2 }), { timeout: 10_000 });
});
