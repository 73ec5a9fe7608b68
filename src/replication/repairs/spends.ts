import type { Element } from '../../protocol/index.js';
import type { Repaired } from './repair.js';

/**
 * A spend of an account that the new network does not know stops it. The node applies the amount only, not the nonce: a
 * spend of nothing means nothing and goes. One with an amount stays: who could pay was in the snapshot.
 */
export function dropEmptySpends(elements: readonly Element[]): Repaired {
  let count = 0;
  const result: Element[] = [];
  for (const element of elements) {
    if (element.kind !== 'spends') {
      result.push(element);
      continue;
    }
    const kept = element.spends.filter(spend => spend.amount !== null && spend.amount !== 0n);
    count += element.spends.length - kept.length;
    if (kept.length > 0) result.push(kept.length === element.spends.length ? element : { ...element, spends: kept });
  }
  return { elements: count === 0 ? elements : result, count };
}
