import type { NetworkName, NodeRef } from '../model/index.js';
import { NETWORK_NAMES, NODE_STATES, nodeId } from '../model/index.js';
import { createNotifier, type Clock } from '../platform/index.js';
import type { NetworkView, NodeView } from '../routing/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import { RpcCallError, UpstreamError } from './errors.js';
import { createProbedNode, type ProbeOptions, type ProbedNode } from './node.js';
import { rank } from './pick.js';
import { createPool, type UpstreamAnswer } from './pool.js';

export interface NetworkOptions {
  readonly chainId: string;
  readonly nodes: readonly { readonly name: string; readonly url: string }[];
}

export interface NodesOptions {
  readonly networks: { readonly old: NetworkOptions; readonly new?: NetworkOptions | undefined };
  readonly probes: ProbeOptions;
}

export interface NodesPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export type CallKind = 'client' | 'probe' | 'control';

export interface SendOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly kind: CallKind;
  /** Larger answers come with a `rest` that still arrives (see pool). */
  readonly streamAbove?: number | undefined;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Nodes {
  start(): Promise<void>;
  close(): Promise<void>;
  destroy(reason?: string): void;
  /** Null while the network is not configured. */
  view(network: NetworkName): NetworkView | null;
  /** State, height or migration status of some node changed. */
  subscribe(listener: () => void): () => void;
  /** As subscribe, and after every probe besides: for waits that depend on how fresh a look is. */
  subscribeProbes(listener: () => void): () => void;
  /** Raw JSON-RPC POST: any complete HTTP answer resolves; throws UpstreamError with `sent` no or maybe. */
  send(node: NodeRef, body: Uint8Array, options: SendOptions): Promise<UpstreamAnswer>;
  /** GET of one of the node's fixed paths; same errors. */
  get(node: NodeRef, path: string, options: SendOptions): Promise<UpstreamAnswer>;
  /** Parsed result of one call; throws RpcCallError (the node's answer) or UpstreamError. */
  call<T>(node: NodeRef, method: string, params: unknown, options?: CallOptions): Promise<T>;
  /** The same on the best node, then on the others when one cannot be reached. Reads only. */
  callNetwork<T>(
    network: NetworkName,
    method: string,
    params: unknown,
    options?: CallOptions,
  ): Promise<{ node: NodeRef; result: T }>;
  /** Best first, the sticky one ahead of its equals; never quarantined or drained ones. */
  rank(network: NetworkName, sticky: string | null): readonly NodeView[];
  /** Calls in flight on a node: live load for picking. */
  load(node: NodeRef): number;
  setNetwork(network: 'new', options: NetworkOptions): void;
  drain(node: NodeRef): boolean;
  resume(node: NodeRef): boolean;
  probeNow(network: NetworkName): Promise<void>;
  /** Where a node is, as configured; null when there is none of that name. */
  url(node: NodeRef): string | null;
}

const CALL_TIMEOUT_MS = 10_000;
const RPC_PATH = '/rpc/v1';

interface Network {
  readonly name: NetworkName;
  readonly chainId: string;
  readonly nodes: Map<string, ProbedNode>;
  view: NetworkView | null;
}

export function createNodes(options: NodesOptions, ports: NodesPorts): Nodes {
  const { clock, metrics } = ports;
  const logger = ports.logger.child({ component: 'nodes' });
  const changes = createNotifier();
  const probes = createNotifier();
  const networks = new Map<NetworkName, Network>();
  const urls = new Map<string, string>();
  let running = false;
  let ended = false;

  function addNetwork(name: NetworkName, network: NetworkOptions): void {
    const added: Network = { name, chainId: network.chainId, nodes: new Map(), view: null };
    for (const { name: nodeName, url } of network.nodes) {
      urls.set(nodeId({ network: name, name: nodeName }), url);
      added.nodes.set(nodeName, addNode(added, { network: name, name: nodeName }, url));
    }
    networks.set(name, added);
  }

  function addNode(network: Network, ref: NodeRef, url: string): ProbedNode {
    return createProbedNode(ref, url, createPool({ url }), options.probes, {
      clock,
      logger,
      context: () => ({ chainId: network.chainId, head: headOf(network) }),
      call: (method, params, opts) => callNode(ref, method, params, { ...opts, kind: 'probe' }),
      changed: meaningful => {
        network.view = null;
        if (meaningful) {
          observeMetrics(network, ref);
          changes.notify();
        }
        probes.notify();
      },
    });
  }

  const nodeOf = (ref: NodeRef): ProbedNode => {
    const node = networks.get(ref.network)?.nodes.get(ref.name);
    if (node === undefined) throw new UpstreamError('node_unknown', 'no');
    return node;
  };

  /** A foreign chain's heights were never taken in, so every node's last known height counts, also of those down. */
  const headOf = (network: Network): number => {
    let head = 0;
    for (const node of network.nodes.values()) head = Math.max(head, node.view().height);
    return head;
  };

  function viewOf(name: NetworkName): NetworkView | null {
    const network = networks.get(name);
    if (network === undefined) return null;
    return (network.view ??= Object.freeze({
      name,
      chainId: network.chainId,
      head: headOf(network),
      nodes: Object.freeze([...network.nodes.values()].map(node => node.view())),
    }));
  }

  function observeMetrics(network: Network, ref: NodeRef): void {
    const view = nodeOf(ref).view();
    const labels = { network: ref.network, node: ref.name };
    metrics.nodeUp.set(labels, view.state === 'up' ? 1 : 0);
    for (const state of NODE_STATES) metrics.nodeState.set({ ...labels, state }, view.state === state ? 1 : 0);
    metrics.nodeHeight.set(labels, view.height);
    metrics.networkHeight.set({ network: network.name }, headOf(network));
    if (view.migration !== null) setStatus(network.name, view.migration.status);
  }

  /** The five texts of the protocol; anything else is a node's own matter and no label. */
  function setStatus(network: NetworkName, status: string): void {
    for (const known of [
      'NoActiveMigration',
      'ActivationPeriod',
      'MigrationInProgress',
      'MigrationCompleted',
      'GenesisMigration',
    ]) {
      metrics.migrationStatus.set({ network, status: known }, known === status ? 1 : 0);
    }
  }

  async function request(
    ref: NodeRef,
    method: 'POST' | 'GET',
    path: string,
    body: Uint8Array | null,
    opts: SendOptions,
  ): Promise<UpstreamAnswer> {
    const node = nodeOf(ref);
    try {
      const { timeoutMs, signal, streamAbove } = opts;
      const answer = await node.pool.request({ method, path, body, timeoutMs, signal, streamAbove });
      metrics.upstreamAttempts.inc({ network: ref.network, node: ref.name, kind: opts.kind, outcome: 'answered' });
      return answer;
    } catch (error) {
      const code = error instanceof UpstreamError ? error.code : 'node_reset';
      metrics.upstreamAttempts.inc({ network: ref.network, node: ref.name, kind: opts.kind, outcome: code });
      // A caller that gave up says nothing about the node; a probe's failure is judged by the probe.
      if (opts.kind !== 'probe' && code !== 'aborted' && code !== 'closed')
        node.suspect(code === 'node_refused', (error as Error).message);
      throw error;
    }
  }

  async function callNode<T>(ref: NodeRef, method: string, params: unknown, opts: SendOptions): Promise<T> {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
    const answer = await request(ref, 'POST', RPC_PATH, body, opts);
    const parsed = parseAnswer(answer.body);
    if (parsed === null) throw new UpstreamError(answer.status === 503 ? 'node_timeout' : 'node_malformed', 'maybe');
    if ('error' in parsed) throw new RpcCallError(parsed.error.code, parsed.error.message, parsed.error.data);
    return parsed.result as T;
  }

  const nodes: Nodes = {
    async start() {
      if (running || ended) return;
      running = true;
      for (const network of networks.values()) for (const node of network.nodes.values()) node.start();
    },
    async close() {
      if (ended) return;
      ended = true;
      const all = [...networks.values()].flatMap(network => [...network.nodes.values()]);
      for (const node of all) node.stop();
      await Promise.all(all.map(node => node.pool.close()));
    },
    destroy() {
      ended = true;
      for (const network of networks.values()) {
        for (const node of network.nodes.values()) {
          node.stop();
          node.pool.destroy();
        }
      }
    },
    view: viewOf,
    subscribe: changes.subscribe,
    subscribeProbes: probes.subscribe,
    send: (ref, body, opts) => request(ref, 'POST', RPC_PATH, body, opts),
    get: (ref, path, opts) => request(ref, 'GET', path, null, opts),
    call: (ref, method, params, opts = {}) =>
      callNode(ref, method, params, {
        timeoutMs: opts.timeoutMs ?? CALL_TIMEOUT_MS,
        signal: opts.signal,
        kind: 'control',
      }),
    async callNetwork<T>(network: NetworkName, method: string, params: unknown, opts: CallOptions = {}) {
      let last: unknown = new UpstreamError('node_unknown', 'no');
      for (const candidate of rank(viewOf(network)?.nodes ?? [], null, loadOf)) {
        const node: NodeRef = { network, name: candidate.name };
        try {
          return { node, result: await nodes.call<T>(node, method, params, opts) };
        } catch (error) {
          // The node's own error is an answer; only what did not get through is worth another node.
          if (!(error instanceof UpstreamError) || opts.signal?.aborted === true) throw error;
          last = error;
        }
      }
      throw last;
    },
    rank: (network, sticky) => rank(viewOf(network)?.nodes ?? [], sticky, loadOf),
    load: ref => networks.get(ref.network)?.nodes.get(ref.name)?.pool.inFlight() ?? 0,
    setNetwork(name, network) {
      const before = networks.get(name);
      addNetwork(name, network);
      for (const node of before?.nodes.values() ?? []) {
        node.stop();
        void node.pool.close();
      }
      if (running && !ended) for (const node of networks.get(name)!.nodes.values()) node.start();
      changes.notify();
    },
    drain: ref => feedKnown(ref, 'drain'),
    resume: ref => feedKnown(ref, 'resume'),
    url: ref => urls.get(nodeId(ref)) ?? null,
    async probeNow(network) {
      await Promise.all([...(networks.get(network)?.nodes.values() ?? [])].map(node => node.probe()));
    },
  };

  const loadOf = (node: NodeView): number => networks.get(node.network)?.nodes.get(node.name)?.pool.inFlight() ?? 0;

  function feedKnown(ref: NodeRef, kind: 'drain' | 'resume'): boolean {
    const node = networks.get(ref.network)?.nodes.get(ref.name);
    if (node === undefined) return false;
    logger.info({ node: nodeId(ref) }, kind === 'drain' ? 'node taken out by hand' : 'node put back by hand');
    node.feed({ kind });
    return true;
  }

  for (const name of NETWORK_NAMES) {
    const network = options.networks[name];
    if (network !== undefined) addNetwork(name, network);
  }
  return nodes;
}

type RpcAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data: unknown } };

/** Null for anything that is not a JSON-RPC answer (a crashed handler is empty, a time-out is text). */
export function parseAnswer(body: Buffer): RpcAnswer | null {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { result, error } = value as {
    result?: unknown;
    error?: { code?: unknown; message?: unknown; data?: unknown } | null;
  };
  if (typeof error === 'object' && error !== null && typeof error.code === 'number') {
    return {
      error: { code: error.code, message: typeof error.message === 'string' ? error.message : '', data: error.data },
    };
  }
  return result === undefined ? null : { result };
}
