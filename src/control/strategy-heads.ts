import type { Clock } from '../platform/index.js';
import type { StrategyNodesPort } from './strategy-ports.js';
import { blockTimeOf } from './strategy-reads.js';

/** Remembers when the old network's head moved: an idle network makes a block a minute, too seldom to wait for. */
export interface HeadWatch {
  /** Blocks seen within about the time in which two must come. */
  recent(): number;
  close(): void;
}

const KEPT = 16;
const WINDOW_MIN_MS = 12_000;
const WINDOW_BLOCKS = 3;

export function watchHeads(nodes: StrategyNodesPort, clock: Clock): HeadWatch {
  const moves: { readonly at: number; readonly blocks: number }[] = [];
  let head: number | null = null;
  const look = (): void => {
    const now = nodes.view('old')?.head ?? 0;
    // The first look only tells where it stands.
    if (head !== null && head > 0 && now > head) {
      moves.push({ at: clock.monotonic(), blocks: now - head });
      if (moves.length > KEPT) moves.shift();
    }
    if (now > (head ?? 0)) head = now;
  };
  const close = nodes.subscribe(look);
  look();
  return {
    recent() {
      look();
      const since = clock.monotonic() - Math.max(WINDOW_MIN_MS, WINDOW_BLOCKS * blockTimeOf(nodes, 'old'));
      return moves.filter(({ at }) => at >= since).reduce((sum, { blocks }) => sum + blocks, 0);
    },
    close: () => void close(),
  };
}
