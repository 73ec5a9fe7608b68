import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Height, NetworkName } from '../model/index.js';
import type { NodeView, RoutingSnapshot } from '../routing/index.js';

/**
 * What clients may have seen, so that no read goes back (I8).
 *
 * A node's answer does not say at which height it was computed; its health says H while its state may already be H + 1,
 * and more the older that look is. So each answer leaves a *sighting* of its node: at most `spec`, at least `sure`. A look
 * at the node that began well after the answer settles it. Another node qualifies only at or above every sighting of the
 * others; the node itself always does, unless it was set back.
 *
 * An answer of the new network before the commit shows a state of the old one. It leaves a sighting of the old network by
 * the node of the new one that gave it: no old node may count it as its own.
 *
 * Clients without a token share one set of sightings: whatever anybody saw, nobody goes below. A token carries its own.
 */
export interface Sightings {
  /** An answer of this node, which showed at most `bound` (see boundOf), has been delivered. */
  note(node: NodeView, bound: Height, now: number): void;
  /** An answer of this node of the new network showed a state of the old one, at most `bound`. */
  noteThrough(node: NodeView, bound: Height, now: number): void;
  /** An answer told exactly this height of the node's network, no state beside it. */
  noteExactly(node: NodeView, height: Height, now: number): void;
  /** Whether the node shows at least what the other nodes of its network have shown. */
  admits(node: NodeView): boolean;
  /** Most that others than `except` have shown of a network. */
  floor(network: NetworkName, except?: string): Height;
  /** Settles what fresh looks at the nodes of one network allow to settle. */
  settle(views: readonly NodeView[]): void;
  /** Settles what was shown of a network before `before` at the height that it stands at (see standing). */
  relent(network: NetworkName, height: Height, before: number): void;
}

interface Sighting {
  /** Network whose height it is, and the node that showed it. */
  readonly network: NetworkName;
  readonly by: string;
  sure: Height;
  spec: Height;
  at: number;
}

/** Between a block's state being readable and its height being told lie milliseconds; this leaves room. */
const SETTLE_MS = 250;
/** The same where too much room would cost: a block right before a look counts as told by it. */
const TOLD_MS = 50;
/** Blocks come at least so far apart, as a share of their mean distance; an idle network's mean says nothing of a busy one. */
const SHORTEST = 0.5;
const SHORTEST_MS_MAX = 500;

/** Greatest height that this node may have shown until `now`, if it keeps pace with the blocks. */
function paceOf(node: NodeView, now: number): Height {
  const age = Math.max(0, now - node.seenAt);
  const apart = Math.max(1, Math.min((node.blockTimeMs ?? Infinity) * SHORTEST, SHORTEST_MS_MAX));
  const blocks = Number.isFinite(age) ? Math.floor((age + TOLD_MS) / apart) : 0;
  // Of a network that migrates away, no block follows End.
  const end = node.network === 'old' ? node.migration?.endHeight : null;
  return Math.max(node.height, Math.min(node.heightMax + blocks, end ?? Infinity));
}

/**
 * Greatest height that any node of a network may have shown until `now`. That is every single one's bound, too: one that is
 * behind can catch up within milliseconds. What is down shows nothing beyond what it had.
 */
export const boundOf = (nodes: readonly NodeView[], now: number): Height =>
  nodes.reduce((most, node) => Math.max(most, node.state === 'down' ? node.heightMax : paceOf(node, now)), 0);

/**
 * What a network stands at: greatest height of its nodes, when most of them were looked at after `since` and nobody is
 * known to have had more. Null when that cannot be said. A block that only a node had which is gone now would have
 * reached most others meanwhile, but for one that died within the milliseconds in which it had it alone.
 */
export function standing(nodes: readonly NodeView[], since: number): Height | null {
  const fresh = nodes.filter(node => node.state !== 'down' && node.state !== 'syncing' && node.seenAt >= since);
  if (fresh.length * 2 <= nodes.length) return null;
  const most = Math.max(...fresh.map(({ height }) => height));
  return nodes.every(({ height }) => height <= most) &&
    fresh.filter(({ height }) => height === most).length * 2 > nodes.length
    ? most
    : null;
}

export function createSightings(): Sightings {
  const seen = new Map<string, Sighting>();

  function put(network: NetworkName, by: string, sure: Height, spec: Height, at: number): void {
    const key = `${network}<${by}`;
    const sighting = seen.get(key);
    if (sighting === undefined) {
      seen.set(key, { network, by, sure, spec: Math.max(sure, spec), at });
      return;
    }
    sighting.sure = Math.max(sighting.sure, sure);
    sighting.spec = Math.max(sighting.spec, sighting.sure, spec);
    sighting.at = at;
  }

  function settleAt(sighting: Sighting, height: Height): void {
    if (height < sighting.sure) return;
    sighting.sure = Math.max(sighting.sure, Math.min(sighting.spec, height));
    sighting.spec = sighting.sure;
  }

  return {
    note: (node, bound, now) => put(node.network, node.id, node.height, bound, now),
    noteThrough: (node, bound, now) => put('old', node.id, 0, bound, now),
    noteExactly: (node, height, now) =>
      put(node.network, node.id, height, height, seen.get(`${node.network}<${node.id}`)?.at ?? now),
    admits(node) {
      for (const { network, by, sure, spec } of seen.values())
        if (network === node.network && node.height < (by === node.id ? sure : spec)) return false;
      return true;
    },
    floor(network, except) {
      let floor = 0;
      for (const sighting of seen.values())
        if (sighting.network === network)
          floor = Math.max(floor, sighting.by === except ? sighting.sure : sighting.spec);
      return floor;
    },
    settle(views) {
      const network = views[0]?.network;
      for (const sighting of seen.values()) {
        if (sighting.network !== network || sighting.spec <= sighting.sure) continue;
        const isFresh = (view: NodeView): boolean => view.seenAt >= sighting.at + SETTLE_MS;
        const own = views.find(({ id }) => id === sighting.by);
        if (own !== undefined) {
          if (isFresh(own)) settleAt(sighting, own.height);
        } else if (views.every(isFresh)) settleAt(sighting, Math.max(...views.map(({ height }) => height)));
      }
    },
    relent(network, height, before) {
      for (const sighting of seen.values())
        if (sighting.network === network && sighting.at <= before) settleAt(sighting, height);
    },
  };
}

/** What a session token says: per network the most it may have seen, and on which node. */
export interface SessionHeights {
  readonly old: Height;
  readonly new: Height;
  /**
   * Node of the newest sighting per network, which always qualifies; '' when none. For the old network it may be a node of
   * the new one (its id), which showed that state before the commit.
   */
  readonly oldNode: string;
  readonly newNode: string;
}

export const FRESH_SESSION: SessionHeights = Object.freeze({ old: 0, new: 0, oldNode: '', newNode: '' });

export interface SessionTokens {
  /** Opaque text; the same heights give the same text, so that it is mostly made once per block. */
  sign(heights: SessionHeights): string;
  /** Null for anything that was not signed with our key. */
  verify(token: string): SessionHeights | null;
}

const TOKEN_BYTES_MAX = 512;
const MADE_MAX = 64;

export function createSessionTokens(secret: Uint8Array): SessionTokens {
  const made = new Map<string, string>();
  const mac = (text: string): string => createHmac('sha256', secret).update(text).digest('base64url').slice(0, 32);

  return {
    sign(heights) {
      const text = Buffer.from(
        JSON.stringify([1, heights.old, heights.new, heights.oldNode, heights.newNode]),
      ).toString('base64url');
      const known = made.get(text);
      if (known !== undefined) return known;
      const token = `${text}.${mac(text)}`;
      if (made.size >= MADE_MAX) made.clear();
      made.set(text, token);
      return token;
    },
    verify(token) {
      const dot = token.indexOf('.');
      if (token.length > TOKEN_BYTES_MAX || dot < 1) return null;
      const text = token.slice(0, dot);
      const given = Buffer.from(token.slice(dot + 1));
      const right = Buffer.from(mac(text));
      if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
      try {
        const value = JSON.parse(Buffer.from(text, 'base64url').toString()) as [number, Height, Height, string, string];
        return value[0] === 1 ? { old: value[1], new: value[2], oldNode: value[3], newNode: value[4] } : null;
      } catch {
        return null;
      }
    },
  };
}

/**
 * The session after something that may have shown up to `height` of a network. `own`: the node that showed it, if it shows
 * everything that was seen before as well and may therefore go on with whatever height it has; else ''.
 */
export const advance = (heights: SessionHeights, network: NetworkName, height: Height, own: string): SessionHeights =>
  network === 'old'
    ? { ...heights, old: Math.max(heights.old, height), oldNode: own }
    : { ...heights, new: Math.max(heights.new, height), newNode: own };

/** The session of a client that got both answers, in whatever order. */
export function mergeSessions(a: SessionHeights, b: SessionHeights): SessionHeights {
  return {
    old: Math.max(a.old, b.old),
    new: Math.max(a.new, b.new),
    oldNode: a.oldNode === b.oldNode ? a.oldNode : '',
    newNode: a.newNode === b.newNode ? a.newNode : '',
  };
}

/** How much of the old network a node of the new one shows; the watermark's keys are node ids or names. */
export const appliedOn = ({ watermark }: RoutingSnapshot, node: NodeView): Height =>
  watermark.perNode[node.id] ?? watermark.perNode[node.name] ?? -1;
