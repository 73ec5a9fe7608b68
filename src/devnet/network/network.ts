import { createNotifier, type Clock } from '../../platform/index.js';
import type { BlockStore, StoredBlock } from '../chain/block-store.js';
import { createChangesetRecords, type ChangesetRecords } from '../chain/changeset-record.js';
import type { ConsensusState } from '../chain/consensus-state.js';
import { unproposedEvents } from '../chain/proposal.js';
import type { GenesisSnapshot } from '../chain/snapshot.js';
import { createStateView, type StateView } from '../chain/state-view.js';
import type { Engine } from '../engine/index.js';
import { deriveNodeKey } from '../keys.js';
import type { Genesis } from '../migration/genesis.js';
import { createListener, type Listener } from '../migration/listener.js';
import { createNode, type DevNode } from '../node/node.js';
import { createProducer } from '../node/producer.js';
import type { ResolvedOptions } from '../options.js';
import { createMethods, healthAnswer, openRpcDocument } from '../rpc/methods.js';
import { createBlockMaker } from './block-maker.js';
import { createGenesisAdoption } from './genesis-adoption.js';
import { createGossip } from './gossip.js';
import { createHousekeeping } from './housekeeping.js';
import { createNetworkState, isKnownResolution, leaderFor, viewOfNode, voters } from './state.js';
import { majorityOf, voteForBodies } from './voting.js';

export interface NetworkPorts {
  readonly clock: Clock;
  createEngine(): Promise<Engine>;
  log(network: string, node: string, line: string): void;
}

/** Chain, nodes and block rhythm of one network, without the test-facing sugar of devnet.ts. */
export interface NetworkCore {
  readonly options: ResolvedOptions;
  readonly nodes: readonly DevNode[];
  readonly changesets: ChangesetRecords;
  start(): Promise<void>;
  close(): Promise<void>;
  /** Null until the genesis is known: at once on an old network. */
  store(): BlockStore | null;
  /** At the head of the chain; only when there is a store. */
  consensus(): ConsensusState;
  genesis(): Genesis | null;
  state(node: DevNode): StateView;
  snapshot(): GenesisSnapshot | null;
  /** While the genesis dump runs: resolves at its end. */
  dumping(): Promise<void> | null;
  /** Null on an old network, and on a new one until that node has its genesis. */
  listener(node: DevNode): Listener | null;
  /** From this height on another node leads; all nodes are told, as `replace-leader` does. */
  replaceLeader(index: number, height: number): void;
  /** A block now; false when nobody can propose. */
  makeBlock(): Promise<boolean>;
  readonly subscribe: (listener: () => void) => () => void;
  /** The whole state at the head, between two blocks. */
  dump(): Promise<Uint8Array>;
}

/** Validators ignore proposals of this height or more while they have no block (reference 6.13 #3). */
const FAR_START = 100;

export function createNetworkCore(options: ResolvedOptions, ports: NetworkPorts): NetworkCore {
  const { clock } = ports;
  const changed = createNotifier();
  const state = createNetworkState();
  const changesets = createChangesetRecords();
  const listeners: (Listener | undefined)[] = [];
  const log = (node: string, line: string): void => ports.log(options.name, node, line);

  const nodes: DevNode[] = Array.from({ length: options.nodes }, (_, index) =>
    createNode(index, deriveNodeKey(options.seed, options.keysOf, index), {
      options,
      clock,
      store: () => state.store!,
      state: () => viewOfNode(state, index),
      isResolutionOpen: id => state.consensus?.resolutions.get(id),
      gossip: (from, tx) => gossip.announce(from, tx),
      wake: () => producer.wake(),
      changed: () => changed.notify(),
      committed,
      prepare,
      left: node => listeners[node.index]?.stop(),
      methods: node => createMethods(node, core),
      health: (node, service) => healthAnswer(node, core, service),
      spec: openRpcDocument,
      log: (node, line) => log(node.name, line),
    }),
  );

  const gossip = createGossip(nodes, options.timing.gossip, clock);
  const genesis = createGenesisAdoption({ options, clock, state, nodes: () => nodes, changed: changed.notify, log });
  const housekeeping = createHousekeeping({
    clock,
    timing: options.timing,
    state,
    nodes,
    announceAll: node => gossip.announceAll(node),
  });
  const producer = createProducer({
    clock,
    blockMs: options.blockMs,
    emptyBlockMs: options.emptyBlockMs,
    manual: options.manualBlocks,
    proposer,
    hasWork: leader =>
      leader.mempool.size > 0 ||
      (leader.events.size > 0 && unproposedEvents(leader, id => isKnownResolution(state, id)).length > 0),
    make: createBlockMaker({ options, clock, state, nodes, changesets, changed: changed.notify }),
    failed: error => {
      for (const node of nodes) node.crash(error instanceof Error ? (error.stack ?? error.message) : String(error));
    },
  });

  function proposer(): DevNode | null {
    const { store, consensus } = state;
    if (!store || !consensus || state.closed || consensus.params.migrationStatus === 'MigrationCompleted') return null;
    const leader = leaderFor(state, nodes, store.head() + 1);
    if (!leader?.alive() || leader.mode() !== 'running') return null;
    const { validators } = consensus;
    const stalls = options.defects.farStartStalls && validators.length > 1 && store.initialHeight >= FAR_START;
    if (stalls && store.head() === store.initialHeight) return null;
    return voters(state, nodes).length >= majorityOf(validators) ? leader : null;
  }

  function committed(node: DevNode, block: StoredBlock): void {
    housekeeping.heard(node);
    void voteForBodies(state, node, block, options.chainId);
    changed.notify();
  }

  async function prepare(node: DevNode): Promise<boolean> {
    if (!(await genesis.prepare(node))) return false;
    if (!options.migrateFrom) return true;
    const listener = (listeners[node.index] ??= listenerOf(node, options.migrateFrom[node.index]!));
    // After the node runs: the first thing it may do is to end it.
    queueMicrotask(() => listener.start());
    return true;
  }

  function listenerOf(node: DevNode, url: string): Listener {
    const { params, window } = state.genesis!;
    return createListener({
      node,
      url,
      clock,
      window: window!,
      pieceBytes: Math.floor(Number(params.maxBlockSize) / 3),
      paceMs: options.listenerPaceMs,
      backoffMs: options.listenerBackoffMs,
      defects: options.defects,
      isDecided: id => state.consensus!.processed.has(id),
      emitted: () => {
        producer.wake();
        const block = state.store!.get(node.head());
        if (block) void voteForBodies(state, node, block, options.chainId);
      },
      log: line => log(node.name, line),
    });
  }

  const core: NetworkCore = {
    options,
    nodes,
    changesets,
    async start() {
      const count = options.enginePerNode ? options.nodes : 1;
      const engines = await Promise.all(Array.from({ length: count }, () => ports.createEngine()));
      state.views = engines.map(createStateView);
      if (!options.migrateFrom) await genesis.adoptOwn();
      housekeeping.start();
      const starts = Promise.all(nodes.map(node => node.start()));
      // A new network's nodes have no port until they have their genesis: nobody waits for that here.
      if (!options.migrateFrom) await starts;
      else starts.catch((error: unknown) => log('', `start failed: ${String(error)}`));
    },
    async close() {
      if (state.closed) return;
      state.closed = true;
      genesis.close();
      housekeeping.close();
      for (const listener of listeners) listener?.stop();
      await producer.close();
      await Promise.all(nodes.map(node => node.kill()));
      await Promise.all(state.views.map(view => view.engine.close()));
    },
    store: () => state.store,
    consensus: () => state.consensus!,
    genesis: () => state.genesis,
    state: node => viewOfNode(state, node.index),
    snapshot: () => state.snapshot,
    dumping: () => state.dumping,
    listener: node => listeners[node.index] ?? null,
    replaceLeader(index, height) {
      state.nextLeader = { index, height };
      producer.wake();
    },
    makeBlock: () => producer.now(),
    subscribe: listener => changed.subscribe(listener),
    dump: () => state.views[0]!.engine.dump(),
  };
  return core;
}
