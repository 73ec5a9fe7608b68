import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHarness, until, type Harness } from './harness.js';

let harness: Harness;

beforeEach(async () => {
  harness = await createHarness({
    oldCount: 1,
    proxy: { limits: { headerMs: 1500, bodyMs: 2000, bodyBytesMax: 5000 } },
  });
});
afterEach(() => harness.close());

/** Sends raw bytes, gives everything that came back until the connection ended or `quiet` without end. */
function raw(bytes: string | readonly string[], { waitMs = 1000 } = {}): Promise<string> {
  const { hostname, port } = new URL(harness.url);
  return new Promise(resolve => {
    const socket = connect(Number(port), hostname);
    let got = '';
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(got);
    };
    const timer = setTimeout(done, waitMs);
    socket.on('data', chunk => {
      got += chunk.toString('latin1');
      // One whole answer on a connection that stays open is enough.
      if (/\r\n\r\n.*\}$/s.test(got)) setTimeout(done, 50);
    });
    socket.on('close', done);
    socket.on('error', () => undefined);
    socket.write(typeof bytes === 'string' ? bytes : bytes.join(''));
  });
}

const PING = '{"jsonrpc":"2.0","id":1,"method":"user.ping","params":{}}';
const head = (first: string, ...lines: string[]): string => [first, ...lines, '', ''].join('\r\n');
const post = (...lines: string[]): string => head('POST /rpc/v1 HTTP/1.1', 'Host: x', ...lines);
const length = `Content-Length: ${PING.length}`;

const pings = (): number => harness.oldNodes[0]!.calls.filter(call => call.method === 'user.ping').length;
const others = (): string[] =>
  harness.oldNodes[0]!.calls.map(call => call.method).filter(
    method => !['user.health', 'user.migration_status', 'user.version', 'user.ping'].includes(method),
  );

test('an honest request is answered, twice on one connection', async () => {
  const answer = await raw(post(length) + PING);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toMatch(/x-switchyard-network: old/i);
  const twice = await raw([post(length), PING, post(length), PING], { waitMs: 600 });
  expect(twice.match(/HTTP\/1\.1 200 OK/g)?.length).toBeGreaterThanOrEqual(1);
});

test.each<[string, string]>([
  ['content-length and chunked', post(length, 'Transfer-Encoding: chunked') + `0\r\n\r\n`],
  ['two content-lengths', post(length, 'Content-Length: 5') + PING],
  ['a content-length that is no number', post('Content-Length: +57') + PING],
  ['a transfer-encoding that is not chunked', post('Transfer-Encoding: gzip, identity') + PING],
  ['bad chunk framing', post('Transfer-Encoding: chunked') + `zz\r\n${PING}\r\n0\r\n\r\n`],
  ['line feeds alone', `POST /rpc/v1 HTTP/1.1\nHost: x\n${length}\n\n${PING}`],
  ['a folded header', `POST /rpc/v1 HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n${length}\r\n\r\n${PING}`],
  ['a space before the colon', `POST /rpc/v1 HTTP/1.1\r\nHost : x\r\n${length}\r\n\r\n${PING}`],
  ['a host given twice', `POST /rpc/v1 HTTP/1.1\r\nHost: x\r\nHost: y\r\n${length}\r\n\r\n${PING}`],
  ['no host', `POST /rpc/v1 HTTP/1.1\r\n${length}\r\n\r\n${PING}`],
  ['CONNECT', head('CONNECT node:8484 HTTP/1.1', 'Host: node:8484')],
  ['TRACE', head('TRACE /rpc/v1 HTTP/1.1', 'Host: x')],
  ['absolute form', head('POST http://node:8484/rpc/v1 HTTP/1.1', 'Host: x', length) + PING],
  ['a path that climbs', head('POST /rpc/v1/../admin HTTP/1.1', 'Host: x', length) + PING],
  ['an encoded path', head('POST /rpc%2fv1 HTTP/1.1', 'Host: x', length) + PING],
  ['a double slash', head('POST //rpc/v1 HTTP/1.1', 'Host: x', length) + PING],
  ['a path parameter', head('POST /rpc/v1;a=b HTTP/1.1', 'Host: x', length) + PING],
  ['a backslash', head('POST \\rpc\\v1 HTTP/1.1', 'Host: x', length) + PING],
  ['a NUL in the path', head('POST /rpc/v1\0 HTTP/1.1', 'Host: x', length) + PING],
  ['an upgrade to another protocol', post(length, 'Connection: Upgrade', 'Upgrade: h2c', 'HTTP2-Settings: AAA') + PING],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a header bomb', post(length, `X-A: ${'b'.repeat(40_000)}`) + PING],
  ['thousands of headers', post(length, ...Array.from({ length: 3000 }, (_, i) => `X-${i}: bbbbbbbb`)) + PING],
])('%s does not reach a node', async (_name, bytes) => {
  const answer = await raw(bytes);
  expect(answer).not.toMatch(/HTTP\/1\.1 200/);
  expect(pings()).toBe(0);
  expect(others()).toEqual([]);
});

test('a slow header and a slow body end; others are answered meanwhile', async () => {
  const slowHead = raw('POST /rpc/v1 HTTP/1.1\r\nHost: x\r\nX-', { waitMs: 8000 });
  const slowBody = raw(post('Content-Length: 500') + '{"jsonrpc"', { waitMs: 8000 });
  expect(await raw(post(length) + PING)).toMatch(/200 OK/);
  for (const answer of await Promise.all([slowHead, slowBody])) expect(answer).not.toMatch(/200 OK/);
  expect(pings()).toBe(1);
});

test('a body past the limit is refused with a reason, declared or not', async () => {
  const big = 'x'.repeat(6000);
  expect(await raw(post(`Content-Length: ${big.length}`) + big)).toMatch(/"reason":"too_large"/);
  expect(await raw(post('Transfer-Encoding: chunked') + `1770\r\n${big}\r\n0\r\n\r\n`)).toMatch(/"reason":"too_large"/);
  expect(others()).toEqual([]);
});

test('the node sees our own headers and path, none of the client', async () => {
  const seen: string[] = [];
  const { createServer } = await import('node:net');
  const spy = createServer(socket =>
    socket.on('data', chunk => seen.push(chunk.toString('latin1'))).on('error', () => undefined),
  );
  await new Promise<void>(resolve => spy.listen(0, '127.0.0.1', resolve));
  harness.nodes.setNetwork('new', {
    chainId: 'kwil-new',
    nodes: [{ name: 'spy', url: `http://127.0.0.1:${(spy.address() as { port: number }).port}` }],
  });
  await until(() => seen.some(text => text.includes('user.health')));
  expect(seen[0]).toMatch(/^POST \/rpc\/v1 HTTP\/1\.1\r\n/);
  const names = seen[0]!
    .split('\r\n\r\n')[0]!
    .split('\r\n')
    .slice(1)
    .map(line => line.split(':')[0]!.toLowerCase());
  expect(names.sort()).toEqual(['accept', 'connection', 'content-length', 'content-type', 'host', 'user-agent']);
  spy.close();
});

test('events and web socket give the migration value, and each change once', async () => {
  const { default: WebSocket } = await import('ws');
  const messages: { epoch: number }[] = [];
  const socket = new WebSocket(`${harness.url.replace('http', 'ws')}/migration/v1/ws`);
  socket.on('message', data => messages.push(JSON.parse((data as Buffer).toString()) as { epoch: number }));
  const events = await fetch(`${harness.url}/migration/v1/events`);
  const reader = events.body!.getReader();
  const next = async (): Promise<string> => Buffer.from((await reader.read()).value as Uint8Array).toString();
  expect(events.headers.get('content-type')).toBe('text/event-stream');
  expect(await next()).toMatch(/^data: \{"phase":"standby".*\}\n\n$/);
  await until(() => messages.length === 1);
  harness.intent({ epoch: 2, phase: 'holding', writes: { kind: 'hold', network: 'old' } });
  harness.intent({ epoch: 2 });
  expect(await next()).toMatch(/"epoch":2/);
  await until(() => messages.length === 2);
  expect(messages.map(({ epoch }) => epoch)).toEqual([1, 2]);
  socket.terminate();
  await reader.cancel();
});

test('closing answers what is under way and takes nothing new', async () => {
  harness.oldNodes[0]!.answers.set('user.query', () => ({ result: '{}', delayMs: 300 }));
  const under = harness.rpc('user.query');
  await until(() => harness.oldNodes[0]!.calls.some(call => call.method === 'user.query'));
  const closed = harness.proxy.close();
  expect((await under).json.result).toEqual({});
  await closed;
  await expect(fetch(`${harness.url}/migration/v1`)).rejects.toThrow();
});
