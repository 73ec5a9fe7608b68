import { createHash } from 'node:crypto';
import { decodeElements, encodeAccountId, type Element } from '../../../src/protocol/index.js';
import {
  EngineError,
  type Account,
  type BlockOutcome,
  type Engine,
  type EngineOp,
} from '../../../src/devnet/engine/index.js';

/**
 * A state machine small enough to reason about: one counter table `main.kv(k text, v text)`, written by the action `put`
 * with two text arguments. Everything else is accounts. Its dump is JSON.
 */
export function createFakeEngine(): Engine & { rows(): ReadonlyMap<string, string> } {
  const rows = new Map<string, string>();
  const accounts = new Map<string, Account>();
  const blocks = new Map<number, BlockOutcome>();
  const nameOf = (identifier: Uint8Array, keyType: string): string =>
    `${keyType}:${Buffer.from(identifier).toString('hex')}`;
  const text = (value: string): Uint8Array => Buffer.from(value);
  const row = (k: string, v: string) => [
    { kind: 2 as const, data: text(k) },
    { kind: 2 as const, data: text(v) },
  ];

  function run(op: EngineOp, changes: Element[]): { code: number; log: string } {
    if (op.work.kind === 'none') return { code: op.work.code, log: op.work.log };
    if (op.work.kind !== 'execute') return { code: 0, log: '' };
    const { action, calls } = op.work;
    if (action !== 'put')
      return { code: 65535, log: `ERROR: unknown action: action "${action}" does not exist in namespace "main"` };
    for (const [key, value] of calls) {
      const k = Buffer.from(key!.elements[0]!.subarray(1)).toString('utf8');
      const v = Buffer.from(value!.elements[0]!.subarray(1)).toString('utf8');
      const before = rows.get(k);
      rows.set(k, v);
      changes.push({ kind: 'row', relation: 0, old: before === undefined ? [] : row(k, before), new: row(k, v) });
    }
    return { code: 0, log: '' };
  }

  return {
    rows: () => rows,
    async init() {},
    async restore(sql) {
      const state = JSON.parse(Buffer.from(sql).toString('utf8')) as {
        rows: [string, string][];
        accounts: [string, string, string][];
      };
      for (const [k, v] of state.rows) rows.set(k, v);
      for (const [identifier, keyType, nonce] of state.accounts) {
        const id = Buffer.from(identifier, 'hex');
        accounts.set(nameOf(id, keyType), {
          identifier: id,
          keyType: keyType as 'secp256k1',
          nonce: BigInt(nonce),
          balance: 0n,
        });
      }
    },
    async dump() {
      const list = [...accounts.values()].map(one => [
        Buffer.from(one.identifier).toString('hex'),
        one.keyType,
        String(one.nonce),
      ]);
      return Buffer.from(JSON.stringify({ rows: [...rows], accounts: list }));
    },
    async executeBlock(work) {
      const known = blocks.get(work.height);
      if (known) return known;
      const changes: Element[] = [];
      const touched: Account[] = [];
      const results = work.ops.map(op => {
        const name = nameOf(op.sender, op.keyType);
        const before = accounts.get(name)?.nonce ?? 0n;
        if (op.nonce !== before + 1n) return { code: 4, log: 'ERROR: invalid nonce', gas: 0n };
        const account = { identifier: op.sender, keyType: op.keyType, nonce: op.nonce, balance: 0n };
        accounts.set(name, account);
        touched.push(account);
        return { ...run(op, changes), gas: 0n };
      });
      for (const { bytes } of work.apply) {
        if (bytes === null) continue;
        for (const element of decodeElements(bytes)) {
          if (element.kind !== 'row' || element.new.length === 0) continue;
          const [k, v] = element.new.map(column => Buffer.from(column.data!).toString('utf8'));
          if (element.old.length > 0 || !rows.has(k!)) rows.set(k!, v!);
        }
      }
      const stream: Element[] =
        changes.length === 0
          ? []
          : [
              {
                kind: 'relation',
                schema: 'main',
                table: 'kv',
                columns: ['k', 'v'].map(name => ({
                  name,
                  type: { name: 'text', isArray: false, precision: 0, scale: 0 },
                })),
              },
              ...changes,
            ];
      const digest = createHash('sha256')
        .update(JSON.stringify([...rows]))
        .update(String(work.height));
      for (const one of touched) digest.update(encodeAccountId(one)).update(String(one.nonce));
      const outcome = { results, changes: work.record ? stream : [], stateDigest: digest.digest(), accounts: touched };
      blocks.set(work.height, outcome);
      return outcome;
    },
    async query(sql, params) {
      if (/^select \* from kv$/i.test(sql)) {
        const type = { name: 'text', isArray: false, precision: 0, scale: 0 };
        if (rows.size === 0) return { columnNames: null, columnTypes: null, values: null };
        return { columnNames: ['k', 'v'], columnTypes: [type, type], values: [...rows].sort().map(([k, v]) => [k, v]) };
      }
      if (params.length >= 0) throw new EngineError(-300, `the fake engine knows no ${sql}`);
      throw new Error('unreachable');
    },
    async call(_namespace, action) {
      throw new EngineError(-300, `unknown action: action "${action}" does not exist in namespace "main"`);
    },
    account: async id => accounts.get(nameOf(id.identifier, id.keyType)) ?? null,
    numAccounts: async () => accounts.size,
    async close() {},
  };
}
