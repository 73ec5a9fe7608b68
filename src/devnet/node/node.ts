import { sleep, type Clock } from '../../platform/index.js';
import { admit } from '../admission.js';
import type { BlockStore, ChainView, StoredBlock, TxOutcome } from '../chain/block-store.js';
import type { StateView } from '../chain/state-view.js';
import type { ChainTx } from '../chain/transactions.js';
import { createFaults, type Faults } from '../faults.js';
import type { NodeKey } from '../keys.js';
import { createMempool, Rejection, type Mempool } from '../mempool.js';
import type { ResolvedOptions } from '../options.js';
import { HandlerPanic } from '../rpc/errors.js';
import { createRpcServer, type RpcMethod, type RpcServer } from '../rpc/server.js';
import { createChallenges, type Challenges } from './challenges.js';
import { createEventStore, type EventStore } from './event-store.js';

/**
 * down: no process · restoring: new network's node without its genesis, no port yet · starting: process up, port not yet ·
 * catching-up: answers from an old state · running.
 */
export type NodeMode = 'down' | 'restoring' | 'starting' | 'catching-up' | 'running';

/** What a node needs of its network. */
export interface NodePorts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  /** The chain, once the genesis is known. */
  store(): BlockStore;
  /** The state this node reads. */
  state(): StateView;
  readonly isResolutionOpen: (id: string) => { readonly type: string } | undefined;
  gossip(from: DevNode, tx: ChainTx): void;
  /** Something may allow or need a block. */
  wake(): void;
  changed(): void;
  /** A block became this node's head. */
  committed(node: DevNode, block: StoredBlock): void;
  /** Genesis is there, or gets there; false when the process ended over it. */
  prepare(node: DevNode): Promise<boolean>;
  /** The process is gone. */
  left(node: DevNode): void;
  /** Builds the methods this node answers. */
  methods(node: DevNode): ReadonlyMap<string, RpcMethod>;
  health(node: DevNode, service: string | null): { status: number; json: string } | undefined;
  readonly spec: () => string;
  log(node: DevNode, line: string): void;
}

/** One embedded kwild: process life, mempool, what it shows of the chain. */
export interface DevNode {
  readonly index: number;
  readonly name: string;
  readonly key: NodeKey;
  readonly faults: Faults;
  readonly events: EventStore;
  readonly mempool: Mempool;
  readonly challenges: Challenges;
  readonly ports: NodePorts;
  url(): string;
  mode(): NodeMode;
  /** Takes part in consensus: running or catching up, and not paused. */
  alive(): boolean;
  paused(): boolean;
  syncing(): boolean;
  /** Greatest block that chain methods show; the initial height before the first. */
  stored(): number;
  /** Last fully committed height; the initial height before the first block. */
  head(): number;
  view(): ChainView;
  /** Moments after a start in which health shows height 0 (rolling 1.1). */
  showsZero(): boolean;
  /** Why the process ended by itself, last. */
  lastWords(): string | null;
  peers(): number;
  broadcast(tx: ChainTx, sync: boolean): Promise<TxOutcome | null>;
  receive(tx: ChainTx): Promise<void>;
  /** Commits what the chain has and this node may show. */
  advance(): Promise<void>;
  /** Follower's catch-up tick without a leader. */
  loseMempool(): void;
  /** Opens the port for the first time. */
  start(): Promise<void>;
  setMode(mode: NodeMode): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM: in-flight reads finish, waiting sync broadcasts are cut after five seconds. */
  stop(): Promise<void>;
  /** The process ends by itself. */
  crash(words: string): void;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
}

export function createNode(index: number, key: NodeKey, ports: NodePorts): DevNode {
  const { options, clock } = ports;
  const { timing } = options;
  let mode: NodeMode = 'down';
  let stored = -1;
  let head = -1;
  let advancing: Promise<void> | null = null;
  let startedAt = 0;
  let lastWords: string | null = null;
  let syncingUntil = 0;
  /** First height after a restart, −1 in the first life. */
  let firstHeight = -1;
  /** Changes with every start: work of an earlier process must not go on. */
  let life = 0;
  let gate: { promise: Promise<void>; open: () => void } | null = null;
  const mempool = createMempool();
  const events = createEventStore();
  const challenges = createChallenges(timing.challengeLife, clock);
  const waiters = new Map<string, Set<(outcome: TxOutcome) => void>>();
  const faults = createFaults(() => void faultsChanged());
  let server: RpcServer | null = null;
  let refusing = false;

  const node: DevNode = {
    index,
    name: `${options.name}-${index + 1}`,
    key,
    faults,
    events,
    mempool,
    challenges,
    ports,
    url: () => rpc().url(),
    mode: () => mode,
    alive: () => (mode === 'running' || mode === 'catching-up') && gate === null,
    paused: () => gate !== null,
    syncing: () =>
      mode === 'catching-up' || clock.monotonic() < syncingUntil || faults.find('catching-up') !== undefined,
    stored: () => stored,
    head: () => head,
    view: () => ports.store().viewAt(head),
    showsZero: () => clock.monotonic() - startedAt < 50 && life > 1,
    lastWords: () => lastWords,
    peers: () => 0,
    broadcast,
    receive,
    advance,
    loseMempool() {
      mempool.forgetTransactions();
      syncingUntil = clock.monotonic() + 20;
    },
    async start() {
      const mine = ++life;
      mode = 'restoring';
      if (!(await ports.prepare(node)) || mine !== life) return;
      startedAt = clock.monotonic();
      head = Math.max(head, ports.store().initialHeight);
      stored = Math.max(stored, head);
      firstHeight = life > 1 ? head + 1 : -1;
      mode = head < ports.store().head() ? 'catching-up' : 'running';
      await rpc().open();
      ports.changed();
      ports.wake();
      // Not waited for: the port answers while the node catches up.
      void advance();
    },
    setMode(next) {
      mode = next;
      ports.changed();
    },
    async kill() {
      leave();
      await rpc().kill();
    },
    async stop() {
      leave();
      await rpc().close(5000);
    },
    crash(words) {
      if (mode === 'down') return;
      lastWords = words;
      ports.log(node, words);
      leave();
      void rpc().kill();
    },
    async restart() {
      if (mode !== 'down') throw new Error(`${node.name} is up`);
      mode = 'starting';
      const mine = ++life;
      await sleep(clock, timing.restart);
      if (mine !== life || (mode as NodeMode) !== 'starting') return;
      await node.start();
    },
    pause() {
      if (gate) return;
      let open = (): void => undefined;
      const promise = new Promise<void>(resolve => (open = resolve));
      gate = { promise, open };
      ports.changed();
    },
    resume() {
      const opening = gate;
      gate = null;
      opening?.open();
      ports.changed();
      void advance();
      ports.wake();
    },
  };

  function rpc(): RpcServer {
    server ??= createRpcServer(
      {
        host: '127.0.0.1',
        port: options.ports[index] ?? 0,
        requestBytesMax: 6_000_000,
        timeoutMs: timing.rpcTimeout,
      },
      {
        methods: ports.methods(node),
        health: service => ports.health(node, service),
        spec: ports.spec,
        faults,
        gate: () => gate?.promise ?? null,
      },
    );
    return server;
  }

  function leave(): void {
    mode = 'down';
    life++;
    mempool.clear();
    challenges.clear();
    waiters.clear();
    gate?.open();
    gate = null;
    refusing = false;
    ports.left(node);
    ports.changed();
  }

  async function faultsChanged(): Promise<void> {
    const refuse = faults.find('refuse') !== undefined;
    if (refuse !== refusing && (mode === 'running' || mode === 'catching-up')) {
      refusing = refuse;
      await (refuse ? rpc().kill() : rpc().open());
    }
    void advance();
    ports.wake();
  }

  async function broadcast(tx: ChainTx, sync: boolean): Promise<TxOutcome | null> {
    if (!tx.tx.body || !tx.tx.signature) {
      // The real node keeps it before its handler dies of it; the next proposal then ends the leader (12.3 #1, #2).
      if (options.defects.badTransactionsKill) mempool.add({ tx, sender: null }, null);
      ports.wake();
      throw new HandlerPanic('transaction without body or signature');
    }
    await admit(tx, admission);
    const waiting = sync ? waitFor(tx.hash) : null;
    ports.gossip(node, tx);
    ports.wake();
    if (!waiting) return null;
    const outcome = await waiting;
    if (!outcome) throw new Rejection(10, 'timed out waiting for tx to be included in a block');
    return outcome;
  }

  async function receive(tx: ChainTx): Promise<void> {
    try {
      await admit(tx, admission);
      ports.wake();
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
    }
  }

  const admission = {
    chainId: options.chainId,
    mempool,
    get state() {
      return ports.state();
    },
    view: () => node.view(),
    isKnownInChain: (hash: string) => {
      const at = ports.store().findTx(hash);
      return at !== undefined && at.height <= stored;
    },
    isResolutionOpen: ports.isResolutionOpen,
    syncing: () => node.syncing(),
    mempoolFull: () => faults.take('mempool-full', 'user.broadcast') !== undefined,
  };

  /** Outcome of a transaction when its block is committed here; null when the wait ends before. */
  function waitFor(hash: string): Promise<TxOutcome | null> {
    if (faults.take('code-10', 'user.broadcast')) return Promise.resolve(null);
    return new Promise(resolve => {
      const known = waiters.get(hash) ?? new Set();
      waiters.set(hash, known);
      const finish = (outcome: TxOutcome | null): void => {
        timer.cancel();
        known.delete(finish);
        resolve(outcome);
      };
      const timer = clock.after(timing.broadcastWait, () => finish(null));
      known.add(finish);
    });
  }

  function target(): number {
    const lag = faults.find('lag')?.blocks ?? 0;
    return ports.store().head() - lag;
  }

  function advance(): Promise<void> {
    advancing ??= run().finally(() => {
      advancing = null;
      if (node.alive() && head < target()) void advance();
    });
    return advancing;
  }

  async function run(): Promise<void> {
    const mine = life;
    let batch = 0;
    while (node.alive() && mine === life && head < target()) {
      if (mode === 'catching-up' && ++batch % 6 === 0) await sleep(clock, 6000 / timing.catchUpRate);
      await commit(ports.store().get(head + 1)!, () => mine === life);
    }
    if (mine === life && mode === 'catching-up' && head >= target()) {
      mode = 'running';
      ports.changed();
      ports.wake();
    }
  }

  /** Shows a block in the order of reference 2.1. */
  async function commit(block: StoredBlock, living: () => boolean): Promise<void> {
    const { height } = block.header;
    const gap = mode === 'catching-up' ? 0 : timing.visibilityGap;
    if (options.defects.handOverCrashes && block.header.newLeader && height === firstHeight) {
      return node.crash('panic: assignment to entry in nil map');
    }
    stored = height;
    if (gap > 0) await sleep(clock, gap);
    if (!living()) return;
    if (options.enginePerNode) {
      const state = ports.state();
      const outcome = await state.engine.executeBlock(block.work);
      state.committed(outcome.accounts);
      if (!living()) return;
      if (!Buffer.from(outcome.stateDigest).equals(block.stateDigest)) {
        return node.crash('Incorrect AppHash, halting the node');
      }
    }
    if (faults.find('diverge') && index !== leaderIndexOf(block)) {
      return node.crash('Incorrect AppHash, halting the node');
    }
    if (gap > 0) await sleep(clock, gap);
    if (!living()) return;
    const hashes = block.txs.map(tx => tx.hash);
    mempool.committed(hashes, ports.state(), block.view.params.migrationStatus);
    hashes.forEach((hash, at) => {
      const waiting = waiters.get(hash);
      waiters.delete(hash);
      for (const finish of waiting ?? []) finish(block.results[at]!);
    });
    if (gap > 0) await sleep(clock, gap);
    if (!living()) return;
    head = height;
    ports.committed(node, block);
  }

  const leaderIndexOf = (block: StoredBlock): number => (block.view.params.leader.key === key.publicKey ? index : -1);

  return node;
}
