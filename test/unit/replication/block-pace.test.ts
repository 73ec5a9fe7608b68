import { expect, test } from 'vitest';
import { blockPace, STAMPS_MAX, withStamp, type Stamp } from '../../../src/replication/block-pace.js';

/** Blocks one after the other, each `durations(index)` after the one before. */
function chain(count: number, duration: (index: number) => number, from = 1, at = 1_000_000): Stamp[] {
  const stamps: Stamp[] = [{ height: from, at }];
  for (let index = 1; index <= count; index += 1) {
    at += duration(index);
    stamps.push({ height: from + index, at });
  }
  return stamps;
}

function followed(stamps: readonly Stamp[]): readonly Stamp[] {
  return stamps.reduce<readonly Stamp[]>(withStamp, []);
}

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test('nothing is known before two blocks, and stamps that stand still say nothing', () => {
  expect(blockPace([])).toBeNull();
  expect(blockPace(chain(0, () => 1000))).toBeNull();
  expect(blockPace([...chain(0, () => 0), { height: 2, at: 1_000_000 }])).toBeNull();
});

test('two blocks far apart give their mean', () => {
  expect(
    blockPace([
      { height: 1, at: 0 },
      { height: 100, at: 99_000 },
    ]),
  ).toBe(1000);
});

test('a chain that becomes six times as fast is not mixed with what it was', () => {
  const slow = chain(100, () => 6000);
  const last = slow.at(-1)!;
  const both = followed([...slow, ...chain(20, () => 1000, last.height + 1, last.at + 1000)]);
  expect(blockPace(both)!).toBeGreaterThan(950);
  expect(blockPace(both)!).toBeLessThan(1050);
});

test('one that becomes slower neither, and a seed far back does not hide it', () => {
  const seeded = [{ height: 1, at: 0 }, ...chain(30, () => 1000, 100, 99_000)];
  const last = seeded.at(-1)!;
  const pace = blockPace(followed([...seeded, ...chain(20, () => 6000, last.height + 1, last.at + 6000)]))!;
  expect(pace).toBeGreaterThan(5700);
  expect(pace).toBeLessThan(6300);
});

test('End an hour ahead is told with at most 5 % of error over blocks that vary by half, at any pace before', () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const next = random(seed);
    const before = 200 + next() * 6000;
    const now = 200 + next() * 6000;
    const vary = (base: number) => (): number => base * (0.75 + 0.5 * next());
    const old = chain(300, vary(before));
    const last = old.at(-1)!;
    const stamps = followed([...old, ...chain(300, vary(now), last.height + 1, last.at + now)]);
    const blocks = Math.round(3_600_000 / now);
    const error = Math.abs(blockPace(stamps)! * blocks - 3_600_000) / 3_600_000;
    expect(error, `seed ${seed}: ${before} then ${now}`).toBeLessThanOrEqual(0.05);
  }
});

test('a height is counted once and only so many are kept', () => {
  const stamps = followed(chain(2 * STAMPS_MAX, () => 1000));
  expect(stamps).toHaveLength(STAMPS_MAX);
  expect(withStamp(stamps, stamps.at(-1)!)).toEqual(stamps);
});
