import { expect, test } from 'vitest';
import { runSequences } from './sequences.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

test('random sequences of reads and writes over a switch: no own write unseen, no step back (I8)', async () => {
  const report = await runSequences({ count: 150, seed, lanes: 6 });
  const again = `repeat with SEED=${seed}: ${JSON.stringify(report)}`;
  expect(report, again).toMatchObject({ unseen: 0, stepsBack: 0, switched: true });
  // It was worth something: both networks answered, and clients learnt of writes of their own.
  for (const count of [report.fromOld, report.fromNew, report.mined]) expect(count, again).toBeGreaterThan(5);
  expect(report.refused, again).toBeLessThan(report.reads / 10);
}, 240_000);
