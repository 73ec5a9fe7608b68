import { afterAll, beforeAll, expect, test } from 'vitest';
import { ALL_DEFECTS, NO_DEFECTS } from '../../../src/devnet/engine/index.js';
import { encodeElements, int8Value } from '../../../src/protocol/index.js';
import { createWorld, K1, K2, type World } from './world.js';

let old: World;
let start: Uint8Array;

const TABLES = ['shop.item', 'shop.part', 'shop.every', 'main.note'];
const content = (world: World): Promise<unknown[]> =>
  Promise.all(TABLES.map(table => world.rows(`SELECT * FROM ${table} ORDER BY 1`)));

beforeAll(async () => {
  old = await createWorld();
  await old.mustBlock([
    old.raw(`CREATE NAMESPACE shop;
      {shop}CREATE TABLE item (id int8 PRIMARY KEY, name text NOT NULL DEFAULT 'none', price numeric(12,2) CHECK (price >= 0::numeric(12,2)), UNIQUE (name, price));
      {shop}CREATE TABLE part (id int8, item int8 REFERENCES item(id) ON UPDATE CASCADE ON DELETE CASCADE, PRIMARY KEY (id));
      {shop}CREATE INDEX part_item ON part(item);
      {shop}CREATE TABLE every (id uuid PRIMARY KEY, t text, i int8, j int4, b bool, n numeric(38,10), y bytea, ta text[], ia int8[], ba bool[], na numeric(20,4)[], ua uuid[], ya bytea[]);
      CREATE TABLE note (id int8 PRIMARY KEY, v text)`),
    old.raw(
      `{shop}CREATE ACTION add($id int8, $name text) PUBLIC { INSERT INTO item (id, name, price) VALUES ($id, $name, 1.50::numeric(12,2)); INSERT INTO part (id, item) VALUES ($id * 10, $id), ($id * 10 + 1, $id); }`,
    ),
    old.raw(`{shop}CREATE ACTION drop_item($id int8) PUBLIC { DELETE FROM item WHERE id = $id; }`),
    old.raw(
      `{shop}CREATE ACTION total() PUBLIC VIEW RETURNS (n int8) { for $r in SELECT count(*) AS c FROM item { RETURN $r.c; } }`,
    ),
    old.raw(`{shop}INSERT INTO item (id, name, price) VALUES (1, 'tab	new
line \\back "q" é', 0.10::numeric(12,2)), (2, '', null), (3, 'NULL', 3.00::numeric(12,2)); {shop}INSERT INTO part VALUES (1, 1), (2, null)`),
    old.raw(
      `{shop}INSERT INTO every (id, t, j, n, y, ta, ia, na) VALUES ('00112233-4455-6677-8899-aabbccddeeff'::uuid, '\\N', 7, 0.0000001::numeric(38,10), decode('00ff','hex'), ARRAY['a','NULL',null,'"'], ARRAY[1,null], ARRAY[1.5::numeric(20,4),null])`,
    ),
    old.raw(`CREATE ROLE clerk; GRANT INSERT ON shop TO clerk; GRANT clerk TO '${K2.caller}'`),
    old.op({ kind: 'none', code: 0, log: '' }, K2),
  ]);
  start = await old.engine.dump();
});
afterAll(() => old.engine.close());

test('a restored state dumps to the same bytes and goes on with actions, roles, accounts and nonces', async () => {
  const copy = await createWorld({ restore: start });
  expect(Buffer.from(await copy.engine.dump()).equals(Buffer.from(start))).toBe(true);
  expect(await content(copy)).toEqual(await content(old));
  expect(await copy.engine.numAccounts()).toBe(2);
  expect(await copy.engine.account({ identifier: K2.sender, keyType: 'secp256k1' })).toMatchObject({ nonce: 1n });
  const nonce = (await copy.engine.account({ identifier: K1.sender, keyType: 'secp256k1' }))!.nonce + 1n;
  const add = copy.op({ kind: 'execute', namespace: 'shop', action: 'total', calls: [] }, K1, { nonce });
  const byClerk = copy.op(
    { kind: 'raw', statement: `{shop}INSERT INTO item (id, name) VALUES (50, 'clerk')`, params: [] },
    K2,
    { nonce: 2n },
  );
  const { results } = await copy.block([add, byClerk]);
  expect(results.map(result => result.code)).toEqual([0, 0]);
  for (const view of [
    'actions',
    'columns',
    'indexes',
    'constraints',
    'foreign_keys',
    'roles',
    'role_privileges',
    'user_roles',
    'namespaces',
    'tables',
  ])
    expect(await copy.rows(`SELECT * FROM info.${view}`), view).toEqual(await old.rows(`SELECT * FROM info.${view}`));
  await copy.engine.close();
});

test('the changes of one network applied to another that started from its dump give equal tables', async () => {
  const fresh = await createWorld({ restore: start, defects: NO_DEFECTS });
  const heights = [
    [
      old.execute('shop', 'add', [
        [
          int8Value(7n),
          { type: { name: 'text', isArray: false, precision: 0, scale: 0 }, elements: [Buffer.from('\u0001seven')] },
        ],
      ]),
    ],
    [old.raw(`{shop}UPDATE item SET name = name || '!' WHERE id < 3; {shop}UPDATE item SET id = 40 WHERE id = 3`)],
    [
      old.execute('shop', 'drop_item', [[int8Value(1n)]]),
      old.raw(`INSERT INTO note VALUES (1, 'NULL'), (2, ''), (3, null)`),
    ],
    [old.raw(`{shop}UPDATE every SET t = null, ta = ARRAY['', null], ya = ARRAY[decode('01','hex')], b = true`)],
    [
      old.raw(
        `DELETE FROM note WHERE id = 2; INSERT INTO note VALUES (2, 'again') ON CONFLICT (id) DO UPDATE SET v = 'never'`,
      ),
    ],
  ];
  for (const [index, ops] of heights.entries()) {
    const { changes } = await old.mustBlock(ops, { defects: NO_DEFECTS });
    await fresh.block([], {
      record: false,
      apply: [{ height: 100 + index, bytes: encodeElements(changes) }],
      defects: NO_DEFECTS,
    });
  }
  expect(await content(fresh)).toEqual(await content(old));
  await fresh.engine.close();
});

test('two engines give the same digest for the same block, one engine the same outcome for the same height', async () => {
  const [a, b] = await Promise.all([
    createWorld({ restore: start, height: 500 }),
    createWorld({ restore: start, height: 500 }),
  ]);
  const nonce = (await a.engine.account({ identifier: K1.sender, keyType: 'secp256k1' }))!.nonce + 1n;
  const work = { kind: 'raw', statement: `INSERT INTO note VALUES (900, 'x')`, params: [] } as const;
  const outcomes = await Promise.all([a, b].map(world => world.block([world.op(work, K1, { nonce })])));
  expect(outcomes[0]!.results).toEqual([{ code: 0, log: '', gas: 0n }]);
  expect(Buffer.from(outcomes[0]!.stateDigest).equals(Buffer.from(outcomes[1]!.stateDigest))).toBe(true);
  const again = {
    height: 502,
    timestampMs: 5,
    leader: null,
    gas: false,
    ops: [a.op(work, K1, { nonce: nonce + 1n })],
    record: true,
    apply: [],
    defects: ALL_DEFECTS,
  };
  const [first, second] = await Promise.all([a.engine.executeBlock(again), a.engine.executeBlock({ ...again })]);
  expect(second).toBe(first);
  expect(first.results[0]!.code).toBe(65535);
  await expect(a.engine.executeBlock({ ...again, timestampMs: 6 })).rejects.toThrow('other transactions');
  await Promise.all([a.engine.close(), b.engine.close()]);
});
