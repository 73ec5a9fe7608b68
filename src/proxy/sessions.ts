import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Height, NetworkName } from '../model/index.js';
import type { NodeView, RoutingSnapshot } from '../routing/index.js';

/**
 * What clients may have seen, so that no read goes back (I8).
 *
 * A node's answer does not say at which height it was computed; its health says H while its state may already be H + 1,
 * and more the older that look is. So each answer leaves a *sighting* of its node: at most `spec`, at least `sure`. A look
 * at the node that ended well after the answer settles it. Another node qualifies only at or above every sighting of the
 * others; the node itself always does, unless it was set back.
 *
 * Clients without a token share one set of sightings: whatever anybody saw, nobody goes below. A token carries its own.
 */
export interface Sightings {
  /** An answer of this node has been delivered. */
  note(node: NodeView, now: number): void;
  /** An answer told exactly this height of the node's network, no state beside it. */
  noteExactly(node: NodeView, height: Height, now: number): void;
  /** Whether the node shows at least what the other nodes of its network have shown. `strict` false: only what is sure. */
  admits(node: NodeView, strict: boolean): boolean;
  /** Most that was shown of a network. */
  floor(network: NetworkName, strict: boolean): Height;
  /** Settles what fresh looks allow to settle. */
  settle(views: readonly NodeView[]): void;
  /** What could not be settled, although nobody was answered since `before`, no longer counts beyond what is sure. */
  relent(before: number): void;
  /** Greatest height this node may have shown, for a token. */
  bound(node: NodeView, now: number): Height;
}

interface Sighting {
  readonly network: NetworkName;
  sure: Height;
  spec: Height;
  at: number;
}

/** Between a block's state being readable and its height being told lie milliseconds; this leaves room. */
const SETTLE_MS = 250;

export function createSightings(): Sightings {
  const seen = new Map<string, Sighting>();

  const bound = (node: NodeView, now: number): Height => {
    const age = Math.max(0, now - node.seenAt);
    const blocks =
      node.blockTimeMs === null || !Number.isFinite(age) ? 0 : Math.floor(age / Math.max(1, node.blockTimeMs));
    // Of a network that migrates away, no block follows End.
    const end = node.network === 'old' ? node.migration?.endHeight : null;
    return Math.max(node.height, Math.min(node.heightMax + blocks, end ?? Infinity));
  };

  function put(node: NodeView, sure: Height, spec: Height, at: number): void {
    const sighting = seen.get(node.id);
    if (sighting === undefined) {
      seen.set(node.id, { network: node.network, sure, spec, at });
      return;
    }
    sighting.sure = Math.max(sighting.sure, sure);
    sighting.spec = Math.max(sighting.spec, spec);
    sighting.at = at;
  }

  return {
    bound,
    note: (node, now) => put(node, node.height, bound(node, now), now),
    noteExactly: (node, height, now) => put(node, height, height, seen.get(node.id)?.at ?? now),
    admits(node, strict) {
      for (const [id, sighting] of seen) {
        if (sighting.network !== node.network) continue;
        const least = id === node.id || !strict ? sighting.sure : Math.max(sighting.sure, sighting.spec);
        if (node.height < least) return false;
      }
      return true;
    },
    floor(network, strict) {
      let floor = 0;
      for (const sighting of seen.values()) {
        if (sighting.network === network)
          floor = Math.max(floor, strict ? Math.max(sighting.sure, sighting.spec) : sighting.sure);
      }
      return floor;
    },
    relent(before) {
      for (const sighting of seen.values()) if (sighting.at <= before) sighting.spec = sighting.sure;
    },
    settle(views) {
      for (const view of views) {
        const sighting = seen.get(view.id);
        if (sighting === undefined || sighting.spec <= sighting.sure || view.seenAt < sighting.at + SETTLE_MS) continue;
        sighting.sure = Math.max(sighting.sure, Math.min(sighting.spec, view.height));
        sighting.spec = sighting.sure;
      }
    },
  };
}

/** What a session token says: per network the most it may have seen, and on which node. */
export interface SessionHeights {
  readonly old: Height;
  readonly new: Height;
  /** Node of the newest sighting per network, which always qualifies; '' when none. */
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

/** The session after an answer of `node`, which may have shown up to `height`. */
export function advance(heights: SessionHeights, node: NodeView, height: Height): SessionHeights {
  if (node.network === 'old') return height >= heights.old ? { ...heights, old: height, oldNode: node.name } : heights;
  return height >= heights.new ? { ...heights, new: height, newNode: node.name } : heights;
}

/** How much of the old network a node of the new one shows; the watermark's keys are node ids or names. */
export const appliedOn = ({ watermark }: RoutingSnapshot, node: NodeView): Height =>
  watermark.perNode[node.id] ?? watermark.perNode[node.name] ?? -1;
