import { describe, expect, it } from 'vitest';
import { PHASES } from '../../../src/model/index.js';
import { simulate, Violation, type Variant } from './simulation.js';

const SEED = Number(process.env['SIM_SEED'] ?? Date.now() % 1_000_000);
const STEPS = Number(process.env['SIM_STEPS'] ?? 1_000_000);
/** The rarest of the mistakes shows about every 100,000 steps. */
const MUTANT_STEPS = 4_000_000;
const again = (seed: number): string => `SIM_SEED=${seed} npx vitest run --config test/vitest.config.ts test/chaos/sim`;

describe(`the machine with two model networks (seed ${SEED})`, () => {
  it('breaks no invariant and is stuck in no state, whatever happens when', { timeout: 300_000 }, () => {
    let stats;
    try {
      stats = simulate(SEED, STEPS, { name: 'as built' });
    } catch (error) {
      if (error instanceof Violation) error.message += `\nagain with: ${again(SEED)}`;
      throw error;
    }
    console.log(
      `seed ${SEED}: ${JSON.stringify({ ...stats, phases: stats.phases.size, killedIn: stats.killedIn.size })}`,
    );
    expect(stats.steps).toBeGreaterThanOrEqual(STEPS);
    // The run was worth something: every state was visited, and the process was killed in every one.
    expect([...stats.phases].sort()).toEqual([...PHASES].sort());
    expect([...stats.killedIn].sort()).toEqual([...PHASES].sort());
    for (const count of [stats.commits, stats.releases, stats.halts, stats.restarts, stats.oldWrites, stats.newWrites])
      expect(count).toBeGreaterThan(50);
  });

  const mutants: readonly (Variant & { readonly breaks: RegExp })[] = [
    { name: 'the drain height is fixed too early', isDrainEarly: true, breaks: /^I[12]/ },
    { name: 'writes are not held', hasNoHold: true, breaks: /^I[12]/ },
    { name: 'sends of an older epoch are forgotten', hasNoFence: true, isLedgerLate: true, breaks: /^I[12]/ },
    { name: 'an abort is taken after the commit', canAbortCommitted: true, breaks: /^I4/ },
    { name: 'the ledger is written after sending', isLedgerLate: true, breaks: /^I[12]/ },
    // Or the next process finds a journal that its predecessor did not act by (C9).
    {
      name: 'the intent is published before the flush',
      isAdoptEarly: true,
      breaks: /^(I[1245]|step \d+ of the journal)/,
    },
    { name: 'a new process reuses epochs', hasNoEpochGap: true, breaks: /^I5/ },
  ];
  it.each(mutants)('finds the mistake when $name', { timeout: 300_000 }, variant => {
    expect(() => simulate(SEED, MUTANT_STEPS, variant)).toThrow(variant.breaks);
  });
});
