import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GatewayError, type Epoch, type NetworkName, type NodeRef, type TxHash } from '../model/index.js';
import { rpcError } from '../protocol/index.js';
import type { NodeView } from '../routing/index.js';
import { createCalls } from './calls.js';
import { createClients } from './clients.js';
import { createCongestion } from './congestion.js';
import { createDoor } from './door.js';
import { errorOf } from './errors.js';
import { explainRequest, type RequestExplanation } from './explain.js';
import { createFeed } from './feed.js';
import { connectionFault, hasTwoHosts, setCors, writeJson, writeText } from './http.js';
import type { HeldFate } from './held-log.js';
import type { HoldCounts } from './hold.js';
import { createLimits } from './limits.js';
import { listen, parseAddress } from './listening.js';
import { createMemory } from './memory.js';
import {
  DEFAULT_LIMITS,
  DEFAULT_UNMINED_MAX,
  type LedgerRecord,
  type ProxyLimits,
  type ProxyOptions,
  type ProxyPorts,
} from './ports.js';
import { createOpaque } from './opaque.js';
import { createReadGate } from './read-gate.js';
import { createResolver } from './resolver.js';
import { createRpc } from './rpc.js';
import { createRpcEntry } from './rpc-entry.js';
import { createSessionTokens } from './sessions.js';
import { createShield } from './shield.js';
import { readTls } from './tls.js';
import { createTxLookup, type TxSighting } from './tx-lookup.js';
import { createWrites } from './writes.js';

export interface Proxy {
  /** Listening when it resolves; `host:port` as taken. */
  start(): Promise<{ address: string }>;
  /** Stops accepting, lets calls in progress end within a deadline, then ends what is left. */
  close(): Promise<void>;
  destroy(reason: string): void;
  /** Takes certificate and key from their files again; rejects, changing nothing, when they do not fit. */
  reloadTls(): Promise<void>;
  /**
   * Resolves when no write admitted under an epoch older than `epoch` can be sent to the old network any more: every such
   * send has ended, and none begins. Rejects when the signal aborts or it takes too long.
   */
  quiesced(epoch: Epoch, signal?: AbortSignal): Promise<void>;
  held(): { readonly count: number; readonly bytes: number };
  /** Every write that was held since the start: totals as in the metrics, and what became of the last ones. */
  heldWrites(): { readonly counts: HoldCounts; readonly fates: readonly HeldFate[]; readonly forgotten: number };
  inFlightWrites(): number;
  /** Challenges that a node issued through us and that a client may still come back with. */
  challenges(node: NodeRef): number;
  /** How a JSON-RPC request would be routed now, by the functions that route it. */
  explain(request: Uint8Array): RequestExplanation;
  /** What is known about a transaction: our own record, and what the networks say. */
  txStatus(
    hash: TxHash,
  ): Promise<{ readonly record: LedgerRecord | null; readonly old: TxSighting; readonly new: TxSighting | null }>;
}

const RPC_PATH = '/rpc/v1';
const GET_PATHS: ReadonlySet<string> = new Set([
  '/api/v1/health',
  '/api/v1/health/user',
  '/api/v1/health/chain',
  '/api/v1/health/function',
  '/spec/v1',
]);
const REST_MS = 5000;
const REST_ATTEMPTS = 3;
/** Connections in all: past it the kernel's queue holds them. */
const CONNECTIONS_MAX = 10_000;

export function createProxy(options: ProxyOptions, ports: ProxyPorts): Proxy {
  const { nodes, ledger, clock, metrics } = ports;
  const logger = ports.logger.child({ component: 'proxy' });
  const limits: ProxyLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const shared = {
    nodes,
    ledger,
    clock,
    logger,
    metrics,
    snapshot: () => ports.snapshot(),
    onSnapshot: (listener: () => void) => ports.onSnapshot(listener),
  };

  const gate = createReadGate(limits, shared);
  const candidates = (network: NetworkName): readonly NodeView[] => gate.candidates(network);
  const lookup = createTxLookup(nodes, candidates);
  const memory = createMemory(ports.answers);
  const calls = createCalls(limits, { ...shared, gate, memory });
  const shield = createShield(options.shield);
  const congestion = createCongestion(options.writes.unminedMax ?? DEFAULT_UNMINED_MAX, shared);
  const writes = createWrites(
    { hold: options.writes, limits },
    { ...shared, gate, lookup, shield, congestion, stalled: network => resolver.stalled(network) },
  );
  const resolver = createResolver({
    ...shared,
    lookup,
    flights: writes.flights,
    candidates,
    isRunning: hash => writes.isRunning(hash),
  });
  const admission = createLimits(limits, clock);
  const rpc = createRpc(limits, { calls, writes, shield, admission, clock, metrics });
  const clients = createClients(options.trustedProxies ?? []);
  const door = createDoor(options.hosts ?? [], options.origins ?? []);
  const opaque = createOpaque(
    { paths: options.opaque ?? [], readMs: limits.readMs, bodyBytesMax: limits.bodyBytesMax },
    { ...shared, candidates, admission, clientOf: request => clients.of(request) },
  );
  const entry = createRpcEntry(limits, {
    ...shared,
    rpc,
    admission,
    clients,
    tokens: createSessionTokens(ports.secret),
    isClosing: () => closing !== null,
  });
  const feed = createFeed(() => ports.migrationValue());

  const stops: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const pipelined = new WeakMap<Duplex, number>();
  let server: Server | null = null;
  let closing: Promise<void> | null = null;

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const headers: Record<string, string> = {};
    // Requests that come in one packet are all begun at once, and their answers wait for each other in memory.
    const begun = (pipelined.get(request.socket) ?? 0) + 1;
    pipelined.set(request.socket, begun);
    if (begun > limits.pipelineMax) return void request.socket.destroy();
    response.once('close', () => pipelined.set(request.socket, pipelined.get(request.socket)! - 1));
    if (hasTwoHosts(request)) return writeText(response, 400, 'Bad Request\n', { connection: 'close' });
    const shut = door.check(request);
    if (shut !== null) {
      metrics.rejections.inc({ reason: shut === 421 ? 'host_denied' : 'origin_denied' });
      return writeText(response, shut, shut === 421 ? 'Misdirected Request\n' : 'Forbidden\n', { connection: 'close' });
    }
    setCors(request, headers);
    if (closing !== null) headers['connection'] = 'close';
    const { url = '', method = '' } = request;
    // Exact paths: whatever a proxy in between or a node could read in another way is not found.
    if (url === RPC_PATH) return onRpcPath(method, request, response, headers);
    const isGet = method === 'GET' || method === 'HEAD';
    if (GET_PATHS.has(url)) {
      if (!isGet) return writeText(response, 405, 'Method Not Allowed\n', headers);
      return guard(forwardGet(url, method, response, headers), response);
    }
    if (url === '/migration/v1' || url === '/migration/v1/events') {
      if (method === 'OPTIONS') return void response.writeHead(200, { ...headers, 'content-length': 0 }).end();
      if (!isGet) return writeText(response, 405, 'Method Not Allowed\n', headers);
      if (url === '/migration/v1')
        return writeJson(response, 200, Buffer.from(JSON.stringify(ports.migrationValue())), headers);
      return feed.events(request, response, headers);
    }
    const rule = opaque.match(url);
    if (rule !== null) return opaque.web(rule, request, response, headers);
    writeText(response, 404, '404 page not found\n', headers);
  }

  function onRpcPath(
    method: string,
    request: IncomingMessage,
    response: ServerResponse,
    headers: Record<string, string>,
  ): void {
    if (method === 'OPTIONS') return void response.writeHead(200, { ...headers, 'content-length': 0 }).end();
    if (method !== 'POST') return writeText(response, 405, 'POST required for JSON-RPC\n', headers);
    guard(entry.answer(request, response, headers), response);
  }

  /** Health and specification as a node of the write network gives them. */
  async function forwardGet(
    path: string,
    method: string,
    response: ServerResponse,
    headers: Record<string, string>,
  ): Promise<void> {
    const network = ports.snapshot().intent.affine;
    for (const node of gate.candidates(network).slice(0, REST_ATTEMPTS)) {
      try {
        const answer = await nodes.get({ network, name: node.name }, path, { timeoutMs: REST_MS, kind: 'client' });
        const type = answer.headers['content-type'];
        headers['content-type'] = typeof type === 'string' ? type : 'application/json; charset=utf-8';
        response.writeHead(answer.status, { ...headers, 'content-length': answer.body.length });
        return void response.end(method === 'HEAD' ? undefined : answer.body);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
      }
    }
    writeJson(response, 503, Buffer.from('{"healthy":false}'), headers);
  }

  /** Our own mistakes end one request, with a line in the log, never the process or another request. */
  function guard(work: Promise<void>, response: ServerResponse): void {
    work.catch((error: unknown) => {
      logger.error({ err: error }, 'a request failed inside the gateway');
      if (response.headersSent || response.destroyed) response.destroy();
      else
        writeJson(
          response,
          200,
          rpcError(null, errorOf({ reason: 'bad_answer', executed: 'unknown' }, ports.snapshot())),
          {},
        );
    });
  }

  function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (hasTwoHosts(request) || door.check(request) !== null) return refuseUpgrade(socket, '403 Forbidden');
    if (request.url === '/migration/v1/ws' && request.method === 'GET' && closing === null)
      return feed.upgrade(request, socket, head);
    const rule = closing === null ? opaque.match(request.url ?? '') : null;
    if (rule !== null) return opaque.upgrade(rule, request, socket, head);
    refuseUpgrade(socket, '404 Not Found');
  }

  function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const fault = connectionFault(error.code, (pipelined.get(socket) ?? 0) > 0);
    if (fault === null) return void socket.destroy();
    metrics.rejections.inc({ reason: fault.reason });
    if (socket.writable) socket.end(`HTTP/1.1 ${fault.status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    else socket.destroy();
  }

  function onConnection(socket: Socket): void {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  }

  async function start(): Promise<{ address: string }> {
    const { host, port } = parseAddress(options.listen);
    const serverOptions = {
      headersTimeout: limits.headerMs,
      // Behind our own limit of bodies, which says why: Node's would end the connection without a word of ours.
      requestTimeout: limits.headerMs + limits.bodyMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: 1000,
      noDelay: true,
      // A silent client must not keep a handshake open for two minutes.
      handshakeTimeout: limits.headerMs,
    };
    const { tls } = options;
    server =
      tls === undefined
        ? createServer(serverOptions)
        : createSecureServer({ ...serverOptions, ...(await readTls(tls)), minVersion: 'TLSv1.2' });
    server.maxConnections = CONNECTIONS_MAX;
    server.timeout = limits.stallMs;
    server.on('request', onRequest);
    server.on('upgrade', onUpgrade);
    server.on('connection', onConnection);
    server.on('clientError', onClientError);
    await listen(server, host, port);
    stops.push(
      ports.onSnapshot(() => {
        writes.hold.look();
        feed.look();
        opaque.look();
      }),
      resolver.subscribe(() => writes.hold.look()),
      congestion.subscribe(() => writes.hold.look()),
      () => congestion.close(),
    );
    resolver.start();
    congestion.start();
    const taken = server.address() as AddressInfo;
    return { address: `${taken.family === 'IPv6' ? `[${taken.address}]` : taken.address}:${taken.port}` };
  }

  async function drain(): Promise<void> {
    const closingServer = server;
    feed.close();
    opaque.close();
    if (closingServer !== null) {
      const closed = new Promise<void>(resolve => closingServer.close(() => resolve()));
      const idle = setInterval(() => closingServer.closeIdleConnections(), 50);
      closingServer.closeIdleConnections();
      // Held writes are told in time that they were not sent.
      const deadline = setTimeout(() => closingServer.closeAllConnections(), limits.drainMs);
      const release = setTimeout(() => writes.hold.clear(), limits.drainMs / 2);
      await closed;
      clearInterval(idle);
      clearTimeout(deadline);
      clearTimeout(release);
    }
    opaque.destroy();
    for (const stop of stops.splice(0)) stop();
    resolver.close();
  }

  return {
    start,
    close: () => (closing ??= drain()),
    destroy(reason) {
      closing ??= Promise.resolve();
      logger.warn({ reason }, 'the listener ends at once');
      for (const stop of stops.splice(0)) stop();
      resolver.close();
      writes.hold.clear();
      feed.close();
      opaque.destroy();
      server?.close();
      server?.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
    async reloadTls() {
      if (options.tls === undefined) return;
      const context = await readTls(options.tls);
      if (server instanceof SecureServer) server.setSecureContext({ ...context, minVersion: 'TLSv1.2' });
    },
    quiesced: (epoch, signal) => writes.flights.quiesced(epoch, signal),
    held: () => writes.hold.held(),
    heldWrites: () => ({
      counts: writes.hold.counts(),
      fates: writes.held.fates(),
      forgotten: writes.held.forgotten(),
    }),
    challenges: node => memory.outstanding(node),
    inFlightWrites: () => writes.flights.count(),
    explain: request =>
      explainRequest(request, {
        snapshot: () => ports.snapshot(),
        shield,
        candidates,
        writeFacts: (broadcast, snapshot) => writes.factsOf(broadcast, snapshot),
        load: network => congestion.view(network),
        hints: (cls, facts, params) => calls.hints(cls, facts, params),
      }),
    async txStatus(hash) {
      const [old, fresh] = await Promise.all([
        lookup.find('old', hash),
        nodes.view('new') === null ? null : lookup.find('new', hash),
      ]);
      return { record: ledger.get(hash) ?? null, old, new: fresh };
    },
  };
}

const refuseUpgrade = (socket: Duplex, status: string): void =>
  void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
