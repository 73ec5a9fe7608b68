import type { Height, NodeState } from '../model/index.js';

/** What one good `user.health` answer says. */
export interface HealthFacts {
  readonly chainId: string;
  readonly height: Height;
  readonly blockHash: string;
  /** Header time of the last block, Unix ms. */
  readonly blockTime: number;
  readonly syncing: boolean;
  readonly mode: 'open' | 'private' | null;
}

export type HealthEvent =
  | { readonly kind: 'answer'; readonly facts: HealthFacts; readonly at: number }
  /** No usable answer. `hard`: nobody listens there (refused), so once is enough. */
  | { readonly kind: 'failure'; readonly reason: string; readonly hard: boolean; readonly at: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'resume' };

export interface NodeHealth {
  readonly state: NodeState;
  readonly reason: string | null;
  /** Consecutive failed and good probes. */
  readonly failures: number;
  readonly successes: number;
  /** Monotonic ms at which the last look with a good answer began; -Infinity before the first. */
  readonly seenAt: number;
  readonly facts: HealthFacts | null;
}

export interface HealthContext {
  readonly chainId: string;
  /** Greatest height any node of the network has shown. */
  readonly head: Height;
}

export const INITIAL_HEALTH: NodeHealth = Object.freeze({
  state: 'probing',
  reason: 'not heard from yet',
  failures: 0,
  successes: 0,
  seenAt: -Infinity,
  facts: null,
});

/** Failed probes in a row after which a node that merely does not answer counts as down. */
export const FAILURES_UNTIL_DOWN = 2;
/** Good probes in a row that bring a node back. */
export const SUCCESSES_UNTIL_UP = 2;
/** Blocks behind the head: a node becomes `lagging` past the first figure and `up` again within the second. */
export const LAG_ENTER = 4;
export const LAG_LEAVE = 1;

/**
 * State after one observation. `healthy` of the node's own answer is never looked at: a halted network turns it off
 * and serves reads all the same, and one without a leader keeps it on for minutes.
 */
export function observe(health: NodeHealth, event: HealthEvent, context: HealthContext): NodeHealth {
  switch (event.kind) {
    case 'drain':
      return { ...health, state: 'drained', reason: 'taken out by hand' };
    case 'resume':
      return health.state === 'drained'
        ? { ...health, state: 'probing', reason: 'put back by hand', failures: 0, successes: 0 }
        : health;
    case 'failure': {
      const failures = health.failures + 1;
      const counted = { ...health, failures, successes: 0 };
      if (health.state === 'drained' || health.state === 'quarantined') return counted;
      if (!event.hard && failures < FAILURES_UNTIL_DOWN) return counted;
      return { ...counted, state: 'down', reason: event.reason };
    }
    case 'answer':
      return answered(health, event.facts, event.at, context);
  }
}

function answered(health: NodeHealth, facts: HealthFacts, at: number, context: HealthContext): NodeHealth {
  const wrongChain = facts.chainId !== context.chainId;
  const successes = wrongChain ? 0 : health.successes + 1;
  const next: NodeHealth = { ...health, failures: 0, successes, seenAt: at, facts };
  if (health.state === 'drained') return next;
  // Heights of a foreign chain must not get into this network's picture.
  if (wrongChain)
    return {
      ...next,
      facts: null,
      state: 'quarantined',
      reason: `answers for another chain: ${printable(facts.chainId)}`,
    };
  const back = health.state === 'down' || health.state === 'quarantined';
  if (back && successes < SUCCESSES_UNTIL_UP) return next;
  if (facts.syncing) return { ...next, state: 'syncing', reason: 'is catching up and answers from an old state' };
  const behind = context.head - facts.height;
  const tolerated = health.state === 'up' ? LAG_ENTER : LAG_LEAVE;
  if (behind > tolerated) return { ...next, state: 'lagging', reason: `${behind} blocks behind` };
  return { ...next, state: 'up', reason: null };
}

/** Chain ids come from outside: short and printable before they reach a log or a screen. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
