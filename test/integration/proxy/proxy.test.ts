import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { broadcastBody, COMMITTED, createHarness, makeTx, until, type Harness } from './harness.js';

let harness: Harness | null = null;
const open = async (...args: Parameters<typeof createHarness>): Promise<Harness> =>
  (harness = await createHarness(...args));

afterEach(async () => {
  await harness?.close();
  harness = null;
});

test('reads and write-affine calls come from the old network before the commit and from the new one after it', async () => {
  const { rpc, intent, watermark } = await open();
  const before = await rpc('user.query', { query: 'SELECT 1' });
  expect(before.json.result?.['network']).toBe('kwil-old');
  expect(before.headers.get('x-switchyard-network')).toBe('old');
  expect(before.headers.get('x-switchyard-epoch')).toBe('1');
  expect(before.headers.get('x-switchyard-request')).toBeTruthy();
  watermark({ applied: 12, perNode: { 'new/new-1': 12 }, lagBlocks: 0 });
  intent(COMMITTED);
  const after = await rpc('user.query', { query: 'SELECT 1' });
  expect(after.json.result?.['network']).toBe('kwil-new');
  const account = await rpc('user.account', { id: {} });
  expect(account.json.result?.['network']).toBe('kwil-new');
});

test('params arrive byte for byte and the id comes back byte for byte', async () => {
  const { post, oldNodes } = await open({ oldCount: 1 });
  const params = '{ "query" : "SELECT \\u0031\\ud800", "n":12345678901234567890,  "x":[1.10, 1e5] }';
  for (const id of ['0', '""', 'null', '9223372036854775808', '1.50', '"a\\u0062"', '{"x":[1]}', 'true']) {
    const { text } = await post(`{"jsonrpc":"2.0","id":${id},"method":"user.query","params":${params}}`);
    expect(text.startsWith(`{"jsonrpc":"2.0","id":${id},"result":`)).toBe(true);
  }
  const seen = oldNodes[0]!.calls.filter(call => call.method === 'user.query');
  expect(seen).toHaveLength(8);
  for (const call of seen) expect(call.body).toContain(`"params":${params}}`);
});

test('a write is recorded, delivered once to the network it names, and followed into its block', async () => {
  const { post, old, ledger, probe } = await open();
  const tx = makeTx(1);
  const { json } = await post(broadcastBody(tx));
  expect(json.result).toEqual({ tx_hash: tx.hash });
  expect(old.deliveries.get(tx.hash)).toBe(1);
  expect(ledger.get(tx.hash)?.state).toBe('accepted');
  old.mine();
  await probe();
  await until(() => ledger.get(tx.hash)?.state === 'mined');
  expect(ledger.get(tx.hash)).toMatchObject({ height: 11, code: 0, network: 'old' });
  expect(ledger.counts()).toEqual({ old: 0, new: 0 });
});

test('chain ids: empty, foreign, not open yet and switched are refused in the node shape', async () => {
  const { post, intent, old, fresh } = await open();
  const reasonOf = async (chainId: string): Promise<unknown> => {
    const { json, status } = await post(broadcastBody(makeTx(1, { chainId })));
    expect(status).toBe(200);
    expect(json.error?.code).toBe(-201);
    expect(json.error?.data).toMatchObject({ code: 5, executed: 'no' });
    return json.error?.data?.['reason'];
  };
  expect(await reasonOf('')).toBe('chain_id_required');
  expect(await reasonOf('else')).toBe('chain_unknown');
  expect(await reasonOf('kwil-new')).toBe('chain_not_open');
  intent(COMMITTED);
  expect(await reasonOf('kwil-old')).toBe('chain_switched');
  const ok = await post(broadcastBody(makeTx(1, { chainId: 'kwil-new' })));
  expect(ok.json.result?.['tx_hash']).toBeTruthy();
  expect(old.deliveries.size).toBe(0);
  expect(fresh.deliveries.size).toBe(1);
});

test('held writes are released by the abort to the old network, in order per account', async () => {
  const { post, intent, old, oldNodes, proxy } = await open();
  intent({ epoch: 2, phase: 'holding', writes: { kind: 'hold', network: 'old' } });
  const txs = [1, 2, 3, 4, 5].map(nonce => makeTx(nonce));
  const answers = [];
  for (const tx of txs) {
    answers.push(post(broadcastBody(tx)));
    await until(() => proxy.held().count === answers.length);
  }
  expect(old.deliveries.size).toBe(0);
  intent({ epoch: 3, phase: 'ready', writes: { kind: 'send', network: 'old' } });
  const results = await Promise.all(answers);
  expect(results.map(({ json }) => json.result?.['tx_hash'])).toEqual(txs.map(tx => tx.hash));
  const order = oldNodes
    .flatMap(node => node.calls.filter(call => call.method === 'user.broadcast'))
    .map(call => (call.params as { tx: { body: { nonce: number } } }).tx.body.nonce);
  expect(order).toEqual([1, 2, 3, 4, 5]);
  expect(proxy.held()).toEqual({ count: 0, bytes: 0 });
});

test('held writes get chain_switched when the switch commits, and hold_expired when it takes too long', async () => {
  const { post, intent, old, proxy } = await open();
  intent({ epoch: 2, phase: 'holding', writes: { kind: 'hold', network: 'old' } });
  const late = await post(broadcastBody(makeTx(1)));
  expect(late.json.error).toMatchObject({ code: -32043, data: { reason: 'hold_expired', executed: 'no' } });
  const held = post(broadcastBody(makeTx(2)));
  await until(() => proxy.held().count === 1);
  intent(COMMITTED);
  expect((await held).json.error?.data).toMatchObject({
    reason: 'chain_switched',
    executed: 'no',
    chainId: 'kwil-new',
    code: 5,
  });
  expect(old.deliveries.size).toBe(0);
});

test('tx_query is answered by the network that has the transaction, from either side, and survives the old network', async () => {
  const { rpc, post, intent, old, oldNodes } = await open({ oldCount: 1 });
  const tx = makeTx(1);
  await post(broadcastBody(tx));
  old.mine();
  intent(COMMITTED);
  expect((await rpc('user.tx_query', { tx_hash: tx.hash })).json.result?.['height']).toBe(11);
  const unknown = await rpc('user.tx_query', { tx_hash: 'ab'.repeat(32) });
  expect(unknown.json.error?.code).toBe(-202);
  await oldNodes[0]!.close();
  const again = await rpc('user.tx_query', { tx_hash: tx.hash });
  expect(again.json.result?.['height']).toBe(11);
  expect(again.headers.get('x-switchyard-network')).toBe('old');
});

test('the final answer about a transaction outlives the network it came from and a restart of the gateway', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-answers-'));
  const { rpc, post, old } = await open({ oldCount: 1, folder });
  const tx = makeTx(1);
  await post(broadcastBody(tx));
  expect((await rpc('user.tx_query', { tx_hash: tx.hash })).json.result?.['height']).toBe(-1);
  old.mine();
  const first = await rpc('user.tx_query', { tx_hash: tx.hash });
  expect(first.json.result?.['height']).toBe(11);
  await harness?.close();
  // A network that never heard of it.
  const later = await open({ oldCount: 1, folder });
  const again = await later.rpc('user.tx_query', { tx_hash: tx.hash });
  expect(again.json.result).toEqual(first.json.result);
  expect(again.headers.get('x-switchyard-network')).toBe('old');
  await later.close();
  harness = null;
  await rm(folder, { recursive: true, force: true });
});

test('methods that are not known, and admin methods, are refused and never reach a node', async () => {
  const { rpc, oldNodes, newNodes } = await open();
  for (const method of ['admin.status', 'user.nope', 'kgw.authn']) {
    const { json } = await rpc(method);
    expect(json.error).toMatchObject({ code: -32041, data: { reason: 'method_denied', executed: 'no' } });
  }
  const seen = [...oldNodes, ...newNodes].flatMap(node => node.calls.map(call => call.method));
  expect(seen).not.toContain('admin.status');
});

test('a challenge ties its call to the node that issued it; an unknown one is answered -1001', async () => {
  const { rpc, oldNodes } = await open();
  const { json } = await rpc('user.challenge');
  const challenge = String(json.result?.['challenge']);
  const b64 = Buffer.from(challenge, 'hex').toString('base64');
  const issuer = oldNodes.find(node => node.calls.some(call => call.method === 'user.challenge'))!;
  const call = await rpc('user.call', {
    body: { payload: '', challenge: b64 },
    auth_type: 'secp256k1_ep',
    sender: '',
    signature: '',
  });
  expect(call.json.result?.['node']).toBe(issuer.name);
  expect((await rpc('user.call', { body: { payload: '', challenge: b64 } })).json.error?.code).toBe(-1001);
});

test('a node that is being taken out still gets the calls with its own challenges, and nothing else', async () => {
  const { rpc, oldNodes, nodes, proxy } = await open();
  const { json } = await rpc('user.challenge');
  const b64 = Buffer.from(String(json.result?.['challenge']), 'hex').toString('base64');
  const issuer = oldNodes.find(node => node.calls.some(call => call.method === 'user.challenge'))!;
  const ref = { network: 'old', name: issuer.name } as const;
  expect(proxy.challenges(ref)).toBe(1);
  nodes.drain(ref);
  const call = { body: { payload: '', challenge: b64 }, auth_type: 'secp256k1_ep', sender: '', signature: '' };
  expect((await rpc('user.call', call)).json.result?.['node']).toBe(issuer.name);
  expect(proxy.challenges(ref)).toBe(0);
  expect((await rpc('user.account', {})).json.result?.['node']).not.toBe(issuer.name);
});

test('a batch is answered in order with one snapshot, notifications are run and not answered', async () => {
  const { post, old } = await open();
  const tx = makeTx(1);
  const items = [
    '{"jsonrpc":"2.0","id":"a","method":"user.ping","params":{}}',
    broadcastBody(tx, { id: '7' }),
    '{"jsonrpc":"2.0","method":"user.ping"}',
    '{"jsonrpc":"2.0","id":3,"method":"admin.status"}',
    '[]',
  ];
  const { json, status } = await post(`[${items.join(',')}]`);
  expect(status).toBe(200);
  const answers = json as unknown as { id: unknown; error?: { code: number } }[];
  expect(answers.map(answer => answer.id)).toEqual(['a', 7, 3, -1]);
  expect(answers[2]?.error?.code).toBe(-32041);
  expect(old.deliveries.get(tx.hash)).toBe(1);
  expect((await post('[]')).json.error?.data?.['reason']).toBe('bad_envelope');
});

test('requests a node could read differently are refused before they are sent', async () => {
  const { post, oldNodes } = await open();
  const tx = makeTx(1, { chainId: 'kwil-old' });
  const bodies = [
    '{"jsonrpc":"2.0","id":1,"method":"user.ping","Method":"admin.status"}',
    '{"jsonrpc":"2.0","id":1,"method":"user.ping","method":"user.broadcast"}',
    `{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{"tx":${tx.json},"TX":{}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{"tx":${tx.json.replace('"chain_id"', '"chain_id":"kwil-new","chain_id"')}}}`,
  ];
  const before = oldNodes.flatMap(node => node.calls).length;
  for (const body of bodies)
    expect((await post(body)).json.error?.data).toMatchObject({ reason: 'bad_envelope', executed: 'no' });
  expect(oldNodes.flatMap(node => node.calls).length).toBe(before);
});

test('the public paths are exact, CORS echoes the origin, and the migration value is there', async () => {
  const { url } = await open();
  const migration = await fetch(`${url}/migration/v1`, { headers: { origin: 'http://app.example' } });
  expect(await migration.json()).toMatchObject({
    phase: 'standby',
    writeNetwork: 'old',
    chainId: 'kwil-old',
    epoch: 1,
  });
  expect(migration.headers.get('access-control-allow-origin')).toBe('http://app.example');
  expect(migration.headers.get('access-control-allow-credentials')).toBe('true');
  expect((await fetch(`${url}/rpc/v1/`, { method: 'POST', body: '{}' })).status).toBe(404);
  expect((await fetch(`${url}/rpc/v1?x=1`, { method: 'POST', body: '{}' })).status).toBe(404);
  expect((await fetch(`${url}/rpc/v1`)).status).toBe(405);
  expect((await fetch(`${url}/rpc/v1`, { method: 'OPTIONS' })).status).toBe(200);
  expect((await fetch(`${url}/api/v1/health`)).status).toBe(200);
});
