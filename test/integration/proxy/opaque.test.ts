import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { createOpaque } from '../../../src/proxy/opaque.js';
import { COMMITTED, createHarness, until, type Harness } from './harness.js';

/** The new network's only node is an ordinary web server with a web socket. */
let harness: Harness;
let server: Server;
let sockets: WebSocketServer;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const seen: { url: string; method: string; headers: IncomingMessage['headers']; body: string }[] = [];

beforeEach(async () => {
  seen.length = 0;
  answer = (_request, response) => void response.end('hello');
  server = createServer((request, response) => {
    let body = '';
    request.on('data', chunk => (body += String(chunk)));
    request.on('end', () => {
      if (request.url === '/rpc/v1')
        return void response.end('{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}');
      seen.push({ url: request.url!, method: request.method!, headers: request.headers, body });
      answer(request, response);
    });
  });
  sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    seen.push({ url: request.url!, method: 'WS', headers: request.headers, body: '' });
    socket.on('message', data => socket.send(`echo ${(data as Buffer).toString()}`));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  harness = await createHarness({
    oldCount: 1,
    proxy: {
      opaque: [
        { path: '/auth', network: 'new' },
        { path: '/live', network: 'affine' },
      ],
      limits: { requestsPerSecond: 0.001, requestsBurst: 40, readMs: 800, bodyBytesMax: 5000 },
    },
  });
  harness.nodes.setNetwork('new', {
    chainId: 'kwil-new',
    nodes: [{ name: 'web', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }],
  });
});
afterEach(async () => {
  await harness.close();
  for (const client of sockets.clients) client.terminate();
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
});

test('what stands below a configured path goes to its network and back; headers of the connection and claims do not', async () => {
  answer = (_request, response) => {
    response.writeHead(201, {
      'set-cookie': ['kgw=1; HttpOnly', 'b=2'],
      'access-control-allow-origin': '*',
      server: 'kgw/1.2',
      'x-own': 'kept',
    });
    response.end('made');
  };
  const response = await fetch(`${harness.url}/auth/sign-in?next=%2Fhome&x=1`, {
    method: 'POST',
    body: 'user=a',
    headers: {
      origin: 'https://app.example',
      cookie: 'kgw=0',
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-host': 'evil',
      'proxy-authorization': 'secret',
      'x-switchyard-session': 'token',
    },
  });
  expect(response.status).toBe(201);
  expect(await response.text()).toBe('made');
  expect(response.headers.getSetCookie()).toEqual(['kgw=1; HttpOnly', 'b=2']);
  expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example');
  expect(response.headers.get('x-own')).toBe('kept');
  expect(response.headers.get('server')).toBeNull();
  const [request] = seen;
  expect(request).toMatchObject({ url: '/auth/sign-in?next=%2Fhome&x=1', method: 'POST', body: 'user=a' });
  expect(request!.headers).toMatchObject({ cookie: 'kgw=0', 'x-forwarded-for': '127.0.0.1' });
  for (const name of ['x-forwarded-host', 'proxy-authorization', 'x-switchyard-session'])
    expect(request!.headers[name]).toBeUndefined();
});

test('nothing that could be read as another path, and nothing of ours, is passed on', async () => {
  const opaque = createOpaque(
    { paths: [{ path: '/auth', network: 'new' }], readMs: 1, bodyBytesMax: 1 },
    {} as Parameters<typeof createOpaque>[1],
  );
  for (const url of ['/auth', '/auth/', '/auth/a.b/c-d', '/auth?a=b&c=%20', '/auth/..a'])
    expect(opaque.match(url), url).not.toBeNull();
  for (const url of [
    '/',
    '/authx',
    '/auth/../rpc/v1',
    '/auth/..',
    '/auth/./x',
    '/auth//x',
    '/auth/%2e%2e/rpc/v1',
    '/auth%2fx',
    '/auth\\x',
    '/auth/x\0',
    '/auth;x',
    '/auth#x',
    '/auth?a#b',
    '/Auth',
    'http://node/auth',
    '/rpc/v1',
    '//auth',
    '*',
  ])
    expect(opaque.match(url), url).toBeNull();
  expect((await fetch(`${harness.url}/other`)).status).toBe(404);
  expect(seen).toEqual([]);
  await Promise.resolve();
});

test('an answer that breaks off ends the connection, silence and refusal are told, large bodies stop', async () => {
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  };
  const cut = await fetch(`${harness.url}/auth`);
  await expect(cut.text()).rejects.toThrow();
  answer = () => undefined;
  expect((await fetch(`${harness.url}/auth`)).status).toBe(502);
  const before = seen.length;
  expect((await fetch(`${harness.url}/auth`, { method: 'POST', body: 'x'.repeat(6000) })).status).toBe(413);
  expect((await fetch(`${harness.url}/auth`, { method: 'OPTIONS' })).status).toBe(200);
  expect(seen.length).toBe(before);
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
  expect((await fetch(`${harness.url}/auth`)).status).toBe(502);
});

test('the rate of a client counts here, too', async () => {
  const states: number[] = [];
  for (let i = 0; i < 41; i++) states.push((await fetch(`${harness.url}/auth`)).status);
  expect(states.slice(0, 40).every(status => status === 200)).toBe(true);
  expect(states[40]).toBe(429);
  expect(seen).toHaveLength(40);
});

test('a web socket is passed on, and let go when its path belongs to the other network', async () => {
  harness.intent(COMMITTED);
  const client = new WebSocket(`${harness.url.replace('http', 'ws')}/live/feed`, {
    headers: { 'x-real-ip': '1.1.1.1' },
  });
  const texts: string[] = [];
  client.on('message', data => texts.push((data as Buffer).toString()));
  client.on('error', () => undefined);
  await new Promise(resolve => client.once('open', resolve));
  client.send('a');
  await until(() => texts.length === 1);
  expect(texts).toEqual(['echo a']);
  expect(seen.at(-1)).toMatchObject({ url: '/live/feed', method: 'WS' });
  expect(seen.at(-1)!.headers['x-real-ip']).toBeUndefined();
  let closed = false;
  client.once('close', () => (closed = true));
  harness.intent({ epoch: 6, affine: 'old' });
  await until(() => closed);
  await until(() => sockets.clients.size === 0);
});

test('another protocol than web socket is not upgraded to', async () => {
  const { connect } = await import('node:net');
  const socket: Socket = connect(Number(new URL(harness.url).port), '127.0.0.1');
  let got = '';
  socket.on('data', chunk => (got += chunk.toString()));
  socket.write('GET /auth HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  await until(() => got.includes('\r\n\r\n'));
  expect(got).toMatch(/^HTTP\/1\.1 400/);
  socket.destroy();
  expect(seen).toEqual([]);
});
