import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeElements,
  encodeColumnData,
  encodeElements,
  formatNumeric,
  type ColumnScalar,
  type ColumnValue,
  type DataType,
  type Element,
  type Relation,
} from '../../../src/protocol/index.js';
import { createAnswerMaker, mergeHeights, repairHeight } from '../../../src/replication/assemble.js';
import { REPAIR_NAMES, type RepairName } from '../../../src/replication/repairs/index.js';
import { readGenesisSql } from '../../../src/replication/schema.js';
import { changesetNames, goldenBytes, goldenChangesets, goldenJson } from './golden.js';
import { createMemoryArchive } from './memory-archive.js';
import { canonicalNumeric, contentOf, createModel, NodeStopped, type Model, type Row, type Value } from './model.js';

const type = (name: string, isArray = false): DataType => ({ name, isArray, precision: 0, scale: 0 });
const RELATION: Relation = {
  kind: 'relation',
  schema: 'shop',
  table: 'things',
  columns: [
    { name: 'id', type: type('int8') },
    { name: 't', type: type('text') },
    { name: 'big', type: type('text') },
    { name: 'n', type: type('numeric') },
    { name: 'ta', type: type('text', true) },
    { name: 'na', type: type('numeric', true) },
    { name: 'ua', type: type('uuid', true) },
    { name: 'b', type: type('bool') },
    { name: 'y', type: type('bytea') },
    { name: 'ia', type: type('int8', true) },
  ],
};
const COLUMNS = RELATION.columns!;
const UUID = '00112233-4455-6677-8899-aabbccddeeff';

/** How a node records a value: the text NULL is lost, quotes around it are stripped, small numbers become scientific. */
function record(index: number, value: Value): ColumnValue {
  if (value === null) return { kind: 0 };
  const { type: column } = COLUMNS[index]!;
  const one = (item: string | null): ColumnScalar | null => {
    if (item === null) return null;
    switch (column.name) {
      case 'int8':
        return BigInt(item);
      case 'bool':
        return item === 'true';
      case 'bytea':
        return Buffer.from(item, 'base64');
      case 'numeric':
        return formatNumeric(item.includes('.') ? item.padEnd(item.indexOf('.') + 11, '0') : `${item}.0000000000`);
      case 'text':
        return item === '"NULL"' ? 'NULL' : item;
      default:
        return item;
    }
  };
  if (typeof value === 'string') {
    if (column.name === 'text' && value === 'NULL') return { kind: 2, data: new Uint8Array(0) };
    return { kind: 2, data: encodeColumnData(column, one(value)!) };
  }
  if (value.length === 0) return { kind: 2, data: encodeColumnData(column, ['']) };
  const items = value.map(item => (column.name === 'text' && item === 'NULL' ? null : one(item)));
  return { kind: 2, data: encodeColumnData(column, items) };
}

const sameValue = (a: ColumnValue, b: ColumnValue): boolean =>
  a.kind === b.kind && Buffer.from(a.data ?? []).equals(Buffer.from(b.data ?? []));

function recordUpdate(before: Row, after: Row): Element {
  const old = before.map((value, index) => record(index, value));
  const fresh = after.map((value, index): ColumnValue => {
    // A large value that was not touched is not sent; the node compares the forms it sends, not the values.
    if (index === 2 && value === before[index] && typeof value === 'string' && value.length > 50) return { kind: 1 };
    const recorded = record(index, value);
    return sameValue(recorded, old[index]!) ? { kind: 3 } : recorded;
  });
  return { kind: 'row', relation: 0, old, new: fresh };
}

interface Operation {
  readonly kind: 'insert' | 'update' | 'delete' | 'touch';
  readonly id: number;
  readonly values: Row;
  readonly columns: readonly number[];
}

const LARGE = 'L'.repeat(60);
const exactText = fc.constantFrom('a', '', '"NULL"', 'null', 'x"y\\z', '{a,b}', 'é中😀');
const lossyText = fc.constantFrom('NULL', '', 'a', '"NULL"');
const numbers = fc.constantFrom(
  '1.5',
  '0',
  '-0.00000012',
  '0.0000001',
  '0.0000000001',
  '123456789.25',
  '-1',
  '1000000',
);
const list = <T>(item: fc.Arbitrary<T>, minLength = 1): fc.Arbitrary<readonly (T | null)[] | null> =>
  fc.option(fc.array(fc.option(item, { freq: 3 }), { minLength, maxLength: 4 }), { freq: 6 });
const rowOf = (text: fc.Arbitrary<string>, emptyLists = false): fc.Arbitrary<Row> =>
  fc
    .tuple(
      fc.option(text, { freq: 5 }),
      fc.option(fc.constantFrom(LARGE, `${LARGE}2`, 'small', ''), { freq: 5 }),
      fc.option(numbers, { freq: 5 }),
      list(text, emptyLists ? 0 : 1),
      list(numbers),
      list(fc.constant(UUID)),
      fc.option(fc.constantFrom('true', 'false')),
      fc.option(fc.constantFrom('AQI=', '', '/w==')),
      list(fc.constantFrom('1', '-9223372036854775808')),
    )
    .map(values => ['0', ...values]);
const operations = fc.array(
  fc.record({
    kind: fc.constantFrom('insert' as const, 'update' as const, 'update' as const, 'delete' as const, 'touch' as const),
    id: fc.integer({ min: 1, max: 8 }),
    values: rowOf(exactText),
    columns: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 30 },
);

const withId = (row: Row, id: number): Row => [String(id), ...row.slice(1)];
const canonical = (row: Row): Row =>
  row.map((value, index) => {
    if (COLUMNS[index]!.type.name !== 'numeric' || value === null) return value;
    return typeof value === 'string'
      ? canonicalNumeric(value)
      : value.map(item => (item === null ? null : canonicalNumeric(item)));
  });

/** The old network: rows as they truly are, and the heights its node records. */
function oldNetwork(
  initial: readonly Row[],
  history: readonly (readonly Operation[])[],
): { truth: Map<string, Row>; heights: Element[][] } {
  const truth = new Map(initial.map(row => [row[0] as string, row]));
  const heights = history.map(height => {
    const elements: Element[] = [RELATION];
    for (const { kind, id, values, columns } of height) {
      const before = truth.get(String(id));
      if (kind === 'insert' && before === undefined) {
        const row = withId(values, id);
        truth.set(String(id), row);
        elements.push({ kind: 'row', relation: 0, old: [], new: row.map((value, index) => record(index, value)) });
      } else if (before !== undefined && kind === 'delete') {
        truth.delete(String(id));
        elements.push({ kind: 'row', relation: 0, old: before.map((value, index) => record(index, value)), new: [] });
      } else if (before !== undefined && kind !== 'insert') {
        const wanted =
          kind === 'touch' ? before : before.map((value, index) => (columns.includes(index) ? values[index]! : value));
        // A change between texts that the recording does not tell apart is lost on the old side already: none is made here.
        const after = wanted.map((value, index) =>
          sameValue(record(index, value), record(index, before[index]!)) ? before[index]! : value,
        );
        truth.set(String(id), after);
        elements.push(recordUpdate(before, after));
      }
    }
    elements.push({
      kind: 'spends',
      spends: [{ account: { identifier: Buffer.from('ff', 'hex'), keyType: 'secp256k1' }, amount: 0n, nonce: 2n }],
    });
    return elements.length === 2 ? [] : elements;
  });
  return { truth, heights };
}

function newNetwork(initial: readonly Row[]): Model {
  const model = createModel({ accounts: new Set() });
  model.createTable(RELATION);
  for (const row of initial) model.table(RELATION).rows.set(row[0] as string, canonical(row));
  return model;
}

const rowsOf = (model: Model): readonly Row[] => contentOf(model)['shop.things'] ?? [];
const expected = (truth: ReadonlyMap<string, Row>): readonly Row[] =>
  [...truth.entries()].sort(([a], [b]) => a.localeCompare(b)).map(([, row]) => canonical(row));

/** A change from '' to NULL, or between forms the stream does not tell apart, is lost in the recording itself. */
const isRecordable = (height: Element[]): boolean => height.length > 0;

function served(heights: readonly Element[][], off: readonly RepairName[] = []): Uint8Array {
  const set = new Set<string>(off);
  return encodeElements(
    mergeHeights(heights.filter(isRecordable).map(height => repairHeight(encodeElements(height), set, null).elements)),
  );
}

describe('repairs against a model of the node', () => {
  const world = fc.tuple(
    // Rows from before Start may hold anything, also what the stream cannot tell apart.
    fc.array(rowOf(lossyText, true), { maxLength: 6 }).map(rows => rows.map((row, index) => withId(row, index + 1))),
    fc.array(operations, { minLength: 1, maxLength: 5 }),
  );

  it('give exactly what the original means, merged or height by height', () => {
    fc.assert(
      fc.property(world, fc.boolean(), ([initial, history], merged) => {
        const { truth, heights } = oldNetwork(initial, history);
        const model = newNetwork(initial);
        if (merged) model.apply(served(heights));
        else for (const height of heights) model.apply(served([height]));
        expect(rowsOf(model)).toEqual(expected(truth));
      }),
      { numRuns: 250 },
    );
  });

  it('never touch rows that only the new network changed', () => {
    fc.assert(
      fc.property(world, fc.integer({ min: 1, max: 6 }), ([initial, history], id) => {
        const { heights } = oldNetwork(initial, history);
        const model = newNetwork(initial);
        const { rows } = model.table(RELATION);
        const own = rows.get(String(id));
        fc.pre(own !== undefined);
        const changed = [...own.slice(0, 1), 'changed by a user of the new network', ...own.slice(2)];
        rows.set(String(id), changed);
        model.apply(served(heights));
        // On the old network the row is found by its whole old content, which this is not any more.
        expect(rows.get(String(id))).toEqual(changed);
      }),
      { numRuns: 100 },
    );
  });

  const row = (values: Partial<Record<number, Value>>): Row =>
    COLUMNS.map((_, index) => (index === 0 ? '1' : (values[index] ?? null)));
  const one = (
    kind: Operation['kind'],
    values: Partial<Record<number, Value>> = {},
    columns: number[] = [],
  ): Operation => ({ kind, id: 1, values: row(values), columns });
  const cases: { repair: RepairName; initial: Row[]; operation: Operation; without: 'stops' | 'differs' }[] = [
    { repair: 'delete-pad', initial: [row({ 1: 'a' })], operation: one('delete'), without: 'stops' },
    { repair: 'noop-update', initial: [row({ 1: 'a' })], operation: one('touch'), without: 'stops' },
    {
      repair: 'toast-unchanged',
      initial: [row({ 1: 'a', 2: LARGE })],
      operation: one('update', { 1: 'b' }, [1]),
      without: 'differs',
    },
    { repair: 'small-numeric', initial: [], operation: one('insert', { 3: '0.0000001' }), without: 'differs' },
    {
      repair: 'quoted-null',
      initial: [],
      operation: one('insert', { 1: '"NULL"', 4: ['"NULL"', null] }),
      without: 'differs',
    },
    {
      repair: 'null-text',
      initial: [row({ 1: 'NULL', 7: 'true' })],
      operation: one('update', { 7: 'false' }, [7]),
      without: 'differs',
    },
    {
      repair: 'null-text',
      initial: [row({ 4: ['NULL', null], 7: 'true' })],
      operation: one('delete'),
      without: 'differs',
    },
    { repair: 'null-array-items', initial: [], operation: one('insert', { 5: ['1.5', null] }), without: 'stops' },
    {
      repair: 'null-array-items',
      initial: [row({ 6: [UUID, null] })],
      operation: one('update', { 1: 'b' }, [1]),
      without: 'stops',
    },
    {
      repair: 'empty-array',
      initial: [row({ 4: [], 7: 'true' })],
      operation: one('update', { 7: 'false' }, [7]),
      without: 'differs',
    },
    { repair: 'unknown-account', initial: [], operation: one('insert', { 1: 'a' }), without: 'stops' },
  ];
  it.each(cases)(
    'without $repair the new network $without, with it all is equal',
    ({ repair, initial, operation, without }) => {
      const { truth, heights } = oldNetwork(initial, [[operation]]);
      const good = newNetwork(initial);
      good.apply(served(heights));
      expect(rowsOf(good)).toEqual(expected(truth));

      const bad = newNetwork(initial);
      const attempt = (): void => bad.apply(served(heights, [repair]));
      if (without === 'stops') expect(attempt).toThrow(NodeStopped);
      else {
        attempt();
        expect(rowsOf(bad)).not.toEqual(expected(truth));
      }
    },
  );

  it('leave a stream that needs none as it is, and count nothing', () => {
    const insert = encodeElements([
      RELATION,
      { kind: 'row', relation: 0, old: [], new: row({ 1: 'a' }).map((value, index) => record(index, value)) },
    ]);
    const repaired = repairHeight(insert, new Set(), null);
    expect(repaired).toMatchObject({ untouched: true, counts: {} });
    expect(Buffer.from(encodeElements(repaired.elements))).toEqual(Buffer.from(insert));
  });
});

describe('repairs on real recordings', () => {
  it.each(changesetNames)('%s: the model of a node takes every repaired height', name => {
    const { streams } = goldenChangesets(name);
    const repairedModel = createModel({ adopt: true, accounts: new Set() });
    const meaning = createModel({ adopt: true, correct: true });
    for (const bytes of streams.values()) {
      if (bytes.length === 0) continue;
      for (const element of decodeElements(bytes)) if (element.kind === 'relation') repairedModel.createTable(element);
      meaning.apply(bytes);
      repairedModel.apply(
        encodeElements(
          mergeHeights([
            repairHeight(bytes, new Set(), null).elements.filter(
              element => element.kind !== 'spends' || name !== 'gas',
            ),
          ]),
        ),
      );
    }
    // The model lets the second reading of an old row make a row of its own where no genesis state says which one was there.
    expect(contentOf(repairedModel)).toEqual(contentOf(meaning));
  });

  it('types: rows are as the old network showed them after each height', () => {
    const { manifest, streams } = goldenChangesets('types');
    const model = createModel({ adopt: true, accounts: new Set() });
    let compared = 0;
    for (const { height, transactions } of manifest.heights) {
      const bytes = streams.get(height)!;
      if (bytes.length > 0) model.apply(encodeElements(mergeHeights([repairHeight(bytes, new Set(), null).elements])));
      for (const { expect: recorded } of transactions as { expect?: { query: string; after: Value[][] } }[]) {
        const query = /^SELECT \* FROM (g\.\w+) WHERE id ?= ?(\d+)$/.exec(recorded?.query ?? '');
        const table = query === null ? undefined : model.tables.get(query[1]!);
        if (query === null || table === undefined || recorded!.after.length === 0) continue;
        const shown = recorded!.after[0]!.map((value, index) => shownAs(table.columns[index]!.type, value));
        expect(table.rows.get(query[2]!), `height ${height}`).toEqual(shown);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(12);
  });

  it.each([
    { name: 'apply-soft' as const, height: 46, stopped: /WHERE/ },
    { name: 'apply-numarr' as const, height: 31, stopped: /nil pointer/ },
  ])('$name: the model stops where the real node stopped when nothing is repaired', ({ name, height, stopped }) => {
    const { streams } = goldenChangesets(name);
    const model = createModel({ adopt: true });
    for (const [at, bytes] of streams) {
      if (bytes.length === 0) continue;
      if (at === height) expect(() => model.apply(bytes)).toThrow(stopped);
      else if (at < height) model.apply(bytes);
    }
  });

  it('apply-soft: repaired, the new network would have had the rows of the old one, but for what the stream loses', () => {
    const { streams } = goldenChangesets('apply-soft');
    const { rows_old: rows } = goldenJson<{ rows_old: Value[][] }>('rpc/apply-soft.json');
    const model = createModel({ adopt: true, accounts: new Set() });
    for (const bytes of streams.values())
      if (bytes.length > 0) model.apply(encodeElements(mergeHeights([repairHeight(bytes, new Set(), null).elements])));
    const table = model.tables.get('g.t') ?? [...model.tables.values()][0]!;
    const lost = new Set(['2', '6', '7']);
    for (const row of rows) {
      const id = row[0] as string;
      if (lost.has(id) || id === '500') continue;
      expect(table.rows.get(id), `row ${id}`).toEqual(
        row.map((value, index) => shownAs(table.columns[index]!.type, value)),
      );
    }
    expect(String(table.rows.get('500')![1])).toHaveLength(9000);
  });

  it('big: one chunk of any size, counted', () => {
    const { streams } = goldenChangesets('big');
    const counts = [...streams.values()]
      .filter(bytes => bytes.length > 0)
      .map(bytes => repairHeight(bytes, new Set(), null).counts['big-height'] ?? 0);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(
      [...streams.values()].filter(bytes => bytes.length > 1_000_000).length,
    );
  });
});

/** `user.query`'s form in the model's canonical one. */
function shownAs({ name, isArray }: DataType, value: unknown): Value {
  if (value === null) return null;
  const one = (item: unknown): string => {
    if (name === 'numeric') return canonicalNumeric(String(item));
    // The recording itself loses this text.
    return name === 'text' && item === 'NULL' && !isArray ? '' : String(item);
  };
  if (!isArray) return one(value);
  return (value as unknown[]).map(item => (item === null || (name === 'text' && item === 'NULL') ? null : one(item)));
}

describe('answers', () => {
  it('name each repair that made them, and are the same whenever they are made again', async () => {
    const archive = createMemoryArchive();
    const { streams, manifest } = goldenChangesets('types');
    for (const [height, bytes] of streams) {
      await archive.append([
        {
          bytes,
          info: {
            height,
            bytes: bytes.length,
            effective: bytes.length,
            rows: 0,
            sha256: '',
            source: '',
            confirmedBy: null,
            at: 0,
          },
        },
      ]);
    }
    const maker = createAnswerMaker({ off: new Set(), schema: () => null }, archive);
    const { start_height: start, end_height: end } = manifest.migration_status;
    const first = maker.make(start, end, true);
    expect(Buffer.from(maker.make(start, end, true).bytes)).toEqual(Buffer.from(first.bytes));
    expect(Object.keys(first.repairs).every(name => (REPAIR_NAMES as readonly string[]).includes(name))).toBe(true);
    for (const name of ['delete-pad', 'noop-update', 'small-numeric', 'toast-unchanged']) {
      expect(first.repairs[name], name).toBeGreaterThan(0);
    }
    const relations = decodeElements(first.bytes).filter(element => element.kind === 'relation');
    const numbers = decodeElements(first.bytes).flatMap(element => (element.kind === 'row' ? [element.relation] : []));
    expect(Math.max(...numbers)).toBe(relations.length - 1);
  });
});

describe('schema of the genesis state', () => {
  const chunks = (size: number): Uint8Array[] => {
    const bytes = goldenBytes('genesis/chunk-0.bin');
    return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
  };

  it('is read from the real dump, in chunks of any size, with its hash', async () => {
    const { sha256_sql: sha256 } = goldenJson<{ sha256_sql: string }>('genesis/checks.json');
    for (const size of [7, 100, 4096, 1_000_000]) {
      const genesis = await readGenesisSql(chunks(size));
      expect(genesis.sha256).toBe(sha256);
      expect(genesis.schema.tables.size).toBe(
        gunzipSync(goldenBytes('genesis/chunk-0.bin'))
          .toString()
          .match(/^CREATE TABLE /gm)!.length,
      );
      expect(genesis.schema.tables.get('lab.kv')).toMatchObject({
        columns: ['space', 'k', 'v', 'n'],
        primaryKey: ['space', 'k'],
      });
      expect(genesis.schema.tables.get('kwild_engine.parameters')!.columns).toContain('position');
    }
  });

  it('knows every table of the recorded stream of that network, and refuses any other name', async () => {
    const { schema } = await readGenesisSql(chunks(4096));
    const { streams } = goldenChangesets('small');
    for (const bytes of streams.values())
      schema.check(decodeElements(bytes).filter(element => element.kind === 'relation'));
    const relation = {
      kind: 'relation' as const,
      schema: 'lab',
      table: 'users',
      columns: [{ name: 'id', type: type('int8') }],
    };
    schema.check([relation]);
    for (const wrong of [
      { table: 'nobody' },
      { schema: 'main' },
      { table: 'users (id) VALUES (1); --' },
      { columns: [{ name: 'id = 1 --', type: type('int8') }] },
    ]) {
      expect(() => schema.check([{ ...relation, ...wrong }])).toThrow(/genesis state does not have/);
    }
  });

  it('fails on a damaged or cut dump instead of giving half a schema', async () => {
    const bytes = Buffer.from(goldenBytes('genesis/chunk-0.bin'));
    await expect(readGenesisSql([bytes.subarray(0, bytes.length / 2)])).rejects.toThrow();
    bytes[bytes.length >> 1]! ^= 0xff;
    await expect(readGenesisSql([bytes])).rejects.toThrow();
  });
});
