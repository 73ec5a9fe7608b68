import type { Height, NetworkName, ReplicationStatus } from '../model/index.js';
import type { MigrationView, NetworkView, NodeView, WatermarkView } from '../routing/index.js';
import { createLagTrend, type LagTrend } from './lag-trend.js';
import type { ControlPorts } from './ports.js';

/** Everything that decisions are taken from, read at one moment. */
export interface World {
  /** Wall clock, ms. */
  readonly at: number;
  readonly old: NetworkView | null;
  readonly new: NetworkView | null;
  readonly replication: ReplicationStatus;
  readonly watermark: WatermarkView;
  /** Null until it was watched for half a minute. */
  readonly lagTrend: LagTrend | null;
  /** Start and End as the new network knows them. */
  readonly announced: { readonly startHeight: Height; readonly endHeight: Height } | null;
  /** Writes to the old network without a final outcome, and those of them that nobody answered. */
  readonly openOld: number;
  readonly unknownOld: number;
  readonly held: number;
  /** Since the head of each network moved last, ms; null while it was never seen moving. */
  readonly headAge: Readonly<Record<NetworkName, number | null>>;
}

/** Reads the world; remembers only when heads moved and what the lag was lately. */
export function createWorldReader(
  ports: Pick<ControlPorts, 'clock' | 'nodes' | 'replication' | 'ledger' | 'proxy'>,
): () => World {
  const { clock, nodes, replication, ledger, proxy } = ports;
  const trendOf = createLagTrend();
  const heads = new Map<NetworkName, { height: Height; movedAt: number | null }>();

  const headAge = (network: NetworkName, view: NetworkView | null): number | null => {
    if (view === null) return null;
    const known = heads.get(network);
    if (known === undefined) heads.set(network, { height: view.head, movedAt: null });
    else if (view.head > known.height) heads.set(network, { height: view.head, movedAt: clock.monotonic() });
    const movedAt = heads.get(network)!.movedAt;
    return movedAt === null ? null : clock.monotonic() - movedAt;
  };

  return () => {
    const oldView = nodes.view('old');
    const newView = nodes.view('new');
    const open = ledger.unresolved('old');
    const watermark = replication.watermark();
    return {
      at: clock.now(),
      old: oldView,
      new: newView,
      replication: replication.status(),
      watermark,
      lagTrend: trendOf(watermark.lagBlocks, clock.monotonic()),
      announced: replication.announced?.() ?? null,
      openOld: open.length,
      unknownOld: open.filter(entry => entry.state === 'unknown').length,
      held: proxy.held().count,
      headAge: { old: headAge('old', oldView), new: headAge('new', newView) },
    };
  };
}

export const upNodes = (view: NetworkView | null): readonly NodeView[] =>
  view?.nodes.filter(node => node.state === 'up') ?? [];

/**
 * Nodes whose word on the migration counts: on the right chain and answering. A halted network's nodes may look behind or
 * unhealthy and still tell the truth about their status (reference 6.4).
 */
const witnesses = (view: NetworkView | null): readonly NodeView[] =>
  view?.nodes.filter(
    node => node.migration !== null && (node.state === 'up' || node.state === 'lagging' || node.state === 'syncing'),
  ) ?? [];

/** The network's own migration status as its most advanced node tells it. */
export function migrationOf(view: NetworkView | null): MigrationView | null {
  let best: NodeView | null = null;
  for (const node of witnesses(view)) if (best === null || node.height > best.height) best = node;
  return best?.migration ?? null;
}

/** The old network is at its End: a node says so and has the End block. */
export function oldEnd(world: Pick<World, 'old' | 'replication'>): Height | null {
  for (const node of witnesses(world.old)) {
    const { status, endHeight } = node.migration!;
    const end = endHeight ?? world.replication.endHeight;
    if (status === 'MigrationCompleted' && end !== null && node.height >= end) return end;
  }
  return null;
}

/** A node of the new network that has applied End; a network that never migrated shows no heights (reference 6.2). */
export const hasFinished = (node: NodeView): boolean =>
  node.migration?.status === 'NoActiveMigration' && node.migration.endHeight !== null && node.migration.endHeight > 0;

export const newFinished = (view: NetworkView | null): boolean => upNodes(view).some(hasFinished);

/** Greatest old height that the new network is known to show. After its own end that is the old network's End. */
export function appliedHeight(world: Pick<World, 'old' | 'new' | 'replication' | 'watermark'>): Height | null {
  const { applied } = world.watermark;
  const end = newFinished(world.new) ? oldEnd(world) : null;
  return end === null ? applied : Math.max(end, applied ?? 0);
}

/** A new node that takes writes and shows the given old height. */
export const showsHeight = (
  world: Pick<World, 'old' | 'new' | 'replication' | 'watermark'>,
  height: Height,
): boolean => {
  const end = oldEnd(world);
  return upNodes(world.new).some(
    node =>
      (world.watermark.perNode[node.name] ?? -1) >= height || (end !== null && end >= height && hasFinished(node)),
  );
};
