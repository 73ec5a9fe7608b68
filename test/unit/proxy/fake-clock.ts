import type { Clock, Timer } from '../../../src/platform/index.js';

/** Time that moves only by `advance`; timers fire in order. */
export function createFakeClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Set<{ at: number; fn: () => void }>();
  return {
    now: () => 1_750_000_000_000 + now,
    monotonic: () => now,
    after(delayMs, fn): Timer {
      const timer = { at: now + delayMs, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const until = now + ms;
      for (;;) {
        const next = [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = next.at;
        timers.delete(next);
        next.fn();
      }
      now = until;
    },
  };
}
