import { Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer } from 'http-proxy-3';
import { GatewayError, type NetworkName } from '../model/index.js';
import type { NodeView, RoutingSnapshot } from '../routing/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import { writeText } from './http.js';
import type { Limits } from './limits.js';
import type { NodesPort, OpaquePath } from './ports.js';

/**
 * Paths of the nodes that are none of Kwil's: they are passed on unread to one node of the network they belong to, behind
 * the same door, rates and places as everything else. Nothing is tried twice.
 */
export interface Opaque {
  /** The path's rule when it is one of ours; null for any other, and for every spelling that could be read in two ways. */
  match(url: string): OpaquePath | null;
  web(rule: OpaquePath, request: IncomingMessage, response: ServerResponse, cors: Record<string, string>): void;
  upgrade(rule: OpaquePath, request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Sockets of a network that is not the one of their path any more are let go: their clients connect again. */
  look(): void;
  /** Lets the sockets go; requests under way end by themselves. */
  close(): void;
  destroy(): void;
}

export interface OpaquePorts {
  readonly nodes: Pick<NodesPort, 'url'>;
  readonly candidates: (network: NetworkName) => readonly NodeView[];
  readonly snapshot: () => RoutingSnapshot;
  readonly admission: Limits;
  readonly clientOf: (request: IncomingMessage) => string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);
const SOCKETS_MAX = 1000;
const CONNECTIONS_MAX = 256;
/** What every server reads alike: no escapes, no empty segments, no dots that climb. */
const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~!$&'()*+,=:@-]+)+\/?$/;
const PLAIN_QUERY = /^[\x21\x24-\x5b\x5d\x5f\x61-\x7a\x7e%]*$/;
/** Between two neighbours only, or ours to say. `upgrade` and `connection` are set again for a web socket. */
const DROPPED_REQUEST: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'x-switchyard-session',
];
const DROPPED_ANSWER =
  /^(?:access-control-.*|connection|keep-alive|proxy-.*|te|trailer|upgrade|server|via|x-powered-by)$/;

export function createOpaque(
  options: {
    readonly paths: readonly OpaquePath[];
    readonly readMs: number;
    readonly bodyBytesMax: number;
  },
  ports: OpaquePorts,
): Opaque {
  const { nodes, admission, metrics, logger } = ports;
  if (options.paths.length > 0 && process.env['FORCE_FETCH_PATH'] === 'true')
    throw new GatewayError('fetch_mode', 'config', 'FORCE_FETCH_PATH breaks compressed answers: unset it');
  const agents = {
    'http:': new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX }),
    'https:': new SecureAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX }),
  };
  const sockets = new Map<Duplex, { readonly rule: OpaquePath; readonly network: NetworkName }>();
  const proxy = createProxyServer({ changeOrigin: true, proxyTimeout: options.readMs });

  proxy.on('proxyRes', (answer, _request, response) => {
    for (const name of Object.keys(answer.headers)) if (DROPPED_ANSWER.test(name)) delete answer.headers[name];
    // What breaks off must not look complete, and must not stay open either.
    answer.once('close', () => answer.complete || response.destroy());
  });
  proxy.on('error', (error, _request, target) => {
    logger.debug({ reason: (error as NodeJS.ErrnoException).code }, 'a node did not answer on an opaque path');
    if (target instanceof Socket || !('headersSent' in target)) target.destroy();
    else if (target.headersSent) target.destroy();
    else writeText(target, 502, 'Bad Gateway\n', { connection: 'close' });
  });

  const networkOf = ({ network }: OpaquePath): NetworkName =>
    network === 'affine' ? ports.snapshot().intent.affine : network;

  function target(network: NetworkName): URL | null {
    const ranked = ports.candidates(network);
    const node = ranked.find(({ state }) => state !== 'down') ?? ranked[0];
    const url = node === undefined ? null : nodes.url({ network, name: node.name });
    return url === null ? null : new URL(url);
  }

  const agentOf = ({ protocol }: URL): Agent => agents[protocol === 'https:' ? 'https:' : 'http:'];

  function clean(request: IncomingMessage): void {
    const named = (request.headers.connection ?? '').toLowerCase().split(',');
    for (const name of named) delete request.headers[name.trim()];
    for (const name of DROPPED_REQUEST) delete request.headers[name];
    request.headers['x-forwarded-for'] = ports.clientOf(request);
  }

  return {
    match(url) {
      if (options.paths.length === 0) return null;
      const mark = url.indexOf('?');
      const path = mark < 0 ? url : url.slice(0, mark);
      if (!PLAIN_PATH.test(path) || (mark >= 0 && !PLAIN_QUERY.test(url.slice(mark + 1).replaceAll('?', ''))))
        return null;
      return options.paths.find(rule => path === rule.path || path.startsWith(`${rule.path}/`)) ?? null;
    },

    web(rule, request, response, cors) {
      const refuse = (status: number, text: string, reason: string): void => {
        metrics.rejections.inc({ reason });
        writeText(response, status, `${text}\n`, { ...cors, connection: 'close' });
      };
      if (request.method === 'OPTIONS') return void response.writeHead(200, { ...cors, 'content-length': 0 }).end();
      if (!METHODS.has(request.method ?? '')) return refuse(405, 'Method Not Allowed', 'method_denied');
      if (Number(request.headers['content-length'] ?? 0) > options.bodyBytesMax)
        return refuse(413, 'Payload Too Large', 'too_large');
      const turned = admission.charge(ports.clientOf(request), rule.path) ?? admission.enter('node-affine');
      if (turned !== null)
        return refuse(turned.reason === 'rate_limited' ? 429 : 503, 'Try Again Later', turned.reason);
      response.once('close', () => admission.leave('node-affine'));
      const node = target(networkOf(rule));
      if (node === null) return refuse(503, 'Service Unavailable', 'no_node');
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > options.bodyBytesMax) response.destroy();
      });
      clean(request);
      for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
      proxy.web(request, response, { target: node, agent: agentOf(node) });
    },

    upgrade(rule, request, socket, head) {
      const refuse = (status: string): void =>
        void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      if (request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== 'websocket')
        return refuse('400 Bad Request');
      if (sockets.size >= SOCKETS_MAX) return refuse('503 Service Unavailable');
      if (admission.charge(ports.clientOf(request), rule.path) !== null) return refuse('429 Too Many Requests');
      const network = networkOf(rule);
      const node = target(network);
      if (node === null) return refuse('503 Service Unavailable');
      clean(request);
      request.headers.connection = 'Upgrade';
      request.headers.upgrade = 'websocket';
      sockets.set(socket, { rule, network });
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      proxy.ws(request, socket, head, { target: node, agent: agentOf(node) });
    },

    look() {
      for (const [socket, { rule, network }] of sockets) if (networkOf(rule) !== network) socket.destroy();
    },

    close() {
      for (const socket of sockets.keys()) socket.destroy();
    },

    destroy() {
      for (const socket of sockets.keys()) socket.destroy();
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}
