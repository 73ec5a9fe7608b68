import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GAS_PRICES, type CallOutcome, type EngineOp, type EngineWork } from '../../../src/devnet/engine/index.js';
import {
  arrayValue,
  INT8,
  int8Value,
  numericValue,
  textValue,
  type EncodedValue,
} from '../../../src/protocol/index.js';
import { createWorld, K1, K2, OWNER, type World } from './world.js';

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.mustBlock([
    world.raw(
      'CREATE NAMESPACE a; {a}CREATE TABLE t (id int8 PRIMARY KEY, v text); {a}CREATE TABLE n (id int8 PRIMARY KEY, x numeric(10,2))',
    ),
    world.raw(`{a}INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')`),
  ]);
});
afterAll(() => world.engine.close());

let counter = 0;
/** Makes an action of this body and calls it. */
async function run(
  head: string,
  body: string,
  args: readonly EncodedValue[] = [],
  caller = OWNER,
): Promise<CallOutcome> {
  counter += 1;
  await world.mustBlock([world.raw(`{a}CREATE ACTION f${counter}${head.replace('VIEW', 'PUBLIC VIEW')} { ${body} }`)]);
  return world.engine.call('a', `f${counter}`, args, {
    caller,
    signer: K1.sender,
    authType: 'secp256k1_ep',
    height: 12,
    timestampMs: 3_500,
    leader: null,
  });
}
const cells = async (outcome: Promise<CallOutcome>): Promise<unknown> => (await outcome).result?.values ?? null;

describe('action code', () => {
  test.each([
    ['arithmetic of whole numbers', '$r := (7 + 3) * 2 - 9 / 2 % 3 ^ 1; RETURN $r;', '19'],
    ['negative numbers', 'RETURN -5 + 2;', '-3'],
    ['variables keep their block', '$x := 1; if true { $x := 2; $y := 9; } RETURN $x;', '2'],
    ['else if', '$x := 5; if $x > 9 { RETURN 1; } elseif $x = 5 { RETURN 2; } else { RETURN 3; }', '2'],
    ['range', '$s := 0; for $i in 1..4 { if $i = 3 { continue; } $s := $s + $i; } RETURN $s;', '7'],
    ['break', '$s := 0; for $i in 1..100 { if $i > 3 { break; } $s := $s + $i; } RETURN $s;', '6'],
    ['rows', '$s := 0; for $r in SELECT id, v FROM t ORDER BY id { $s := $s * 10 + $r.id; } RETURN $s;', '123'],
    ['arrays', '$a := ARRAY[5, 6, 7]; $s := 0; for $i in ARRAY $a { $s := $s + $i; } RETURN $s + $a[2];', '24'],
    ['array functions', '$a := array_append(ARRAY[1], 2); $a[1] := 9; RETURN array_length($a) * 10 + $a[1];', '29'],
    ['null is not true', 'int8null: if null { RETURN 1; } RETURN 2;'.replace('int8null: ', ''), '2'],
    ['is null', '$x int8; if $x is null { RETURN 1; } RETURN 2;', '1'],
    ['functions of Postgres', `RETURN length(lower('ABC') || format('%s', 'x'));`, '4'],
    ['casts', `RETURN '12'::int8 + length(5::text);`, '13'],
    ['context', 'RETURN @height * 100 + @block_timestamp;', '1203'],
  ])('%s', async (_what, body, result) => {
    expect(await cells(run('() VIEW RETURNS (r int8)', body))).toEqual([[result]]);
  });

  test('many rows: RETURN NEXT and RETURN SELECT', async () => {
    expect(await cells(run('() VIEW RETURNS TABLE(i int8)', 'for $i in 1..3 { RETURN NEXT $i * $i; }'))).toEqual([
      ['1'],
      ['4'],
      ['9'],
    ]);
    expect(
      await cells(
        run('($x text) VIEW RETURNS TABLE(i int8)', 'RETURN SELECT id FROM t WHERE v = $x OR id = 3 ORDER BY id;', [
          textValue('one'),
        ]),
      ),
    ).toEqual([['1'], ['3']]);
  });

  test('decimals are computed with their scale', async () => {
    const head = '($a numeric(10,2), $b numeric(10,2)) VIEW RETURNS (x numeric(10,2), y bool)';
    const args = [numericValue('10.50', 10, 2), numericValue('0.25', 10, 2)];
    expect(await cells(run(head, 'RETURN $a + $b, $a > $b;', args))).toEqual([['10.75', true]]);
  });

  test('actions call actions; receivers take what they return; @foreign_caller names the caller', async () => {
    await world.mustBlock([
      world.raw('{a}CREATE ACTION pair($x int8) PRIVATE VIEW RETURNS (lo int8, hi int8) { RETURN $x - 1, $x + 1; }'),
      world.raw('CREATE NAMESPACE b; {b}CREATE ACTION who() PUBLIC VIEW RETURNS (n text) { RETURN @foreign_caller; }'),
    ]);
    expect(await cells(run('() VIEW RETURNS (r int8)', '$lo, $hi := pair(5); RETURN $lo * 10 + $hi;'))).toEqual([
      ['46'],
    ]);
    expect(await cells(run('() VIEW RETURNS (r text)', '$n := b.who(); RETURN $n;'))).toEqual([['a']]);
    await expect(
      world.engine.call('a', 'pair', [int8Value(1n)], {
        caller: '',
        signer: K1.sender,
        authType: '',
        height: 1,
        timestampMs: 1,
        leader: null,
      }),
    ).rejects.toThrow('action is private: action pair is private');
  });

  test('what the action raises is part of the answer; what it gets wrong is an error', async () => {
    const raised = await run('() VIEW RETURNS (r int8)', `NOTICE('one'); NOTICE('two'); ERROR('no');`);
    expect(raised).toMatchObject({ logs: '1. one\n2. two', error: 'no', result: { values: null } });
    expect((await run('() VIEW RETURNS (r int8)', 'for $r in SELECT 1/0 AS x { RETURN $r.x; }')).error).toBe(
      'ERROR: division by zero (SQLSTATE 22012)',
    );
    await expect(run('() VIEW RETURNS (r int8)', `RETURN 'text';`)).rejects.toThrow(
      'type error: expected return value 1 to be int8, got text',
    );
    await expect(run('() VIEW RETURNS (r int8)', 'RETURN $nope;')).rejects.toThrow('unknown variable: $nope');
    await expect(run('($x int8[]) VIEW RETURNS (r int8)', 'RETURN 1;', [int8Value(1n)])).rejects.toThrow(
      'to be of type int8[], but got int8',
    );
    expect(
      await cells(run('($x int8[]) VIEW RETURNS (r int8)', 'RETURN $x[2];', [arrayValue(INT8, [4n, 5n])])),
    ).toEqual([['5']]);
  });

  test('endless code ends', async () => {
    await world.mustBlock([
      world.raw('{a}CREATE ACTION forever($x int8) PUBLIC VIEW RETURNS (r int8) { $y := forever($x + 1); RETURN $y; }'),
    ]);
    await expect(
      world.engine.call('a', 'forever', [int8Value(1n)], {
        caller: '',
        signer: K1.sender,
        authType: '',
        height: 1,
        timestampMs: 1,
        leader: null,
      }),
    ).rejects.toThrow('too deeply');
  });
});

describe('privileges', () => {
  test('only the owner changes data and schema; others with a grant do what it says', async () => {
    const byOther = (statement: string): ReturnType<World['raw']> => world.raw(statement, K2);
    const refused = await world.block([
      byOther(`{a}INSERT INTO t VALUES (9, 'x')`),
      byOther('{a}CREATE TABLE x (id int8 PRIMARY KEY)'),
      byOther(`{a}DELETE FROM t`),
      byOther('{a}SELECT id FROM t'),
      world.raw(`CREATE ROLE clerk; GRANT INSERT ON a TO clerk; GRANT clerk TO '${K2.caller}'`),
      byOther(`{a}INSERT INTO t VALUES (9, 'x')`),
      byOther(`{a}DELETE FROM t`),
    ]);
    expect(refused.results.map(result => result.log)).toEqual([
      'ERROR: user does not have privilege INSERT on namespace "a"',
      'ERROR: user does not have privilege CREATE on namespace "a"',
      'ERROR: user does not have privilege DELETE on namespace "a"',
      '',
      '',
      '',
      'ERROR: user does not have privilege DELETE on namespace "a"',
    ]);
  });

  test('OWNER actions are the owner’s; a failed transaction leaves no trace of its schema', async () => {
    await world.mustBlock([world.raw('{a}CREATE ACTION mine() PUBLIC OWNER { DELETE FROM t WHERE id = 9; }')]);
    const outcome = await world.block([
      world.execute('a', 'mine', [], K2),
      world.execute('a', 'mine'),
      world.raw(
        `{a}CREATE TABLE half (id int8 PRIMARY KEY); {a}INSERT INTO half VALUES (1); {a}INSERT INTO half VALUES (1)`,
      ),
    ]);
    expect(outcome.results.map(result => result.code)).toEqual([65535, 0, 65535]);
    expect(outcome.results[0]!.log).toBe('ERROR: action is owner-only: action mine can only be executed by the owner');
    expect(await world.rows(`SELECT name FROM info.tables WHERE name = 'half'`)).toBeNull();
    await expect(world.rows('SELECT * FROM a.half')).rejects.toThrow('unknown table');
  });
});

describe('accounts', () => {
  const id = { identifier: K2.sender, keyType: 'secp256k1' as const };
  test('fees as on the recorded network with gas', async () => {
    const wealth = 1_000_000_000_000_000_000_000_000n;
    const gas = await createWorld({ alloc: [{ identifier: K1.sender, keyType: 'secp256k1', amount: wealth }] });
    const { transfer: small, execute: price, raw_statement: statement } = GAS_PRICES;
    const pay = (work: EngineWork, sender: typeof K1, cost: bigint, fee = cost): EngineOp =>
      gas.op(work, sender, { fee, price: cost });
    const nothing = { kind: 'execute', namespace: 'main', action: 'noop', calls: [] } as const;
    const stranger = await gas.block([pay(nothing, K2, price)], { gas: true });
    expect(stranger.results[0]).toEqual({ code: 6, gas: 0n, log: 'ERROR: account has zero balance' });
    const outcome = await gas.block(
      [
        pay({ kind: 'raw', statement: 'CREATE ACTION noop() PUBLIC { $x := 1; }', params: [] }, K1, statement),
        pay({ kind: 'transfer', to: id, amount: price * 2n + 10n }, K1, small),
        pay(nothing, K1, price, price * 9n),
        gas.op(nothing, K2, { nonce: 1n, fee: price, price }),
        pay(nothing, K2, price, 5n),
        pay({ ...nothing, action: 'nope' }, K2, price),
        pay(nothing, K2, price),
        pay({ kind: 'transfer', to: id, amount: wealth }, K1, small),
        pay({ kind: 'transfer', to: id, amount: -1n }, K1, small),
      ],
      { gas: true },
    );
    expect(outcome.results.map(({ code, gas: taken }) => [code, taken])).toEqual([
      [0, statement],
      [0, small],
      [0, price],
      [0, price],
      [7, 5n],
      [65535, price],
      [6, 5n],
      [6, small],
      [8, small],
    ]);
    expect(outcome.results[4]!.log).toBe(
      `ERROR: transaction does not consent to spending enough tokens. transaction fee: 5, required fee: ${price}`,
    );
    expect(outcome.results[6]!.log).toBe(`ERROR: transaction tries to spend ${price} tokens, but account has 5 tokens`);
    expect(await gas.engine.account(id)).toMatchObject({ balance: 0n, nonce: 4n });
    expect(await gas.engine.account({ identifier: K1.sender, keyType: 'secp256k1' })).toMatchObject({
      balance: wealth - statement - 3n * small - price - (2n * price + 10n),
      nonce: 5n,
    });
    await gas.engine.close();
  });

  test('nonces step by one; a wrong one changes nothing; the first transaction is no spend', async () => {
    const fresh = await createWorld();
    const nothing = { kind: 'none', code: 0, log: '' } as const;
    const first = await fresh.block([fresh.op(nothing, K2)]);
    expect(first.changes).toEqual([]);
    expect(first.accounts).toMatchObject([{ nonce: 1n, balance: 0n }]);
    const wrong = await fresh.block([fresh.op(nothing, K2, { nonce: 7n })]);
    expect(wrong.results[0]).toMatchObject({ code: 4, log: 'ERROR: invalid nonce: expected nonce 2, got 7' });
    expect(wrong.changes).toEqual([]);
    const second = await fresh.block([fresh.op({ kind: 'none', code: 200, log: 'no' }, K2, { nonce: 2n })]);
    expect(second.results[0]).toEqual({ code: 200, log: 'ERROR: no', gas: 0n });
    const account = { identifier: new Uint8Array(K2.sender), keyType: 'secp256k1' };
    expect(second.changes).toEqual([{ kind: 'spends', spends: [{ account, amount: 0n, nonce: 2n }] }]);
    await fresh.engine.close();
  });
});

describe('what ends a node', () => {
  test('an empty int8[] that is stored; nothing of the block stays, and the height can be tried again', async () => {
    await world.mustBlock([world.raw('{a}CREATE TABLE arrays (id int8 PRIMARY KEY, x int8[], t text[])')]);
    const [bad, good] = [
      world.raw('{a}INSERT INTO arrays (id, x) VALUES (1, ARRAY[]::int8[])'),
      world.raw('{a}INSERT INTO arrays (id, t) VALUES (2, ARRAY[]::text[])'),
    ];
    await expect(world.block([bad], { record: false })).rejects.toThrow('decodeWALData failed');
    expect(await world.rows('SELECT id FROM a.arrays')).toBeNull();
    const outcome = await world.block([{ ...good, nonce: bad.nonce }]);
    expect(outcome.results[0]!.code).toBe(0);
    expect(await world.rows('SELECT id, t FROM a.arrays')).toEqual([['2', []]]);
    world.op({ kind: 'none', code: 0, log: '' }, K1, { nonce: bad.nonce });
  });

  test('a bool without its byte in an execute', async () => {
    const value = { type: { name: 'bool', isArray: false, precision: 0, scale: 0 }, elements: [new Uint8Array([1])] };
    await expect(world.block([world.execute('a', 'mine', [[value]])])).rejects.toThrow('index out of range');
  });
});
