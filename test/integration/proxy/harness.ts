import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodes, type Nodes } from '../../../src/nodes/index.js';
import { createNotifier, systemClock } from '../../../src/platform/index.js';
import { createSigner, encodeTxJson, signTx, txHash, encodePayload, textValue } from '../../../src/protocol/index.js';
import { createProxy, type Proxy, type ProxyOptions } from '../../../src/proxy/index.js';
import { project, type Intent, type RoutingSnapshot, type WatermarkView } from '../../../src/routing/index.js';
import { createAnswerStore, createLedger, type Ledger } from '../../../src/storage/index.js';
import { createMetrics, silentLogger, type Metrics } from '../../../src/telemetry/index.js';
import { createChain, createScriptedNode, type ScriptedChain, type ScriptedNode } from './scripted-network.js';

export interface Harness {
  readonly url: string;
  readonly old: ScriptedChain;
  readonly fresh: ScriptedChain;
  readonly oldNodes: readonly ScriptedNode[];
  readonly newNodes: readonly ScriptedNode[];
  readonly proxy: Proxy;
  readonly nodes: Nodes;
  readonly ledger: Ledger;
  readonly metrics: Metrics;
  readonly intent: (change: Partial<Intent>) => void;
  readonly watermark: (change: Partial<WatermarkView>) => void;
  readonly snapshot: () => RoutingSnapshot;
  /** A look at every node now. */
  readonly probe: () => Promise<void>;
  readonly post: (
    body: string,
    headers?: Record<string, string>,
    signal?: AbortSignal,
  ) => Promise<{ status: number; headers: Headers; text: string; json: Rpc }>;
  readonly rpc: (
    method: string,
    params?: unknown,
    headers?: Record<string, string>,
  ) => Promise<{ headers: Headers; json: Rpc }>;
  readonly close: () => Promise<void>;
}

export interface Rpc {
  readonly id?: unknown;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Record<string, unknown> };
}

export interface HarnessOptions {
  readonly oldCount?: number;
  readonly newCount?: number;
  readonly probeMs?: number;
  readonly proxy?: Partial<ProxyOptions>;
  readonly folder?: string;
}

const STANDBY: Intent = {
  epoch: 1,
  phase: 'standby',
  strategy: 'zero-downtime',
  writes: { kind: 'send', network: 'old' },
  affine: 'old',
  reads: 'old',
  committed: false,
};

export const COMMITTED: Partial<Intent> = {
  epoch: 5,
  phase: 'switched',
  writes: { kind: 'send', network: 'new' },
  affine: 'new',
  reads: 'new',
  committed: true,
};

/** A gateway's request path in front of two scripted networks; the intent is ours to change. */
export async function createHarness(options: HarnessOptions = {}): Promise<Harness> {
  const old = createChain('kwil-old', 10);
  const fresh = createChain('kwil-new', 3);
  const oldNodes = Array.from({ length: options.oldCount ?? 2 }, (_, i) => createScriptedNode(`old-${i + 1}`, old));
  const newNodes = Array.from({ length: options.newCount ?? 1 }, (_, i) => createScriptedNode(`new-${i + 1}`, fresh));
  await Promise.all([...oldNodes, ...newNodes].map(node => node.open()));
  const shared = {
    clock: systemClock,
    logger: silentLogger,
    metrics: createMetrics({ version: 'test', commit: 'test' }),
  };
  const named = (nodes: readonly ScriptedNode[]) => nodes.map(node => ({ name: node.name, url: node.url() }));
  const nodes = createNodes(
    {
      networks: {
        old: { chainId: 'kwil-old', nodes: named(oldNodes) },
        new: { chainId: 'kwil-new', nodes: named(newNodes) },
      },
      probes: { intervalMs: options.probeMs ?? 60_000, timeoutMs: 2000 },
    },
    shared,
  );
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'switchyard-proxy-')));
  const ledger = createLedger({ folder: join(folder, 'ledger'), reserveBytes: 0 });
  await ledger.open();
  const answers = createAnswerStore({ folder: join(folder, 'answers') });
  await answers.open();
  const changes = createNotifier();
  let intent = STANDBY;
  let watermark: WatermarkView = { applied: null, perNode: {}, lagBlocks: null };
  let current!: RoutingSnapshot;
  const swap = (): void => {
    current = project(
      intent,
      { policy: 'auto', share: 0 },
      { old: nodes.view('old')!, new: nodes.view('new') },
      watermark,
      { blocks: null, ms: null },
    );
    changes.notify();
  };
  nodes.subscribe(swap);
  swap();
  await nodes.start();
  await Promise.all([nodes.probeNow('old'), nodes.probeNow('new')]);
  // The looks that follow the first probe have ended: no connection but the test's own from here on.
  await until(() =>
    [...oldNodes, ...newNodes].every(
      node =>
        node.calls.some(call => call.method === 'user.version') &&
        node.calls.some(call => call.method === 'user.migration_status'),
    ),
  );
  const proxy = createProxy(
    { listen: '127.0.0.1:0', writes: { holdMs: 400, holdMax: 100, holdBytesMax: 1_000_000 }, ...options.proxy },
    {
      ...shared,
      snapshot: () => current,
      onSnapshot: listener => changes.subscribe(listener),
      nodes,
      ledger,
      answers,
      migrationValue: () => ({
        phase: intent.phase,
        writeNetwork: intent.writes.kind === 'send' ? intent.writes.network : 'none',
        chainId: intent.committed ? 'kwil-new' : 'kwil-old',
        oldChainId: 'kwil-old',
        newChainId: 'kwil-new',
        epoch: intent.epoch,
        lagBlocks: null,
        endHeight: null,
        etaSeconds: null,
      }),
      secret: Buffer.alloc(32, 7),
    },
  );
  const { address } = await proxy.start();
  const url = `http://${address}`;
  let ids = 0;
  const harness: Harness = {
    url,
    old,
    fresh,
    oldNodes,
    newNodes,
    proxy,
    nodes,
    ledger,
    metrics: shared.metrics,
    intent(change) {
      intent = { ...intent, ...change };
      swap();
    },
    watermark(change) {
      watermark = { ...watermark, ...change };
      swap();
    },
    snapshot: () => current,
    probe: async () => {
      await Promise.all([nodes.probeNow('old'), nodes.probeNow('new')]);
    },
    async post(body, headers = {}, signal) {
      const response = await fetch(`${url}/rpc/v1`, {
        method: 'POST',
        body,
        headers,
        ...(signal === undefined ? {} : { signal }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: (text === '' ? {} : JSON.parse(text)) as Rpc,
      };
    },
    rpc: (method, params = {}, headers) =>
      harness.post(JSON.stringify({ jsonrpc: '2.0', id: ++ids, method, params }), headers),
    async close() {
      await proxy.close();
      await nodes.close();
      await ledger.close();
      await answers.close();
      await Promise.all([...oldNodes, ...newNodes].map(node => node.close()));
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
  return harness;
}

const signers = new Map<number, ReturnType<typeof createSigner>>();

/** A signed transaction of test account `key` (1 … 255) as a node gets it. */
export function makeTx(
  nonce: number,
  { chainId = 'kwil-old', key = 0x11, text = 'x' } = {},
): { json: string; hash: string } {
  const signer = signers.get(key) ?? createSigner({ type: 'secp256k1_ep', privateKey: Buffer.alloc(32, key) });
  signers.set(key, signer);
  const payload = encodePayload({ kind: 'execute', namespace: 'main', action: 'note', calls: [[textValue(text)]] });
  const tx = signTx({ desc: '', payload, type: 'execute', fee: 0n, nonce: BigInt(nonce), chainId }, signer);
  return { json: encodeTxJson(tx), hash: txHash(tx) };
}

export const broadcastBody = (tx: { json: string }, { id = '1', sync = false } = {}): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"user.broadcast","params":{"tx":${tx.json}${sync ? ',"sync":1' : ''}}}`;

/** Waits for a condition that another part brings about; not a measure of time. */
export async function until(condition: () => boolean, timeoutMs = 5000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error('the condition did not come true in time');
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
