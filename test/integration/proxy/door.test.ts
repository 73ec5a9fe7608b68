import { cp, mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import WebSocket from 'ws';
import { createHarness, type Harness, type HarnessOptions } from './harness.js';

const CERTIFICATES = resolve(import.meta.dirname, 'certificates');
let harness: Harness;
let folder: string | null = null;
afterEach(async () => {
  await harness.close();
  if (folder !== null) await rm(folder, { recursive: true, force: true });
  folder = null;
});

const open = async (proxy: HarnessOptions['proxy']): Promise<Harness> => {
  harness = await createHarness({ oldCount: 1, ...(proxy === undefined ? {} : { proxy }) });
  return harness;
};
const rejected = async (reason: string): Promise<number> => {
  const { values } = await harness.metrics.rejections.get();
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0;
};

test('a client over its rate is told so, its batch item by item; no node sees what was too much', async () => {
  const { post, oldNodes } = await open({ limits: { requestsPerSecond: 0.001, requestsBurst: 3 } });
  const ping = '{"jsonrpc":"2.0","id":1,"method":"user.ping","params":{}}';
  const { json } = await post(`[${Array.from({ length: 5 }, () => ping).join(',')}]`);
  const answers = json as unknown as { result?: unknown; error?: { code: number; data: Record<string, unknown> } }[];
  expect(answers.filter(({ result }) => result !== undefined)).toHaveLength(3);
  const [first] = answers.flatMap(({ error }) => error ?? []);
  expect(first).toMatchObject({ code: -32046, data: { reason: 'rate_limited', executed: 'no' } });
  expect(first?.data['retryAfterMs']).toBeGreaterThan(0);
  expect(oldNodes[0]!.calls.filter(({ method }) => method === 'user.ping')).toHaveLength(3);
  expect(await rejected('rate_limited')).toBe(2);
});

test('behind a trusted proxy every user has a rate of their own', async () => {
  const { rpc } = await open({
    trustedProxies: ['127.0.0.1'],
    limits: { challengesPerSecond: 0.001, challengesBurst: 1 },
  });
  const ask = async (client: string): Promise<number | undefined> =>
    (await rpc('user.challenge', {}, { 'x-forwarded-for': client })).json.error?.code;
  expect(await ask('203.0.113.1')).toBeUndefined();
  expect(await ask('203.0.113.1')).toBe(-32046);
  expect(await ask('203.0.113.2')).toBeUndefined();
  expect(await ask('evil, 203.0.113.2')).toBe(-32046);
});

test('requests that only end a handler are refused in the node’s code, or counted, by rule', async () => {
  const { rpc, oldNodes } = await open({});
  const type = (name: string) => ({ name, is_array: false, metadata: [0, 0] });
  const query = (value: unknown) => ({ query: 'SELECT $a::int8', params: { $a: value } });
  const refused: [string, unknown][] = [
    ['user.query', query(null)],
    ['user.query', query({ type: type('int8'), data: [''] })],
    ['user.query', query({ type: type('bool'), data: ['AQ=='] })],
    ['user.query', { query: 'x', PARAMS: { $a: null } }],
    ['user.call', {}],
    ['user.authenticated_query', {}],
    ['user.authenticated_query', { body: { Parameters: [{ Name: 'a', Value: { type: type('text'), data: [''] } }] } }],
    ['user.estimate_price', {}],
    ['user.estimate_price', { tx: { sender: '00' } }],
    ['function.verify_sig', { sender: '00', msg: 'aGk=' }],
  ];
  for (const [method, params] of refused) {
    const { json } = await rpc(method, params);
    expect(json.error, JSON.stringify([method, params])).toMatchObject({
      code: -32602,
      data: { reason: 'shielded', executed: 'no' },
    });
  }
  const before = oldNodes[0]!.calls.length;
  const honest: [string, unknown][] = [
    ['user.query', { query: 'SELECT 1' }],
    ['user.query', query({ type: type('int8'), data: ['AQAAAAAAAAAD'] })],
    ['user.query', query({ type: type('null'), data: ['AA=='] })],
    ['user.call', { body: { payload: '' } }],
    ['function.verify_sig', { sender: '00', msg: 'aGk=', signature: { sig: '', type: 'ed25519' } }],
  ];
  for (const [method, params] of honest) expect((await rpc(method, params)).json.error).toBeUndefined();
  expect(oldNodes[0]!.calls.length).toBe(before + honest.length);
  expect(await rejected('shield_null-typed-parameter_warned')).toBe(1);
  expect(await rejected('shield_incomplete-request')).toBe(5);
  const request = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"user.call"}');
  expect(harness.proxy.explain(request).decision).toMatchObject({ kind: 'refuse', reason: 'shielded' });
});

test('with lists, other hosts and origins stay outside, also by web socket', async () => {
  const { url } = await open({ hosts: ['127.0.0.1'], origins: ['https://app.example'] });
  const at = (host: string, origin?: string): Promise<number> =>
    fetch(`http://${host}:${new URL(url).port}/migration/v1`, { headers: origin === undefined ? {} : { origin } }).then(
      ({ status }) => status,
    );
  expect(await at('127.0.0.1')).toBe(200);
  expect(await at('127.0.0.1', 'https://app.example')).toBe(200);
  expect(await at('127.0.0.1', 'https://evil.example')).toBe(403);
  const socket = (origin: string): Promise<string> =>
    new Promise(resolve => {
      const client = new WebSocket(`${url.replace('http', 'ws')}/migration/v1/ws`, { origin });
      client.once('message', data => {
        client.terminate();
        resolve((data as Buffer).toString());
      });
      client.once('error', error => resolve(error.message));
    });
  expect(await socket('https://app.example')).toMatch(/"phase"/);
  expect(await socket('https://evil.example')).toMatch(/403/);
  expect(await rejected('origin_denied')).toBe(1);
});

test('serves TLS 1.2 or later, and exchanges the certificate while running; a bad one changes nothing', async () => {
  folder = await mkdtemp(join(tmpdir(), 'switchyard-tls-'));
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const use = async (name: string): Promise<void> => {
    await cp(join(CERTIFICATES, `${name}.cert.pem`), tls.cert);
    await cp(join(CERTIFICATES, `${name}.key.pem`), tls.key);
  };
  await use('first');
  const { url, proxy } = await open({ tls });
  const get = (options: object = {}): Promise<string> =>
    new Promise((resolve, reject) => {
      request(`${url.replace('http:', 'https:')}/migration/v1`, { rejectUnauthorized: false, agent: false, ...options })
        .once('response', response => {
          const { subject } = (response.socket as TLSSocket).getPeerCertificate();
          response.resume().once('end', () => resolve(`${response.statusCode} ${String(subject.CN)}`));
        })
        .once('error', reject)
        .end();
    });
  expect(await get()).toBe('200 first.example');
  await expect(get({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow();
  await use('second');
  await proxy.reloadTls();
  expect(await get()).toBe('200 second.example');
  await cp(join(CERTIFICATES, 'first.cert.pem'), tls.cert);
  await expect(proxy.reloadTls()).rejects.toMatchObject({ code: 'tls_unusable' });
  expect(await get()).toBe('200 second.example');
});
