import { setMaxListeners } from 'node:events';
import {
  GatewayError,
  messageOf,
  NETWORK_NAMES,
  type Height,
  type NetworkName,
  type NodeRef,
  type TxHash,
} from '../model/index.js';
import { createNotifier, type Clock, type Timer } from '../platform/index.js';
import { blockTxs, buildEnvelope, bytesOfBase64, decodeBlock, decodeTx, encodeTxJson } from '../protocol/index.js';
import { isAlreadyThere, type NetworkView, type NodeView, type RoutingSnapshot } from '../routing/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import type { Flights } from './flights.js';
import type { LedgerPort, LedgerRecord, NodesPort } from './ports.js';
import { outcomeOf, OWN_ID } from './reply.js';
import type { TxLookup } from './tx-lookup.js';

/**
 * Follows every write whose outcome is not final, on both networks: finds it in new blocks, asks for it by hash, offers
 * the same bytes again when they vanished, and says when the head of a network stands.
 *
 * A node's answer is not durable: a killed follower forgets what it took, a stopped leader takes everybody's mempool along.
 * So an entry ends only as mined, or dead when nothing can bring it into a block any more.
 */
export interface Resolver {
  start(): void;
  close(): void;
  /** Accepted writes wait although no block comes: admitting more would have nodes forget them. */
  stalled(network: NetworkName): boolean;
  /** `stalled` changed. */
  subscribe(listener: () => void): () => void;
}

export interface ResolverPorts {
  readonly nodes: NodesPort;
  readonly ledger: LedgerPort;
  readonly lookup: TxLookup;
  readonly flights: Flights;
  readonly candidates: (network: NetworkName) => readonly NodeView[];
  readonly snapshot: () => RoutingSnapshot;
  /** Still on its way in this process: not ours to judge. */
  readonly isRunning: (hash: TxHash) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const TICK_MS = 500;
/** Heights read one by one; after a longer pause the hashes are asked for instead. */
const FOLLOW_MAX = 64;
const LOOKUPS_AT_ONCE = 8;
const OFFERS_PER_PASS = 256;
const CALL_MS = 5000;
/** A head that stands: three block times, within what real nodes need before they forget (5 s at the least). */
const STALL_MIN_MS = 1500;
const STALL_MAX_MS = 4500;
const STALL_BLOCKS = 3;
/** New blocks that must have come without the hash before it counts as vanished. */
const VANISHED_AFTER_BLOCKS = 2;

interface Followed {
  /** Blocks up to here have been looked through; null before the first look. */
  read: Height | null;
  head: Height;
  headAt: number;
  stalled: boolean;
  busy: boolean;
  again: boolean;
  /** Head at the first time a hash was found nowhere. */
  readonly absent: Map<TxHash, Height>;
}

export function createResolver(ports: ResolverPorts): Resolver {
  const { nodes, ledger, lookup, clock, metrics } = ports;
  const logger = ports.logger.child({ component: 'resolver' });
  const changes = createNotifier();
  const stop = new AbortController();
  // Every look-up under way listens to it; their number is bounded by LOOKUPS_AT_ONCE per network.
  setMaxListeners(0, stop.signal);
  const followed: Record<NetworkName, Followed> = { old: fresh(), new: fresh() };
  let unsubscribe: (() => void) | null = null;
  let timer: Timer | null = null;

  function wake(network: NetworkName): void {
    const state = followed[network];
    if (state.busy) {
      state.again = true;
      return;
    }
    state.busy = true;
    void pass(network, state)
      .catch((error: unknown) =>
        logger.warn({ network, error: messageOf(error) }, 'a look at open writes failed; it is repeated'),
      )
      .finally(() => {
        state.busy = false;
        if (!state.again || stop.signal.aborted) return;
        state.again = false;
        wake(network);
      });
  }

  function notice(): void {
    for (const network of NETWORK_NAMES) {
      const view = nodes.view(network);
      const state = followed[network];
      if (view === null || view.head === state.head) continue;
      state.head = view.head;
      state.headAt = clock.monotonic();
      wake(network);
    }
  }

  function tick(): void {
    for (const network of NETWORK_NAMES) {
      if (nodes.view(network) === null) continue;
      judgeHead(network);
      if (ledger.unresolved(network).length > 0) wake(network);
    }
    timer = clock.after(TICK_MS, tick);
  }

  /** Only what a node has accepted can wait for a block; without such a write a standing head is none of our business. */
  function judgeHead(network: NetworkName): void {
    const state = followed[network];
    const blockTimeMs = Math.min(...(nodes.view(network)?.nodes.map(node => node.blockTimeMs ?? Infinity) ?? []));
    const limit = stallLimit(Number.isFinite(blockTimeMs) ? blockTimeMs : null);
    const oldest = ledger.unresolved(network).find(entry => entry.state === 'accepted');
    const waiting = oldest !== undefined && clock.now() - oldest.at > limit;
    const standing = clock.monotonic() - state.headAt > limit;
    if (waiting && standing) setStalled(network, true);
    // Cleared by the pass that follows a new block, once vanished bytes were offered again: they go first.
    else if (oldest === undefined) setStalled(network, false);
  }

  function setStalled(network: NetworkName, stalled: boolean): void {
    const state = followed[network];
    if (state.stalled === stalled) return;
    state.stalled = stalled;
    metrics.headStalled.set({ network }, stalled ? 1 : 0);
    logger.warn({ network, head: state.head }, stalled ? 'the head stands; new writes wait' : 'the head moves again');
    changes.notify();
  }

  async function pass(network: NetworkName, state: Followed): Promise<void> {
    const view = nodes.view(network);
    if (view === null) return;
    const { head } = state;
    if (ledger.unresolved(network).length === 0) {
      state.read = head;
      state.absent.clear();
      if (clock.monotonic() - state.headAt < TICK_MS) setStalled(network, false);
      return;
    }
    const moved = state.read === null || head > state.read;
    if (state.read !== null && head - state.read <= FOLLOW_MAX) await readBlocks(network, state, head);
    else {
      await ask(network, state, ledger.unresolved(network).filter(open));
      state.read = head;
    }
    const left = ledger.unresolved(network).filter(open);
    // Found in no block: by hash, when it is not simply the youngest.
    await ask(
      network,
      state,
      left.filter(entry => entry.state === 'unknown' || isOld(entry, view)),
    );
    await offerVanished(network, state, view);
    if (moved) setStalled(network, false);
  }

  const open = (entry: LedgerRecord): boolean => !ports.isRunning(entry.hash) || entry.state === 'accepted';

  function isOld(entry: LedgerRecord, view: NetworkView): boolean {
    const blockTimeMs = Math.max(...view.nodes.map(node => node.blockTimeMs ?? 0), 200);
    return clock.now() - entry.at > VANISHED_AFTER_BLOCKS * blockTimeMs + TICK_MS;
  }

  /** Block by block: two calls tell about any number of transactions. */
  async function readBlocks(network: NetworkName, state: Followed, head: Height): Promise<void> {
    for (let height = state.read! + 1; height <= head && !stop.signal.aborted; height++) {
      const waiting = new Set(ledger.unresolved(network).map(entry => entry.hash));
      if (waiting.size > 0) {
        const node = ports.candidates(network).find(candidate => candidate.height >= height);
        if (node === undefined) return;
        const found = await minedIn(refOf(node), height, waiting);
        // Together: one after the other would cost a flush each, and a busy network makes them faster than that.
        await Promise.all(found.map(({ hash, code }) => settleMined(hash, height, code, state)));
      }
      state.read = height;
    }
  }

  async function minedIn(
    node: NodeRef,
    height: Height,
    waiting: ReadonlySet<TxHash>,
  ): Promise<{ hash: TxHash; code: number }[]> {
    const call = { timeoutMs: CALL_MS, signal: stop.signal };
    const block = await nodes.call<{ raw_block?: unknown }>(node, 'chain.block', { height, raw: true }, call);
    if (typeof block.raw_block !== 'string')
      throw new GatewayError('node_answer', 'upstream', 'a block came without its bytes');
    const hits: { hash: TxHash; index: number }[] = [];
    blockTxs(decodeBlock(bytesOfBase64(block.raw_block))).forEach(
      ({ hash }, index) => waiting.has(hash) && hits.push({ hash, index }),
    );
    if (hits.length === 0) return [];
    const results = await nodes.call<{ tx_results?: unknown }>(node, 'chain.block_result', { height }, call);
    const codes = Array.isArray(results.tx_results) ? (results.tx_results as { code?: unknown }[]) : [];
    return hits.map(({ hash, index }) => ({ hash, code: Number(codes[index]?.code ?? 0) }));
  }

  async function settleMined(hash: TxHash, height: Height, code: number, state: Followed): Promise<void> {
    state.absent.delete(hash);
    metrics.writeResolutions.inc({ result: 'mined' });
    await ledger.settle(hash, { state: 'mined', height, code });
  }

  async function ask(network: NetworkName, state: Followed, entries: readonly LedgerRecord[]): Promise<void> {
    const queue = [...entries];
    const lane = async (): Promise<void> => {
      for (let entry = queue.shift(); entry !== undefined && !stop.signal.aborted; entry = queue.shift())
        await askOne(network, state, entry);
    };
    await Promise.all(Array.from({ length: Math.min(LOOKUPS_AT_ONCE, queue.length) }, lane));
  }

  async function askOne(network: NetworkName, state: Followed, entry: LedgerRecord): Promise<void> {
    const sighting = await lookup.find(network, entry.hash, { signal: stop.signal });
    switch (sighting.kind) {
      case 'mined':
        return settleMined(entry.hash, sighting.height, sighting.code, state);
      case 'pooled':
        state.absent.delete(entry.hash);
        if (entry.state !== 'accepted')
          await ledger.settle(entry.hash, { state: 'accepted', node: sighting.node.name });
        return;
      case 'absent':
        if (!state.absent.has(entry.hash)) state.absent.set(entry.hash, state.head);
        return;
      case 'silent':
        return;
    }
  }

  /** The same bytes again, in nonce order per account, to the node everything goes to. */
  async function offerVanished(network: NetworkName, state: Followed, view: NetworkView): Promise<void> {
    const vanished = ledger.unresolved(network).filter(entry => open(entry) && state.absent.has(entry.hash));
    if (vanished.length === 0) return;
    if (isHalted(view)) {
      // No block will follow: what is in none can be in none.
      for (const entry of vanished) await settleDead(entry, state);
      return;
    }
    if (network === 'old' && ports.snapshot().intent.committed) return;
    const due = vanished
      .filter(entry => state.head > state.absent.get(entry.hash)!)
      .sort(byNonce)
      .slice(0, OFFERS_PER_PASS);
    for (const entry of due) {
      if (stop.signal.aborted) return;
      await offer(network, state, entry);
    }
  }

  async function offer(network: NetworkName, state: Followed, entry: LedgerRecord): Promise<void> {
    const snapshot = ports.snapshot();
    const node = ports.candidates(network)[0];
    if (node === undefined || (network === 'old' && snapshot.intent.committed)) return;
    const body = buildEnvelope(OWN_ID, 'user.broadcast', Buffer.from(`{"tx":${encodeTxJson(decodeTx(entry.tx))}}`));
    const flight = ports.flights.begin(snapshot.intent.epoch, network);
    try {
      const outcome = outcomeOf(
        await nodes.send(refOf(node), body, { timeoutMs: CALL_MS, signal: flight.abort.signal, kind: 'control' }),
      );
      state.absent.delete(entry.hash);
      if (outcome.kind === 'result' || isAlreadyThere(outcome)) {
        metrics.writeResolutions.inc({ result: 'offered' });
        logger.info({ network, hash: entry.hash }, 'a vanished write was offered again');
        await ledger.settle(entry.hash, { state: 'accepted', node: node.name });
      } else if (outcome.kind === 'error' && isVerdict(outcome, entry.nonce)) {
        // Somebody else used its nonce, or the network will never take it; unless it is in a block after all.
        const sighting = await lookup.find(network, entry.hash, { signal: stop.signal });
        if (sighting.kind === 'mined') await settleMined(entry.hash, sighting.height, sighting.code, state);
        else if (sighting.kind === 'absent') await settleDead(entry, state, outcome.inner ?? undefined);
      }
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
    } finally {
      ports.flights.end(flight);
    }
  }

  async function settleDead(entry: LedgerRecord, state: Followed, code?: number): Promise<void> {
    state.absent.delete(entry.hash);
    metrics.writeResolutions.inc({ result: 'dead' });
    logger.warn({ network: entry.network, hash: entry.hash, code }, 'a write can not be mined any more');
    await ledger.settle(entry.hash, { state: 'dead', ...(code === undefined ? {} : { code }) });
  }

  return {
    start() {
      if (unsubscribe !== null) return;
      for (const network of NETWORK_NAMES) followed[network].headAt = clock.monotonic();
      unsubscribe = nodes.subscribe(notice);
      notice();
      tick();
    },
    close() {
      stop.abort();
      timer?.cancel();
      unsubscribe?.();
    },
    stalled: network => followed[network].stalled,
    subscribe: changes.subscribe,
  };
}

const fresh = (): Followed => ({
  read: null,
  head: -1,
  headAt: -Infinity,
  stalled: false,
  busy: false,
  again: false,
  absent: new Map(),
});

const refOf = (node: NodeView): NodeRef => ({ network: node.network, name: node.name });

const byNonce = (a: LedgerRecord, b: LedgerRecord): number =>
  a.account === b.account ? Number(BigInt(a.nonce) - BigInt(b.nonce)) : a.account < b.account ? -1 : 1;

/** Every node that answers says so itself and stands at End. */
function isHalted(view: NetworkView): boolean {
  const answering = view.nodes.filter(
    node => node.state !== 'down' && node.state !== 'quarantined' && node.state !== 'drained',
  );
  return (
    answering.length > 0 &&
    answering.every(
      node => node.migration?.status === 'MigrationCompleted' && node.height >= (node.migration.endHeight ?? Infinity),
    )
  );
}

export const stallLimit = (blockTimeMs: number | null): number => {
  const blocks = (blockTimeMs ?? 1000) * STALL_BLOCKS;
  return Math.min(Math.max(blocks, STALL_MIN_MS), Math.max(STALL_MAX_MS, (blockTimeMs ?? 0) * 1.1));
};

/** Inner codes with which a network will answer the same bytes for ever. */
const FINAL_CODES: ReadonlySet<number> = new Set([1, 2, 3, 5, 8, 9, 200, 201]);
const NONCE = 4;
const EXPECTED = /got (\d+), expected (\d+)/;

/** A nonce that was passed is a verdict; one with a gap before it is not, and neither is any before the first new block. */
function isVerdict(outcome: { readonly inner: number | null; readonly message: string }, nonce: string): boolean {
  if (outcome.inner === null) return false;
  if (outcome.inner !== NONCE) return FINAL_CODES.has(outcome.inner);
  const expected = EXPECTED.exec(outcome.message)?.[2];
  return expected !== undefined && BigInt(expected) > BigInt(nonce);
}
