import { systemClock, waitFor, type Clock } from '../platform/index.js';
import type { NetworkParams } from '../protocol/index.js';
import type { StoredBlock } from './chain/block-store.js';
import type { Resolution } from './chain/resolutions.js';
import { packSnapshot } from './chain/snapshot.js';
import { createControlPort, type ControlPort } from './control-port.js';
import { createEngine, type Engine } from './engine/index.js';
import type { ActiveFault, FaultKind, FaultRequest } from './faults.js';
import type { ListenerStep } from './migration/listener.js';
import { createNetworkCore, type NetworkCore } from './network/network.js';
import { proposeMigration, sendAsValidator, type MigrationProposalOptions } from './network/migration-proposal.js';
import { ownerIdentity, walletSigner } from './network/owner.js';
import type { DevNode, NodeMode } from './node/node.js';
import { resolveOptions, type NetworkOptions } from './options.js';
import { templateFolder } from './template-folder.js';

export interface DevnetOptions {
  /** Makes the state machine of a network; default: the PGlite engine. */
  readonly createEngine?: () => Promise<Engine>;
  /** Where the default engine keeps its prepared empty cluster; default: the user's cache folder. */
  readonly templateFolder?: string;
  readonly clock?: Clock;
  /** What nodes have to say: network, node, line. */
  readonly log?: (network: string, node: string, line: string) => void;
  /** Port of the control interface on loopback; 0 takes a free one, null (default) opens none. */
  readonly controlPort?: number | null;
}

/** Embedded development networks and their control port. */
export interface Devnet {
  /** Adds a network, not started. */
  createNetwork(options: NetworkOptions): NetworkHandle;
  network(name: string): NetworkHandle | undefined;
  networks(): readonly NetworkHandle[];
  /** Starts every network that was added, and the control port. */
  start(): Promise<void>;
  /** Ends everything. May be called twice. */
  stop(): Promise<void>;
  controlUrl(): string | null;
}

export interface BlockSummary {
  readonly height: number;
  readonly hash: string;
  readonly appHash: string;
  readonly stampMs: number;
  readonly txs: readonly {
    readonly hash: string;
    readonly type: string;
    readonly code: number;
    readonly log: string;
  }[];
}

export interface ExportedState {
  readonly height: number;
  readonly sql: Uint8Array;
  /** SHA-256 of the SQL, hex. */
  readonly hash: string;
  /** Pending parameter proposals: the only resolutions that a snapshot keeps. */
  readonly proposals: readonly Resolution[];
}

export interface NetworkHandle {
  readonly name: string;
  readonly chainId: string;
  readonly nodes: readonly NodeHandle[];
  /** Base URLs of the nodes; known once started. */
  readonly urls: readonly string[];
  /** Private key of the database owner, hex. */
  readonly ownerKey: string;
  /** Wallet signer of that key. */
  readonly ownerSigner: ReturnType<typeof walletSigner>;
  /** Identity text of the owner. */
  readonly owner: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Greatest committed height; 0 before the first block. */
  height(): number;
  migrationStatus(): NetworkParams['migrationStatus'] | null;
  migrationWindow(): { readonly start: number; readonly end: number } | null;
  /** Old network: whether the genesis dump is being written. */
  dumping(): boolean;
  /** New network: last old height that it applied. */
  appliedHeight(): number;
  blocks(from?: number, to?: number): readonly BlockSummary[];
  block(height: number): StoredBlock | undefined;
  /** Makes blocks now, with whatever the leader's mempool has; resolves when every living node shows the last. */
  makeBlocks(count?: number): Promise<void>;
  /** Resolves when every living node shows this height. Throws at the deadline. */
  waitForHeight(height: number, timeoutMs?: number): Promise<void>;
  waitForStatus(status: NetworkParams['migrationStatus'], timeoutMs?: number): Promise<void>;
  /** Resolves when a condition holds; looked at after every change. Throws at the deadline. */
  waitUntil(condition: () => boolean, what: string, timeoutMs?: number): Promise<void>;
  proposeMigration(
    options: MigrationProposalOptions,
  ): Promise<{ readonly id: string; readonly start: number; readonly end: number }>;
  /** A transaction signed by a node's own key, waited for. */
  sendAsValidator(node: number, type: string, payload: Uint8Array): Promise<{ readonly hash: string }>;
  /** From this height on another node leads. */
  replaceLeader(node: number, height: number): void;
  /**
   * State for an offline migration: start another network with `genesisState: sql`, `stateHash: hash`,
   * `genesisProposals: proposals`.
   */
  exportState(): Promise<ExportedState>;
}

export interface NodeHandle {
  readonly index: number;
  readonly name: string;
  readonly url: string;
  /** Public key, hex. */
  readonly publicKey: string;
  mode(): NodeMode;
  /** Height in its `user.health`. */
  height(): number;
  mempoolSize(): number;
  /** What it said when it ended by itself. */
  lastWords(): string | null;
  /** SIGKILL: port closed, connections reset, memory lost. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  /** Switches a fault on; gives its id. */
  fault(request: FaultRequest): number;
  clearFault(id: number): boolean;
  clearFaults(kind?: FaultKind): void;
  faults(): readonly ActiveFault[];
  /** New network: kills the process at this step of the listener. */
  killListenerAt(step: ListenerStep, height?: number): void;
  /** New network: old height that the listener asks for; null without a listener. */
  listenerAsks(): number | null;
}

const WAIT_MS = 30_000;

export function createDevnet(options: DevnetOptions = {}): Devnet {
  const clock = options.clock ?? systemClock;
  const folder = options.templateFolder ?? templateFolder();
  const makeEngine = options.createEngine ?? (() => createEngine({ templateFolder: folder }));
  const log = options.log ?? ((): void => undefined);
  const networks = new Map<string, NetworkHandle>();
  let control: ControlPort | null = null;

  const devnet: Devnet = {
    createNetwork(networkOptions) {
      if (networks.has(networkOptions.name)) throw new Error(`there is a network ${networkOptions.name} already`);
      const core = createNetworkCore(resolveOptions(networkOptions), {
        clock,
        createEngine: makeEngine,
        log,
      });
      const handle = networkHandle(core, clock);
      networks.set(networkOptions.name, handle);
      return handle;
    },
    network: name => networks.get(name),
    networks: () => [...networks.values()],
    async start() {
      await Promise.all([...networks.values()].map(network => network.start()));
      const port = options.controlPort ?? null;
      if (port !== null && !control) {
        control = createControlPort(devnet);
        await control.open(port);
      }
    },
    async stop() {
      const closing = control;
      control = null;
      await closing?.close();
      await Promise.all([...networks.values()].map(network => network.stop()));
    },
    controlUrl: () => control?.url() ?? null,
  };
  return devnet;
}

function networkHandle(core: NetworkCore, clock: Clock): NetworkHandle {
  const { options } = core;
  let starting: Promise<void> | null = null;
  const nodes = core.nodes.map(node => nodeHandle(core, node));
  const living = (): DevNode[] => core.nodes.filter(node => node.alive());

  async function waitUntil(condition: () => boolean, what: string, timeoutMs = WAIT_MS): Promise<void> {
    const seen = await waitFor(core.subscribe, () => (condition() ? true : undefined), { timeoutMs, clock });
    if (seen) return;
    const states = core.nodes.map(node => `${node.name} ${node.mode()} at ${node.head()} ${node.lastWords() ?? ''}`);
    throw new Error(`${options.name}: waited ${timeoutMs} ms for ${what}; ${states.join(', ')}`);
  }

  const handle: NetworkHandle = {
    name: options.name,
    chainId: options.chainId,
    nodes,
    get urls() {
      return nodes.map(node => node.url);
    },
    ownerKey: options.ownerKey,
    ownerSigner: walletSigner(options.ownerKey),
    owner: ownerIdentity(options.ownerKey),
    start: () => (starting ??= core.start()),
    stop: () => core.close(),
    height: () => shownHeight(core, core.store()?.head()),
    migrationStatus: () => (core.store() ? core.consensus().params.migrationStatus : null),
    migrationWindow: () => (core.store() ? core.consensus().migration : null),
    dumping: () => core.dumping() !== null,
    appliedHeight: () => (core.store() ? core.consensus().received.lastApplied : 0),
    blocks(from, to) {
      const store = core.store();
      const summaries: BlockSummary[] = [];
      if (!store) return summaries;
      const first = Math.max(from ?? 0, store.initialHeight + 1);
      for (let height = first; height <= Math.min(to ?? Infinity, store.head()); height++) {
        summaries.push(summaryOf(store.get(height)!));
      }
      return summaries;
    },
    block: height => core.store()?.get(height),
    waitUntil,
    waitForHeight: (height, timeoutMs) =>
      waitUntil(
        () => living().length > 0 && living().every(node => node.mode() !== 'restoring' && node.head() >= height),
        `height ${height}`,
        timeoutMs,
      ),
    waitForStatus: (status, timeoutMs) =>
      waitUntil(
        () => living().length > 0 && living().every(node => node.view().params.migrationStatus === status),
        `status ${status}`,
        timeoutMs,
      ),
    async makeBlocks(count = 1) {
      for (let made = 0; made < count; made++) {
        if (!(await core.makeBlock())) throw new Error(`${options.name}: nobody can propose a block`);
        await handle.waitForHeight(core.store()!.head());
      }
    },
    proposeMigration: proposal => proposeMigration(core, proposal),
    sendAsValidator: (node, type, payload) => sendAsValidator(core, core.nodes[node]!, type, payload),
    replaceLeader: (node, height) => core.replaceLeader(node, height),
    async exportState() {
      const sql = await core.dump();
      const { hash } = await packSnapshot(0, sql);
      const height = core.store()!.head();
      // Their expiry is a Unix time, and a node takes the height off it all the same (rolling-and-offline 2.2).
      const proposals = [...core.consensus().resolutions.values()]
        .filter(({ type }) => type === 'param_updates')
        .map(one => ({ ...one, expiresAt: one.expiresAt - height }));
      return { height, sql, hash, proposals };
    },
  };
  return handle;
}

function nodeHandle(core: NetworkCore, node: DevNode): NodeHandle {
  return {
    index: node.index,
    name: node.name,
    get url() {
      return node.url();
    },
    publicKey: node.key.publicKey,
    mode: () => node.mode(),
    height: () => shownHeight(core, node.head()),
    mempoolSize: () => node.mempool.size,
    lastWords: () => node.lastWords(),
    kill: () => node.kill(),
    stop: () => node.stop(),
    restart: () => node.restart(),
    pause: () => node.pause(),
    resume: () => node.resume(),
    fault: request => node.faults.add(request),
    clearFault: id => node.faults.remove(id),
    clearFaults: kind => node.faults.clear(kind),
    faults: () => node.faults.list(),
    killListenerAt(step, height) {
      const listener = core.listener(node);
      if (!listener) throw new Error(`${node.name} has no listener`);
      listener.killAt(step, height);
    },
    listenerAsks: () => core.listener(node)?.asks() ?? null,
  };
}

/** Heights are shown from the first block on. */
function shownHeight(core: NetworkCore, height: number | undefined): number {
  const store = core.store();
  return !store || height === undefined || height <= store.initialHeight ? 0 : height;
}

function summaryOf(block: StoredBlock): BlockSummary {
  return {
    height: block.header.height,
    hash: block.hash,
    appHash: block.appHash,
    stampMs: block.header.stampMs,
    txs: block.txs.map((tx, index) => ({
      hash: tx.hash,
      type: tx.tx.body?.type ?? '',
      code: block.results[index]!.code,
      log: block.results[index]!.log,
    })),
  };
}
