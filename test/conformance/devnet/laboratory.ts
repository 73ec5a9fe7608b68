import { createDevnet, type Devnet } from '../../../src/devnet/index.js';
import type { NetworkOptions } from '../../../src/devnet/index.js';
import { closeConnections } from './http.js';

/*
 * The devnet under test, with the times that do not matter to the comparison cut short.
 */

export interface Laboratory {
  readonly devnet: Devnet;
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

export function createLaboratory(): Laboratory {
  const lines: string[] = [];
  const devnet = createDevnet({
    log: (network, node, line) => lines.push(`${network} ${node}: ${line}`),
  });
  return {
    devnet,
    lines,
    async stop() {
      await devnet.stop();
      closeConnections();
    },
  };
}

/** Blocks only on request; a head that stands still for a while is healthy, as it was in the recordings. */
export const RECORDED_RHYTHM = {
  manualBlocks: true,
  timing: { unhealthyAfter: 600_000, restart: 20, visibilityGap: 0 },
  listenerPaceMs: 1,
  listenerBackoffMs: [20, 100],
  metadataPollMs: 50,
} as const satisfies Partial<NetworkOptions>;
