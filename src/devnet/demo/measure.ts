import type { GatewayStatus } from '../../model/index.js';

/** Collects what the status shows over time: lag and where reads could go. */
export interface LagMeter {
  take(status: GatewayStatus): void;
  result(): { lagBlocksMax: number; lagMsP50: number; lagMsMax: number };
}

export function createLagMeter(): LagMeter {
  const lagMs: number[] = [];
  let lagBlocksMax = 0;
  return {
    take({ replication }) {
      // Before the new network applied anything there is no lag to speak of: it is still fetching the genesis state.
      if (replication.applied === null || replication.lagBlocks === null) return;
      lagBlocksMax = Math.max(lagBlocksMax, replication.lagBlocks);
      if (replication.lagMs !== null) lagMs.push(replication.lagMs);
    },
    result() {
      const sorted = lagMs.toSorted((a, b) => a - b);
      return { lagBlocksMax, lagMsP50: quantile(sorted, 0.5), lagMsMax: sorted.at(-1) ?? 0 };
    },
  };
}

/** Of sorted numbers, rounded; 0 when there are none. */
export const quantile = (sorted: readonly number[], q: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0);
