import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EngineError, EngineHalt } from '../../../src/devnet/engine/index.js';
import { decodeEncodedValueJson, decodePayload, encodeQueryResult } from '../../../src/protocol/index.js';
import { createWorld, type World } from './world.js';

/* Statements that real nodes were sent, run again: the same answers, word for word. */

interface Exchange {
  name: string;
  request: { body: string };
  response: { status: number; body: string };
}
interface Rpc {
  method: string;
  params: {
    query?: unknown;
    params?: Record<string, unknown>;
    tx?: { body: { type: string; payload: string } };
    tx_hash?: string;
  };
}
const golden = new URL('../../golden/rpc/', import.meta.url);
const exchanges = (file: string): Exchange[] =>
  readFileSync(new URL(file, golden))
    .toString()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Exchange);

/** Rows of the extension that real nodes carry and the devnet does not. */
const EXTENSION = /FROM info\.(constraints|foreign_keys|extensions|columns)/;

describe('queries', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
    await world.mustBlock([
      world.raw(`CREATE NAMESPACE lab;
        {lab}CREATE TABLE users (id int8 PRIMARY KEY, name text NOT NULL, age int8, note text);
        {lab}CREATE TABLE counter (id int8 PRIMARY KEY, c int8 NOT NULL);
        {lab}CREATE TABLE posts (id int8 PRIMARY KEY, author int8 REFERENCES users(id), body text); {lab}CREATE INDEX posts_author ON posts(author);
        {lab}CREATE TABLE kv (space text, k text, v bytea, n numeric(20,6), PRIMARY KEY (space, k));
        {lab}CREATE TABLE types (id uuid PRIMARY KEY, i int8, t text, b bool, n numeric(38,10), u uuid, y bytea, ia int8[], ta text[], ba bool[], na numeric(20,4)[], ua uuid[], ya bytea[])`),
      world.raw(`CREATE NAMESPACE ty;
        {ty}CREATE TABLE t (id int8 PRIMARY KEY, i4 int4, sm smallint, n2 numeric(10,2), n7 numeric(20,7), n0 numeric(10,0), y bytea, tx text);
        {ty}INSERT INTO t VALUES (1, 7, null, 0.00::numeric(10,2), 0.0000001::numeric(20,7), 0::numeric(10,0), null, ''),
          (2, -2147483648, null, 1.50::numeric(10,2), 0::numeric(20,7), 10::numeric(10,0), null, null),
          (3, 2147483647, null, -0.01::numeric(10,2), 123.4::numeric(20,7), -5::numeric(10,0), null, 'NULL')`),
    ]);
  });
  afterAll(() => world.engine.close());

  const cases = ['types.jsonl', 'plan-cache.jsonl', 'bad-inputs.jsonl'].flatMap(file =>
    exchanges(file).flatMap((exchange): [string, Exchange, Rpc][] => {
      const rpc = JSON.parse(exchange.request.body) as Rpc;
      if (rpc.method !== 'user.query' || typeof rpc.params.query !== 'string') return [];
      return EXTENSION.test(rpc.params.query) && !rpc.params.query.includes('lab')
        ? []
        : [[`${file}: ${exchange.name} ${rpc.params.query}`, exchange, rpc]];
    }),
  );

  test.each(cases)('%s', async (_title, exchange, rpc) => {
    const params = Object.entries(rpc.params.params ?? {});
    // what does not even decode to a value is refused before it gets to the engine
    let values;
    try {
      values = params.map(([name, value]) => ({ name, value: decodeEncodedValueJson(JSON.stringify(value)) }));
    } catch {
      expect([400, 500]).toContain(exchange.response.status);
      return;
    }
    const answer = await world.engine.query(rpc.params.query as string, values, { node: 'node-1' }).then(
      result => ({ result: JSON.parse(encodeQueryResult(result)) as unknown }),
      (error: unknown) => {
        if (error instanceof EngineError) return { error: { code: error.rpcCode, message: error.message } };
        if (error instanceof EngineHalt) return { panic: true };
        throw error;
      },
    );
    if (exchange.response.status === 500) expect(answer).toEqual({ panic: true });
    else {
      const { result, error } = JSON.parse(exchange.response.body) as { result?: unknown; error?: unknown };
      expect(answer).toEqual(error === undefined ? { result } : { error });
    }
  });
});

test('definitions and actions are taken and refused as recorded', async () => {
  const world = await createWorld();
  await world.mustBlock([
    world.raw(`CREATE NAMESPACE g; {g}CREATE TABLE tight (id int8 PRIMARY KEY, m text); {g}CREATE TABLE parent (id int8 PRIMARY KEY, v text);
      {g}CREATE TABLE child (id int8 PRIMARY KEY, pid int8 REFERENCES parent(id) ON DELETE CASCADE); {g}CREATE TABLE counter (id int8 PRIMARY KEY, c int8);
      {g}CREATE TABLE all_types (id int8 PRIMARY KEY, t text, i int8, i4 int4, b bool, n numeric(38,10), n0 numeric(10,0), u uuid, y bytea, ta text[], ia int8[], i4a int4[], ba bool[], na numeric(20,4)[], ua uuid[], ya bytea[])`),
  ]);
  let compared = 0;
  for (const exchange of exchanges('schema-errors.jsonl')) {
    const rpc = JSON.parse(exchange.request.body) as Rpc;
    const body = rpc.params.tx?.body;
    if (rpc.method !== 'user.broadcast' || body?.type !== 'raw_statement') continue;
    const payload = decodePayload('raw_statement', Buffer.from(body.payload, 'base64'));
    if (payload?.kind !== 'raw_statement') throw new Error('not a statement');
    const { result } = (JSON.parse(exchange.response.body) as { result: { result: { code: number; log?: string } } })
      .result;
    const outcome = await world.block([world.raw(payload.statement)]);
    // a parse error lists what it expected, of which our parser names less
    const head = (log: string): string =>
      log.split(' expecting ')[0]!.replace(/detected multiple parse errors:\n error 1: /, '');
    expect({ code: outcome.results[0]!.code, log: head(outcome.results[0]!.log) }, payload.statement).toEqual({
      code: result.code,
      log: head(result.log ?? ''),
    });
    compared += 1;
  }
  expect(compared).toBeGreaterThan(60);
  await world.engine.close();
});
