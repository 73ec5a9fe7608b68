import { NETWORK_NAMES, type Height, type NetworkName } from '../model/index.js';
import { waitFor, type Clock } from '../platform/index.js';
import type { NodeView, RoutingSnapshot } from '../routing/index.js';
import type { NodesPort } from './ports.js';
import {
  advance,
  appliedOn,
  boundOf,
  createSightings,
  FRESH_SESSION,
  standing,
  type SessionHeights,
  type Sightings,
} from './sessions.js';

/** Who reads: a client with a token has its own heights, all others share the gateway's. */
export interface Reader {
  readonly token: SessionHeights | null;
}

export const SHARED_READER: Reader = Object.freeze({ token: null });

export interface ReadGate {
  /** The node that may answer this read now; null when none qualifies. `tried` nodes are left out. */
  pick(
    reader: Reader,
    networks: readonly NetworkName[],
    snapshot: RoutingSnapshot,
    tried: ReadonlySet<string>,
  ): NodeView | null;
  /** As pick, waiting a bounded time for a node to qualify. */
  await(
    reader: Reader,
    networks: readonly NetworkName[],
    snapshot: RoutingSnapshot,
    tried: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<NodeView | null>;
  /**
   * An answer of this node goes to the client. Gives the client's heights afterwards. `exactly`: it told this height and no
   * state beside it (a transaction with its block).
   */
  delivered(reader: Reader, node: NodeView, exactly?: Height): SessionHeights;
  /** The node that everything without other needs goes to; sticks while it is up. */
  primary(network: NetworkName): NodeView | null;
  /** Best first, the primary ahead of its equals. */
  candidates(network: NetworkName): readonly NodeView[];
}

export interface ReadGatePorts {
  readonly nodes: NodesPort;
  readonly clock: Clock;
  /** Latest snapshot, for a read that has to wait. */
  readonly snapshot: () => RoutingSnapshot;
  readonly onSnapshot: (listener: () => void) => () => void;
}

const STAY_MS = 1000;
/**
 * Nodes that can be looked at, but are not most of their network, are taken at their word after it: a committed block reaches
 * a living node within milliseconds, and a network whose leader is away stands for as long as it is.
 */
const STANDS_MS = 10_000;

export function createReadGate(
  options: { readonly sessionWaitMs: number },
  ports: ReadGatePorts,
  sightings: Sightings = createSightings(),
): ReadGate {
  const { nodes, clock } = ports;
  const primaries: Record<NetworkName, string | null> = { old: null, new: null };
  /** After the commit somebody has learnt a state of the new network: nobody may be shown the old one any more. */
  let crossed = false;
  /** The new network did not qualify in time: for a moment reads stay on the old one without waiting each. */
  let stayUntil = -Infinity;

  function candidates(network: NetworkName): readonly NodeView[] {
    const ranked = nodes.rank(network, primaries[network]);
    primaries[network] = ranked[0]?.id ?? primaries[network];
    return ranked;
  }

  function qualifies(reader: Reader, node: NodeView, snapshot: RoutingSnapshot, isLate: boolean): boolean {
    // One that is catching up may show many blocks more with the next look, and nobody could say how many it has shown.
    if (node.state === 'down' || node.state === 'probing' || node.state === 'syncing') return false;
    if (node.network === 'old') return oldMayAnswer(reader, snapshot, isLate) && admitted(reader, node);
    return shows(reader, node, snapshot) && admitted(reader, node);
  }

  /**
   * After the commit everybody crosses over as soon as the new network shows what was seen. Going on with the old one
   * meanwhile would put that off for ever (every answer raises what was seen), so reads rather wait a moment.
   */
  function oldMayAnswer(reader: Reader, { intent }: RoutingSnapshot, isLate: boolean): boolean {
    if (!intent.committed) return true;
    return !crossedFor(reader) && (isLate || clock.monotonic() < stayUntil);
  }

  const crossedFor = ({ token }: Reader): boolean => (token === null ? crossed : token.new > 0);

  function admitted({ token }: Reader, node: NodeView): boolean {
    if (token === null) return sightings.admits(node);
    const [height, name] = node.network === 'old' ? [token.old, token.oldNode] : [token.new, token.newNode];
    return node.name === name || node.height >= height;
  }

  /** A node of the new network stands for the old one only with everything that was seen there. */
  function shows({ token }: Reader, node: NodeView, snapshot: RoutingSnapshot): boolean {
    if (token !== null && token.oldNode === node.id) return true;
    const floor: Height = token === null ? sightings.floor('old', node.id) : token.old;
    if (floor === 0) return true;
    const applied = appliedOn(snapshot, node);
    if (snapshot.intent.phase !== 'settled') return applied >= floor;
    // Everything was applied for good: no block follows what the watermark says, and in the end it is no longer followed.
    return applied === -1 || applied >= Math.min(floor, snapshot.watermark.applied ?? floor);
  }

  function find(
    reader: Reader,
    networks: readonly NetworkName[],
    snapshot: RoutingSnapshot,
    tried: ReadonlySet<string>,
    isLate: boolean,
  ): NodeView | null {
    for (const network of networks) {
      for (const node of candidates(network)) {
        if (!tried.has(node.id) && qualifies(reader, node, snapshot, isLate)) return node;
      }
    }
    return null;
  }

  const nodesOf = (network: NetworkName): readonly NodeView[] => nodes.view(network)?.nodes ?? [];

  /** What the visible nodes of a network stood at when no majority could be looked at, and since when. */
  const stood = new Map<NetworkName, { readonly height: Height; readonly since: number }>();

  /** Height that a network is taken to stand at after a wait without proof; null when that cannot be said yet. */
  function standingOf(network: NetworkName, since: number): Height | null {
    const views = nodesOf(network);
    const most = standing(views, since);
    if (most !== null) return most;
    const height = standing(
      views.filter(node => node.state === 'up' && node.seenAt >= since),
      since,
    );
    const now = clock.monotonic();
    if (height === null) stood.delete(network);
    else if (stood.get(network)?.height !== height) stood.set(network, { height, since: now });
    return height !== null && now - stood.get(network)!.since >= STANDS_MS ? height : null;
  }

  /** A token one block above what its network stands at: that block is only suspected (see standing). */
  function relented({ token }: Reader, since: number): Reader {
    if (token === null) return SHARED_READER;
    const height = (network: NetworkName): Height => {
      const most = standingOf(network, since);
      return most !== null && token[network] === most + 1 ? most : token[network];
    };
    return { token: { ...token, old: height('old'), new: height('new') } };
  }

  const gate: ReadGate = {
    primary: network => candidates(network)[0] ?? null,
    candidates,
    pick: (reader, networks, snapshot, tried) => find(reader, networks, snapshot, tried, false),

    async await(reader, networks, snapshot, tried, signal) {
      const subscribe = (listener: () => void): (() => void) => {
        const stops = [nodes.subscribeProbes(listener), ports.onSnapshot(listener)];
        return () => stops.forEach(stop => stop());
      };
      const look = (): NodeView | undefined => {
        for (const network of NETWORK_NAMES) sightings.settle(nodesOf(network));
        return find(reader, networks, ports.snapshot(), tried, false) ?? undefined;
      };
      const begun = clock.monotonic();
      const found = await waitFor(subscribe, look, { timeoutMs: options.sessionWaitMs, signal, clock });
      if (found !== undefined || signal.aborted) return found ?? null;
      // No proof either way in time: what most nodes of a network do not have after such a wait was not shown.
      const since = begun + options.sessionWaitMs / 2;
      for (const network of NETWORK_NAMES) {
        const height = standingOf(network, since);
        if (height !== null) sightings.relent(network, height, begun);
      }
      const now = ports.snapshot();
      const node = find(relented(reader, since), networks, now, tried, true);
      if (node?.network === 'old' && now.intent.committed) stayUntil = clock.monotonic() + STAY_MS;
      return node;
    },

    delivered(reader, node, exactly) {
      const now = clock.monotonic();
      // As of now, not as of the request: what it was decided by may be older than the commit that its answer shows.
      const { committed } = ports.snapshot().intent;
      if (node.network === 'new' && committed) crossed = true;
      const heights = reader.token ?? FRESH_SESSION;
      const peers = nodesOf(node.network);
      const view = peers.find(other => other.id === node.id) ?? node;
      const [seen, seenOn] = node.network === 'old' ? [heights.old, heights.oldNode] : [heights.new, heights.newNode];
      // Calls that are no reads are answered by nodes that need not show what the client has seen.
      const isOwn = seenOn === view.name || view.height >= seen;
      if (exactly !== undefined) {
        sightings.noteExactly(node, exactly, now);
        // A node tells of a block before its state can be read.
        return advance(heights, node.network, exactly, isOwn && view.height >= exactly ? view.name : '');
      }
      const bound = boundOf(peers, now);
      sightings.note(view, bound, now);
      const after = advance(heights, node.network, bound, isOwn ? view.name : '');
      if (node.network === 'old' || committed) return after;
      // Before the commit an answer of the new network shows a state of the old one, at most what any of its nodes has.
      const most = boundOf(nodesOf('old'), now);
      sightings.noteThrough(view, most, now);
      const isOwnToo = heights.oldNode === view.id || appliedOn(ports.snapshot(), view) >= heights.old;
      return advance(after, 'old', most, isOwnToo ? view.id : '');
    },
  };

  return gate;
}
