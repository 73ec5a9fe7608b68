import { describe, expect, it } from 'vitest';
import { SHARED_READER } from '../../../src/proxy/read-gate.js';
import { simulateReads, StepBack, type GateVariant } from './read-sessions.js';

const SEED = Number(process.env['SIM_SEED'] ?? Date.now() % 1_000_000);
const SEQUENCES = Number(process.env['SIM_SEQUENCES'] ?? 2400);
/** The rarest of the mistakes shows within some hundred sequences; rarer ones have tests of their own (sessions.test). */
const MUTANT_SEQUENCES = 20_000;
const again = `SIM_SEED=${SEED} SIM_SEQUENCES=${SEQUENCES} npx vitest run --config test/vitest.config.ts test/chaos/sim/read-gate.test.ts`;

describe(`the read gate with two model networks (seed ${SEED})`, () => {
  it('shows no client an older state than it has seen, and every write that it knows of (I8)', async () => {
    let stats;
    try {
      stats = await simulateReads(SEED, SEQUENCES, { name: 'as built' });
    } catch (error) {
      if (error instanceof StepBack) error.message += `\nagain with: ${again}`;
      throw error;
    }
    console.log(`seed ${SEED}: ${JSON.stringify(stats)}`);
    // The run was worth something: both networks answered, over switches, and most reads were not refused.
    expect(stats.sequences).toBeGreaterThanOrEqual(SEQUENCES);
    for (const count of [stats.fromOld, stats.fromNew, stats.ownWrites, stats.commits])
      expect(count).toBeGreaterThan(SEQUENCES / 50);
    expect(stats.refused).toBeLessThan(stats.reads / 10);
  }, 300_000);

  const mutants: readonly GateVariant[] = [
    { name: 'any node that is there answers', sightings: right => ({ ...right, admits: () => true }) },
    { name: 'nothing is remembered of answers', sightings: right => ({ ...right, note: () => undefined }) },
    {
      name: 'a node shows exactly what its health said',
      sightings: right => ({ ...right, note: (node, _bound, now) => right.note(node, node.height, now) }),
    },
    { name: 'any look settles', sightings: right => ({ ...right, settle: views => right.settle(views.map(late)) }) },
    {
      name: 'the new network is not asked what it shows of the old one',
      sightings: right => ({ ...right, floor: () => 0 }),
    },
    { name: 'mined heights are not taken in', sightings: right => ({ ...right, noteExactly: () => undefined }) },
    {
      name: 'tokens are not looked at',
      gate: right => ({
        ...right,
        pick: (_reader, ...rest) => right.pick(SHARED_READER, ...rest),
        await: (_reader, ...rest) => right.await(SHARED_READER, ...rest),
      }),
      sightings: right => ({ ...right, admits: () => true }),
    },
  ];
  it.each(mutants)('finds the mistake when $name', { timeout: 300_000 }, async variant => {
    await expect(simulateReads(SEED, MUTANT_SEQUENCES, variant)).rejects.toThrow(StepBack);
  });
});

const late = <T extends { readonly seenAt: number }>(view: T): T => ({ ...view, seenAt: Infinity });
