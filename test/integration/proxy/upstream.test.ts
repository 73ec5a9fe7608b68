import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { COMMITTED, createHarness, type Harness } from './harness.js';

/** The new network's only node answers user.ping by hand, on the raw socket. */
let harness: Harness;
let raw: Server;
let talk: (socket: Socket) => void;
let pings = 0;
const open = new Set<Socket>();

beforeEach(async () => {
  pings = 0;
  harness = await createHarness({ oldCount: 1, proxy: { limits: { readMs: 700 } } });
  raw = createServer(socket => {
    open.add(socket);
    socket.on('error', () => undefined).once('close', () => open.delete(socket));
    socket.on('data', data => {
      if (!data.includes('user.ping')) return void socket.end(whole('{"jsonrpc":"2.0","id":1,"result":{}}'));
      pings++;
      talk(socket);
    });
  });
  await new Promise<void>(resolve => raw.listen(0, '127.0.0.1', resolve));
  harness.nodes.setNetwork('new', {
    chainId: 'kwil-new',
    nodes: [{ name: 'raw', url: `http://127.0.0.1:${(raw.address() as { port: number }).port}` }],
  });
  harness.intent(COMMITTED);
});
afterEach(async () => {
  await harness.close();
  for (const socket of open) socket.destroy();
  await new Promise(resolve => raw.close(resolve));
});

const GOOD = '{"jsonrpc":"2.0","id":1,"result":"good"}';
const EVIL = '{"jsonrpc":"2.0","id":1,"result":"evil"}';
const head = (...lines: string[]): string => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');
const whole = (body: string): string => head(`Content-Length: ${body.length}`, 'Connection: close') + body;
const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

test.each<[string, string]>([
  ['a length and chunks', head(`Content-Length: ${GOOD.length}`, 'Transfer-Encoding: chunked') + chunked(EVIL)],
  ['two lengths', head(`Content-Length: ${GOOD.length}`, 'Content-Length: 5') + GOOD],
  ['a length that is no number', head('Content-Length: 0x28') + GOOD],
  ['bad chunks', head('Transfer-Encoding: chunked') + `zz\r\n${GOOD}\r\n0\r\n\r\n`],
  ['a transfer-encoding that is not chunked', head('Transfer-Encoding: gzip') + GOOD.slice(0, 20)],
  ['an answer that is not HTTP', `SSH-2.0-x\r\n${GOOD}`],
  ['a header bomb', head(`X-A: ${'b'.repeat(300_000)}`, `Content-Length: ${GOOD.length}`) + GOOD],
  [
    'an upgrade nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n' + GOOD,
  ],
  ['an answer to another call', whole(GOOD.replace('"id":1', '"id":2'))],
])('%s in an answer is no answer', async (_name, bytes) => {
  talk = socket => void socket.end(bytes);
  const { json, status } = await harness.rpc('user.ping').then(answer => ({ ...answer, status: 200 }));
  expect(status).toBe(200);
  expect(json.result).toBeUndefined();
  expect(json.error?.data?.['reason']).toMatch(/^(bad_answer|no_node)$/);
  // Such an answer must not be taken up by the next call on the same connection.
  talk = socket => void socket.end(whole(GOOD));
  expect((await harness.rpc('user.ping')).json.result).toBe('good');
});

test('two answers to one call: the second one belongs to nobody', async () => {
  talk = socket => void socket.write(whole(GOOD).replace('Connection: close', 'Connection: keep-alive') + whole(EVIL));
  for (let i = 0; i < 5; i++) expect((await harness.rpc('user.ping')).json.result).not.toBe('evil');
});

test('some interim answers are passed over; a flood of them ends with the deadline', async () => {
  const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n';
  talk = socket => void socket.end(interim.repeat(20) + whole(GOOD));
  expect((await harness.rpc('user.ping')).json.result).toBe('good');
  let written = 0;
  talk = socket => {
    const more = (): void => {
      while (!socket.destroyed && written++ < 1_000_000) {
        if (!socket.write(interim.repeat(50))) return void socket.once('drain', more);
        if (written % 20 === 0) return void setImmediate(more);
      }
    };
    more();
  };
  const { json } = await harness.rpc('user.ping');
  expect(json.error?.data?.['reason']).toMatch(/^(bad_answer|no_node|deadline)$/);
  expect(pings).toBeGreaterThan(1);
});
