import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { sleep, systemClock } from '../../platform/index.js';
import type { Faults } from '../faults.js';
import { errorReply, readEnvelope, requireNamed, resultReply, type RpcReply } from './envelope.js';
import { HandlerPanic, RpcError } from './errors.js';

/** Answers one method; gives the result as JSON text. */
export interface RpcMethod {
  /** Name of the parameter type in Go's error texts. */
  readonly goType: string;
  readonly run: (params: unknown) => string | Promise<string>;
}

export interface RestAnswer {
  readonly status: number;
  readonly json: string;
}

export interface RpcServerPorts {
  readonly methods: ReadonlyMap<string, RpcMethod>;
  /** `null`: all services together. `undefined` back: no such service. */
  readonly health: (service: string | null) => RestAnswer | undefined;
  readonly spec: () => string;
  readonly faults: Faults;
  /** Resolves at once unless the node is paused. */
  readonly gate: () => Promise<void> | null;
}

export interface RpcServerOptions {
  readonly host: string;
  /** 0: a free port is taken at first start and kept. */
  readonly port: number;
  readonly requestBytesMax: number;
  readonly timeoutMs: number;
}

export interface RpcServer {
  /** Base URL; the port is known after the first `open`. */
  url(): string;
  open(): Promise<void>;
  /** Closes the port and resets every connection, as a killed process does. */
  kill(): Promise<void>;
  /** Stops accepting, lets answers finish within the deadline, then resets the rest. */
  close(deadlineMs: number): Promise<void>;
}

const TIMEOUT_BODY = '{"jsonrpc":"2.0","id":-1,"error":{"code":-32001,"message":"RPC timeout"}}';
const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** The public HTTP surface of one node: paths, headers, statuses and limits of reference 1. */
export function createRpcServer(options: RpcServerOptions, ports: RpcServerPorts): RpcServer {
  let port = options.port;
  let server: Server | null = null;
  const sockets = new Set<Socket>();

  function listener(): Server {
    const made = createServer({ keepAliveTimeout: 30_000, headersTimeout: 60_000 }, (request, response) => {
      response.on('error', () => undefined);
      serve(request, response).catch(() => request.socket.destroy());
    });
    made.on('connection', socket => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      if (ports.faults.take('reset', null)?.when === 'before-read') socket.resetAndDestroy();
    });
    return made;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? '/';
    const queryAt = target.indexOf('?');
    const path = queryAt === -1 ? target : target.slice(0, queryAt);
    const gate = ports.gate();
    if (gate) await gate;
    if (path === '/rpc/v1') return serveRpc(request, response);
    request.resume();
    if (path.includes('//')) {
      response.writeHead(307, { location: path.replace(/\/{2,}/g, '/'), 'content-length': 0 });
      return void response.end();
    }
    const service = path === '/api/v1/health' ? null : /^\/api\/v1\/health\/([^/]+)$/.exec(path)?.[1];
    if (service === undefined && path !== '/spec/v1') return sendText(response, 404, '404 page not found\n');
    cors(request, response);
    if (request.method === 'OPTIONS') return sendEmpty(response, 200);
    if (request.method !== 'GET' && request.method !== 'HEAD') return sendText(response, 405, 'Method Not Allowed\n');
    if (service === undefined)
      return send(request, response, { status: 200, body: ports.spec(), type: JSON_TYPE }, null);
    const answer = ports.health(service);
    if (!answer) return sendText(response, 404, 'Not Found\n');
    return send(request, response, { status: answer.status, body: answer.json, type: JSON_TYPE }, null);
  }

  async function serveRpc(request: IncomingMessage, response: ServerResponse): Promise<void> {
    cors(request, response);
    if (request.method === 'OPTIONS') {
      request.resume();
      return sendEmpty(response, 200);
    }
    if (request.method !== 'POST') {
      request.resume();
      return sendText(response, 405, 'POST required for JSON-RPC\n');
    }
    const body = await readBody(request, options.requestBytesMax);
    if (body === null) {
      response.setHeader('connection', 'close');
      return sendText(response, 400, 'error reading request body\n');
    }
    const read = readEnvelope(body);
    const method = 'request' in read ? read.request.method : null;
    if (ports.faults.take('hang', method)) return;
    if (method !== null && resetFor(method, 'after-read')) return void request.socket.resetAndDestroy();
    const wait = ports.faults.take('delay', method);
    if (wait) await sleep(systemClock, wait.ms);
    if (ports.faults.take('empty-500', method)) return sendPanic(response);
    if (ports.faults.take('timeout-503', method)) return sendTimeout(request, response);
    const outcome = 'reply' in read ? read.reply : await within(options.timeoutMs, answer(read.request));
    const gate = ports.gate();
    if (gate) await gate;
    if (method !== null && resetFor(method, 'after-handling')) return void request.socket.resetAndDestroy();
    if (outcome === 'timeout') return sendTimeout(request, response);
    if (outcome === 'panic') return sendPanic(response);
    response.setHeader('connection', 'close');
    return send(request, response, { ...outcome, type: JSON_TYPE }, method);
  }

  function resetFor(method: string, when: 'after-read' | 'after-handling'): boolean {
    const fault = ports.faults.find('reset');
    return fault?.when === when && ports.faults.take('reset', method) !== undefined;
  }

  async function answer(call: { id: unknown; method: string; params: unknown }): Promise<RpcReply | 'panic'> {
    try {
      const method = ports.methods.get(call.method);
      if (!method) throw new RpcError(-32601, 'unknown method');
      requireNamed(call.params, method.goType);
      return resultReply(call.id, await method.run(call.params));
    } catch (error) {
      if (error instanceof RpcError) return errorReply(call.id, error);
      if (error instanceof HandlerPanic) return 'panic';
      return errorReply(call.id, new RpcError(-32603, error instanceof Error ? error.message : String(error)));
    }
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    answered: { status: number; body: string; type: string },
    method: string | null,
  ): Promise<void> {
    const body = Buffer.from(answered.body);
    if (!response.hasHeader('connection')) response.removeHeader('connection');
    response.writeHead(answered.status, { 'content-type': answered.type, 'content-length': body.length });
    const cut = ports.faults.take('cut', method);
    if (cut) {
      response.write(body.subarray(0, cut.afterBytes ?? body.length >> 1), () => request.socket.resetAndDestroy());
      return;
    }
    const slow = ports.faults.take('slow', method);
    if (!slow) return void response.end(body);
    const step = Math.max(1, Math.ceil(slow.bytesPerSecond / 20));
    for (let at = 0; at < body.length && !response.destroyed; at += step) {
      response.write(body.subarray(at, at + step));
      await sleep(systemClock, 50);
    }
    response.end();
  }

  function sendTimeout(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.removeHeader('connection');
    return send(request, response, { status: 503, body: TIMEOUT_BODY, type: TEXT_TYPE }, null);
  }

  return {
    url: () => `http://${options.host}:${port}`,
    async open() {
      if (server) return;
      server = listener();
      port = await listen(server, options.host, port);
    },
    async kill() {
      const closing = server;
      server = null;
      if (!closing) return;
      const closed = new Promise<void>(resolve => closing.close(() => resolve()));
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
    async close(deadlineMs) {
      const closing = server;
      server = null;
      if (!closing) return;
      const closed = new Promise<void>(resolve => closing.close(() => resolve()));
      closing.closeIdleConnections();
      const late = systemClock.after(deadlineMs, () => {
        for (const socket of sockets) socket.resetAndDestroy();
      });
      await closed;
      late.cancel();
    },
  };
}

function cors(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', request.headers.origin ?? '');
  response.setHeader('access-control-allow-methods', 'GET, POST, OPTIONS');
  response.setHeader(
    'access-control-allow-headers',
    'Accept, Content-Type, Content-Length, Accept-Encoding, Authorization, ResponseType, Range',
  );
  response.setHeader('access-control-allow-credentials', 'true');
}

function sendText(response: ServerResponse, status: number, text: string): void {
  if (!response.hasHeader('connection')) response.removeHeader('connection');
  response.writeHead(status, {
    'content-type': TEXT_TYPE,
    'x-content-type-options': 'nosniff',
    'content-length': text.length,
  });
  response.end(text);
}

function sendEmpty(response: ServerResponse, status: number): void {
  response.removeHeader('connection');
  response.writeHead(status, { 'content-length': 0 });
  response.end();
}

function sendPanic(response: ServerResponse): void {
  response.setHeader('connection', 'close');
  response.writeHead(500, { 'content-type': 'application/json', 'content-length': 0 });
  response.end();
}

/** Whole body, or null when it is longer than `bytesMax` or the client went away. */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | null> {
  return new Promise(resolve => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= bytesMax) return void parts.push(part);
      parts.length = 0;
      resolve(null);
    });
    request.on('end', () => resolve(Buffer.concat(parts)));
    request.on('error', () => resolve(null));
  });
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | 'timeout'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'timeout'>(resolve => {
    timer = setTimeout(() => resolve('timeout'), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Free ports are taken below the range that outgoing connections use, so that a killed node finds its port free again.
 * A port of its own that is still busy is tried for a few seconds.
 */
async function listen(server: Server, host: string, wanted: number): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const port = wanted !== 0 ? wanted : 11_000 + Math.floor(Math.random() * 20_000);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.removeListener('error', reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt >= 50) throw error;
      if (wanted !== 0) await sleep(systemClock, 100);
    }
  }
}
