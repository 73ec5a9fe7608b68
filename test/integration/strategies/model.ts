import type { MemoryRecord } from '../../unit/control/fakes.js';
import { memoryJournal } from '../../unit/control/fakes.js';
import type { StrategyPorts, TableComparison } from '../../../src/control/index.js';
import { GatewayError, type NetworkName, type NodeRef, type NodeState } from '../../../src/model/index.js';
import { createNotifier, type Clock } from '../../../src/platform/index.js';
import {
  createSigner,
  encodeBlock,
  encodePayload,
  encodeTx,
  sha256Hex,
  signTx,
  txHash,
  ZERO_HASH,
} from '../../../src/protocol/index.js';
import type { NetworkView, NodeView } from '../../../src/routing/index.js';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.js';

/** Time that the test moves; between two timers everything that waits for nothing else runs. */
export function modelClock(): Clock & { run(ms: number, until?: () => boolean): Promise<void> } {
  let now = 1_800_000_000_000;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    monotonic: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn };
      timers.push(timer);
      return { cancel: () => void (timers = timers.filter(other => other !== timer)) };
    },
    async run(ms, until = () => false) {
      const end = now + ms;
      while (!until()) {
        const next = timers.reduce<{ at: number; fn: () => void } | null>(
          (best, timer) => (timer.at <= end && (best === null || timer.at < best.at) ? timer : best),
          null,
        );
        if (next === null) break;
        timers = timers.filter(timer => timer !== next);
        now = Math.max(now, next.at);
        next.fn();
        for (let turn = 0; turn < 3; turn += 1) await new Promise(resolve => setImmediate(resolve));
      }
      if (!until()) now = end;
    },
  };
}

const BLOCK_MS = 500;
/** Blocks per catch-up step of 100 ms. */
const CATCH_UP = 5;

/** A node of a model network; tests turn its knobs. */
export interface ModelNode {
  readonly name: string;
  up: boolean;
  height: number;
  chainId: string;
  build: string;
  /** Other hashes from this height on; null: none. */
  forkedFrom: number | null;
  /** Never gets further than it is. */
  stuck: boolean;
  /** Rows that it shows and the others do not. */
  oddRows: number;
  stateHash: string | null;
  drained: boolean;
}

export interface ModelNetwork {
  readonly name: NetworkName;
  readonly chainId: string;
  readonly nodes: readonly ModelNode[];
  readonly leader: ModelNode;
  head(): number;
  /** Puts a stranger's transaction into the leader's next block; gives its hash. */
  strangerWrites(): string;
}

/** Networks and everything else that the loops of the strategies need, in memory and on virtual time. */
export function createModel(clock: ReturnType<typeof modelClock>) {
  const changes = createNotifier();
  const networks = new Map<NetworkName, ModelNetwork & { readonly blocks: { txs: Uint8Array[] }[] }>();
  const signer = createSigner({ type: 'secp256k1', privateKey: '77'.repeat(32) });
  let nonce = 0;

  function addNetwork(
    name: NetworkName,
    chainId: string,
    count: number,
    stateHash: string | null = null,
  ): ModelNetwork {
    const nodes = Array.from({ length: count }, (_, i): ModelNode => ({
      name: `${name}-${i + 1}`,
      up: true,
      height: 0,
      chainId,
      build: '1.0.0',
      forkedFrom: null,
      stuck: false,
      oddRows: 0,
      stateHash,
      drained: false,
    }));
    const blocks: { txs: Uint8Array[] }[] = [];
    let waiting: Uint8Array[] = [];
    const network = {
      name,
      chainId,
      nodes,
      blocks,
      leader: nodes[0]!,
      head: () => blocks.length,
      strangerWrites() {
        nonce += 1;
        const payload = encodePayload({ kind: 'raw_statement', statement: 'SELECT 1;', params: [] });
        const tx = signTx({ desc: '', payload, type: 'raw_statement', fee: 0n, nonce: BigInt(nonce), chainId }, signer);
        waiting.push(encodeTx(tx));
        return txHash(tx);
      },
    };
    const majority = Math.floor(count / 2) + 1;
    const make = (): void => {
      const voters = nodes.filter(node => node.up && !node.stuck && node.height === blocks.length);
      if (network.leader.up && network.leader.height === blocks.length && voters.length >= majority) {
        blocks.push({ txs: waiting });
        waiting = [];
        for (const node of voters) node.height = blocks.length;
        changes.notify();
      }
      clock.after(BLOCK_MS, make);
    };
    const catchUp = (): void => {
      for (const node of nodes) {
        if (!node.up || node.stuck || node.height === blocks.length) continue;
        node.height = Math.min(blocks.length, node.height + CATCH_UP);
        changes.notify();
      }
      clock.after(100, catchUp);
    };
    make();
    catchUp();
    networks.set(name, network);
    changes.notify();
    return network;
  }

  const hashOf = (node: ModelNode, chainId: string, what: string, height: number): string =>
    sha256Hex(
      Buffer.from(
        `${chainId} ${what} ${height} ${node.forkedFrom !== null && height >= node.forkedFrom ? node.name : ''}`,
      ),
    );

  function find({ network, name }: NodeRef) {
    const found = networks.get(network);
    const node = found?.nodes.find(one => one.name === name);
    if (found === undefined || node === undefined) throw new Error(`no node ${name}`);
    if (!node.up) throw new GatewayError('node_refused', 'upstream', 'the node refused the connection', { sent: 'no' });
    return { network: found, node };
  }

  function answer(ref: NodeRef, method: string, params: { height?: number; raw?: boolean }): unknown {
    const { network, node } = find(ref);
    const { chainId } = network;
    const leader = { type: 'secp256k1', key: '02aa' };
    switch (method) {
      case 'user.health':
        return {
          chain_id: node.chainId,
          height: node.height,
          block_hash: hashOf(node, chainId, 'block', node.height),
          app_hash: hashOf(node, chainId, 'app', node.height),
          syncing: node.height < network.head(),
        };
      case 'user.version':
        return { kwil_ver: node.build };
      case 'chain.block': {
        const height = params.height ?? 0;
        if (height < 1 || height > node.height) throw Object.assign(new Error('block not found'), { rpcCode: -204 });
        const prevAppHash = height === 1 ? (node.stateHash ?? ZERO_HASH) : hashOf(node, chainId, 'app', height - 1);
        const header = {
          version: 0,
          height,
          txCount: network.blocks[height - 1]!.txs.length,
          prevHash: height === 1 ? ZERO_HASH : hashOf(node, chainId, 'block', height - 1),
          prevAppHash,
          valsHash: ZERO_HASH,
          paramsHash: ZERO_HASH,
          stampMs: 1,
          merkleRoot: ZERO_HASH,
          newLeader: null,
        };
        const { txs } = network.blocks[height - 1]!;
        if (params.raw === true)
          return {
            raw_block: Buffer.from(encodeBlock({ header, signature: new Uint8Array(65), txs })).toString('base64'),
          };
        return {
          hash: hashOf(node, chainId, 'block', height),
          block: { header: { height, prev_hash: header.prevHash, prev_app_hash: prevAppHash } },
          commit_info: { app_hash: hashOf(node, chainId, 'app', height) },
        };
      }
      case 'chain.consensus_params':
        return { leader, max_block_size: 1000, join_expiry: '1h0m0s', disabled_gas_costs: false, max_votes_per_tx: 5 };
      case 'chain.validators':
        return { validators: network.nodes.map((_, i) => ({ pubkey: `02a${i}`, type: 'secp256k1', power: 1 })) };
      case 'user.list_update_proposals':
        return { proposals: null };
      case 'chain.unconfirmed_txs':
        return { total: 0, txs: [] };
      case 'chain.genesis':
        return { initial_height: 0, state_hash: node.stateHash ?? '' };
      case 'user.num_accounts':
        return { count: 2 };
      case 'user.account':
        return { nonce: 7, balance: '5' };
      default:
        throw new Error(`the model has no ${method}`);
    }
  }

  function viewOf(name: NetworkName): NetworkView | null {
    const network = networks.get(name);
    if (network === undefined) return null;
    const head = Math.max(
      0,
      ...network.nodes.filter(node => node.chainId === network.chainId).map(node => node.height),
    );
    return {
      name,
      chainId: network.chainId,
      head,
      nodes: network.nodes.map((node): NodeView => ({
        id: `${name}/${node.name}`,
        network: name,
        name: node.name,
        state: stateOf(node, network.chainId, head),
        reason: node.up ? null : 'the node refused the connection',
        height: node.height,
        heightMax: node.height + 1,
        blockHash: null,
        blockTimeMs: BLOCK_MS,
        mode: 'open',
        version: node.build,
        migration: { status: 'NoActiveMigration', startHeight: null, endHeight: null },
        seenAt: clock.monotonic(),
      })),
    };
  }

  function stateOf(node: ModelNode, chainId: string, head: number): NodeState {
    if (node.drained) return 'drained';
    if (!node.up) return 'down';
    if (node.chainId !== chainId) return 'quarantined';
    return head - node.height > 4 ? 'lagging' : 'up';
  }

  const compare = async (reference: NodeRef, node: NodeRef): Promise<TableComparison> => {
    const [a, b] = [find(reference).node, find(node).node];
    const odd = Math.abs(a.oddRows - b.oddRows);
    return { tables: 2, rows: 20, differences: Array.from({ length: odd }, (_, i) => `main.users ["${i}"] different`) };
  };

  const ports = (
    records: MemoryRecord[],
    fatal: (error: Error) => void,
  ): StrategyPorts & { journal: ReturnType<typeof memoryJournal> } => ({
    clock,
    logger: silentLogger,
    metrics: createMetrics({ version: 't', commit: 't' }),
    journal: memoryJournal(records, clock),
    nodes: {
      view: viewOf,
      subscribe: changes.subscribe,
      call: async <T>(node: NodeRef, method: string, params: unknown) => answer(node, method, params as object) as T,
      send: async () => ({ status: 200, body: Buffer.from('{}') }),
      load: () => 0,
      drain: ({ network, name }) => mark(network, name, true),
      resume: ({ network, name }) => mark(network, name, false),
    },
    ledger: { unresolved: () => [], get: () => undefined, lastMined: () => null },
    proxy: { quiesced: async () => undefined, inFlightWrites: () => 0, challenges: () => 0 },
    tables: {
      compare,
      digest: async node => [{ table: 'main.users', rows: 20, sha256: `${find(node).node.oddRows}` }],
    },
    fatal,
  });

  function mark(network: NetworkName, name: string, drained: boolean): boolean {
    const node = networks.get(network)?.nodes.find(one => one.name === name);
    if (node === undefined || node.drained === drained) return false;
    node.drained = drained;
    changes.notify();
    return true;
  }

  return { addNetwork, ports, networks };
}

/** Seeds of one test: `STRATEGIES_SEED` repeats a single run, or begins as many as `STRATEGIES_RUNS` asks for. */
export function seedsOf(count: number): readonly number[] {
  const fixed = process.env['STRATEGIES_SEED'];
  if (fixed !== undefined && process.env['STRATEGIES_RUNS'] === undefined) return [Number(fixed)];
  const first = fixed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(fixed);
  return Array.from({ length: count }, (_, i) => first + i);
}

export const repeat = (seed: number): string =>
  `repeat with: STRATEGIES_SEED=${seed} npx vitest run --config test/vitest.config.ts test/integration/strategies`;
