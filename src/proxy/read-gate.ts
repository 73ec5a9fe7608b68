import type { Height, NetworkName } from '../model/index.js';
import { waitFor, type Clock } from '../platform/index.js';
import type { NodeView, RoutingSnapshot } from '../routing/index.js';
import type { NodesPort } from './ports.js';
import { advance, appliedOn, createSightings, FRESH_SESSION, type SessionHeights } from './sessions.js';

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
  delivered(reader: Reader, node: NodeView, snapshot: RoutingSnapshot, exactly?: Height): SessionHeights;
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

export function createReadGate(options: { readonly sessionWaitMs: number }, ports: ReadGatePorts): ReadGate {
  const { nodes, clock } = ports;
  const sightings = createSightings();
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

  function qualifies(reader: Reader, node: NodeView, snapshot: RoutingSnapshot, strict: boolean): boolean {
    if (node.state === 'down' || node.state === 'probing') return false;
    if (node.network === 'old') return oldMayAnswer(reader, snapshot, strict) && admitted(reader, node, strict);
    return shows(reader, node, snapshot, strict) && admitted(reader, node, strict);
  }

  /**
   * After the commit everybody crosses over as soon as the new network shows what was seen. Going on with the old one
   * meanwhile would put that off for ever (every answer raises what was seen), so reads rather wait a moment.
   */
  function oldMayAnswer(reader: Reader, { intent }: RoutingSnapshot, strict: boolean): boolean {
    if (!intent.committed) return true;
    return !crossedFor(reader) && (!strict || clock.monotonic() < stayUntil);
  }

  const crossedFor = ({ token }: Reader): boolean => (token === null ? crossed : token.new > 0);

  function admitted({ token }: Reader, node: NodeView, strict: boolean): boolean {
    if (token === null) return sightings.admits(node, strict);
    const [height, name] = node.network === 'old' ? [token.old, token.oldNode] : [token.new, token.newNode];
    return node.name === name || node.height >= height;
  }

  /** A node of the new network stands for the old one only with everything that was seen there. */
  function shows({ token }: Reader, node: NodeView, snapshot: RoutingSnapshot, strict: boolean): boolean {
    const floor: Height = token === null ? sightings.floor('old', strict) : token.old;
    if (floor === 0) return true;
    // The old network is gone from the watermark's view once everything was applied for good.
    if (snapshot.intent.phase === 'settled') return true;
    return appliedOn(snapshot, node) >= floor;
  }

  function find(
    reader: Reader,
    networks: readonly NetworkName[],
    snapshot: RoutingSnapshot,
    tried: ReadonlySet<string>,
    strict: boolean,
  ): NodeView | null {
    for (const network of networks) {
      for (const node of candidates(network)) {
        if (!tried.has(node.id) && qualifies(reader, node, snapshot, strict)) return node;
      }
    }
    return null;
  }

  const gate: ReadGate = {
    primary: network => candidates(network)[0] ?? null,
    candidates,
    pick: (reader, networks, snapshot, tried) => find(reader, networks, snapshot, tried, true),

    async await(reader, networks, snapshot, tried, signal) {
      const subscribe = (listener: () => void): (() => void) => {
        const stops = [nodes.subscribeProbes(listener), ports.onSnapshot(listener)];
        return () => stops.forEach(stop => stop());
      };
      const look = (): NodeView | undefined => {
        for (const network of networks) sightings.settle(nodes.view(network)?.nodes ?? []);
        sightings.settle(nodes.view('old')?.nodes ?? []);
        return find(reader, networks, ports.snapshot(), tried, true) ?? undefined;
      };
      const since = clock.monotonic();
      const found = await waitFor(subscribe, look, { timeoutMs: options.sessionWaitMs, signal, clock });
      // No proof either way in time: what is only suspected (the block after the last one told) no longer counts.
      if (found !== undefined || signal.aborted) return found ?? null;
      sightings.relent(since);
      const now = ports.snapshot();
      const node = find(reader, networks, now, tried, false);
      if (node?.network === 'old' && now.intent.committed) stayUntil = clock.monotonic() + STAY_MS;
      return node;
    },

    delivered(reader, node, snapshot, exactly) {
      const now = clock.monotonic();
      if (exactly !== undefined) {
        sightings.noteExactly(node, exactly, now);
        if (node.network === 'new' && snapshot.intent.committed) crossed = true;
        return advance(reader.token ?? FRESH_SESSION, node, exactly);
      }
      const view = nodes.view(node.network)?.nodes.find(other => other.id === node.id) ?? node;
      sightings.note(view, now);
      if (node.network === 'new') {
        if (snapshot.intent.committed) crossed = true;
        // Before the commit an answer of the new network shows a state of the old one, at most its head.
        else noteOldHead(snapshot, now);
      }
      const after = advance(reader.token ?? FRESH_SESSION, view, sightings.bound(view, now));
      if (node.network === 'old' || snapshot.intent.committed) return after;
      const { head } = snapshot.networks.old;
      return head > after.old ? { ...after, old: head, oldNode: '' } : after;
    },
  };

  function noteOldHead({ networks }: RoutingSnapshot, now: number): void {
    const head = networks.old.nodes.reduce<NodeView | null>(
      (best, node) => (node.height > (best?.height ?? -1) ? node : best),
      null,
    );
    if (head !== null) sightings.note(head, now);
  }

  return gate;
}
