/** Small seeded generator (mulberry32): the same seed gives the same workload on every machine. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number;
  /** Integer, lo ≤ x ≤ hi. */
  int(lo: number, hi: number): number;
  pick<T>(items: readonly T[]): T;
  bytes(count: number): Uint8Array;
}

export function createRandom(...seeds: readonly number[]): Random {
  let state = seeds.reduce((hash, seed) => Math.imul(hash ^ (seed + 0x9e3779b9), 0x85ebca6b) >>> 0, 0x2545f491);
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const int = (lo: number, hi: number): number => lo + Math.floor(next() * (hi - lo + 1));
  return {
    next,
    int,
    pick: items => items[int(0, items.length - 1)]!,
    bytes: count => Uint8Array.from({ length: count }, () => int(0, 255)),
  };
}
