import { describe, expect, it } from 'vitest';
import { createLagTrend } from '../../../src/control/lag-trend.js';

const trendAfter = (lags: readonly [at: number, lag: number | null][]) => {
  const note = createLagTrend();
  return lags.map(([at, lag]) => note(lag, at)).at(-1);
};
const every = (ms: number, until: number, lagAt: (at: number) => number): [number, number][] =>
  Array.from({ length: until / ms + 1 }, (_, index) => [index * ms, lagAt(index * ms)]);

describe('lag trend', () => {
  it('is not known before half a minute', () => {
    expect(
      trendAfter([
        [0, 1],
        [29_999, 9],
      ]),
    ).toBeNull();
    expect(
      trendAfter([
        [0, 1],
        [30_000, 9],
      ]),
    ).toEqual({ before: 1, since: 1 });
  });

  it('a lag that only goes up and down does not grow', () => {
    const trend = trendAfter(every(200, 60_000, at => (at / 200) % 6))!;
    expect(trend).toEqual({ before: 5, since: 0 });
  });

  it('a lag that climbs over everything before grows, also with waves on it', () => {
    const trend = trendAfter(every(200, 60_000, at => Math.floor(at / 2000) + ((at / 200) % 3)))!;
    expect(trend.since).toBeGreaterThan(trend.before);
    const steep = trendAfter(every(200, 60_000, at => Math.floor(at / 200)))!;
    expect(steep.since).toBeGreaterThan(steep.before);
  });

  it('a jump that stays is seen, and is no growth any more half a minute later', () => {
    const jumped = every(500, 50_000, at => (at < 20_000 ? 1 : 8));
    const at34 = trendAfter(jumped.filter(([at]) => at <= 34_500))!;
    expect(at34).toEqual({ before: 1, since: 8 });
    const at50 = trendAfter(jumped)!;
    expect(at50).toEqual({ before: 8, since: 8 });
  });

  it('one step up just now is no growth', () => {
    const stepped = trendAfter([
      [0, 1],
      [50_000, 1],
      [59_000, 2],
    ]);
    expect(stepped).toEqual({ before: 1, since: 1 });
  });

  it('holds over silence, and begins anew when the lag was unknown', () => {
    expect(
      trendAfter([
        [0, 2],
        [100_000, 2],
      ]),
    ).toEqual({ before: 2, since: 2 });
    expect(
      trendAfter([
        [0, 2],
        [40_000, null],
        [50_000, 3],
      ]),
    ).toBeNull();
  });
});
