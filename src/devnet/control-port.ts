import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Devnet, NetworkHandle, NodeHandle } from './devnet.js';
import { FAULT_KINDS, type FaultKind, type FaultRequest } from './faults.js';
import { LISTENER_STEPS, type ListenerStep } from './migration/listener.js';

/**
 * HTTP JSON on loopback, for tests and people:
 *
 *   GET  /networks                                   every network and node
 *   GET  /networks/NET/blocks?from=&to=              summaries
 *   POST /networks/NET/migration                     {activationPeriod, duration, timestamp?} → {id, start, end}
 *   POST /networks/NET/leader                        {node, height}
 *   POST /networks/NET/nodes/N/{kill,stop,restart,pause,resume}
 *   GET  /networks/NET/nodes/N/faults                active faults
 *   POST /networks/NET/nodes/N/faults                {kind, method?, times?, …} → {id}
 *   DELETE /networks/NET/nodes/N/faults[?kind=|?id=]
 *   POST /networks/NET/nodes/N/kill-listener         {step, height?}
 *
 * N counts from 0.
 */
export interface ControlPort {
  open(port: number): Promise<void>;
  close(): Promise<void>;
  url(): string;
}

class ControlError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const BODY_BYTES_MAX = 64 * 1024;

export function createControlPort(devnet: Devnet): ControlPort {
  let server: Server | null = null;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const result = await route(request);
      answer(response, 200, result ?? {});
    } catch (error) {
      const status = error instanceof ControlError ? error.status : 500;
      answer(response, status, { error: error instanceof Error ? error.message : String(error) });
    }
  }

  async function route(request: IncomingMessage): Promise<unknown> {
    const url = new URL(request.url ?? '/', 'http://loopback');
    const parts = url.pathname.split('/').filter(part => part !== '');
    const body = await bodyOf(request);
    if (parts[0] !== 'networks') throw new ControlError(404, 'no such path');
    if (parts.length === 1) return { networks: devnet.networks().map(describe) };
    const network = devnet.network(parts[1]!);
    if (!network) throw new ControlError(404, `no network ${parts[1]}`);
    if (parts.length === 2) return describe(network);
    const posted = request.method === 'POST';
    switch (parts[2]) {
      case 'blocks':
        return { blocks: network.blocks(numberParam(url, 'from'), numberParam(url, 'to')) };
      case 'migration':
        if (!posted) throw new ControlError(405, 'POST');
        return network.proposeMigration({
          activationPeriod: numberOf(body, 'activationPeriod'),
          duration: numberOf(body, 'duration'),
          ...(typeof body['timestamp'] === 'string' ? { timestamp: body['timestamp'] } : {}),
        });
      case 'leader':
        if (!posted) throw new ControlError(405, 'POST');
        return network.replaceLeader(numberOf(body, 'node'), numberOf(body, 'height'));
      case 'nodes': {
        const node = network.nodes[Number(parts[3])];
        if (!node) throw new ControlError(404, `no node ${parts[3]}`);
        return nodeRoute(node, parts[4] ?? '', request.method ?? 'GET', url, body);
      }
      default:
        throw new ControlError(404, 'no such path');
    }
  }

  return {
    async open(port) {
      const made = createServer((request, response) => void handle(request, response));
      await new Promise<void>((resolve, reject) => {
        made.once('error', reject);
        made.listen(port, '127.0.0.1', resolve);
      });
      server = made;
    },
    async close() {
      const closing = server;
      server = null;
      if (!closing) return;
      await new Promise<void>(resolve => {
        closing.close(() => resolve());
        closing.closeAllConnections();
      });
    },
    url: () => `http://127.0.0.1:${(server?.address() as AddressInfo).port}`,
  };
}

async function nodeRoute(
  node: NodeHandle,
  action: string,
  method: string,
  url: URL,
  body: Record<string, unknown>,
): Promise<unknown> {
  if (action === '') return describeNode(node);
  if (action === 'faults' && method === 'GET')
    return { faults: node.faults().map(({ id, request }) => ({ id, ...request })) };
  if (action === 'faults' && method === 'DELETE') {
    const id = numberParam(url, 'id');
    if (id !== undefined) node.clearFault(id);
    else node.clearFaults((url.searchParams.get('kind') ?? undefined) as FaultKind | undefined);
    return {};
  }
  if (method !== 'POST') throw new ControlError(405, 'POST');
  switch (action) {
    case 'faults':
      if (!FAULT_KINDS.includes(body['kind'] as FaultKind)) {
        throw new ControlError(400, `kind must be one of ${FAULT_KINDS.join(', ')}`);
      }
      return { id: node.fault(body as FaultRequest) };
    case 'kill-listener':
      if (!LISTENER_STEPS.includes(body['step'] as ListenerStep)) {
        throw new ControlError(400, `step must be one of ${LISTENER_STEPS.join(', ')}`);
      }
      return node.killListenerAt(body['step'] as ListenerStep, body['height'] as number | undefined);
    case 'kill':
    case 'stop':
    case 'restart':
      await node[action]();
      return describeNode(node);
    case 'pause':
    case 'resume':
      node[action]();
      return describeNode(node);
    default:
      throw new ControlError(404, 'no such path');
  }
}

const describe = (network: NetworkHandle): unknown => ({
  name: network.name,
  chainId: network.chainId,
  height: network.height(),
  migrationStatus: network.migrationStatus(),
  window: network.migrationWindow(),
  appliedHeight: network.appliedHeight(),
  nodes: network.nodes.map(describeNode),
});

const describeNode = (node: NodeHandle): unknown => ({
  index: node.index,
  name: node.name,
  url: node.url,
  mode: node.mode(),
  height: node.height(),
  mempool: node.mempoolSize(),
  lastWords: node.lastWords(),
  listenerAsks: node.listenerAsks(),
});

function numberParam(url: URL, name: string): number | undefined {
  const text = url.searchParams.get(name);
  return text === null ? undefined : Number(text);
}

function numberOf(body: Record<string, unknown>, name: string): number {
  const value = body[name];
  if (typeof value !== 'number') throw new ControlError(400, `${name} must be a number`);
  return value;
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > BODY_BYTES_MAX) throw new ControlError(413, 'body is too large');
    parts.push(part as Buffer);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>;
  } catch {
    throw new ControlError(400, 'body is not JSON');
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
