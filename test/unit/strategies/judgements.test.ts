import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSnapshot } from '../../../src/cli/snapshot-file.js';
import {
  judgeFiles,
  judgeNode,
  judgeTogether,
  mayBeDown,
  planUpgrade,
  type ExportedFiles,
  type Finding,
  type Freeze,
  type NewNodeFacts,
  type UpgradeFacts,
} from '../../../src/strategies/index.js';

const HASH = 'e'.repeat(64);
const FREEZE: Freeze = {
  height: 423,
  blockHash: 'b'.repeat(64),
  appHash: 'a'.repeat(64),
  params: {
    leader: 'secp256k1:02aa',
    maxBlockSize: 6_291_456,
    joinExpiry: '168h0m0s',
    disabledGasCosts: false,
    maxVotesPerTx: 200,
  },
  validators: [
    { key: 'secp256k1:02aa', power: 1 },
    { key: 'secp256k1:03bb', power: 2 },
  ],
  proposals: [],
  accounts: { count: 0, known: [] },
  tables: [],
  at: 0,
};
const CHAINS = { old: 'kwil-old', new: 'kwil-new' };
const GENESIS = {
  chain_id: 'kwil-new',
  initial_height: 0,
  db_owner: '0x11',
  leader: { type: 'secp256k1', key: '02AA' },
  validators: [
    { pubkey: '03bb', type: 'secp256k1', power: 2 },
    { pubkey: '02aa', type: 'secp256k1', power: 1 },
  ],
  state_hash: HASH,
  max_block_size: 6_291_456,
  join_expiry: '168h',
  disabled_gas_costs: false,
  max_votes_per_tx: 200,
};
const FILES: ExportedFiles = {
  snapshotHash: HASH,
  snapshotBytes: 1000,
  snapshotHeight: 423,
  complete: true,
  genesis: GENESIS,
};

const failing = (findings: readonly Finding[]): string[] =>
  findings.filter(({ verdict }) => verdict !== 'pass').map(({ id, verdict }) => (verdict === 'warn' ? `${id}?` : id));
const judged = (change: Partial<ExportedFiles>, genesis: object = {}): string[] =>
  failing(judgeFiles({ ...FILES, ...change, genesis: { ...GENESIS, ...genesis } }, FREEZE, CHAINS));

describe('snapshot and genesis file', () => {
  it('pass when corrected', () => expect(judged({})).toEqual([]));

  it.each<[string, Partial<ExportedFiles>, object, string[]]>([
    ['as the command writes it', {}, { chain_id: 'kwil-testnet', disabled_gas_costs: true }, ['chain-id', 'gas']],
    ['the old chain id', {}, { chain_id: 'kwil-old' }, ['chain-id']],
    ['another chain id than configured', {}, { chain_id: 'kwil-newer' }, ['chain-id']],
    ['heights continued', {}, { initial_height: 423 }, ['initial-height']],
    ['a small initial height', {}, { initial_height: 5 }, ['initial-height?']],
    ['a snapshot of another height', { snapshotHeight: 424 }, {}, ['snapshot-height']],
    ['no height told', { snapshotHeight: null }, {}, ['snapshot-height']],
    ['an altered snapshot', { snapshotHash: 'f'.repeat(64) }, {}, ['state-hash']],
    ['a cut snapshot', { complete: false, snapshotHash: 'f'.repeat(64) }, {}, ['snapshot-complete', 'state-hash']],
    [
      'default parameters',
      {},
      { max_votes_per_tx: 100, join_expiry: '24h', max_block_size: 1 },
      ['max-block-size', 'join-expiry', 'max-votes'],
    ],
    ['the leader of the old genesis', {}, { leader: { type: 'secp256k1', key: '03bb' } }, ['leader']],
    ['a validator less', {}, { validators: GENESIS.validators.slice(1) }, ['validators']],
    ['an allocation', {}, { alloc: [{ id: '0x1', amount: 1 }] }, ['alloc']],
    ['a migration', {}, { migration: { start_height: 1, end_height: 2 } }, ['migration']],
    ['an unknown field', {}, { chain: 'x' }, ['fields']],
  ])('%s', (_, change, genesis, wanted) => expect(judged(change, genesis)).toEqual(wanted));
});

describe('the snapshot as a stream', () => {
  let folder = '';
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'snapshot-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const sql = Buffer.from(`CREATE SCHEMA main;\n${'-- a row\n'.repeat(50_000)}`);
  const hash = createHash('sha256').update(sql).digest('hex');
  const file = async (bytes: Buffer): Promise<string> => {
    const path = join(folder, 'snapshot.sql.gz');
    await writeFile(path, bytes);
    return path;
  };

  it('is hashed uncompressed', async () => {
    expect(await readSnapshot(await file(gzipSync(sql)))).toEqual({
      hash,
      bytes: sql.length,
      height: null,
      complete: true,
    });
  });

  it('tells its height by the statement at its end', async () => {
    const text = 'UPDATE kwild_voting.resolutions SET expiration = expiration - 423;\n';
    const path = await file(gzipSync(Buffer.concat([sql, Buffer.from(text)])));
    expect(await readSnapshot(path)).toMatchObject({ height: 423, complete: true });
  });

  it('is known to be cut, wherever it was', async () => {
    const packed = gzipSync(sql);
    for (const length of [0, 1, 9, 20, Math.floor(packed.length / 2), packed.length - 1])
      expect((await readSnapshot(await file(packed.subarray(0, length)))).complete, `${length} bytes`).toBe(false);
  });

  it('is no gzip', async () => {
    expect(await readSnapshot(await file(sql))).toMatchObject({ complete: false });
  });
});

describe('a node of the new network', () => {
  const files = { stateHash: HASH, chainId: 'kwil-new', initialHeight: 0, at: 0 };
  const good: NewNodeFacts = {
    node: 'new-1',
    chainId: 'kwil-new',
    height: 9,
    stateHash: HASH,
    first: { height: 1, prevAppHash: HASH, prevHash: '0'.repeat(64), appHash: 'a' },
    newBlocks: 4,
    transactions: 0,
    error: null,
  };
  it.each<[string, Partial<NewNodeFacts>, string[]]>([
    ['as it should be', {}, []],
    ['not answering', { height: null, error: 'refused' }, ['new-1 answers']],
    ['of another chain', { chainId: 'kwil-testnet' }, ['new-1 chain']],
    ['with another file', { stateHash: 'f'.repeat(64) }, ['new-1 state hash']],
    ['without a block', { height: 0, first: null, newBlocks: 0 }, ['new-1 first block', 'new-1 blocks']],
    ['standing still', { newBlocks: 0 }, ['new-1 blocks']],
    ['written to already', { transactions: 2 }, ['new-1 untouched']],
  ])('%s', (_, change, wanted) => expect(failing(judgeNode({ ...good, ...change }, files))).toEqual(wanted));

  it('must have the same first block as the others', () => {
    const odd = { ...good, node: 'new-3', first: { ...good.first!, appHash: 'x' } };
    expect(judgeTogether([good, { ...good, node: 'new-2' }]).verdict).toBe('pass');
    expect(judgeTogether([good, odd])).toMatchObject({ verdict: 'fail', value: 'new-1 against new-3' });
  });
});

describe('plan of an upgrade', () => {
  const node = (name: string) => ({ name, state: 'up' as const, height: 50, build: '0.10.1' });
  const facts: UpgradeFacts = {
    nodes: [node('n1'), node('n2'), node('n3')],
    validators: 3,
    leader: { node: 'n1', source: 'configured' },
    wantedBuild: null,
    blockTimeMs: 1000,
    migrationStatus: 'NoActiveMigration',
    agreement: { height: 50, odd: [], silent: [] },
    newBlocks: 2,
    handOver: null,
  };
  const troubles = (change: Partial<UpgradeFacts>): string[] => failing(planUpgrade({ ...facts, ...change }).checks);

  it('counts validators, not power', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(mayBeDown)).toEqual([0, 0, 1, 1, 2, 2, 3]);
  });

  it('puts the leader last and leaves out what is done', () => {
    const plan = planUpgrade({ ...facts, wantedBuild: '0.10.1' });
    expect(plan.order.map(({ node: name, role }) => `${name} ${role}`)).toEqual([
      'n2 follower',
      'n3 follower',
      'n1 leader',
    ]);
    expect(plan.order.every(({ upToDate }) => upToDate)).toBe(true);
  });

  it.each<[string, Partial<UpgradeFacts>, string[]]>([
    ['everything right', {}, []],
    ['two validators', { validators: 2 }, ['majority']],
    ['a node away', { nodes: [node('n1'), { ...node('n2'), state: 'down' }, node('n3')] }, ['serving']],
    ['a fork', { agreement: { height: 50, odd: ['n3'], silent: [] } }, ['agreement']],
    ['no blocks', { newBlocks: 1 }, ['moving']],
    ['a migration', { migrationStatus: 'MigrationInProgress' }, ['migration']],
    ['an unknown leader', { leader: null }, ['leader?']],
    ['a hand-over under way', { handOver: { height: 51, behind: ['n2'] } }, ['hand-over']],
  ])('%s', (_, change, wanted) => expect(troubles(change)).toEqual(wanted));
});
