import { expect, test } from 'vitest';
import { createUpkeep } from '../../../src/gateway/upkeep.js';
import { silentLogger } from '../../../src/telemetry/index.js';
import { createFakeClock } from '../proxy/fake-clock.js';

const DAY = 86_400_000;
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('old outcomes are forgotten a minute after the start and then daily; a full round is followed soon', async () => {
  const clock = createFakeClock();
  const rounds: { at: number; max: number }[] = [];
  const results = [0, 100_000, 3];
  const upkeep = createUpkeep(() => 30, {
    prune: (at, max) => {
      rounds.push({ at, max });
      return Promise.resolve(results.shift() ?? 0);
    },
    clock,
    logger: silentLogger,
  });
  upkeep.start();
  clock.advance(59_999);
  expect(rounds).toHaveLength(0);
  clock.advance(1);
  await settled();
  expect(rounds).toEqual([{ at: clock.now() - 30 * DAY, max: 100_000 }]);
  clock.advance(DAY - 1);
  expect(rounds).toHaveLength(1);
  clock.advance(1);
  await settled();
  clock.advance(60_000);
  await settled();
  expect(rounds).toHaveLength(3);
  upkeep.close();
  clock.advance(10 * DAY);
  expect(rounds).toHaveLength(3);
});

test('a failed round is tried again the next day', async () => {
  const clock = createFakeClock();
  let rounds = 0;
  const upkeep = createUpkeep(() => 1, {
    prune: () => Promise.reject(new Error(`no disk ${++rounds}`)),
    clock,
    logger: silentLogger,
  });
  upkeep.start();
  clock.advance(60_000);
  await settled();
  clock.advance(DAY);
  await settled();
  expect(rounds).toBe(2);
  upkeep.close();
});
