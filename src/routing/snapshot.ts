import type { AnyPhase, Epoch, Height, NetworkName, NodeState, Strategy } from '../model/index.js';

/**
 * What routing should be now: one value for the whole gateway, made only by the cutover machine.
 * `writes` says what happens to a client write that names the network in `network`.
 */
export interface Intent {
  readonly epoch: Epoch;
  readonly phase: AnyPhase;
  readonly strategy: Strategy;
  readonly writes: WriteIntent;
  /** Network of write-affine calls (chain_info, account, estimate_price, health …): always together. */
  readonly affine: NetworkName;
  /** Network that answers reads first. Before the commit `old`, after it `new`. */
  readonly reads: NetworkName;
  /** After the commit the old chain's transactions are answered with `chain_switched`. */
  readonly committed: boolean;
}

export type WriteIntent =
  | { readonly kind: 'send'; readonly network: NetworkName }
  /** Keep the write waiting until the epoch changes or its own limit passes. */
  | { readonly kind: 'hold'; readonly network: NetworkName }
  | { readonly kind: 'refuse'; readonly reason: 'halted' | 'overloaded' | 'no_node'; readonly retryAfterMs: number };

/** One node as this gateway sees it; made by nodes/, read-only elsewhere. */
export interface NodeView {
  readonly id: string;
  readonly network: NetworkName;
  readonly name: string;
  readonly state: NodeState;
  /** Why it is not up, in words. */
  readonly reason: string | null;
  /** Last height its `user.health` said; state at this height is visible there (reference 2.1). */
  readonly height: Height;
  /** Greatest height this node may already show: its state runs ahead of what health says. */
  readonly heightMax: Height;
  readonly blockHash: string | null;
  readonly blockTimeMs: number | null;
  readonly mode: 'open' | 'private' | null;
  readonly version: string | null;
  /** Kwil's migration status as this node tells it; null before the first answer. */
  readonly migration: MigrationView | null;
  /** When the last good probe began, monotonic ms: what it told is no older. */
  readonly seenAt: number;
}

export interface MigrationView {
  readonly status: string;
  readonly startHeight: Height | null;
  readonly endHeight: Height | null;
}

export interface NetworkView {
  readonly name: NetworkName;
  readonly chainId: string;
  readonly head: Height;
  readonly nodes: readonly NodeView[];
}

/** How much of the old network the new one shows. */
export interface WatermarkView {
  /** Greatest old height up to which every changeset is applied on the new network; null before the first. */
  readonly applied: Height | null;
  /** The same per node of the new network, since a node shows a block only once it has it. */
  readonly perNode: Readonly<Record<string, Height>>;
  readonly lagBlocks: number | null;
}

export interface ReadPolicy {
  readonly policy: 'old' | 'auto' | 'share';
  /** Percent of reads that go to the new network before the switch while it qualifies. */
  readonly share: number;
}

/** Everything a request may look at: built once per change, swapped as one reference, read once per request. */
export interface RoutingSnapshot {
  readonly intent: Intent;
  readonly policy: ReadPolicy;
  readonly networks: { readonly old: NetworkView; readonly new: NetworkView | null };
  readonly watermark: WatermarkView;
  /** Blocks of the old network left until End; null when unknown. */
  readonly blocksToEnd: number | null;
  readonly msToEnd: number | null;
}

/** Facts in, snapshot out: one writer (the composition root), readers never see half a change. */
export const project = (
  intent: Intent,
  policy: ReadPolicy,
  networks: RoutingSnapshot['networks'],
  watermark: WatermarkView,
  toEnd: { readonly blocks: number | null; readonly ms: number | null },
): RoutingSnapshot =>
  Object.freeze({ intent, policy, networks, watermark, blocksToEnd: toEnd.blocks, msToEnd: toEnd.ms });
