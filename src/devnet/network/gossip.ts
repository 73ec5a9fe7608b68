import type { Clock } from '../../platform/index.js';
import type { ChainTx } from '../chain/transactions.js';
import type { DevNode } from '../node/node.js';

/** Brings admitted transactions to the other nodes after a moment. */
export interface Gossip {
  announce(from: DevNode, tx: ChainTx): void;
  /** A node's whole mempool again, as nodes do every half minute. */
  announceAll(from: DevNode): void;
}

export function createGossip(nodes: readonly DevNode[], delayMs: number, clock: Clock): Gossip {
  const queue: { from: DevNode; tx: ChainTx }[] = [];
  let armed = false;

  function announce(from: DevNode, tx: ChainTx): void {
    if (nodes.length === 1) return;
    queue.push({ from, tx });
    if (armed) return;
    armed = true;
    clock.after(delayMs, flush);
  }

  function flush(): void {
    armed = false;
    for (const { from, tx } of queue.splice(0)) {
      // A process that ended before it told the others takes its transactions with it.
      if (!from.alive() || !from.mempool.has(tx.hash)) continue;
      for (const node of nodes) if (node !== from && node.alive()) void node.receive(tx);
    }
  }

  return {
    announce,
    announceAll(from) {
      for (const { tx, sender } of from.mempool.entries()) if (sender) announce(from, tx);
    },
  };
}
