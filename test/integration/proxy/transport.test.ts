import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHarness, until, type Harness } from './harness.js';

let harness: Harness;

beforeEach(async () => {
  harness = await createHarness({
    oldCount: 1,
    proxy: { limits: { headerMs: 1500, bodyMs: 2000, bodyBytesMax: 5000, stallMs: 1000 } },
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
  ['a list of equal content-lengths', post(`${length}, ${PING.length}`) + PING],
  ['a negative content-length', post('Content-Length: -1') + PING],
  ['a content-length past every number', post('Content-Length: 18446744073709551673') + PING],
  ['transfer-encoding twice', post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') + `0\r\n\r\n`],
  ['chunked that is not last', post('Transfer-Encoding: chunked, identity') + `39\r\n${PING}\r\n0\r\n\r\n`],
  ['nearly chunked', post('Transfer-Encoding: xchunked') + `39\r\n${PING}\r\n0\r\n\r\n`],
  ['content-length and chunked by another spelling', post(length, 'Transfer-Encoding:\x0bchunked') + `0\r\n\r\n`],
  ['a chunk past every number', post('Transfer-Encoding: chunked') + `fffffffffffffffff\r\n${PING}\r\n0\r\n\r\n`],
  ['a chunk that is longer than it says', post('Transfer-Encoding: chunked') + `10\r\n${PING}\r\n0\r\n\r\n`],
  ['chunks ended by line feeds', post('Transfer-Encoding: chunked') + `39\n${PING}\n0\n\n`],
  ['chunks that never end', post('Transfer-Encoding: chunked') + `39\r\n${PING}\r\n`],
  ['a body shorter than it says', post(`Content-Length: ${PING.length + 10}`) + PING],
  ['a carriage return in a header', post(length, 'X-A: b\rX-B: c') + PING],
  ['a NUL in a header', post(length, 'X-A: b\0c') + PING],
  ['a header without name', post(length, ': b') + PING],
  ['a header without colon', post(length, 'X-A') + PING],
  ['no version', 'POST /rpc/v1\r\n\r\n'],
  ['a version to come', head('POST /rpc/v1 HTTP/3.0', 'Host: x', length) + PING],
  [
    'chunks in HTTP/1.0 with a length',
    head('POST /rpc/v1 HTTP/1.0', length, 'Transfer-Encoding: chunked') + `0\r\n\r\n`,
  ],
  ['a method in lower case', head('post /rpc/v1 HTTP/1.1', 'Host: x', length) + PING],
  ['a space in front', ` ${post(length)}${PING}`],
  ['authority form', head('POST node:8484 HTTP/1.1', 'Host: x', length) + PING],
  ['asterisk form', head('OPTIONS * HTTP/1.1', 'Host: x')],
  ['an encoded dot', head('POST /rpc/%2e%2e/rpc/v1 HTTP/1.1', 'Host: x', length) + PING],
  ['an encoded letter', head('POST /rpc/v%31 HTTP/1.1', 'Host: x', length) + PING],
  ['another case', head('POST /RPC/v1 HTTP/1.1', 'Host: x', length) + PING],
  ['a fragment', head('POST /rpc/v1#a HTTP/1.1', 'Host: x', length) + PING],
  ['admin', head('POST /admin HTTP/1.1', 'Host: x', length) + PING],
  ['PUT', head('PUT /rpc/v1 HTTP/1.1', 'Host: x', length) + PING],
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

test('HTTP/1.0 is answered and the connection closed; what follows a body is another request or nothing', async () => {
  const old = await raw(head('POST /rpc/v1 HTTP/1.0', length) + PING, { waitMs: 3000 });
  expect(old).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(old).toMatch(/connection: close/i);
  expect(pings()).toBe(1);
  await raw(post(length) + PING + 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n', { waitMs: 600 });
  expect(pings()).toBe(2);
  await raw(post(length) + PING + PING, { waitMs: 600 });
  expect(pings()).toBe(3);
  expect(others()).toEqual([]);
});

test('pipelined requests are answered one by one in their order, each once', async () => {
  const bodies = [1, 2, 3].map(id => PING.replace('"id":1', `"id":${id}`));
  const bytes = bodies.map(body => post(`Content-Length: ${body.length}`) + body).join('');
  const { hostname, port } = new URL(harness.url);
  const socket = connect(Number(port), hostname);
  let got = '';
  socket.on('data', chunk => (got += chunk.toString('latin1')));
  socket.write(bytes);
  await until(() => got.split('HTTP/1.1 200 OK').length === 4 && got.endsWith('}'));
  expect([...got.matchAll(/"jsonrpc":"2.0","id":(\d)/g)].map(([, id]) => id)).toEqual(['1', '2', '3']);
  expect(pings()).toBe(3);
  socket.destroy();
});

test('more requests at once than any client sends end the connection before they are begun', async () => {
  const { hostname, port } = new URL(harness.url);
  const socket = connect(Number(port), hostname);
  let closed = false;
  socket.on('error', () => undefined).once('close', () => (closed = true));
  socket.resume();
  socket.write((post(length) + PING).repeat(40));
  await until(() => closed);
  expect(pings()).toBeLessThanOrEqual(16);
});

test('a client that does not read its answer is let go, others are served', async () => {
  const bytes = 40_000_000;
  const result = `"${'x'.repeat(bytes)}"`;
  harness.oldNodes[0]!.answers.set('user.query', () => ({ result }));
  const { hostname, port } = new URL(harness.url);
  const socket = connect(Number(port), hostname);
  let got = 0;
  let closed = false;
  socket.on('error', () => undefined).once('close', () => (closed = true));
  const query = '{"jsonrpc":"2.0","id":1,"method":"user.query","params":{}}';
  socket.write(post(`Content-Length: ${query.length}`) + query);
  await until(() => harness.oldNodes[0]!.calls.some(({ method }) => method === 'user.query'));
  for (let i = 0; i < 5; i++) expect(await raw(post(length) + PING)).toMatch(/200 OK/);
  // Longer than the time it has; what it reads then is what was on its way already.
  await new Promise(resolve => setTimeout(resolve, 2500));
  socket.on('data', chunk => (got += chunk.length));
  await until(() => closed);
  expect(got).toBeLessThan(bytes);
}, 20_000);

test('a slow header and a slow body end; others are answered meanwhile', async () => {
  await harness.close();
  harness = await createHarness({ oldCount: 1, proxy: { limits: { headerMs: 1000, bodyMs: 2000 } } });
  const slowHead = raw('POST /rpc/v1 HTTP/1.1\r\nHost: x\r\nX-', { waitMs: 8000 });
  const slowBody = raw(post('Content-Length: 500') + '{"jsonrpc"', { waitMs: 8000 });
  expect(await raw(post(length) + PING)).toMatch(/200 OK/);
  expect(await slowHead).toMatch(/^HTTP\/1\.1 408 /);
  expect(await slowBody).toMatch(/"reason":"deadline","executed":"no"/);
  expect(pings()).toBe(1);
  const { values } = await harness.metrics.rejections.get();
  for (const reason of ['slow_header', 'slow_body'])
    expect(values.find(({ labels }) => labels.reason === reason)?.value).toBe(1);
});

test('whoever is past the limits is turned away before the body has come, and keeps the connection when it is small', async () => {
  await harness.close();
  harness = await createHarness({ oldCount: 1, proxy: { limits: { requestsPerSecond: 0.001, requestsBurst: 1 } } });
  expect(await raw(post(length) + PING)).toMatch(/"result"/);
  const early = await raw(post('Content-Length: 100000'));
  expect(early).toMatch(/"reason":"rate_limited","executed":"no".*"retryAfterMs":\d+/);
  expect(early).toMatch(/Connection: close/i);
  const small = await raw(post(length) + PING);
  expect(small).toMatch(/"reason":"rate_limited"/);
  expect(small).not.toMatch(/Connection: close/i);
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
