import type { Clock, Timer } from '../../platform/index.js';
import type { DevNode } from '../node/node.js';
import type { Timing } from '../options.js';
import { leaderFor, type NetworkState } from './state.js';

export interface HousekeepingPorts {
  readonly clock: Clock;
  readonly timing: Timing;
  readonly state: NetworkState;
  readonly nodes: readonly DevNode[];
  announceAll(node: DevNode): void;
}

/** Slow habits of nodes: followers that hear nothing go to catch-up and forget their mempool, mempools are re-announced. */
export interface Housekeeping {
  start(): void;
  /** A node has heard of a block. */
  heard(node: DevNode): void;
  close(): void;
}

export function createHousekeeping(ports: HousekeepingPorts): Housekeeping {
  const { clock, timing, state, nodes } = ports;
  const lastHeard = new Map<DevNode, number>();
  let announcedAt = clock.monotonic();
  let timer: Timer | null = null;

  function look(): void {
    timer = clock.after(Math.min(1000, timing.catchUpTick / 4), look);
    if (!state.store || !state.consensus) return;
    const now = clock.monotonic();
    const leader = leaderFor(state, nodes, state.store.head() + 1);
    const halted = state.consensus.params.migrationStatus === 'MigrationCompleted';
    for (const node of nodes) {
      // A living leader is heard even when it makes no block.
      if (!node.alive() || halted || leader?.alive()) lastHeard.set(node, now);
      else if (now - (lastHeard.get(node) ?? now) >= timing.catchUpTick) {
        lastHeard.set(node, now);
        node.loseMempool();
      }
    }
    if (now - announcedAt < timing.reannounce) return;
    announcedAt = now;
    for (const node of nodes) if (node.alive()) ports.announceAll(node);
  }

  return {
    start: look,
    heard: node => void lastHeard.set(node, clock.monotonic()),
    close: () => timer?.cancel(),
  };
}
