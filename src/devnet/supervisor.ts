import { systemClock, sleep } from '../platform/index.js';
import type { NetworkHandle } from './devnet.js';

const LOOK_MS = 300;

/** What runs a node in production: starts it again when its process has ended. Gives how to end it. */
export function supervise(network: NetworkHandle): () => void {
  const stop = new AbortController();
  void (async () => {
    while (!stop.signal.aborted) {
      for (const node of network.nodes) {
        if (node.mode() === 'down') await node.restart().catch(() => undefined);
      }
      await sleep(systemClock, LOOK_MS, stop.signal);
    }
  })();
  return () => stop.abort();
}
