import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createPool, UpstreamError, type NodePool } from '../../../src/nodes/index.js';

let server: Server | null = null;
let pool: NodePool | null = null;
const sockets = new Set<Socket>();

async function listen(onConnection: (socket: Socket) => void): Promise<NodePool> {
  server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>(resolve => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return (pool = createPool({ url: `http://127.0.0.1:${port}`, connections: 2, answerBytesMax: 1000 }));
}

afterEach(async () => {
  pool?.destroy();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise<void>(resolve => (server === null ? resolve() : server.close(() => resolve())));
  server = pool = null;
});

const CALL = { method: 'POST', path: '/rpc/v1', body: Buffer.from('{}'), timeoutMs: 500 } as const;

async function failure(work: Promise<unknown>): Promise<{ code: string; sent: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof UpstreamError) return { code: error.code, sent: error.sent };
    throw error;
  }
  throw new Error('expected a failure');
}

const once = (act: (socket: Socket) => void) => (socket: Socket) => socket.once('data', () => act(socket));

test('any complete answer resolves, whatever its status', async () => {
  const { request } = await listen(
    once(socket => socket.end('HTTP/1.1 503 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')),
  );
  const answer = await request(CALL);
  expect(answer.status).toBe(503);
  expect(answer.body.toString()).toBe('no');
});

test.each<[string, (socket: Socket) => void, string, 'maybe']>([
  ['a reset after the request', once(socket => socket.resetAndDestroy()), 'node_reset', 'maybe'],
  ['a close after the request', once(socket => socket.end()), 'node_reset', 'maybe'],
  ['silence', once(() => undefined), 'node_timeout', 'maybe'],
  [
    'a body that breaks off',
    once(socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{')),
    'node_cut',
    'maybe',
  ],
  ['no HTTP', once(socket => socket.end('hello there, this is not HTTP\r\n\r\n')), 'node_malformed', 'maybe'],
  [
    'two lengths',
    once(socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc')),
    'node_reset',
    'maybe',
  ],
  [
    'too long an answer',
    once(socket => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n${'x'.repeat(2000)}`)),
    'node_too_large',
    'maybe',
  ],
])('%s: perhaps sent', async (_name, act, code, sent) => {
  const { request } = await listen(act);
  expect(await failure(request(CALL))).toEqual({ code, sent });
});

test('refused and unresolved: not sent', async () => {
  const { request } = await listen(() => undefined);
  await new Promise<void>(resolve => server!.close(() => resolve()));
  expect(await failure(request(CALL))).toEqual({ code: 'node_refused', sent: 'no' });
  const nowhere = createPool({ url: 'http://no-such-name.invalid:8484' });
  const failed = await failure(nowhere.request({ ...CALL, timeoutMs: 5000 }));
  expect(failed.sent).toBe('no');
  nowhere.destroy();
});

test('a call that waits behind others for a connection and runs out of time was not sent', async () => {
  let connections = 0;
  const { request } = await listen(() => void connections++);
  const busy = [request({ ...CALL, timeoutMs: 800 }), request({ ...CALL, timeoutMs: 800 })].map(failure);
  expect(await failure(request({ ...CALL, timeoutMs: 200 }))).toEqual({ code: 'node_connect_timeout', sent: 'no' });
  expect(connections).toBe(2);
  expect((await Promise.all(busy)).every(({ sent }) => sent === 'maybe')).toBe(true);
});

test('a call given up before it began was not sent; one given up on the way may have been', async () => {
  const { request, inFlight } = await listen(() => undefined);
  expect(await failure(request({ ...CALL, signal: AbortSignal.abort() }))).toEqual({ code: 'aborted', sent: 'no' });
  const abort = new AbortController();
  const call = failure(request({ ...CALL, signal: abort.signal }));
  setTimeout(() => abort.abort(), 100);
  expect(await call).toEqual({ code: 'aborted', sent: 'maybe' });
  expect(inFlight()).toBe(0);
});
