import {
  byteaValue,
  decodeTxJson,
  int8Value,
  nullValue,
  INT8,
  numericValue,
  boolValue,
  textValue,
  txHash,
  uuidValue,
  type Transaction,
} from '../../../src/protocol/index.js';
import { changesetSet } from '../../support/golden.js';
import { executes, goKey, signed, states, testKey } from './keys.js';
import { isObject, recording, resultOf, textOf, type Json, type JsonObject } from './recordings.js';

/*
 * What the recorded networks had in their blocks beside the requests of the recordings: the seed by the owner (K1), a
 * counter (K2) and a writer (K3). Signatures are deterministic, so these are the recorded transactions to the byte; the
 * hashes in the manifests prove it.
 */

/** The owner seeded with Kwil's command line client. */
const K1 = goKey(1);
const WRITERS = { K2: testKey(2), K3: testKey(3) };

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Transactions that recorded blocks show, but for a node's own: by height. */
export function shownTransactions(chainId: string, files: readonly string[]): Map<number, Transaction[]> {
  const found = new Map<number, Transaction[]>();
  for (const file of files) {
    for (const { call, answer } of recording(file)) {
      const block = call?.method === 'chain.block' ? resultOf(answer)?.block : undefined;
      if (!isObject(block) || !isObject(block.header) || !Array.isArray(block.txns)) continue;
      const height = Number(block.header.height);
      const txs = block.txns.filter(isObject).filter(tx => isWallets(tx) && chainOf(tx) === chainId);
      if (txs.length > 0)
        found.set(
          height,
          txs.map(tx => decodeTxJson(JSON.stringify(tx))),
        );
    }
  }
  return found;
}

const isWallets = ({ signature }: JsonObject): boolean => isObject(signature) && signature.type === 'secp256k1_ep';
const chainOf = ({ body }: JsonObject): Json | undefined => (isObject(body) ? body.chain_id : undefined);

/** The counter's and the writer's transactions of a migration window, from the manifest of its changesets. */
export function windowTransactions(set: string, chainId: string): Map<number, Transaction[]> {
  const { heights, decoded } = changesetSet(set);
  const found = new Map<number, Transaction[]>();
  for (const { height, transactions } of heights) {
    for (const { hash, sender, nonce } of transactions) {
      const tx = writersTransaction(sender, nonce, chainId, decoded[String(height)] ?? []);
      if (!tx) continue;
      if (txHash(tx) !== hash) throw new Error(`${set} ${height}: ${hash} is not ${txHash(tx)}`);
      found.set(height, [...(found.get(height) ?? []), tx]);
    }
  }
  return found;
}

function writersTransaction(
  sender: string,
  nonce: number,
  chainId: string,
  elements: ReturnType<typeof changesetSet>['decoded'][string],
): Transaction | null {
  if (sender === hexOf(WRITERS.K2.sender)) {
    return signed(WRITERS.K2, chainId, nonce, executes('lab', 'bump', int8Value(1n)));
  }
  if (sender !== hexOf(WRITERS.K3.sender)) return null;
  const row = elements.find(one => one.change === 'insert' && /^writer /.test(String(one.new?.[1]?.[1])))?.new;
  if (!row) throw new Error(`no row of the writer for its nonce ${nonce}`);
  const id = BigInt(String(row[0]![1]));
  return signed(
    WRITERS.K3,
    chainId,
    nonce,
    executes('lab', 'add_user', int8Value(id), textValue(String(row[1]![1])), nullValue(INT8)),
  );
}

/**
 * The lab schema as a recorded network shows it in `info`, and its rows. The first statement stands alone, the others
 * are spread over the blocks that follow.
 */
export function seedTransactions(chainId: string, file: string, fee = 0n): Transaction[] {
  const views = infoViews(file);
  const statements = ['CREATE NAMESPACE lab', ...views.tables, ...views.actions];
  const seeds = statements.map(states);
  for (let id = 1; id <= 10; id++) {
    const [name, age] = [textValue(`user ${id}`), int8Value(BigInt(20 + id))];
    seeds.push(executes('lab', 'add_user', int8Value(BigInt(id)), name, age));
  }
  seeds.push(
    executes(
      'lab',
      'put_kv',
      textValue('s'),
      textValue('k1'),
      byteaValue(Buffer.from([1, 2, 3])),
      numericValue('12.500000', 20, 6),
    ),
    executes('lab', 'bump', int8Value(1n)),
    executes(
      'lab',
      'add_types',
      uuidValue('5b473c3f-6b87-58a1-b47e-4cb4be8e49cc'),
      int8Value(9223372036854775807n),
      textValue('héllo'),
      boolValue(true),
      numericValue('123.4500000000', 38, 10),
      uuidValue('00000000-0000-4000-8000-000000000001'),
      byteaValue(Buffer.from([0, 1, 2])),
    ),
    executes('lab', 'add_post', int8Value(1n), int8Value(1n), textValue('first')),
  );
  return seeds.map((payload, index) => signed(K1, chainId, index + 1, payload, fee));
}

interface InfoViews {
  readonly tables: readonly string[];
  readonly actions: readonly string[];
}

/** Constraints are not in `info.columns`; these are the ones of the lab schema. */
const POSTS_KEY = 'FOREIGN KEY (author) REFERENCES users (id) ON DELETE CASCADE';
const POSTS_INDEX = '{lab}CREATE INDEX posts_author ON posts (author)';

function infoViews(file: string): InfoViews {
  const rows = (view: string): Json[][] => {
    const one = recording(file).find(({ call }) => call?.params.query === `SELECT * FROM info.${view}`);
    return (one ? resultOf(one.answer)?.values : null) as Json[][];
  };
  const columns = new Map<string, { text: string; key: boolean; name: string }[]>();
  for (const [namespace, table, name, type, nullable, , key] of rows('columns')) {
    if (namespace !== 'lab') continue;
    const text = `${textOf(name)} ${columnType(textOf(type))}${nullable === false && key !== true ? ' NOT NULL' : ''}`;
    const known = columns.get(textOf(table)) ?? [];
    columns.set(textOf(table), [...known, { text, key: key === true, name: textOf(name) }]);
  }
  // A table comes after the one that it refers to.
  const order = ['users', ...[...columns.keys()].filter(name => name !== 'users')];
  const tables = order.map(table => {
    const parts = columns.get(table)!;
    const keys = parts.filter(part => part.key).map(part => part.name);
    const extra = table === 'posts' ? [POSTS_KEY] : [];
    const items = [...parts.map(part => part.text), `PRIMARY KEY (${keys.join(', ')})`, ...extra];
    return `{lab}CREATE TABLE ${table} (${items.join(', ')})`;
  });
  const actions = rows('actions').flatMap(([namespace, , statement]) =>
    namespace === 'lab' ? [textOf(statement).replace(/;$/, '')] : [],
  );
  return { tables: [...tables, POSTS_INDEX], actions };
}

/** `info.columns` names types as Postgres does; statements take Kwil's names. */
const columnType = (shown: string): string =>
  shown
    .replace(/^bigint/, 'int8')
    .replace(/^boolean/, 'bool')
    .replace(/^integer/, 'int4');

/** Transactions in order of their nonces, one block each, from a height on; what does not fit comes into the last. */
export function spread(txs: readonly Transaction[], from: number, to: number): Map<number, Transaction[]> {
  const schedule = new Map<number, Transaction[]>();
  txs.forEach((tx, index) => {
    const height = Math.min(from + index, to);
    schedule.set(height, [...(schedule.get(height) ?? []), tx]);
  });
  return schedule;
}

/** Several schedules in one; later ones come later in a block. */
export function together(
  ...schedules: readonly ReadonlyMap<number, readonly Transaction[]>[]
): Map<number, Transaction[]> {
  const all = new Map<number, Transaction[]>();
  for (const schedule of schedules) {
    for (const [height, txs] of schedule) {
      const known = all.get(height) ?? [];
      const hashes = new Set(known.map(txHash));
      all.set(height, [...known, ...txs.filter(tx => !hashes.has(txHash(tx)))]);
    }
  }
  return all;
}
