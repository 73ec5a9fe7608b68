import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EngineOp } from '../../../src/devnet/engine/index.js';
import {
  arrayOf,
  BOOL,
  BYTEA,
  decodeElements,
  encodeElements,
  INT8,
  int8Value,
  nullValue,
  numericType,
  numericValue,
  TEXT,
  textValue,
  UUID,
  boolValue,
} from '../../../src/protocol/index.js';
import { createWorld, K2, K2_PLAIN, K3, K4, valueOfCell, type World } from './world.js';

/*
 * The statements of the recorded network `types`, run again: the engine has to record the very bytes that the real node
 * did. Actions come from the recording of the requests that created them; tables were created outside of it.
 */

const golden = new URL('../../golden/', import.meta.url);
const read = (path: string): Buffer => readFileSync(new URL(path, golden));

interface Manifest {
  heights: { height: number; file?: string; transactions: { code: number; expect?: { after: unknown[][] } }[] }[];
}
const manifest = JSON.parse(read('changesets/types/manifest.json').toString()) as Manifest;

/** CREATE ACTION statements of namespace g, as they were sent. */
function recordedActions(): string[] {
  const lines = read('rpc/schema-errors.jsonl').toString().trim().split('\n');
  return lines.flatMap(line => {
    const body = JSON.parse((JSON.parse(line) as { request: { body: string } }).request.body) as {
      method: string;
      params?: { tx?: { body?: { type: string; payload: string } } };
    };
    const payload = body.params?.tx?.body;
    if (body.method !== 'user.broadcast' || payload?.type !== 'raw_statement') return [];
    const bytes = Buffer.from(payload.payload, 'base64');
    const statement = bytes.toString('utf8', 6, 6 + bytes.readUInt32LE(2));
    return statement.includes('CREATE ACTION') ? [statement] : [];
  });
}

const ALL_TYPES = [
  INT8,
  TEXT,
  INT8,
  INT8,
  BOOL,
  numericType(38, 10),
  numericType(10, 0),
  UUID,
  BYTEA,
  arrayOf(TEXT),
  arrayOf(INT8),
];
const LAST_TYPES = [arrayOf(BOOL), arrayOf(numericType(20, 4)), arrayOf(UUID), arrayOf(BYTEA)];

/** Text that compression cannot make small, so that it is stored out of line like the recorded one. */
const oldTextOf = (height: number): string => {
  const row = decodeElements(read(`changesets/types/${height}.bin`)).find(element => element.kind === 'row');
  if (row?.kind !== 'row') throw new Error('no row');
  return Buffer.from(row.old[1]!.data!).toString('utf8');
};
const newTextOf = (height: number): string => {
  const row = decodeElements(read(`changesets/types/${height}.bin`)).find(element => element.kind === 'row');
  if (row?.kind !== 'row') throw new Error('no row');
  return Buffer.from(row.new[1]!.data!).toString('utf8');
};

function expected(height: number): unknown[] {
  const row = manifest.heights.find(entry => entry.height === height)?.transactions[0]?.expect?.after[0];
  if (row === undefined) throw new Error(`no expected row at ${height}`);
  return row;
}

describe('changesets of the recorded network with every type', () => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld({ height: 0 });
    const keywords = [
      'value',
      'date',
      'time',
      'position',
      'row',
      'type',
      'schema',
      'view',
      'trigger',
      'index',
      'key',
      'action',
      'if',
      'return',
    ];
    await world.mustBlock(
      [
        world.raw(
          `CREATE NAMESPACE g; {g}CREATE TABLE all_types (id int8 PRIMARY KEY, t text, i int8, i4 int4, b bool, n numeric(38,10), n0 numeric(10,0),
           u uuid, y bytea, ta text[], ia int8[], i4a int4[], ba bool[], na numeric(20,4)[], ua uuid[], ya bytea[]);
           {g}CREATE TABLE parent (id int8 PRIMARY KEY, v text);
           {g}CREATE TABLE child (id int8 PRIMARY KEY, pid int8 REFERENCES parent(id) ON DELETE CASCADE);
           {g}CREATE TABLE counter (id int8 PRIMARY KEY, c int8);
           CREATE TABLE in_main (id int8 PRIMARY KEY, v text);
           CREATE ACTION put_main($id int8, $v text) PUBLIC { INSERT INTO in_main (id, v) VALUES ($id, $v) ON CONFLICT (id) DO UPDATE SET v = $v; }`,
        ),
        ...keywords.map(word => world.raw(`{g}CREATE TABLE "${word}" ("${word}" int8 PRIMARY KEY, v text)`)),
        ...recordedActions().map(statement => world.raw(statement)),
        world.execute('g', 'ins_t', [[int8Value(500n), textValue(oldTextOf(102))]]),
        world.execute('g', 'ins_t', [[int8Value(501n), textValue(oldTextOf(104))]]),
      ],
      { record: false },
    );
    const nothing = { kind: 'none', code: 0, log: '' } as const;
    const fill = [world.op(nothing)];
    while (fill.at(-1)!.nonce < 75n) fill.push(world.op(nothing));
    await world.mustBlock(fill, { record: false });
    await world.mustBlock([world.op(nothing, K2), world.op(nothing, K2), world.op(nothing, K3)], { record: false });
  });

  afterAll(() => world.engine.close());

  const full = (height: number): EngineOp => {
    const row = expected(height);
    const cells = [...row.slice(0, 11), ...row.slice(12)];
    return world.execute('g', 'ins', [
      cells.map((cell, index) => valueOfCell([...ALL_TYPES, ...LAST_TYPES][index]!, cell)),
    ]);
  };
  const text = (action: string, id: bigint, value: string | null): EngineOp =>
    world.execute('g', action, [[int8Value(id), value === null ? nullValue(TEXT) : textValue(value)]]);
  const ids = (action: string, ...args: bigint[]): EngineOp => world.execute('g', action, [args.map(int8Value)]);
  const small = (...pairs: [bigint, string][]): EngineOp =>
    world.execute(
      'g',
      'ins_n',
      pairs.map(([id, n]) => [int8Value(id), numericValue(n, 38, 10)]),
    );

  const steps: [number, string, () => EngineOp[]][] = [
    [87, 'ordinary values', () => [full(87)]],
    [88, 'extremes and null items', () => [full(88)]],
    [89, 'zeros with scale, text NULL', () => [full(89)]],
    [90, 'all nulls', () => [full(90)]],
    [91, 'int4[] where int8[] is expected', () => [ids('ins_i4a', 6n)]],
    [92, 'text with everything', () => [text('ins_t', 7n, String(expected(92)[1]))]],
    [93, '1E-7', () => [small([8n, '0.0000001'])]],
    [94, 'four calls', () => [small([9n, '0.0000000001'], [10n, '-0.00000012'], [11n, '1000000'], [12n, '0.000001'])]],
    [95, '1E-7 as text', () => [small([13n, '1E-7'])]],
    [96, 'update', () => [text('set_t', 1n, 'changed')]],
    [97, 'value to null', () => [text('set_t', 1n, null)]],
    [98, 'null to value', () => [text('set_t', 4n, 'now set')]],
    [99, 'update that changes nothing', () => [ids('set_same', 1n)]],
    [100, 'update with the stored value', () => [text('set_t', 2n, '')]],
    [101, 'update of the primary key', () => [ids('set_id', 4n, 40n)]],
    [102, 'large text not touched', () => [ids('set_i', 500n, 77n)]],
    [103, 'large text changed', () => [text('set_t', 500n, newTextOf(103))]],
    [104, 'many rows', () => [world.execute('g', 'set_all_b', [[boolValue(true)]])]],
    [105, 'no row', () => [world.execute('g', 'noop')]],
    [106, 'six inserts in two tables', () => [ids('many', 1n, 3n)]],
    [107, 'delete', () => [ids('del', 3n)]],
    [108, 'delete a row of nulls', () => [ids('del', 40n)]],
    [109, 'delete a large text', () => [ids('del', 500n)]],
    [110, 'cascade', () => [ids('del_parent', 2n)]],
    [111, 'insert, update, delete', () => [ids('ins_upd_del', 70n)]],
    [112, 'insert, update', () => [ids('ins_upd', 71n)]],
    [113, 'ERROR', () => [ids('fail', 80n)]],
    [114, 'unique violation', () => [ids('dup', 1n)]],
    [115, 'namespace main', () => [world.execute('main', 'put_main', [[int8Value(1n), textValue('m')]])]],
    [116, 'upsert', () => [world.execute('main', 'put_main', [[int8Value(1n), textValue('m2')]])]],
    [117, 'table value', () => [text('put_value_kw', 1n, 'kw value')]],
    [118, 'table date', () => [text('put_date_kw', 1n, 'kw date')]],
    [119, 'table time', () => [text('put_time_kw', 1n, 'kw time')]],
    [120, 'first transaction of a new account', () => [world.execute('g', 'bump', [[int8Value(9n)]], K4)]],
    [121, 'its second', () => [world.execute('g', 'bump', [[int8Value(9n)]], K4)]],
    [124, 'unknown function', () => [ids('big', 900n, 1_300_000n)]],
    [125, 'row that is not there', () => [ids('set_i', 900n, 5n)]],
    [126, 'plain key, first', () => [world.execute('g', 'bump', [[int8Value(21n)]], K2_PLAIN)]],
    [127, 'plain key, second', () => [world.execute('g', 'bump', [[int8Value(21n)]], K2_PLAIN)]],
  ];

  test.each(steps)('height %i: %s', async (height, _what, ops) => {
    const recorded = manifest.heights.find(entry => entry.height === height)!;
    const outcome = await world.block(ops());
    expect(outcome.results.map(result => result.code)).toEqual(
      recorded.transactions.map(transaction => transaction.code),
    );
    const bytes = recorded.file === undefined ? Buffer.alloc(0) : read(`changesets/types/${recorded.file}`);
    // Buffers turn themselves into objects before a replacer sees them, hence the look at the holder
    const shown = (elements: unknown): string =>
      JSON.stringify(elements, function (this: Record<string, unknown>, key, value: unknown) {
        const raw = this[key];
        if (raw instanceof Uint8Array) return Buffer.from(raw).toString('latin1').slice(0, 60);
        return typeof raw === 'bigint' ? `${raw}` : value;
      });
    expect(shown(outcome.changes)).toBe(shown(decodeElements(bytes)));
    expect(Buffer.from(encodeElements(outcome.changes)).equals(bytes)).toBe(true);
  });
});
