/** Whether the new network comes closer or falls back, from what was seen of its lag lately. */
export interface LagTrend {
  /** Greatest lag in the first third of the last half minute, old blocks. */
  readonly before: number;
  /** Least lag in the last third. Above `before` every moment of it was worse than every earlier one. */
  readonly since: number;
}

/** A relayed network's lag goes up and down within a second or two; each part holds many such waves. The middle part lies between them. */
const THIRD_MS = 10_000;
const BUCKET_MS = 1000;

interface Bucket {
  readonly at: number;
  least: number;
  most: number;
  last: number;
}

/**
 * Takes the lag at a moment (`now`: monotonic ms) and gives the trend up to it; null before half a minute was watched. An
 * unknown lag begins anew. Keeps one entry per second.
 */
export function createLagTrend(): (lag: number | null, now: number) => LagTrend | null {
  let buckets: Bucket[] = [];
  let begunAt: number | null = null;

  return (lag, now) => {
    if (lag === null) {
      buckets = [];
      begunAt = null;
      return null;
    }
    begunAt ??= now;
    const newest = buckets.at(-1);
    if (newest === undefined || now - newest.at >= BUCKET_MS) {
      buckets.push({ at: now, least: lag, most: lag, last: lag });
    } else {
      newest.least = Math.min(newest.least, lag);
      newest.most = Math.max(newest.most, lag);
      newest.last = lag;
    }
    // The newest entry from before the time looked at stays: its last value held on into it.
    while (buckets.length > 1 && buckets[1]!.at <= now - 3 * THIRD_MS) buckets.shift();
    if (now - begunAt < 3 * THIRD_MS) return null;
    const earlier = buckets.filter(({ at }) => at <= now - 2 * THIRD_MS);
    const later = buckets.filter(({ at }) => at > now - THIRD_MS);
    // What was last said before the later part held on into it: a single step up just now is no trend.
    const carried = buckets.filter(({ at }) => at <= now - THIRD_MS).at(-1)!.last;
    return {
      before: Math.max(...earlier.map(({ at, most, last }) => (at <= now - 3 * THIRD_MS ? last : most))),
      since: Math.min(carried, ...later.map(({ least }) => least)),
    };
  };
}
