import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkHandle, NodeHandle } from '../../../src/devnet/index.js';
import { broadcast, fakeDevnet, K2, post, putTx, QUICK, result, rpc } from './support.js';

interface Health {
  readonly chain_id: string;
  readonly height: number;
  readonly block_hash: string;
  readonly syncing: boolean;
  readonly healthy: boolean;
}

describe('faults on request', () => {
  let devnet: ReturnType<typeof fakeDevnet>;
  let network: NetworkHandle;
  let node: NodeHandle;
  beforeEach(async () => {
    devnet = fakeDevnet();
    network = devnet.createNetwork({ name: 'old', chainId: 'c1', nodes: 3, ...QUICK });
    await devnet.start();
    node = network.nodes[1]!;
    await network.waitForHeight(2);
  });
  afterEach(() => devnet.stop());

  const ping = () => rpc(node.url, 'user.ping');

  it('refuses connections and takes them again', async () => {
    node.fault({ kind: 'refuse' });
    await expect
      .poll(() =>
        ping().then(
          () => 'answered',
          () => 'refused',
        ),
      )
      .toBe('refused');
    node.clearFaults('refuse');
    await expect
      .poll(() =>
        ping().then(
          () => 'answered',
          () => 'refused',
        ),
      )
      .toBe('answered');
  });

  it('hangs, cuts and resets as often as asked', async () => {
    node.fault({ kind: 'hang', method: 'user.ping', times: 1 });
    const hanging = fetch(`${node.url}/rpc/v1`, {
      method: 'POST',
      body: '{"jsonrpc":"2.0","id":1,"method":"user.ping"}',
      signal: AbortSignal.timeout(150),
    });
    await expect(hanging).rejects.toThrow(/timeout/);
    node.fault({ kind: 'cut', times: 1 });
    await expect(ping()).rejects.toThrow();
    node.fault({ kind: 'reset', when: 'after-read', times: 1 });
    await expect(ping()).rejects.toThrow();
    node.fault({ kind: 'reset', when: 'before-read', times: 1 });
    await expect(ping()).rejects.toThrow();
    expect((await ping()).status).toBe(200);
    expect(node.faults()).toEqual([]);
  });

  it('carries a write out although its connection is reset', async () => {
    node.fault({ kind: 'reset', when: 'after-handling', method: 'user.broadcast', times: 1 });
    const tx = putTx(K2, 'c1', 1, 'a', '1');
    await expect(broadcast(node.url, tx)).rejects.toThrow();
    await network.waitUntil(
      () => network.blocks().some(block => block.txs.some(one => one.hash === tx.hash)),
      'the write',
    );
  });

  it('answers 500 without a body, and the time-out text with 503', async () => {
    node.fault({ kind: 'empty-500', times: 1 });
    const empty = await ping();
    expect([empty.status, empty.text, empty.headers.get('connection')]).toEqual([500, '', 'close']);
    node.fault({ kind: 'timeout-503', times: 1 });
    const late = await ping();
    expect(late.status).toBe(503);
    expect(late.text).toBe('{"jsonrpc":"2.0","id":-1,"error":{"code":-32001,"message":"RPC timeout"}}');
    expect(late.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });

  it('sends slowly', async () => {
    node.fault({ kind: 'slow', bytesPerSecond: 400, times: 1 });
    const response = await fetch(`${node.url}/rpc/v1`, {
      method: 'POST',
      body: '{"jsonrpc":"2.0","id":1,"method":"user.ping"}',
    });
    const pieces: number[] = [];
    for await (const piece of response.body!) pieces.push((piece as Uint8Array).length);
    expect(pieces.length).toBeGreaterThan(1);
  });

  it('lags behind: neither blocks nor health go on', async () => {
    node.fault({ kind: 'lag', blocks: 1000 });
    await network.waitUntil(() => network.height() >= node.height() + 4, 'blocks of the others');
    const { height: shown } = await result<Health>(node.url, 'user.health');
    await network.waitUntil(() => network.height() >= shown + 4, 'four more blocks');
    expect((await rpc(node.url, 'chain.block', { height: shown + 2 })).json).toMatchObject({ error: { code: -204 } });
    node.clearFaults();
    await network.waitForHeight(shown + 4);
  });

  it('follows a number of blocks behind', async () => {
    node.fault({ kind: 'lag', blocks: 3 });
    const height = network.height();
    await network.waitUntil(() => node.height() >= height + 2, 'blocks on the late node');
    expect(network.height()).toBeGreaterThanOrEqual(node.height() + 3);
  });

  it('says another chain id', async () => {
    node.fault({ kind: 'chain-id', chainId: 'other' });
    expect((await result<Health>(node.url, 'user.health')).chain_id).toBe('other');
    expect(await result(node.url, 'user.chain_info')).toMatchObject({ chain_id: 'other' });
  });

  it('goes on with other block hashes when forked', async () => {
    node.fault({ kind: 'fork', fromHeight: 2 });
    const hashOf = async (url: string, height: number) =>
      (await result<{ hash: string }>(url, 'chain.block', { height })).hash;
    expect(await hashOf(node.url, 1)).toBe(await hashOf(network.urls[0]!, 1));
    const other = await hashOf(node.url, 2);
    expect(other).not.toBe(await hashOf(network.urls[0]!, 2));
    expect(await hashOf(node.url, 2)).toBe(other);
    expect(await result<{ hash: string }>(node.url, 'chain.block', { hash: other })).toMatchObject({ hash: other });
  });

  it('ends a follower whose state differs, and every node of a network whose leader differs stands still', async () => {
    node.fault({ kind: 'diverge' });
    await network.waitUntil(() => node.mode() === 'down', 'the end of the follower');
    expect(node.lastWords()).toBe('Incorrect AppHash, halting the node');
    const height = network.height();
    await network.waitUntil(() => network.height() > height + 1, 'blocks of the others');
    await node.restart();
    await network.waitUntil(() => node.mode() === 'down', 'the second end');
    node.clearFaults();
    await node.restart();
    await network.waitForHeight(network.height());
    network.nodes[0]!.fault({ kind: 'diverge' });
    await network.waitUntil(() => network.nodes[0]!.mode() === 'down', 'the end of the leader');
    expect(network.nodes[0]!.lastWords()).toContain('at least half the validators have rejected the block');
  });

  it('ends sync broadcasts with code 10, keeps the transaction, and refuses with a full mempool', async () => {
    node.fault({ kind: 'code-10', times: 1 });
    const tx = putTx(K2, 'c1', 1, 'a', '1');
    expect((await broadcast(node.url, tx, 1)).json).toMatchObject({
      error: {
        code: -201,
        data: { code: 10, hash: tx.hash, message: 'timed out waiting for tx to be included in a block' },
      },
    });
    await network.waitUntil(() => network.blocks().some(block => block.txs.length > 0), 'the block');
    node.fault({ kind: 'mempool-full', times: 1 });
    expect((await broadcast(node.url, putTx(K2, 'c1', 2, 'a', '2'))).json).toMatchObject({
      error: { data: { code: 11, message: 'mempool is full' } },
    });
  });

  it('is catching up: reads go on, broadcasts are refused', async () => {
    node.fault({ kind: 'catching-up' });
    expect(await result<Health>(node.url, 'user.health')).toMatchObject({ syncing: true, healthy: false });
    expect((await fetch(`${node.url}/api/v1/health`)).status).toBe(503);
    expect((await broadcast(node.url, putTx(K2, 'c1', 1, 'a', '1'))).json).toMatchObject({
      error: { data: { code: 65535, message: 'node is catching up, cannot process transactions right now' } },
    });
    expect((await rpc(node.url, 'user.num_accounts')).status).toBe(200);
  });

  it('pauses: connections open, nothing is answered until it goes on', async () => {
    node.pause();
    const waiting = ping();
    const socket = connect(Number(new URL(node.url).port), '127.0.0.1');
    await new Promise(resolve => socket.once('connect', resolve));
    socket.destroy();
    expect(
      await Promise.race([waiting.then(() => 'answered'), new Promise(r => setTimeout(() => r('silent'), 150))]),
    ).toBe('silent');
    node.resume();
    expect((await waiting).status).toBe(200);
  });

  it('leaves the leader dead after a broadcast without a body, and healthy after a restart', async () => {
    const leader = network.nodes[0]!;
    const { json } = putTx(K2, 'c1', 1, 'a', '1');
    const killer = { ...json, body: undefined };
    const answer = await post(
      leader.url,
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'user.broadcast', params: { tx: killer } }),
    );
    expect([answer.status, answer.text]).toEqual([500, '']);
    await network.waitUntil(() => leader.mode() === 'down', 'the end of the leader');
    expect(leader.lastWords()).toContain('nil pointer dereference');
    const height = network.height();
    await leader.restart();
    await network.waitForHeight(height + 2);
  });

  it('is steered over the control port', async () => {
    await devnet.stop();
    devnet = fakeDevnet({ controlPort: 0 });
    network = devnet.createNetwork({ name: 'old', chainId: 'c1', nodes: 2, ...QUICK });
    await devnet.start();
    const base = `${devnet.controlUrl()!}/networks/old/nodes/1`;
    const send = async (path: string, method: string, body?: unknown) =>
      (await fetch(`${base}${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).json();
    expect(await send('/faults', 'POST', { kind: 'chain-id', chainId: 'x' })).toEqual({ id: 1 });
    expect((await result<Health>(network.urls[1]!, 'user.health')).chain_id).toBe('x');
    expect(await send('/faults', 'GET')).toEqual({ faults: [{ id: 1, kind: 'chain-id', chainId: 'x' }] });
    await send('/faults', 'DELETE');
    expect((await result<Health>(network.urls[1]!, 'user.health')).chain_id).toBe('c1');
    expect(await send('/kill', 'POST')).toMatchObject({ mode: 'down' });
    expect(await send('/restart', 'POST')).toMatchObject({ name: 'old-2' });
    expect(await send('/faults', 'POST', { kind: 'nope' })).toMatchObject({
      error: expect.stringContaining('kind must be one of') as string,
    });
  });
});
