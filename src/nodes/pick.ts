import type { NodeState } from '../model/index.js';
import type { NodeView } from '../routing/index.js';

const RANK: Readonly<Record<NodeState, number>> = {
  up: 0,
  lagging: 1,
  syncing: 2,
  probing: 3,
  down: 4,
  quarantined: 9,
  drained: 9,
};

/** May be tried at all. A node that is down still counts: the last one is never ejected, an attempt tells the truth. */
export const isUsable = (node: NodeView): boolean => RANK[node.state] < 9;

/**
 * Nodes of one network in the order they should be tried: best state first, then the sticky one, then the higher,
 * then the less loaded, then by name so that the order is stable.
 */
export function rank(nodes: readonly NodeView[], sticky: string | null, load: (node: NodeView) => number): NodeView[] {
  return nodes
    .filter(isUsable)
    .sort(
      (a, b) =>
        RANK[a.state] - RANK[b.state] ||
        Number(b.id === sticky) - Number(a.id === sticky) ||
        b.height - a.height ||
        load(a) - load(b) ||
        (a.id < b.id ? -1 : 1),
    );
}

/** The sticky primary stays while it is up; otherwise the best one takes its place. */
export function choosePrimary(
  nodes: readonly NodeView[],
  current: string | null,
  load: (node: NodeView) => number,
): NodeView | null {
  return rank(nodes, current, load)[0] ?? null;
}
