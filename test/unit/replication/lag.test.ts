import { expect, test } from 'vitest';
import { lagMsOf, type LagFacts } from '../../../src/replication/lag.js';

const facts = (change: Partial<LagFacts> = {}): LagFacts => ({
  now: 10_000,
  applied: 100,
  archived: 100,
  recorded: 100,
  oldestAt: null,
  blockMs: 1000,
  ...change,
});

test('nothing is missing: no lag, also while the newest block is on its way', () => {
  expect(lagMsOf(facts())).toBe(0);
  expect(lagMsOf(facts({ recorded: 101 }))).toBe(0);
  expect(lagMsOf(facts({ recorded: 101, blockMs: null }))).toBe(0);
});

test('what is archived and not applied has its age', () => {
  expect(lagMsOf(facts({ archived: 102, recorded: 102, oldestAt: 9_200 }))).toBe(800);
  // A clock that was set back does not make a lag negative.
  expect(lagMsOf(facts({ archived: 102, recorded: 102, oldestAt: 11_000 }))).toBe(0);
});

test('a tail that is behind is a lag although everything archived is applied', () => {
  expect(lagMsOf(facts({ recorded: 106 }))).toBe(5000);
  expect(lagMsOf(facts({ recorded: 106, blockMs: null }))).toBeNull();
  expect(lagMsOf(facts({ archived: 101, recorded: 106, oldestAt: 9_900 }))).toBe(4000);
  expect(lagMsOf(facts({ archived: 101, recorded: 106, oldestAt: 1_000 }))).toBe(9000);
});
