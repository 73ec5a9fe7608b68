import { createServer, type Server, type Socket } from 'node:net';
import {
  decodeTxJson,
  encodeBlock,
  encodeTx,
  parseJson,
  sha256Hex,
  ZERO_HASH,
  type JsonObject,
} from '../../../src/protocol/index.js';

/** What goes wrong with one call, on the raw socket. */
export type Fault =
  | 'rst-before-read'
  | 'fin-after-read'
  | 'rst-after-read'
  | 'hang'
  | 'cut-body'
  | 'empty-500'
  | 'text-503'
  | 'code-10'
  | 'catching-up'
  | 'mempool-full';

/** Shared by the nodes of one network: blocks and a mempool, no state beyond that. */
export interface ScriptedChain {
  readonly chainId: string;
  height: number;
  /** Hash → height; −1 in the mempool. */
  readonly txs: Map<string, number>;
  readonly bytes: Map<string, Uint8Array>;
  readonly blocks: Map<number, string[]>;
  /** Deliveries of each hash that reached a handler, over all nodes. */
  readonly deliveries: Map<string, number>;
  migration: { status: string; start_height?: number; end_height?: number };
  mine(): void;
}

export function createChain(chainId: string, height = 10): ScriptedChain {
  const chain: ScriptedChain = {
    chainId,
    height,
    txs: new Map(),
    bytes: new Map(),
    blocks: new Map(),
    deliveries: new Map(),
    migration: { status: 'NoActiveMigration' },
    mine() {
      chain.height++;
      const pooled = [...chain.txs].filter(([, at]) => at === -1).map(([hash]) => hash);
      chain.blocks.set(chain.height, pooled);
      for (const hash of pooled) chain.txs.set(hash, chain.height);
    },
  };
  return chain;
}

export interface SeenCall {
  readonly method: string;
  readonly body: string;
  readonly params: unknown;
}

/** `raw` is a whole body. */
export interface ScriptedAnswer {
  readonly result?: string;
  readonly error?: string;
  readonly status?: number;
  readonly raw?: string;
  readonly delayMs?: number;
}

export interface ScriptedNode {
  readonly name: string;
  readonly chain: ScriptedChain;
  readonly calls: SeenCall[];
  /** Blocks behind the chain that this node shows. */
  lag: number;
  /** Answers of its own: result JSON text or a whole body, by method. */
  readonly answers: Map<string, (params: unknown) => ScriptedAnswer>;
  /** One entry is taken per call of the method; `connect` counts connections. */
  readonly faults: Map<string, Fault[]>;
  /** Whether a transaction is taken in although the fault hides it. */
  admitOnFault: boolean;
  open(): Promise<number>;
  url(): string;
  close(): Promise<void>;
}

export function createScriptedNode(name: string, chain: ScriptedChain): ScriptedNode {
  let server: Server | null = null;
  let port = 0;
  const sockets = new Set<Socket>();
  const node: ScriptedNode = {
    name,
    chain,
    calls: [],
    lag: 0,
    answers: new Map(),
    faults: new Map(),
    admitOnFault: false,
    url: () => `http://127.0.0.1:${port}`,
    open() {
      server = createServer(socket => serve(socket));
      return new Promise(resolve => {
        server!.listen(port, '127.0.0.1', () => {
          port = (server!.address() as { port: number }).port;
          resolve(port);
        });
      });
    },
    close() {
      for (const socket of sockets) socket.destroy();
      const closing = server;
      server = null;
      return new Promise(resolve => (closing === null ? resolve() : closing.close(() => resolve())));
    },
  };

  const takeFault = (key: string): Fault | undefined => node.faults.get(key)?.shift();

  function serve(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    if (takeFault('connect') === 'rst-before-read') {
      socket.resetAndDestroy();
      return;
    }
    let input = Buffer.alloc(0);
    socket.on('data', chunk => {
      input = Buffer.concat([input, chunk]);
      const headEnd = input.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(input.toString('latin1', 0, headEnd))?.[1] ?? 0);
      if (input.length < headEnd + 4 + length) return;
      const body = input.subarray(headEnd + 4, headEnd + 4 + length);
      input = Buffer.alloc(0);
      answer(socket, body);
    });
  }

  function answer(socket: Socket, body: Buffer): void {
    if (body.length === 0) return write(socket, 200, '{"kwil_alive":true,"healthy":true}');
    const request = JSON.parse(body.toString()) as { id: unknown; method: string; params?: Record<string, unknown> };
    node.calls.push({ method: request.method, body: body.toString(), params: request.params });
    const fault = takeFault(request.method);
    if (fault !== undefined) return fail(socket, fault, request, body);
    const own = node.answers.get(request.method)?.(request.params);
    const reply = own ?? standard(request.method, request.params ?? {}, body);
    const text =
      reply.raw ??
      `{"jsonrpc":"2.0","id":${JSON.stringify(request.id)},${reply.error === undefined ? `"result":${reply.result}` : `"error":${reply.error}`}}`;
    const send = (): void => write(socket, reply.status ?? 200, text);
    if (own?.delayMs === undefined) send();
    else setTimeout(send, own.delayMs);
  }

  function fail(socket: Socket, fault: Fault, request: { id: unknown; method: string }, body: Buffer): void {
    const admits = node.admitOnFault || fault === 'code-10';
    if (request.method === 'user.broadcast' && admits) standard(request.method, {}, body);
    const hash = request.method === 'user.broadcast' ? hashOf(body) : '';
    switch (fault) {
      case 'rst-before-read':
      case 'rst-after-read':
        return void socket.resetAndDestroy();
      case 'fin-after-read':
        return void socket.end();
      case 'hang':
        return;
      case 'cut-body':
        socket.write(
          'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{"jsonrpc":"2.0","id":1,"res',
        );
        return void socket.end();
      case 'empty-500':
        return write(socket, 500, '');
      case 'text-503':
        return write(socket, 503, '{"jsonrpc":"2.0","id":-1,"error":{"code":-32001,"message":"RPC timeout"}}');
      case 'code-10':
        return write(socket, 200, rejected(10, hash, 'timed out waiting for tx to be included in a block'));
      case 'catching-up':
        return write(socket, 200, rejected(65535, hash, 'node is catching up, cannot process transactions right now'));
      case 'mempool-full':
        return write(socket, 200, rejected(11, hash, 'mempool is full'));
    }
  }

  const seen = (): number => Math.max(0, chain.height - node.lag);

  function standard(method: string, params: Record<string, unknown>, body: Buffer): ScriptedAnswer {
    switch (method) {
      case 'user.health':
        return {
          result: JSON.stringify({
            chain_id: chain.chainId,
            block_height: seen(),
            height: seen(),
            block_hash: ZERO_HASH,
            block_time: seen() * 1000,
            syncing: false,
            healthy: true,
            mode: 'open',
          }),
        };
      case 'user.migration_status':
        return { result: JSON.stringify({ status: chain.migration }) };
      case 'user.version':
        return { result: '{"kwil_ver":"0.10.1"}' };
      case 'user.broadcast': {
        const hash = hashOf(body);
        chain.deliveries.set(hash, (chain.deliveries.get(hash) ?? 0) + 1);
        if (chain.txs.has(hash))
          return {
            error: JSON.stringify({
              code: -201,
              message: 'broadcast error',
              data: { code: 65535, hash, message: 'transaction already exists' },
            }),
          };
        chain.txs.set(hash, -1);
        chain.bytes.set(hash, encodeTx(txOf(body)));
        return { result: `{"tx_hash":"${hash}"}` };
      }
      case 'user.tx_query': {
        const hash = String(params['tx_hash']);
        const height = chain.txs.get(hash);
        if (height === undefined) return { error: '{"code":-202,"message":"transaction not found"}' };
        return {
          result: `{"tx_hash":"${hash}","height":${height},"tx":null,"tx_result":${height < 0 ? 'null' : '{"code":0,"gas":0}'}}`,
        };
      }
      case 'chain.block': {
        const height = Number(params['height']);
        const txs = (chain.blocks.get(height) ?? []).map(hash => chain.bytes.get(hash)!);
        const header = {
          version: 0,
          height,
          txCount: txs.length,
          prevHash: ZERO_HASH,
          prevAppHash: ZERO_HASH,
          valsHash: ZERO_HASH,
          paramsHash: ZERO_HASH,
          stampMs: height * 1000,
          merkleRoot: ZERO_HASH,
          newLeader: null,
        };
        const raw = encodeBlock({ header, signature: new Uint8Array(64), txs });
        return { result: JSON.stringify({ hash: ZERO_HASH, raw_block: Buffer.from(raw).toString('base64') }) };
      }
      case 'chain.block_result': {
        const height = Number(params['height']);
        return {
          result: JSON.stringify({
            height,
            hash: ZERO_HASH,
            tx_results: (chain.blocks.get(height) ?? []).map(() => ({ code: 0, gas: 0 })),
          }),
        };
      }
      case 'user.query':
        return { result: JSON.stringify({ network: chain.chainId, node: name, height: seen() }) };
      case 'user.challenge':
        return { result: `{"challenge":"${sha256Hex(Buffer.from(`${name}${node.calls.length}`))}"}` };
      default:
        return { result: JSON.stringify({ network: chain.chainId, node: name, method }) };
    }
  }

  return node;
}

const rejected = (code: number, hash: string, message: string): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    error: { code: -201, message: 'broadcast error', data: { code, hash, message } },
  });

const txOf = (body: Buffer) => {
  const params = (parseJson(body) as JsonObject).get('params') as JsonObject;
  return decodeTxJson(params.get('tx') as JsonObject);
};

const hashOf = (body: Buffer): string => sha256Hex(encodeTx(txOf(body)));

const CONTENT_TYPE = 'application/json; charset=utf-8';

function write(socket: Socket, status: number, body: string): void {
  socket.end(
    `HTTP/1.1 ${status} X\r\nContent-Type: ${CONTENT_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
