import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALL_DEFECTS, NO_DEFECTS, ReplicationHalt, type DefectSwitches } from '../../../src/devnet/engine/index.js';
import {
  decodeElements,
  encodeElements,
  int8Value,
  textValue,
  type ColumnValue,
  type Element,
  type Relation,
} from '../../../src/protocol/index.js';
import { createWorld, K3, type World } from './world.js';

const golden = new URL('../../golden/', import.meta.url);
const stream = (set: string, height: number): Buffer =>
  readFileSync(new URL(`changesets/${set}/${height}.bin`, golden));

interface Applied {
  steps: { old_height: number }[];
  rows_new_at_the_end_or_before_it_stopped: unknown[][];
}
const recordOf = (name: string): Applied =>
  JSON.parse(readFileSync(new URL(`rpc/${name}.json`, golden)).toString()) as Applied;

const COLUMNS = '(id int8 PRIMARY KEY, t text, i int8, n numeric(38,10), ta text[], na numeric(20,4)[])';
const ALL_ROWS = 'SELECT id, t, i, n, ta, na FROM a.t ORDER BY id';

function relationOf(set: string, height: number): Relation {
  const [relation] = decodeElements(stream(set, height));
  if (relation?.kind !== 'relation') throw new Error('no relation');
  return relation;
}

/** What the recordings shorten: `k9pF34y6nB3w...9000 chars`. */
const shortened = (rows: readonly (readonly unknown[])[] | null): unknown =>
  rows?.map(row =>
    row.map(cell =>
      typeof cell === 'string' && cell.length > 100 ? `${cell.slice(0, 12)}...${cell.length} chars` : cell,
    ),
  );

/** A new network as it was before the window: the rows with large and plain text. */
async function seeded(set: string, height: number): Promise<{ world: World; table: string }> {
  const world = await createWorld();
  const relation = relationOf(set, height);
  const large = decodeElements(stream('apply-soft', 43)).find(element => element.kind === 'row')!;
  const text = large.kind === 'row' ? Buffer.from(large.old[1]!.data!).toString() : '';
  const { schema, table } = relation;
  await world.mustBlock(
    [
      world.raw(`CREATE NAMESPACE ${schema}; {${schema}}CREATE TABLE ${table} ${COLUMNS}`),
      world.raw(
        `{${schema}}CREATE ACTION ins($id int8, $t text) PUBLIC { INSERT INTO ${table} (id, t) VALUES ($id, $t); }`,
      ),
      world.execute(schema, 'ins', [
        [int8Value(500n), textValue(text)],
        [int8Value(501n), textValue('plain')],
      ]),
    ],
    { record: false },
  );
  return { world, table: `${schema}.${table}` };
}

describe('heights that a real new network was given', () => {
  test('awkward values end in the recorded rows, and the update without change halts it', async () => {
    const { world, table } = await seeded('apply-soft', 31);
    const recorded = recordOf('apply-soft');
    const heights = recorded.steps.map(step => step.old_height);
    const last = heights.pop()!;
    for (const height of heights)
      await world.block([], { record: false, apply: [{ height, bytes: stream('apply-soft', height) }] });
    const sql = `SELECT id, t, i, n, ta, na FROM ${table} ORDER BY id`;
    expect(shortened(await world.rows(sql))).toEqual(recorded.rows_new_at_the_end_or_before_it_stopped);
    const halting = world.block([], { record: false, apply: [{ height: last, bytes: stream('apply-soft', last) }] });
    await expect(halting).rejects.toThrow('ERROR: syntax error at or near "WHERE" (SQLSTATE 42601)');
    expect(shortened(await world.rows(sql))).toEqual(recorded.rows_new_at_the_end_or_before_it_stopped);
    await world.engine.close();
  });

  test('a null item in numeric[] ends it', async () => {
    const { world, table } = await seeded('apply-numarr', 31);
    const apply = [{ height: 31, bytes: stream('apply-numarr', 31) }];
    const halt = await world.block([], { record: false, apply }).catch((error: unknown) => error);
    expect(halt).toBeInstanceOf(ReplicationHalt);
    expect((halt as ReplicationHalt).oldHeight).toBe(31);
    expect((halt as ReplicationHalt).message).toContain('value method Decimal.Value called using nil *Decimal pointer');
    expect(shortened(await world.rows(`SELECT id, t, i, n, ta, na FROM ${table} ORDER BY id`))).toEqual(
      recordOf('apply-numarr').rows_new_at_the_end_or_before_it_stopped,
    );
    await world.engine.close();
  });
});

describe('conflict rules and defects', () => {
  let world: World;
  const text = (value: string): ColumnValue => ({ kind: 2, data: Buffer.from(value) });
  const int8 = (value: bigint): ColumnValue => {
    const data = Buffer.alloc(8);
    data.writeBigInt64LE(value);
    return { kind: 2, data };
  };
  const NONE: ColumnValue = { kind: 0 };
  const SAME: ColumnValue = { kind: 3 };
  const row = (id: bigint, t: ColumnValue, i: ColumnValue = NONE): ColumnValue[] => [int8(id), t, i, NONE, NONE, NONE];
  const relation = (): Relation => ({ ...relationOf('apply-soft', 31), schema: 'a', table: 't' });
  const change = (before: ColumnValue[], after: ColumnValue[], padding?: Uint8Array): Element => ({
    kind: 'row',
    relation: 0,
    old: before,
    new: after,
    ...(padding === undefined ? {} : { padding }),
  });

  const apply = (elements: readonly Element[], defects: Partial<DefectSwitches> = {}): Promise<unknown> =>
    world.block([], {
      record: false,
      apply: [{ height: 7, bytes: encodeElements([relation(), ...elements]) }],
      defects: { ...ALL_DEFECTS, ...defects },
    });

  beforeAll(async () => {
    world = await createWorld();
    await world.mustBlock([world.raw(`CREATE NAMESPACE a; {a}CREATE TABLE t ${COLUMNS}`)], { record: false });
  });
  afterAll(() => world.engine.close());

  test('the new network wins: same key, changed row, changed and deleted row', async () => {
    await world.mustBlock([world.raw(`{a}INSERT INTO t (id, t) VALUES (1, 'new'), (2, 'new'), (3, 'new')`)], {
      record: false,
    });
    const padding = new Uint8Array(1);
    await apply([
      change([], row(1n, text('old'))),
      change(row(2n, text('was')), [SAME, text('old'), SAME, SAME, SAME, SAME]),
      change(row(3n, text('was')), [], padding),
      change([], row(4n, text('old'))),
    ]);
    expect(await world.rows('SELECT id, t FROM a.t ORDER BY id')).toEqual([
      ['1', 'new'],
      ['2', 'new'],
      ['3', 'new'],
      ['4', 'old'],
    ]);
    await apply([change(row(4n, text('old')), [SAME, SAME, int8(9n), SAME, SAME, SAME])]);
    expect(await world.rows('SELECT id, t, i FROM a.t WHERE id = 4')).toEqual([['4', 'old', '9']]);
    await apply([change(row(4n, text('old'), int8(9n)), [], padding)]);
    expect(await world.rows('SELECT id FROM a.t WHERE id = 4')).toBeNull();
  });

  test('a delete halts unless a byte follows it or the defect is off', async () => {
    await apply([change([], row(10n, text('x'))), change([], row(11n, text('x')))]);
    await expect(apply([change(row(10n, text('x')), [])])).rejects.toThrow('unexpected end of data');
    expect(await world.rows('SELECT id FROM a.t WHERE id = 10')).toEqual([['10']]);
    await apply([change(row(10n, text('x')), [])], { deleteHalts: false });
    expect(await world.rows('SELECT id FROM a.t WHERE id = 10')).toBeNull();
  });

  test('a large value that was left alone becomes null, or stays', async () => {
    await apply([change([], row(20n, text('large'))), change([], row(21n, text('large')))]);
    const touched = (id: bigint): Element =>
      change(row(id, text('large')), [SAME, { kind: 1 }, int8(1n), SAME, SAME, SAME]);
    await apply([touched(20n)]);
    await apply([touched(21n)], { largeValueBecomesNull: false });
    expect(await world.rows('SELECT id, t, i FROM a.t WHERE id IN (20, 21) ORDER BY id')).toEqual([
      ['20', null, '1'],
      ['21', 'large', '1'],
    ]);
  });

  test('an update in which nothing changes halts, or does nothing', async () => {
    await apply([change([], row(30n, text('x')))]);
    const nothing = change(row(30n, text('x')), [SAME, SAME, SAME, SAME, SAME, SAME]);
    await expect(apply([nothing])).rejects.toThrow('42601');
    await apply([nothing], { unchangedUpdateHalts: false });
  });

  test('numerics below a millionth lose what their mantissa does not show', async () => {
    const number = (value: string): ColumnValue[] => [
      int8(BigInt(value.length + 40)),
      NONE,
      NONE,
      text(value),
      NONE,
      NONE,
    ];
    await apply([change([], number('1.000E-7')), change([], number('1.0000000E-7'))]);
    await apply([change([], number('1.00E-7'))], { tinyNumericRounded: false });
    expect(await world.rows('SELECT id, n FROM a.t WHERE id BETWEEN 40 AND 60 ORDER BY id')).toEqual([
      ['47', '1.000E-7'],
      ['48', '0.0000000000'],
      ['52', '1.000E-7'],
    ]);
  });

  test('a spend of an unknown account halts; a known one pays at most what it has', async () => {
    const spends = (identifier: Uint8Array, amount: bigint): Element => ({
      kind: 'spends',
      spends: [{ account: { identifier, keyType: 'secp256k1' }, amount, nonce: 2n }],
    });
    const stranger = Buffer.alloc(20, 7);
    await expect(apply([spends(stranger, 0n)])).rejects.toThrow('account not found');
    await apply([spends(stranger, 0n)], { unknownSpenderHalts: false });
    await world.mustBlock([world.op({ kind: 'none', code: 0, log: '' }, K3)], { record: false });
    await apply([spends(K3.sender, 5n)]);
    expect(await world.engine.account({ identifier: K3.sender, keyType: 'secp256k1' })).toMatchObject({
      balance: 0n,
      nonce: 1n,
    });
  });

  test('an empty End is stored as null and halts, or is nothing; a short rest is the end of the stream', async () => {
    const empty = { record: false, apply: [{ height: 9, bytes: null }] };
    await expect(world.block([], empty)).rejects.toThrow('changeset is not a byte slice');
    await world.block([], { ...empty, defects: NO_DEFECTS });
    await world.block([], { record: false, apply: [{ height: 9, bytes: new Uint8Array(1) }] });
    const torn = encodeElements([relation(), change([], row(99n, text('x')))]).subarray(0, -3);
    await expect(world.block([], { record: false, apply: [{ height: 9, bytes: torn }] })).rejects.toThrow(
      'no more chunks to read',
    );
    expect(await world.rows('SELECT id FROM a.t WHERE id = 99')).toBeNull();
  });

  test('names go into the statement as they are, or quoted', async () => {
    const trick = { ...relation(), table: `t (id) VALUES (77) ON CONFLICT DO NOTHING; --` };
    const bytes = encodeElements([trick, change([], row(78n, text('x')))]);
    const over = { record: false, apply: [{ height: 9, bytes }] };
    await expect(world.block([], { ...over, defects: NO_DEFECTS })).rejects.toThrow('does not exist');
    expect(await world.rows(`${ALL_ROWS.replace('ORDER', 'WHERE id IN (77, 78) ORDER')}`)).toBeNull();
  });
});
