import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import {
  decodeElements,
  decodeMigrationMetadata,
  decodeSnapshotMetadata,
  encodePayload,
  encodeTxJson,
  MIGRATION_STATUSES,
  paramsHash,
  signTx,
  type Payload,
} from '../../../src/protocol/index.js';
import type { NetworkHandle, NetworkOptions } from '../../../src/devnet/index.js';
import { broadcast, fakeDevnet, K2, putTx, QUICK, result, rpc } from './support.js';

describe('the old side of a migration', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  let old: NetworkHandle;
  let url: string;
  afterEach(() => devnet.stop());

  async function begin(options: Partial<NetworkOptions> = {}): Promise<void> {
    devnet = fakeDevnet();
    old = devnet.createNetwork({ name: 'old', chainId: 'c-old', ...QUICK, ...options });
    await old.start();
    url = old.urls[0]!;
  }

  const status = async (): Promise<string> => {
    const answer = await rpc(url, 'user.migration_status');
    const { result: found, error } = answer.json as unknown as {
      result?: { status: { status: string } };
      error?: { code: number };
    };
    return found?.status.status ?? String(error?.code);
  };

  it('changes its status at R, Start − 1 and End, visible in params hashes and commit infos', async () => {
    await begin({ manualBlocks: true });
    const proposing = old.proposeMigration({ activationPeriod: 3, duration: 4 });
    await expect.poll(() => old.nodes[0]!.mempoolSize()).toBe(1);
    expect(await status()).toBe('NoActiveMigration');
    await old.makeBlocks();
    const { start, end } = await proposing;
    const decided = old.height();
    expect([start, end]).toEqual([decided + 3, decided + 7]);
    expect(await status()).toBe('ActivationPeriod');
    while (old.height() < start - 1) await old.makeBlocks();
    expect(await status()).toBe('-700');
    expect((await rpc(url, 'user.migration_metadata')).json).toMatchObject({ error: { code: -32603 } });
    await old.makeBlocks();
    expect(await status()).toBe('MigrationInProgress');
    while (old.height() < end) await old.makeBlocks();
    expect(await status()).toBe('MigrationCompleted');
    await expect(old.makeBlocks()).rejects.toThrow('nobody can propose');

    const statuses = Array.from({ length: end }, (_, i) => {
      const { header, view } = old.block(i + 1)!;
      return MIGRATION_STATUSES.find(
        text => paramsHash({ ...view.params, migrationStatus: text }) === header.paramsHash,
      );
    });
    // A header tells the parameters before its block.
    expect(statuses[decided - 1]).toBe('NoActiveMigration');
    expect(statuses[decided]).toBe('ActivationPeriod');
    expect(statuses[start - 2]).toBe('ActivationPeriod');
    expect(statuses[start - 1]).toBe('MigrationInProgress');
    expect(statuses[end - 1]).toBe('MigrationInProgress');
    const updates = old.blocks().flatMap(({ height }) => {
      const changed = old.block(height)!.updates.migrationStatus;
      return changed === undefined ? [] : [[height, changed]];
    });
    expect(updates).toEqual([
      [start - 1, 'MigrationInProgress'],
      [end, 'MigrationCompleted'],
    ]);
  });

  it('publishes a snapshot of the state before Start, with hashes that fit', async () => {
    await begin();
    await broadcast(url, putTx(K2, 'c-old', 1, 'a', '1'), 1);
    const { start } = await old.proposeMigration({ activationPeriod: 2, duration: 20 });
    await old.waitForHeight(start);
    const metadata = decodeMigrationMetadata(JSON.stringify(await result(url, 'user.migration_metadata')));
    const snapshot = decodeSnapshotMetadata(metadata.snapshotBytes!);
    expect(snapshot).toMatchObject({ height: start, chunkCount: 1, hash: metadata.genesisInfo!.appHash });
    const { chunk } = await result<{ chunk: string }>(url, 'user.migration_genesis_chunk', {
      height: 0,
      chunk_index: 0,
    });
    const bytes = Buffer.from(chunk, 'base64');
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(snapshot.chunkHashes[0]);
    const sql = gunzipSync(bytes);
    expect(createHash('sha256').update(sql).digest('hex')).toBe(snapshot.hash);
    expect(sql.toString()).toContain('"a"');
    expect((await rpc(url, 'user.migration_genesis_chunk', { chunk_index: 1 })).status).toBe(500);
  });

  it('blocks the status while it dumps, past the limit as 503', async () => {
    await begin({ timing: { ...QUICK.timing, dumpDelay: 600, rpcTimeout: 150 } });
    const { start } = await old.proposeMigration({ activationPeriod: 2, duration: 20 });
    await old.waitForHeight(start - 1);
    await expect.poll(async () => (await rpc(url, 'user.migration_status')).status).toBe(503);
    await old.waitForHeight(start);
    expect(await status()).toBe('MigrationInProgress');
  });

  it('cuts changesets at 1,000,000 bytes and shows them from execution on', async () => {
    await begin();
    const { start } = await old.proposeMigration({ activationPeriod: 2, duration: 20 });
    await old.waitForHeight(start);
    const sent = await broadcast(url, putTx(K2, 'c-old', 1, 'big', 'x'.repeat(1_200_000)), 1);
    expect(sent.text).toContain('"code":0');
    const { height } = await result<{ height: number }>(url, 'user.tx_query', {
      tx_hash: putTx(K2, 'c-old', 1, 'big', 'x'.repeat(1_200_000)).hash,
    });
    const metadata = await result<{ changesets: number; chunk_sizes: number[] }>(url, 'user.changeset_metadata', {
      height,
    });
    expect(metadata.changesets).toBe(2);
    expect(metadata.chunk_sizes[0]).toBe(1_000_000);
    const chunks = await Promise.all(
      [0, 1].map(index => result<{ changesets: string }>(url, 'user.changeset', { height, index })),
    );
    const stream = Buffer.concat(chunks.map(chunk => Buffer.from(chunk.changesets, 'base64')));
    expect(stream.length).toBe(metadata.chunk_sizes[0]! + metadata.chunk_sizes[1]!);
    expect(decodeElements(stream).map(element => element.kind)).toEqual(['relation', 'row']);
    expect((await rpc(url, 'user.changeset', { height, index: 2 })).json).toMatchObject({ error: { code: -32603 } });
  });

  it('refuses in the window what reference 6.3 says, in the order of checks', async () => {
    await begin();
    let nonce = 0;
    const send = async (payload: Payload, chainId = 'c-old'): Promise<unknown> => {
      const body = {
        desc: '',
        payload: encodePayload(payload),
        type: payload.kind,
        fee: 0n,
        nonce: BigInt(nonce + 1),
        chainId,
      };
      const tx = signTx(body, K2);
      const answer = await rpc(url, 'user.broadcast', { tx: JSON.parse(encodeTxJson(tx)) as unknown, sync: 1 });
      const { error, result: taken } = answer.json as unknown as {
        error?: { data: { code: number; message: string } };
        result?: { result: { code: number } };
      };
      if (!error) nonce++;
      return error ? [error.data.code, error.data.message] : taken!.result.code;
    };
    const raw: Payload = { kind: 'raw_statement', statement: 'SELECT 1', params: [] };
    const proposal: Payload = { kind: 'create_resolution', event: { type: 'migration', body: new Uint8Array(18) } };
    const other: Payload = { kind: 'create_resolution', event: { type: 'nope', body: new Uint8Array(1) } };
    const unknown: Payload = { kind: 'approve_resolution', id: 'cc1cd90f-b4db-47f4-b6df-4bbe5fca88eb' };
    const bodies: Payload = { kind: 'validator_vote_bodies', events: [] };
    const leave: Payload = { kind: 'validator_leave' };

    expect(await send(raw)).toBe(0);
    expect(await send(other)).toBe(130);
    expect(await send(leave)).toBe(9);
    expect(await send(unknown)).toEqual([65535, 'migration proposal not found']);
    expect(await send(bodies)).toEqual([65535, expect.stringContaining('can not enter the mempool')]);
    const { start, end } = await old.proposeMigration({ activationPeriod: 3, duration: 25 });
    expect(await send(raw)).toBe(0);
    expect(await send(proposal)).toEqual([200, 'transaction type not allowed during migration: migration resolutions']);
    await old.waitForHeight(start);
    expect(await send(raw)).toEqual([200, 'transaction type not allowed during migration: raw statement']);
    expect(await send(leave)).toEqual([200, 'transaction type not allowed during migration: validator leave']);
    expect(await send(bodies)).toEqual([200, 'transaction type not allowed during migration: validator vote bodies']);
    expect(await send(other)).toBe(200);
    expect(await send(unknown)).toEqual([65535, 'migration proposal not found']);
    expect(await send(raw, 'elsewhere')).toEqual([5, 'wrong chain ID: elsewhere']);
    await old.waitForHeight(end);
    expect(await send(raw, 'elsewhere')).toEqual([201, 'network is halted following migration']);
  });

  it('drops what waits in the mempool when End commits, although it was accepted', async () => {
    await begin({ manualBlocks: true });
    const proposing = old.proposeMigration({ activationPeriod: 1, duration: 2 });
    await expect.poll(() => old.nodes[0]!.mempoolSize()).toBe(1);
    await old.makeBlocks();
    const { end } = await proposing;
    while (old.height() < end - 1) await old.makeBlocks();
    // Too large for one block together: one of them has to wait for a block that never comes.
    const first = putTx(K2, 'c-old', 1, 'a', 'x'.repeat(3_500_000));
    const second = putTx(K2, 'c-old', 2, 'b', 'x'.repeat(3_500_000));
    for (const tx of [first, second])
      expect((await broadcast(url, tx)).json).toMatchObject({ result: { tx_hash: tx.hash } });
    await old.makeBlocks();
    expect(await result(url, 'user.tx_query', { tx_hash: first.hash })).toMatchObject({ height: end });
    expect((await rpc(url, 'user.tx_query', { tx_hash: second.hash })).json).toMatchObject({ error: { code: -202 } });
    expect(await result(url, 'chain.unconfirmed_txs')).toEqual({ total: 0, txs: [] });
  });

  it('needs two thirds of three validators', async () => {
    await begin({ nodes: 3 });
    await old.nodes[2]!.kill();
    const { id } = await old.proposeMigration({ activationPeriod: 2, duration: 5 });
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const approvals = old
      .blocks()
      .flatMap(block => block.txs.filter(tx => tx.type === 'approve_resolution' && tx.code === 0));
    expect(approvals).toHaveLength(1);
  });
});
