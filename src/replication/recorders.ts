import type { Height } from '../model/index.js';
import type { Clock } from '../platform/index.js';
import type { NetworkView, NodeView } from '../routing/index.js';

/**
 * Which old nodes can be asked for which height. A recorder is a node that answers, is on the right chain, and keeps the
 * changesets of this migration; one that failed rests for a while, one that gave other bytes than the majority for good.
 */
export interface Recorders {
  /** Usable recorders that have committed `height`, the best first. */
  having(height: Height): readonly NodeView[];
  /** Usable recorders, whatever their height. */
  all(): readonly NodeView[];
  rest(node: string, reason: string, ms: number): void;
  distrust(node: string, reason: string): void;
  worked(node: string): void;
  /** Why each node that is left out is left out. */
  reasons(): Readonly<Record<string, string>>;
}

const RECORDING = new Set(['MigrationInProgress', 'MigrationCompleted']);
const ANSWERING = new Set(['up', 'lagging', 'syncing']);

export function createRecorders(view: () => NetworkView | null, clock: Clock): Recorders {
  const resting = new Map<string, { until: number; reason: string }>();
  const distrusted = new Map<string, string>();

  const problem = (node: NodeView): string | null => {
    const lie = distrusted.get(node.name);
    if (lie !== undefined) return lie;
    if (!ANSWERING.has(node.state)) return node.reason ?? node.state;
    if (node.migration === null || !RECORDING.has(node.migration.status))
      return `migration status ${node.migration?.status ?? 'unknown'}`;
    const rest = resting.get(node.name);
    return rest !== undefined && rest.until > clock.monotonic() ? rest.reason : null;
  };
  const all = (): NodeView[] => (view()?.nodes ?? []).filter(node => problem(node) === null);

  return {
    all,
    having: height =>
      all()
        .filter(node => node.height >= height)
        .sort((a, b) => rankOf(a) - rankOf(b) || a.name.localeCompare(b.name)),
    rest: (node, reason, ms) => void resting.set(node, { until: clock.monotonic() + ms, reason }),
    distrust: (node, reason) => void distrusted.set(node, reason),
    worked: node => void resting.delete(node),
    reasons() {
      const entries = (view()?.nodes ?? []).flatMap(node => {
        const reason = problem(node);
        return reason === null ? [] : [[node.name, reason] as const];
      });
      return Object.fromEntries(entries);
    },
  };
}

const rankOf = (node: NodeView): number => (node.state === 'up' ? 0 : 1);
