import { expect, test } from 'vitest';
import { afterBlock, digestRetryMs, hasRoom, roomFor, startWindow } from '../../../src/routing/index.js';

const MAX = 5000;

test('blocks in time let the window grow to its bound, as long as it is used', () => {
  let window = startWindow(MAX);
  const begin = window.size;
  expect(afterBlock(window, { open: begin / 2 - 1, waitedMs: 1000 }, MAX).size).toBe(begin);
  const sizes: number[] = [];
  for (let block = 0; block < 10; block++) {
    window = afterBlock(window, { open: window.size, waitedMs: 1000 }, MAX);
    sizes.push(window.size);
  }
  expect(sizes[0]).toBeGreaterThan(begin);
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
  expect(sizes.at(-1)).toBe(MAX);
});

test('a late block halves it, down to what every network digests; a block for which nothing waited says nothing', () => {
  let window = { size: 4000, typicalMs: 1000 };
  expect(afterBlock(window, { open: 0, waitedMs: 0 }, MAX)).toBe(window);
  window = afterBlock(window, { open: 4000, waitedMs: 19_800 }, MAX) as typeof window;
  expect(window.size).toBe(2000);
  for (let block = 0; block < 20; block++)
    window = afterBlock(window, { open: 10, waitedMs: 19_800 }, MAX) as typeof window;
  expect(window.size).toBe(50);
});

test('a network whose blocks are slow by design is not taken for a late one', () => {
  let window = startWindow(MAX);
  for (let block = 0; block < 4; block++) window = afterBlock(window, { open: window.size, waitedMs: 10_000 }, MAX);
  const { size } = window;
  window = afterBlock(window, { open: size, waitedMs: 12_000 }, MAX);
  expect(window.size).toBeGreaterThanOrEqual(size);
});

test('the longer a block is overdue the less may wait for it; the bound may be small, or none', () => {
  const window = { size: 1000, typicalMs: 500 };
  expect(roomFor(window, { waitedMs: 3000 })).toBe(1000);
  expect(roomFor(window, { waitedMs: 6000 })).toBe(500);
  expect(roomFor(window, { waitedMs: Infinity })).toBe(50);
  expect(hasRoom(window, { open: 999, waitedMs: 0 })).toBe(true);
  expect(hasRoom(window, { open: 1000, waitedMs: 0 })).toBe(false);
  expect(roomFor(startWindow(3), { waitedMs: 60_000 })).toBe(3);
  const free = startWindow(0);
  expect(hasRoom(afterBlock(free, { open: 1e6, waitedMs: 1e6 }, 0), { open: 1e9, waitedMs: 1e6 })).toBe(true);
});

test('whoever is refused is told a time that grows with those in front, within bounds', () => {
  const window = { size: 100, typicalMs: 1000 };
  const at = (waiting: number, waitedMs = 0): number => digestRetryMs(window, { open: 100, waitedMs }, waiting);
  expect(at(0)).toBe(1000);
  expect(at(250)).toBe(3000);
  expect(at(0, 5000)).toBe(5000);
  expect(at(1e6)).toBe(30_000);
  expect(digestRetryMs({ size: 100, typicalMs: 10 }, { open: 1, waitedMs: 0 }, 0)).toBe(500);
});
