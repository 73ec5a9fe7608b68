import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ALL_DEFECTS,
  createEngine,
  type BlockOutcome,
  type BlockWork,
  type DefectSwitches,
  type Engine,
  type EngineOp,
  type EngineWork,
  type GenesisOptions,
} from '../../../src/devnet/engine/index.js';
import {
  encodeValue,
  nullValue,
  type DataType,
  type EncodedValue,
  type QueryResult,
} from '../../../src/protocol/index.js';

/** Clusters are made once per machine and shared by all test files. */
export const templateFolder = join(tmpdir(), 'switchyard-test-clusters');

export const OWNER = '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A';

export const K1 = { sender: Buffer.from('19e7e376e7c213b7e7e7e46cc70a5dd086daff2a', 'hex'), caller: OWNER };
export const K2 = {
  sender: Buffer.from('1563915e194d8cfba1943570603f7606a3115508', 'hex'),
  caller: '0x1563915e194D8CfBA1943570603F7606A3115508',
};
export const K3 = {
  sender: Buffer.from('5cbdd86a2fa8dc4bddd8a8f69dba48572eec07fb', 'hex'),
  caller: '0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB',
};
export const K4 = {
  sender: Buffer.from('7564105e977516c53be337314c7e53838967bdac', 'hex'),
  caller: '0x7564105E977516C53bE337314c7E53838967bDaC',
};
/** K2 by its public key instead of its address: another account. */
export const K2_PLAIN = {
  sender: Buffer.from('02466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f27', 'hex'),
  caller: '02466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f27',
};

export type Sender = typeof K1;

export interface World {
  readonly engine: Engine;
  /** A transaction with the sender's next nonce. */
  op(work: EngineWork, sender?: Sender, over?: Partial<EngineOp>): EngineOp;
  raw(statement: string, sender?: Sender): EngineOp;
  execute(namespace: string, action: string, calls?: readonly (readonly EncodedValue[])[], sender?: Sender): EngineOp;
  block(ops: readonly EngineOp[], over?: Partial<BlockWork>): Promise<BlockOutcome>;
  /** A block in which every transaction has to succeed. */
  mustBlock(ops: readonly EngineOp[], over?: Partial<BlockWork>): Promise<BlockOutcome>;
  rows(sql: string): Promise<QueryResult['values']>;
}

/** An engine with a chain around it that is just enough: heights, times, nonces. */
export async function createWorld(
  options: { restore?: Uint8Array; defects?: DefectSwitches; height?: number; alloc?: GenesisOptions['alloc'] } = {},
): Promise<World> {
  const engine = await createEngine({ templateFolder });
  const genesis: GenesisOptions = { owner: OWNER, alloc: options.alloc ?? [] };
  if (options.restore === undefined) await engine.init(genesis);
  else await engine.restore(options.restore, genesis);
  const nonces = new Map<string, bigint>();
  let height = options.height ?? 0;
  let hashes = 0;
  const op: World['op'] = (work, sender = K1, over = {}) => {
    const key = sender.sender.toString('hex');
    const nonce = over.nonce ?? (nonces.get(key) ?? 0n) + 1n;
    nonces.set(key, nonce);
    hashes += 1;
    const hash = hashes.toString(16).padStart(64, '0');
    const authType = sender.sender.length === 20 ? 'secp256k1_ep' : 'secp256k1';
    return {
      hash,
      sender: sender.sender,
      keyType: 'secp256k1',
      authType,
      caller: sender.caller,
      nonce,
      fee: 0n,
      price: 0n,
      work,
      ...over,
    };
  };
  const block: World['block'] = (ops, over = {}) => {
    height += 1;
    return engine.executeBlock({
      height,
      timestampMs: 1_751_000_000_000 + height * 1_000,
      leader: null,
      gas: false,
      ops,
      record: true,
      apply: [],
      defects: options.defects ?? ALL_DEFECTS,
      ...over,
    });
  };
  return {
    engine,
    op,
    block,
    raw: (statement, sender) => op({ kind: 'raw', statement, params: [] }, sender),
    execute: (namespace, action, calls = [], sender) => op({ kind: 'execute', namespace, action, calls }, sender),
    async mustBlock(ops, over) {
      const outcome = await block(ops, over);
      const failed = outcome.results.find(result => result.code !== 0);
      if (failed !== undefined) throw new Error(`transaction failed with code ${failed.code}: ${failed.log}`);
      return outcome;
    },
    async rows(sql) {
      return (await engine.query(sql, [])).values;
    },
  };
}

/** A value from the JSON form that query results have. */
export function valueOfCell(type: DataType, cell: unknown): EncodedValue {
  if (cell === null) return nullValue(type.isArray ? undefined : type);
  const scalar = (item: unknown): string | bigint | boolean | Uint8Array | null => {
    if (item === null) return null;
    if (type.name === 'int8') return BigInt(item as string);
    if (type.name === 'bytea') return Buffer.from(item as string, 'base64');
    return item as string | boolean;
  };
  return encodeValue(type, Array.isArray(cell) ? cell.map(scalar) : scalar(cell));
}
