import { NETWORK_NAMES, type Height, type NetworkName } from '../model/index.js';
import { createNotifier, type Clock, type Timer } from '../platform/index.js';
import {
  afterBlock,
  digestRetryMs,
  hasRoom,
  roomFor,
  startWindow,
  type DigestLoad,
  type DigestWindow,
} from '../routing/index.js';
import type { Metrics } from '../telemetry/index.js';
import type { LedgerPort, NodesPort } from './ports.js';

/** new: just come, and behind everybody who waits · queued: waits already · placed: has its place, and keeps it. */
export type Standing = 'new' | 'queued' | 'placed';

/** Counts what each network was given and has in no block yet, and says whether it may be given more. */
export interface Congestion {
  isFull(network: NetworkName, standing: Standing): boolean;
  /** Room for a write that is not in the ledger yet; give it back once it is, or when it is not sent. */
  take(network: NetworkName): () => void;
  /** Somebody waits for room; call the answer when they do no longer. */
  queue(network: NetworkName): () => void;
  retryAfterMs(network: NetworkName): number;
  /** Unmined, how many may be, and how many wait. */
  view(network: NetworkName): { readonly unmined: number; readonly room: number; readonly waiting: number };
  start(): void;
  close(): void;
  /** There may be room again. */
  subscribe(listener: () => void): () => void;
}

export interface CongestionPorts {
  readonly nodes: Pick<NodesPort, 'view' | 'subscribe'>;
  readonly ledger: Pick<LedgerPort, 'counts' | 'unresolved' | 'subscribe'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

interface Given {
  window: DigestWindow;
  head: Height;
  headAt: number;
  /** Monotonic time at which the first of those that wait now was sent. */
  busySince: number;
  /** Sent, and not in the ledger yet. */
  taken: number;
  waiting: number;
  /** Open for so long that no block will have them soon: a gap before their nonce, say. They must not keep others out. */
  stuck: number;
}

const STUCK_MS = 60_000;
/** Outcomes of one block come one by one: those that wait look once for many. */
const LOOK_PAUSE_MS = 5;

/** @param unminedMax greatest number of unmined writes per network; 0: no limit */
export function createCongestion(unminedMax: number, ports: CongestionPorts): Congestion {
  const { nodes, ledger, clock, metrics } = ports;
  const changes = createNotifier();
  const stops: (() => void)[] = [];
  const fresh = (): Given => ({
    window: startWindow(unminedMax),
    head: -1,
    headAt: clock.monotonic(),
    busySince: -Infinity,
    taken: 0,
    waiting: 0,
    stuck: 0,
  });
  const given: Record<NetworkName, Given> = { old: fresh(), new: fresh() };
  let look: Timer | null = null;

  function loadOf(network: NetworkName): DigestLoad {
    const state = given[network];
    const open = Math.max(0, ledger.counts()[network] + state.taken - state.stuck);
    const waitedMs = open === 0 ? 0 : Math.max(0, clock.monotonic() - Math.max(state.headAt, state.busySince));
    return { open, waitedMs };
  }

  function noticeBlocks(): void {
    for (const network of NETWORK_NAMES) {
      const head = nodes.view(network)?.head;
      const state = given[network];
      if (head === undefined || head === state.head) continue;
      // The first look at a network is not a block.
      if (state.head >= 0) state.window = afterBlock(state.window, loadOf(network), unminedMax);
      state.head = head;
      state.headAt = clock.monotonic();
      const before = clock.now() - STUCK_MS;
      state.stuck = ledger.unresolved(network).filter(({ at }) => at < before).length;
      publish(network);
      lookSoon();
    }
  }

  function publish(network: NetworkName): void {
    const load = loadOf(network);
    metrics.unminedWrites.set({ network }, load.open);
    const room = roomFor(given[network].window, load);
    if (Number.isFinite(room)) metrics.unminedWritesMax.set({ network }, room);
  }

  function lookSoon(): void {
    if (look !== null || (given.old.waiting === 0 && given.new.waiting === 0)) return;
    look = clock.after(LOOK_PAUSE_MS, () => {
      look = null;
      for (const network of NETWORK_NAMES) publish(network);
      changes.notify();
    });
  }

  return {
    isFull(network, standing) {
      if (unminedMax === 0 || standing === 'placed') return false;
      const state = given[network];
      // Nobody overtakes those that wait.
      return (standing === 'new' && state.waiting > 0) || !hasRoom(state.window, loadOf(network));
    },
    take(network) {
      const state = given[network];
      if (state.taken === 0 && ledger.counts()[network] === 0) state.busySince = clock.monotonic();
      state.taken++;
      return once(() => {
        state.taken--;
        lookSoon();
      });
    },
    queue(network) {
      const state = given[network];
      state.waiting++;
      return once(() => state.waiting--);
    },
    retryAfterMs: network => digestRetryMs(given[network].window, loadOf(network), given[network].waiting),
    view(network) {
      const load = loadOf(network);
      const { window, waiting } = given[network];
      return { unmined: load.open, room: roomFor(window, load), waiting };
    },
    start() {
      noticeBlocks();
      stops.push(nodes.subscribe(noticeBlocks), ledger.subscribe(lookSoon));
    },
    close() {
      for (const stop of stops.splice(0)) stop();
      look?.cancel();
      look = null;
    },
    subscribe: changes.subscribe,
  };
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
