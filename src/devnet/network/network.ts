import {
  blockHash,
  encodeBlock,
  encodePayload,
  merkleRoot,
  paramsHash,
  validatorSetHash,
  ZERO_HASH,
  type BlockHeader,
} from '../../protocol/index.js';
import { createNotifier, sleep, waitFor, type Clock } from '../../platform/index.js';
import { createBlockStore, viewOf, type BlockStore, type StoredBlock, type Vote } from '../chain/block-store.js';
import { createChangesetRecords } from '../chain/changeset-record.js';
import type { ConsensusState } from '../chain/consensus-state.js';
import { executeBlock } from '../chain/executor.js';
import { defaultParams } from '../chain/params.js';
import { FatalProposal, proposeTransactions, signedByNode, unproposedEvents } from '../chain/proposal.js';
import { voterOf, type Validator } from '../chain/resolutions.js';
import { packSnapshot, type GenesisSnapshot } from '../chain/snapshot.js';
import { createStateView, type StateView } from '../chain/state-view.js';
import { accountKey, FatalPayload, type ChainTx } from '../chain/transactions.js';
import { EngineHalt, type Engine, type GenesisOptions } from '../engine/index.js';
import { deriveNodeKey } from '../keys.js';
import { createGenesisSource, type Genesis } from '../migration/genesis.js';
import { createListener, type Listener } from '../migration/listener.js';
import { createNode, type DevNode } from '../node/node.js';
import { createProducer } from '../node/producer.js';
import type { ResolvedOptions } from '../options.js';
import { createMethods, healthAnswer, openRpcDocument } from '../rpc/methods.js';
import { ownerIdentity } from './owner.js';

export interface NetworkPorts {
  readonly clock: Clock;
  createEngine(): Promise<Engine>;
  log(network: string, node: string, line: string): void;
}

/** Chain, nodes and block rhythm of one network, without the test-facing sugar of devnet.ts. */
export interface NetworkCore {
  readonly options: ResolvedOptions;
  readonly nodes: readonly DevNode[];
  start(): Promise<void>;
  close(): Promise<void>;
  /** Resolves when the genesis is known: at once for an old network. */
  ready(timeoutMs: number): Promise<boolean>;
  store(): BlockStore | null;
  /** Live consensus state at the head of the chain. */
  consensus(): ConsensusState;
  genesis(): Genesis | null;
  state(node: DevNode): StateView;
  snapshot(): GenesisSnapshot | null;
  /** While the genesis dump runs: resolves at its end. */
  dumping(): Promise<void> | null;
  readonly changesets: ReturnType<typeof createChangesetRecords>;
  /** From this height on another node leads; all nodes are told, as `replace-leader` does. */
  replaceLeader(index: number, height: number): void;
  readonly subscribe: (listener: () => void) => () => void;
  /** Null on an old network, and on a new one until that node has its genesis. */
  listener(node: DevNode): Listener | null;
  /** Engine of the first node: for exports. */
  dump(): Promise<Uint8Array>;
  wake(): void;
  /** Makes one block now. False when nobody can propose. */
  makeBlock(): Promise<boolean>;
}

/** Refused proposals: validators ignore blocks more than this above their own height (reference 6.13 #3). */
const FAR_AHEAD = 100;

export function createNetworkCore(options: ResolvedOptions, ports: NetworkPorts): NetworkCore {
  const { clock } = ports;
  const changed = createNotifier();
  const keys = Array.from({ length: options.nodes }, (_, index) => deriveNodeKey(options.seed, options.name, index));
  const changesets = createChangesetRecords();
  const views: StateView[] = [];
  const listeners: (Listener | null)[] = [];
  let engines: Engine[] = [];
  let genesis: Genesis | null = null;
  let store: BlockStore | null = null;
  let consensus: ConsensusState | null = null;
  let snapshot: GenesisSnapshot | null = null;
  let dumping: Promise<void> | null = null;
  let nextLeader: { index: number; height: number } | null = null;
  let closed = false;
  const gossipQueue: { from: DevNode; tx: ChainTx }[] = [];
  let gossipArmed = false;
  const lastHeard = new Map<DevNode, number>();

  const nodes: DevNode[] = keys.map((key, index) =>
    createNode(index, key, {
      options,
      clock,
      store: () => store!,
      state: () => stateOf(index),
      isResolutionOpen: id => consensus?.resolutions.get(id),
      gossip,
      wake: () => producer.wake(),
      changed: () => changed.notify(),
      committed,
      prepare,
      left: node => listeners[node.index]?.stop(),
      methods: node => createMethods(node, core),
      health: (node, service) => healthAnswer(node, core, service),
      spec: openRpcDocument,
      log: (node, line) => ports.log(options.name, node.name, line),
    }),
  );

  const producer = createProducer({
    clock,
    blockMs: options.blockMs,
    emptyBlockMs: options.emptyBlockMs,
    manual: options.manualBlocks,
    proposer: () => {
      if (!store || !consensus || closed || consensus.params.migrationStatus === 'MigrationCompleted') return null;
      const leader = leaderFor(store.head() + 1);
      if (!leader?.alive() || leader.mode() !== 'running') return null;
      return hasMajority() ? leader : null;
    },
    hasWork: leader =>
      leader.mempool.size > 0 || (leader.events.size > 0 && unproposedEvents(leader, isKnown).length > 0),
    make,
    failed: error => {
      for (const node of nodes) node.crash(error instanceof Error ? (error.stack ?? error.message) : String(error));
    },
  });

  const stateOf = (index: number): StateView => views[options.enginePerNode ? index : 0]!;
  const isKnown = (id: string): boolean => consensus!.resolutions.has(id) || consensus!.processed.has(id);
  const voters = (): DevNode[] => {
    const set = new Set(consensus!.validators.map(one => one.key));
    return nodes.filter(node => set.has(node.key.publicKey) && node.alive());
  };

  function hasMajority(): boolean {
    const count = consensus!.validators.length;
    if (options.defects.farStartStalls && count > 1 && store!.head() === store!.initialHeight) {
      if (store!.initialHeight >= FAR_AHEAD) return false;
    }
    return voters().length >= Math.floor(count / 2) + 1;
  }

  function leaderFor(height: number): DevNode | null {
    if (nextLeader && height >= nextLeader.height) return nodes[nextLeader.index]!;
    return nodes.find(node => node.key.publicKey === consensus!.params.leader.key) ?? null;
  }

  /** One block from proposal to commit on the leader; followers get it a moment later. */
  async function make(leader: DevNode): Promise<boolean> {
    const chain = store!;
    const before = consensus!;
    const height = chain.head() + 1;
    const previous = chain.get(height - 1);
    const handOver = leader.key.publicKey !== before.params.leader.key;
    let txs: ChainTx[];
    try {
      const account = await stateOf(leader.index).load(leader.key.publicKey, 'secp256k1');
      txs = proposeTransactions(leader, {
        chainId: options.chainId,
        maxBlockSize: Number(before.params.maxBlockSize),
        maxVotesPerTx: Number(before.params.maxVotesPerTx),
        leaderNonce: account.nonce,
        isKnown,
      });
    } catch (error) {
      if (!(error instanceof FatalProposal)) throw error;
      leader.crash(error.message);
      return false;
    }
    if (
      before.migration &&
      height === before.migration.start &&
      !snapshot &&
      before.params.migrationStatus !== 'GenesisMigration'
    ) {
      await dumpGenesis(height);
    }
    if (!leader.alive()) return false;

    const leaderKey = { type: 'secp256k1', key: leader.key.publicKey } as const;
    const stampMs = Math.max(clock.now(), (previous?.header.stampMs ?? 0) + 1);
    const executed = await executeBlock(
      handOver ? { ...before, params: { ...before.params, leader: leaderKey } } : before,
      txs,
      stateOf(leader.index),
      {
        height,
        stampMs,
        leader: leaderKey,
        prevAppHash: previous?.appHash ?? genesis!.stateHash ?? ZERO_HASH,
        defects: options.defects,
      },
    ).catch((error: unknown) => {
      if (!(error instanceof EngineHalt || error instanceof FatalPayload)) throw error;
      // Every validator executes the same block and dies of it.
      for (const node of nodes) if (node.alive()) node.crash(error.message);
      return null;
    });
    if (!executed) return false;
    const updates = handOver ? { ...executed.end.updates, leader: leaderKey } : executed.end.updates;

    const header: BlockHeader = {
      version: 0,
      height,
      txCount: txs.length,
      prevHash: previous?.hash ?? ZERO_HASH,
      prevAppHash: previous?.appHash ?? genesis!.stateHash ?? ZERO_HASH,
      valsHash: validatorSetHash(before.validators.length),
      paramsHash: paramsHash(before.params),
      stampMs,
      merkleRoot: merkleRoot(txs.map(tx => tx.hash)),
      newLeader: handOver ? leaderKey : null,
    };
    const hash = blockHash({ header });
    const signature = leader.key.sign(Buffer.from(hash, 'hex'));
    if (executed.changeset) changesets.put(height, executed.changeset);
    if (outvoted(leader, before.validators)) {
      leader.crash('at least half the validators have rejected the block');
      // The engine is past this height already; the block stays so that engine and chain agree after a restart.
    }
    const block: StoredBlock = {
      header,
      hash,
      appHash: executed.appHash,
      signature,
      raw: encodeBlock({ header, signature, txs: txs.map(tx => tx.bytes) }),
      txs,
      results: executed.outcome.results,
      votes: votesFor(leader, before.validators, hash, executed.appHash),
      updates,
      stateDigest: executed.outcome.stateDigest,
      view: viewOf(executed.end.state),
      work: executed.work,
    };
    consensus = executed.end.state;
    chain.append(block);
    if (handOver) nextLeader = null;
    for (const node of nodes) if (node.events.size > 0) node.events.delete(executed.end.closed);
    changed.notify();
    if (nodes.length > 1) {
      clock.after(options.timing.followerDelay, () => {
        for (const node of nodes) if (node !== leader) void node.advance();
      });
    }
    await leader.advance();
    return true;
  }

  /** Half or more of the validators have another state than the leader. */
  function outvoted(leader: DevNode, validators: readonly Validator[]): boolean {
    if (!leader.faults.find('diverge')) return false;
    const rejecting = voters().filter(node => node !== leader && !node.faults.find('diverge')).length;
    return rejecting >= Math.ceil(validators.length / 2);
  }

  /** The first majority of votes, leader first, as commit infos carry them. */
  function votesFor(leader: DevNode, validators: readonly Validator[], hash: string, appHash: string): Vote[] {
    const needed = Math.floor(validators.length / 2) + 1;
    const agreeing = voters().filter(node => node !== leader && !node.faults.find('diverge'));
    const message = Buffer.concat([Buffer.from(hash, 'hex'), Buffer.from([1]), Buffer.from(appHash, 'hex')]);
    return [leader, ...agreeing].slice(0, needed).map(node => ({
      key: node.key.publicKey,
      keyType: 'secp256k1',
      signature: node.key.sign(message),
      ack: 1,
    }));
  }

  async function dumpGenesis(height: number): Promise<void> {
    const work = (async () => {
      if (options.timing.dumpDelay > 0) await sleep(clock, options.timing.dumpDelay);
      snapshot = await packSnapshot(height, await views[0]!.engine.dump());
    })();
    dumping = work;
    try {
      await work;
    } finally {
      dumping = null;
      changed.notify();
    }
  }

  function committed(node: DevNode, block: StoredBlock): void {
    lastHeard.set(node, clock.monotonic());
    voteForBodies(node, block);
    changed.notify();
  }

  /** A validator that is not the leader votes by id for what it has witnessed itself, once the body is on the chain. */
  function voteForBodies(node: DevNode, block: StoredBlock): void {
    if (node.events.size === 0 || !consensus || !node.alive() || node.faults.find('lag')) return;
    if (block.view.params.leader.key === node.key.publicKey) return;
    if (!block.view.validators.some(one => one.key === node.key.publicKey)) return;
    const me = voterOf(node.key.publicKey, 'secp256k1');
    for (const entry of node.mempool.entries()) {
      if (entry.sender?.key === node.key.publicKey && entry.tx.tx.body?.type === 'validator_vote_ids') return;
    }
    const ids: string[] = [];
    for (const { id } of node.events.list()) {
      const open = consensus.resolutions.get(id);
      if (open && !open.votes.has(me)) ids.push(id);
      if (ids.length >= Number(block.view.params.maxVotesPerTx)) break;
    }
    if (ids.length === 0) return;
    void sendVote(node, ids);
  }

  async function sendVote(node: DevNode, ids: readonly string[]): Promise<void> {
    const { publicKey } = node.key;
    const state = stateOf(node.index);
    const account = await state.load(publicKey, 'secp256k1');
    const before = node.mempool.pending(accountKey(publicKey, 'secp256k1')) ?? account;
    const payload = encodePayload({ kind: 'validator_vote_ids', ids });
    const tx = signedByNode(node, options.chainId, 'validator_vote_ids', payload, before.nonce + 1n);
    // A refusal is no loss: what still needs a vote is voted for again after the next block.
    await node.broadcast(tx, false).catch(() => undefined);
  }

  function gossip(from: DevNode, tx: ChainTx): void {
    if (nodes.length === 1) return;
    gossipQueue.push({ from, tx });
    if (gossipArmed) return;
    gossipArmed = true;
    clock.after(options.timing.gossip, () => {
      gossipArmed = false;
      for (const { from: sender, tx: one } of gossipQueue.splice(0)) {
        // A process that ended before it told the others takes its transactions with it.
        if (!sender.alive() || !sender.mempool.has(one.hash)) continue;
        for (const node of nodes) if (node !== sender && node.alive()) void node.receive(one);
      }
    });
  }

  /** Catch-up ticks of followers without a leader, and the slow re-announcement of mempools. */
  function housekeeping(): void {
    if (closed) return;
    clock.after(Math.min(1000, options.timing.catchUpTick / 4), housekeeping);
    if (!store || !consensus) return;
    const now = clock.monotonic();
    const leader = leaderFor(store.head() + 1);
    for (const node of nodes) {
      if (!node.alive() || leader?.alive()) {
        lastHeard.set(node, now);
        continue;
      }
      if (now - (lastHeard.get(node) ?? now) < options.timing.catchUpTick) continue;
      lastHeard.set(node, now);
      if (consensus.params.migrationStatus !== 'MigrationCompleted') node.loseMempool();
    }
    if (now - announcedAt < options.timing.reannounce) return;
    announcedAt = now;
    for (const node of nodes) {
      if (node.alive()) for (const { tx, sender } of node.mempool.entries()) if (sender) gossip(node, tx);
    }
  }
  let announcedAt = clock.monotonic();

  /** Genesis of a node: made here, or fetched from the old network. */
  async function prepare(node: DevNode): Promise<boolean> {
    if (!options.migrateFrom) return true;
    const source = sources[node.index]!;
    try {
      const found = await source.fetch(() => node.mode() === 'restoring' && !closed);
      if (!found) return false;
      await adopt(node, found.genesis, found.sql);
    } catch (error) {
      node.crash(error instanceof Error ? error.message : String(error));
      return false;
    }
    listeners[node.index] ??= createListener({
      node,
      url: options.migrateFrom[node.index]!,
      clock,
      window: genesis!.window!,
      pieceBytes: Math.floor(Number(genesis!.params.maxBlockSize) / 3),
      paceMs: options.listenerPaceMs,
      backoffMs: options.listenerBackoffMs,
      defects: options.defects,
      isDecided: id => consensus!.processed.has(id),
      emitted: () => {
        producer.wake();
        const block = store!.get(node.head());
        if (block) voteForBodies(node, block);
      },
      log: line => ports.log(options.name, node.name, line),
    });
    queueMicrotask(() => listeners[node.index]!.start());
    return true;
  }

  const sources = (options.migrateFrom ?? []).map(url =>
    createGenesisSource({
      url,
      clock,
      pollMs: options.metadataPollMs,
      log: line => ports.log(options.name, url, line),
    }),
  );
  /** Nodes whose database holds the genesis state: it outlives the process. */
  const restored = new Set<number>();
  let adopting: Promise<void> = Promise.resolve();

  /** The first node's genesis makes the network; another one's must be the same. */
  function adopt(node: DevNode, found: Genesis, sql: Uint8Array | null): Promise<void> {
    const next = adopting.then(async () => {
      if (restored.has(node.index)) return;
      if (genesis && genesis.stateHash !== found.stateHash) {
        throw new Error(`apphash mismatch, expected ${found.stateHash}, got ${genesis.stateHash}`);
      }
      if (options.enginePerNode || restored.size === 0) {
        const engine = stateOf(node.index).engine;
        if (sql) await engine.restore(sql, engineGenesis());
        else await engine.init(engineGenesis());
      }
      restored.add(node.index);
      if (!genesis) begin(found);
    });
    adopting = next.catch(() => undefined);
    return next;
  }

  function engineGenesis(): GenesisOptions {
    const alloc = Object.entries(options.alloc).map(([id, amount]) => ({
      identifier: Buffer.from(id.replace(/^0x/, ''), 'hex'),
      keyType: 'secp256k1' as const,
      amount,
    }));
    return { owner: ownerIdentity(options.ownerKey), alloc };
  }

  function begin(found: Genesis): void {
    genesis = found;
    consensus = {
      params: found.params,
      validators: found.validators,
      resolutions: new Map(),
      processed: new Set(),
      migration: found.window,
      received: { heights: new Map(), lastApplied: 0 },
    };
    store = createBlockStore(found.initialHeight, consensus);
    changed.notify();
  }

  /** Genesis that needs nobody else. */
  function ownGenesis(stateHash: string | null): Genesis {
    const validators = keys.map(key => ({ keyType: 'secp256k1' as const, key: key.publicKey, power: 1 }));
    const params = { ...defaultParams({ type: 'secp256k1', key: keys[0]!.publicKey }, options.gas), ...options.params };
    return { initialHeight: options.initialHeight, stateHash, params, validators, window: null };
  }

  const core: NetworkCore = {
    options,
    nodes,
    changesets,
    async start() {
      const count = options.enginePerNode ? options.nodes : 1;
      engines = await Promise.all(Array.from({ length: count }, () => ports.createEngine()));
      views.push(...engines.map(createStateView));
      if (!options.migrateFrom) {
        const state = options.genesisState;
        const own = ownGenesis(options.stateHash ?? (state ? (await packSnapshot(0, state)).hash : null));
        for (const node of nodes) await adopt(node, own, state);
      } else {
        for (const source of sources) source.base = ownGenesis(null);
      }
      housekeeping();
      const starts = nodes.map(node => node.start());
      // A new network's nodes have no port until they have their genesis: nobody waits for that here.
      if (!options.migrateFrom) await Promise.all(starts);
      else for (const one of starts) one.catch(error => ports.log(options.name, '', String(error)));
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const source of sources) source.close();
      for (const listener of listeners) listener?.stop();
      await producer.close();
      await Promise.all(nodes.map(node => node.kill()));
      await Promise.all(engines.map(engine => engine.close()));
    },
    ready: async timeoutMs =>
      (await waitFor(changed.subscribe, () => (store ? true : undefined), { timeoutMs, clock })) === true,
    store: () => store,
    consensus: () => consensus!,
    genesis: () => genesis,
    state: node => stateOf(node.index),
    snapshot: () => snapshot,
    listener: node => listeners[node.index] ?? null,
    dumping: () => dumping,
    replaceLeader(index, height) {
      nextLeader = { index, height };
      producer.wake();
    },
    subscribe: listener => changed.subscribe(listener),
    dump: () => views[0]!.engine.dump(),
    wake: () => producer.wake(),
    makeBlock: () => producer.now(),
  };
  return core;
}
