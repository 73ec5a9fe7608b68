import type { NetworkName } from '../model/index.js';
import type { RoutingSnapshot } from './snapshot.js';

/**
 * Networks in the order a read asks them. The second stands in only when no node of the first can be used, and the
 * session rules (proxy/sessions) still have to admit the node: this is preference, not permission.
 */
export function readOrder(snapshot: RoutingSnapshot, bucket: number): [NetworkName] | [NetworkName, NetworkName] {
  const { intent, policy, networks } = snapshot;
  if (networks.new === null) return ['old'];
  if (intent.committed) return ['new', 'old'];
  if (intent.reads === 'new') return ['new', 'old'];
  if (policy.policy === 'old' || !showsEverything(snapshot)) return ['old'];
  if (policy.policy === 'share' && bucket < policy.share) return ['new', 'old'];
  return ['old', 'new'];
}

/** The new network has every changeset of the old one that exists. */
export const showsEverything = ({ watermark, networks }: RoutingSnapshot): boolean =>
  watermark.applied !== null && watermark.lagBlocks === 0 && watermark.applied >= networks.old.head;
