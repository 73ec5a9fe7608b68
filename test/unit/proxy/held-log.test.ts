import { expect, test } from 'vitest';
import { createHeldLog, endingWord, type HeldFate } from '../../../src/proxy/held-log.js';

const fate = (n: number): HeldFate => ({
  hash: String(n).padStart(64, '0'),
  at: n,
  heldMs: 1,
  wait: 'released',
  ending: 'accepted',
  network: 'old',
});

test('the newest fates stay, and the others are counted', () => {
  const log = createHeldLog(3);
  for (let n = 0; n < 100; n++) {
    log.add(fate(n));
    const kept = log.fates();
    expect(kept.map(({ at }) => at)).toEqual([n - 2, n - 1, n].filter(at => at >= 0));
    expect(kept.length + log.forgotten()).toBe(n + 1);
  }
});

test('a refusal is told by its reason', () => {
  const refusal = { reason: 'chain_switched', executed: 'no' } as const;
  expect(endingWord({ kind: 'refused', refusal, network: 'none' })).toEqual({
    ending: 'chain_switched',
    network: 'none',
  });
});
