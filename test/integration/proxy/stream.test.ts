import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHarness, until, type Harness } from './harness.js';

/** A node of the old network whose answers to chain.block are written by hand, piece by piece. */
let harness: Harness;
let raw: Server;
let talk: (socket: Socket) => void = () => undefined;
const open = new Set<Socket>();

beforeEach(async () => {
  harness = await createHarness({ oldCount: 1, proxy: { limits: { bufferBytesMax: 10_000 } } });
  raw = createServer(socket => {
    open.add(socket);
    socket.on('error', () => undefined).once('close', () => open.delete(socket));
    socket.on('data', data => {
      const text = data.toString();
      if (text.includes('chain.block"')) talk(socket);
      else if (text.includes('user.health'))
        finish(
          socket,
          '{"jsonrpc":"2.0","id":1,"result":{"chain_id":"kwil-new","block_height":3,"height":3,"block_hash":"","block_time":1,"syncing":false,"healthy":true,"mode":"open"}}',
        );
      else finish(socket, '{"jsonrpc":"2.0","id":1,"result":{"status":{"status":"GenesisMigration"},"kwil_ver":"1"}}');
    });
  });
  await new Promise<void>(resolve => raw.listen(0, '127.0.0.1', resolve));
  harness.nodes.setNetwork('new', {
    chainId: 'kwil-new',
    nodes: [{ name: 'raw', url: `http://127.0.0.1:${(raw.address() as { port: number }).port}` }],
  });
  harness.intent({
    epoch: 5,
    phase: 'switched',
    writes: { kind: 'send', network: 'new' },
    affine: 'new',
    reads: 'new',
    committed: true,
  });
  await harness.probe();
});
afterEach(async () => {
  await harness.close();
  for (const socket of open) socket.destroy();
  await new Promise(resolve => raw.close(resolve));
});

const head = (...lines: string[]): string => ['HTTP/1.1 200 OK', 'Connection: close', ...lines, '', ''].join('\r\n');
const finish = (socket: Socket, body: string): void =>
  void socket.end(head(`Content-Length: ${Buffer.byteLength(body)}`) + body);
const request = '{"jsonrpc":"2.0","id":"my id","method":"chain.block","params":{"height":1}}';
const answer = (result: string, id = '1'): string => `{"jsonrpc":"2.0","id":${id},"result":"${result}"}`;
const big = 'x'.repeat(3_000_000);
const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What a client gets, and whether its connection ended in the middle. */
const ask = async (): Promise<{ text: string; complete: boolean; length: string | null }> => {
  const response = await fetch(`${harness.url}/rpc/v1`, { method: 'POST', body: request });
  const length = response.headers.get('content-length');
  let text = '';
  try {
    for await (const chunk of response.body!) text += Buffer.from(chunk as Uint8Array).toString();
    return { text, complete: true, length };
  } catch {
    return { text, complete: false, length };
  }
};

test('a large answer begins before it ends, and comes byte for byte with the id of the caller', async () => {
  let last: Socket | null = null;
  const whole = answer(big);
  talk = socket => {
    socket.write(head(`Content-Length: ${whole.length}`) + whole.slice(0, 2_000_000));
    last = socket;
  };
  const response = await fetch(`${harness.url}/rpc/v1`, { method: 'POST', body: request });
  expect(response.headers.get('content-length')).toBe(String(whole.length - 1 + '"my id"'.length));
  last!.end(whole.slice(2_000_000));
  expect(sha(await response.text())).toBe(sha(answer(big, '"my id"')));
});

test('the same in chunks, and in a form that has to be looked at as a whole', async () => {
  talk = socket => {
    const whole = answer(big);
    socket.write(head('Transfer-Encoding: chunked'));
    socket.end(`${whole.length.toString(16)}\r\n${whole}\r\n0\r\n\r\n`);
  };
  expect(sha((await ask()).text)).toBe(sha(answer(big, '"my id"')));
  talk = socket => finish(socket, `{"result":"${big}","id":1,"jsonrpc":"2.0"}`);
  const odd = await ask();
  expect(odd.complete).toBe(true);
  expect(JSON.parse(odd.text)).toEqual({ jsonrpc: '2.0', id: 'my id', result: big });
});

test.each<[string, (socket: Socket) => void]>([
  [
    'a length not reached',
    socket => void socket.end(head('Content-Length: 4000000') + answer(big).slice(0, 2_000_000)),
  ],
  [
    'a last chunk missing',
    socket => {
      const part = answer(big).slice(0, 2_000_000);
      socket.end(`${head('Transfer-Encoding: chunked')}${part.length.toString(16)}\r\n${part}\r\n`);
    },
  ],
  [
    'a reset',
    socket => {
      socket.write(head('Content-Length: 4000000') + answer(big).slice(0, 2_000_000), () =>
        setTimeout(() => socket.resetAndDestroy(), 50),
      );
    },
  ],
])('an answer that breaks off by %s never looks complete', async (_name, act) => {
  talk = act;
  const { text, complete } = await ask();
  expect(complete).toBe(false);
  expect(text.length).toBeLessThan(4_000_000);
});

test('an answer whose end is the end of the connection is not passed on early', async () => {
  talk = socket => void socket.end(head() + answer(big).slice(0, 2_000_000));
  const { text, complete } = await ask();
  expect(complete).toBe(true);
  expect(JSON.parse(text)).toMatchObject({ error: { data: { reason: 'bad_answer' } } });
});

test('a client that does not read slows the node down; one that hangs up ends the call', async () => {
  let written = 0;
  let ended = false;
  talk = socket => {
    const piece = 'x'.repeat(64 * 1024);
    socket.once('close', () => (ended = true));
    socket.write(head('Content-Length: 200000000') + answer('').slice(0, -2));
    const more = (): void => {
      while (written < 190_000_000) {
        written += piece.length;
        if (!socket.write(piece)) return void socket.once('drain', more);
      }
    };
    more();
  };
  const { port } = new URL(harness.url);
  const client = connect(Number(port), '127.0.0.1');
  client.on('error', () => undefined);
  client.write(`POST /rpc/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: ${request.length}\r\n\r\n${request}`);
  client.pause();
  let before = -1;
  // Nothing moves any more: what is under way fills the buffers of two connections and no memory of ours.
  for (let still = 0; still < 5; before = written) {
    await new Promise(resolve => setTimeout(resolve, 100));
    still = written > 0 && written === before ? still + 1 : 0;
  }
  expect(written).toBeLessThan(100_000_000);
  client.destroy();
  await until(() => ended);
});
