import type { Height, NetworkName } from '../../../src/model/index.js';
import type { Clock } from '../../../src/platform/index.js';
import { rank } from '../../../src/nodes/pick.js';
import type { NodesPort } from '../../../src/proxy/ports.js';
import type { NetworkView, NodeView, RoutingSnapshot } from '../../../src/routing/index.js';
import { project } from '../../../src/routing/index.js';

/** Time and everything that happens in it; microtasks run out between two events. */
export interface Scheduler extends Clock {
  /** Runs until nothing is left or `untilMs` has passed. */
  run(untilMs: number): Promise<void>;
  pause(ms: number): Promise<void>;
}

export function createScheduler(): Scheduler {
  interface Event {
    readonly at: number;
    readonly fn: () => void;
    off: boolean;
  }
  // A binary heap by time; equal times in any order, which the seed decides as well as any other.
  const heap: Event[] = [];
  let now = 0;
  const swap = (a: number, b: number): void => {
    [heap[a], heap[b]] = [heap[b]!, heap[a]!];
  };
  function push(event: Event): void {
    heap.push(event);
    for (let i = heap.length - 1; i > 0;) {
      const up = (i - 1) >> 1;
      if (heap[up]!.at <= heap[i]!.at) break;
      swap(i, up);
      i = up;
    }
  }
  function pop(): Event {
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) heap[0] = last;
    for (let i = 0; ;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && heap[child]!.at < heap[least]!.at) least = child;
      if (least === i) return first;
      swap(i, least);
      i = least;
    }
  }
  const scheduler: Scheduler = {
    now: () => now,
    monotonic: () => now,
    after(delayMs, fn) {
      const event: Event = { at: now + Math.max(0, delayMs), fn, off: false };
      push(event);
      return { cancel: () => void (event.off = true) };
    },
    pause: ms => new Promise(resolve => void scheduler.after(ms, resolve)),
    async run(untilMs) {
      while (heap.length > 0 && heap[0]!.at <= untilMs) {
        const event = pop();
        if (event.off) continue;
        now = event.at;
        event.fn();
        // The longest chain of promises behind one event (a read that is answered, judged and followed by the next one).
        for (let i = 0; i < 12; i++) await Promise.resolve();
      }
      now = untilMs;
    },
  };
  return scheduler;
}

/** A node as it is (`state`, `told`), and as the gateway sees it (`view`). */
export interface ModelNode {
  readonly network: NetworkName;
  readonly name: string;
  readonly id: string;
  isAlive: boolean;
  isStuck: boolean;
  /** Behind, and nobody is there to catch up from. */
  isWaiting: boolean;
  /** Height whose state its reads show. */
  state: Height;
  /** Height its health tells: the same or, for milliseconds, less. */
  told: Height;
  view: NodeView;
}

/** What a read showed: heights of the old network's and of the new network's state. */
export interface Shown {
  readonly old: Height;
  /** 0 as long as the new network has taken no client's write: until then its state is one of the old network. */
  readonly new: Height;
}

export interface World {
  readonly nodes: readonly ModelNode[];
  readonly port: NodesPort;
  snapshot(): RoutingSnapshot;
  onSnapshot(listener: () => void): () => void;
  shown(node: ModelNode): Shown;
  /** A transaction enters the mempool of the network that takes writes; gives its block when it has one. */
  write(): { readonly network: NetworkName; readonly block: () => Height | null };
  isCommitted(): boolean;
  stop(): void;
}

export interface WorldOptions {
  readonly random: () => number;
  readonly clock: Scheduler;
  readonly lifeMs: number;
}

export const BLOCK_MS = 200;
/** Within this time a block reaches most nodes of its network: what the gate takes for granted when it gives up waiting. */
const SPREAD_MS = 250;
const PROBE_MS = 60;
const SETTLED_SHARE = 0.1;

/**
 * Three old and two new nodes that lag, die and come back; blocks that come unevenly and sometimes not at all; a new
 * network that applies what the old one had; a watermark that is known late; a commit; an end of the old network.
 * Nothing here looks at the gate.
 */
export function createWorld({ random, clock, lifeMs }: WorldOptions): World {
  const chance = (share: number): boolean => random() < share;
  const between = (least: number, most: number): number => least + random() * (most - least);
  const listeners = { probes: new Set<() => void>(), snapshot: new Set<() => void>() };
  const chain: Record<NetworkName, Height> = { old: 100, new: 10 };
  const writers: Record<NetworkName, { block: Height | null }[]> = { old: [], new: [] };
  /** Old height that each block of the new network shows. */
  const applied: Height[] = Array.from({ length: 11 }, () => 100);
  const isStanding: Record<NetworkName, boolean> = { old: false, new: false };
  const commitAfter = between(0.2, 0.7) * lifeMs;
  const share = Math.floor(random() * 3) * 50;
  const policy = { policy: (['old', 'auto', 'share'] as const)[Math.floor(random() * 3)]!, share };
  const relayLag = chance(0.5) ? 0 : between(0, 2);
  const hasRelay = chance(0.5);
  let endHeight: Height | null = null;
  let closedAt: Height | null = null;
  let opened: Height | null = null;
  let phase: 'ready' | 'holding' | 'switched' | 'settled' = 'ready';
  let stopped = false;
  /** The tally of the new network's blocks runs behind the nodes. */
  let tallied: Height = 10;

  const make = (network: NetworkName, name: string): ModelNode => {
    const id = `${network}/${name}`;
    const height = chain[network];
    const view: NodeView = {
      ...{ id, network, name, state: 'up', reason: null, height, heightMax: height + 1, blockHash: null },
      ...{ blockTimeMs: BLOCK_MS, mode: 'open', version: null, migration: null, seenAt: 0 },
    };
    return { network, name, id, isAlive: true, isStuck: false, isWaiting: false, state: height, told: height, view };
  };
  const nodes = [
    ...['old-1', 'old-2', 'old-3'].map(name => make('old', name)),
    ...['new-1', 'new-2'].map(name => make('new', name)),
  ];
  const of = (network: NetworkName): ModelNode[] => nodes.filter(node => node.network === network);
  const notify = (set: ReadonlySet<() => void>): void => [...set].forEach(listener => listener());
  const every = (least: number, most: number, fn: () => void): void => {
    const again = (): void => {
      if (stopped) return;
      fn();
      clock.after(between(least, most), again);
    };
    clock.after(between(0, most), again);
  };

  /** The node takes in what the chain has; health tells it milliseconds later. */
  function advance(node: ModelNode): void {
    if (!node.isAlive || node.isStuck || node.state >= chain[node.network]) return;
    // From its peers a node catches up as fast as it can; without any it gets blocks no faster than they are made.
    const isAlone = !of(node.network).some(peer => peer.isAlive && !peer.isStuck && peer.state > node.state);
    if (isAlone && node.state + 1 < chain[node.network] && !node.isWaiting) {
      node.isWaiting = true;
      return void clock.after(BLOCK_MS * 0.6, () => advance(node));
    }
    node.isWaiting = false;
    const height = (node.state += 1);
    clock.after(between(0, 30), () => {
      if (node.isAlive) node.told = Math.max(node.told, height);
    });
    if (node.state < chain[node.network]) clock.after(between(0, 20), () => advance(node));
  }

  function mine(network: NetworkName): void {
    if (isStanding[network] || (network === 'old' && endHeight !== null && chain.old >= endHeight)) return;
    const height = (chain[network] += 1);
    if (network === 'new') {
      // The relay offers what the gateway has seen committed; nodes that read from each other know it earlier.
      const sources = of('old').filter(node => node.view.state !== 'down');
      const top = hasRelay
        ? Math.max(...of('old').map(({ view }) => view.height))
        : Math.max(0, ...sources.map(({ told }) => told));
      applied[height] = Math.max(applied[height - 1]!, top - Math.floor(random() * (relayLag + 1)));
    }
    for (const write of writers[network].splice(0)) write.block = height;
    const [first, ...rest] = of(network).sort(() => random() - 0.5);
    clock.after(0, () => advance(first!));
    for (const node of rest) clock.after(between(0, SPREAD_MS * 0.8), () => advance(node));
  }

  const blocks = (network: NetworkName): void => {
    if (stopped) return;
    mine(network);
    clock.after(BLOCK_MS * between(0.6, 1.6), () => blocks(network));
  };

  /** A look: the height is read somewhere on the way, the answer arrives later. */
  function probe(node: ModelNode): void {
    const begun = clock.monotonic();
    const slow = chance(0.05) ? between(200, 700) : between(1, 25);
    let told: Height | null = null;
    let isSyncing = false;
    clock.after(slow * random(), () => {
      told = node.isAlive ? node.told : null;
      isSyncing = !node.isStuck && node.state + 1 < chain[node.network];
    });
    clock.after(slow, () => {
      if (stopped) return;
      if (told === null || !node.isAlive) node.view = { ...node.view, state: 'down', reason: 'refused' };
      else {
        const head = Math.max(...of(node.network).map(({ view }) => view.height));
        const migration =
          node.network === 'old' && endHeight !== null
            ? { status: 'MigrationInProgress', startHeight: 1, endHeight }
            : null;
        node.view = {
          ...{ ...node.view, reason: null, migration, seenAt: begun },
          state: isSyncing ? 'syncing' : head - told > 4 ? 'lagging' : 'up',
          ...{ height: told, heightMax: told + 1 },
        };
      }
      rebuild();
      notify(listeners.probes);
      clock.after(PROBE_MS * between(0.5, 1.5), () => probe(node));
    });
  }

  let current = build();
  function build(): RoutingSnapshot {
    const view = (name: NetworkName): NetworkView => ({
      name,
      chainId: `kwil-${name}`,
      head: Math.max(...of(name).map(node => node.view.height)),
      nodes: of(name).map(node => node.view),
    });
    const perNode = Object.fromEntries(of('new').map(n => [n.name, applied[Math.min(n.view.height, tallied)]!]));
    const most = applied[Math.min(tallied, applied.length - 1)]!;
    const committed = phase === 'switched' || phase === 'settled';
    const writes = phase === 'holding' ? 'hold' : 'send';
    const network = committed ? 'new' : 'old';
    return project(
      {
        ...{ epoch: committed ? 2 : 1, phase, strategy: 'zero-downtime', committed, affine: network, reads: network },
        writes: { kind: writes, network },
      },
      policy,
      { old: view('old'), new: view('new') },
      { applied: most, perNode, lagBlocks: Math.max(0, view('old').head - most) },
      { blocks: null, ms: null },
    );
  }
  function rebuild(): void {
    current = build();
    notify(listeners.snapshot);
  }

  function trouble(): void {
    const node = nodes[Math.floor(random() * nodes.length)]!;
    const peers = of(node.network).filter(other => other !== node);
    switch (Math.floor(random() * 5)) {
      case 0:
        node.isAlive = false;
        return;
      case 1:
        node.isAlive = true;
        node.told = node.state;
        return advance(node);
      case 2:
        // Of three old nodes at most one is cut off from the others; of two new ones, either or both.
        if (node.network === 'new' || peers.every(peer => !peer.isStuck)) node.isStuck = true;
        return;
      case 3:
        node.isStuck = false;
        return advance(node);
      case 4:
        isStanding[node.network] = chance(0.3);
    }
  }

  /** Hold, drain, commit; some time afterwards the old network reaches its End. */
  function switchOver(): void {
    if (phase === 'ready' && clock.monotonic() > commitAfter && writers.old.length === 0) {
      phase = 'holding';
      closedAt = chain.old;
      if (endHeight === null) endHeight = closedAt + Math.floor(random() * 8);
    } else if (phase === 'holding' && (current.watermark.applied ?? 0) >= closedAt!) {
      phase = 'switched';
      opened = chain.new + 1;
    } else if (phase === 'switched' && (current.watermark.applied ?? 0) >= endHeight! && chance(SETTLED_SHARE)) {
      phase = 'settled';
    } else return;
    rebuild();
  }

  if (chance(0.3)) endHeight = chain.old + Math.floor(random() * 12);
  blocks('old');
  blocks('new');
  for (const node of nodes) probe(node);
  every(50, 400, trouble);
  every(20, 60, switchOver);
  every(5, 120, () => {
    if (tallied >= chain.new) return;
    tallied = Math.min(chain.new, Math.max(tallied + 1, ...of('new').map(n => n.view.height)));
    rebuild();
  });

  const subscribe =
    (set: Set<() => void>) =>
    (listener: () => void): (() => void) => {
      set.add(listener);
      return () => void set.delete(listener);
    };
  const no = (): never => {
    throw new Error('the gate asks no node');
  };
  return {
    nodes,
    port: {
      view: name => current.networks[name] && viewNow(name),
      rank: (name, sticky) =>
        rank(
          of(name).map(({ view }) => view),
          sticky,
          () => 0,
        ),
      subscribe: subscribe(listeners.probes),
      subscribeProbes: subscribe(listeners.probes),
      ...{ send: no, get: no, call: no, probeNow: no, url: no },
    },
    snapshot: () => current,
    onSnapshot: subscribe(listeners.snapshot),
    shown: node =>
      node.network === 'old'
        ? { old: node.state, new: 0 }
        : { old: applied[node.state]!, new: opened !== null && node.state >= opened ? node.state : 0 },
    write() {
      const network = phase === 'switched' || phase === 'settled' ? 'new' : 'old';
      const write: { block: Height | null } = { block: null };
      writers[network].push(write);
      return { network, block: () => write.block };
    },
    isCommitted: () => current.intent.committed,
    stop: () => void (stopped = true),
  };

  function viewNow(name: NetworkName): NetworkView {
    return { ...current.networks[name]!, nodes: of(name).map(({ view }) => view) };
  }
}
