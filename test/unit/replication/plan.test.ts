import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAP_CATCHING_UP, chooseTerms, decide, type PlanDecision, type Terms } from '../../../src/replication/plan.js';

interface World {
  readonly start: number;
  readonly window: number;
  readonly blockMs: number;
  readonly paceMs: number;
  readonly sizes: readonly number[];
  readonly joinsAfter: number;
  readonly ownEnd: 'auto' | 'off' | number;
  readonly merge: 'auto' | 'off';
  readonly timeline: 'keep' | number;
  /** The estimate of the block time is off by this factor. */
  readonly error: number;
}

interface Answer {
  readonly asked: number;
  readonly decision: Extract<PlanDecision, { kind: 'answer' }>;
  readonly at: number;
}

/** One listener against one old network in virtual time. `cutAt`: what the relay knew in memory is lost before these answers. */
function run(
  world: World,
  forget: ReadonlySet<number> = new Set(),
): { terms: Terms; answers: Answer[]; endAt: number } {
  const end = world.start + world.window - 1;
  const archivedAt = (now: number): number => Math.min(end, world.start - 1 + Math.floor(now / world.blockMs));
  const estimate = world.blockMs * world.error;
  const joinAt = world.joinsAfter * world.blockMs;
  const terms = chooseTerms({
    start: world.start,
    end,
    head: archivedAt(joinAt),
    blockMs: estimate,
    merge: world.merge,
    ownEnd: world.ownEnd,
    timeline: world.timeline,
    paceMs: world.paceMs,
    expectedBytes: world.sizes.reduce((sum, size) => sum + size, 0),
    now: 0,
  });
  const answers: Answer[] = [];
  let now = joinAt;
  let covered = world.start - 1;
  let lastContentAt: number | null = null;
  const endAt = world.window * world.blockMs;
  const limit = endAt + (world.window + 100) * world.paceMs * 2;
  for (let asked = terms.presentedStart; asked <= terms.presentedEnd;) {
    const archived = archivedAt(now);
    const decision = decide({
      terms,
      asked,
      covered,
      pending: world.sizes.slice(covered - world.start + 1, archived - world.start + 1),
      now,
      lastContentAt: forget.has(asked) ? null : lastContentAt,
      restMs: Math.max(0, (end - archived) * estimate - Math.min(estimate, now % world.blockMs)),
      paceMs: world.paceMs,
      expedite: null,
    });
    if (decision.kind === 'wait') {
      const nextBlock = (Math.floor(now / world.blockMs) + 1) * world.blockMs;
      now = decision.until === null ? nextBlock : Math.min(nextBlock, Math.max(now + 1, decision.until));
      if (now > limit) throw new Error(`stuck at asked height ${asked}: ${decision.reason}`);
      continue;
    }
    answers.push({ asked, decision, at: now });
    covered = decision.to;
    if (decision.content) lastContentAt = now;
    asked += 1;
    now += world.paceMs;
  }
  return { terms, answers, endAt };
}

const world = fc.record({
  start: fc.integer({ min: 1, max: 5_000 }),
  window: fc.integer({ min: 2, max: 150 }),
  blockMs: fc.constantFrom(100, 500, 1000, 3000),
  paceMs: fc.constantFrom(50, 300, 1010),
  sizes: fc.array(
    fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3_000 }), fc.constantFrom(900_000, 2_500_000, 9_000_000)),
    { minLength: 150, maxLength: 150 },
  ),
  joinsAfter: fc.integer({ min: 0, max: 200 }),
  ownEnd: fc.oneof(fc.constant('auto' as const), fc.constant('off' as const), fc.integer({ min: 0, max: 400 })),
  merge: fc.constantFrom('auto' as const, 'auto' as const, 'off' as const),
  timeline: fc.oneof(fc.constant('keep' as const), fc.integer({ min: 1, max: 99 })),
  error: fc.constantFrom(0.5, 0.9, 1, 1.2, 3),
});
const sized = (input: World): World => ({ ...input, sizes: input.sizes.slice(0, input.window) });

describe('plan', () => {
  it('carries every old height exactly once, in order, and all of them by the announced End', () => {
    fc.assert(
      fc.property(world, input => {
        const { terms, answers } = run(sized(input));
        let covered = terms.start - 1;
        for (const { asked, decision } of answers) {
          expect(decision.from).toBe(covered + 1);
          expect(decision.to).toBeGreaterThanOrEqual(decision.from - 1);
          expect(decision.end).toBe(asked === terms.presentedEnd);
          covered = decision.to;
        }
        expect(covered).toBe(terms.end);
        expect(answers.length).toBe(terms.presentedEnd - terms.presentedStart + 1);
      }),
      { numRuns: 300 },
    );
  });

  it('never gives the last answer before the old network has ended', () => {
    fc.assert(
      fc.property(world, input => {
        const { answers, endAt } = run(sized(input));
        expect(answers.at(-1)!.at).toBeGreaterThanOrEqual(endAt);
      }),
      { numRuns: 200 },
    );
  });

  it('still carries everything exactly once when the relay forgets what is not on disk', () => {
    fc.assert(
      fc.property(world, fc.uniqueArray(fc.integer({ min: 1, max: 5_200 }), { maxLength: 50 }), (input, forgotten) => {
        const { terms, answers } = run(sized(input), new Set(forgotten));
        expect(answers.map(({ decision }) => decision.from)).toEqual([
          terms.start,
          ...answers.slice(0, -1).map(({ decision }) => decision.to + 1),
        ]);
        expect(answers.at(-1)!.decision.to).toBe(terms.end);
      }),
      { numRuns: 200 },
    );
  });

  it('keeps every answer but the last under the cap, unless one height alone is larger', () => {
    fc.assert(
      fc.property(world, input => {
        const { terms, answers } = run(sized({ ...input, merge: 'auto' }));
        for (const { decision } of answers.slice(0, -1)) {
          const carried = input.sizes.slice(decision.from - terms.start, decision.to - terms.start + 1);
          const bytes = carried.reduce((sum, size) => sum + size, 0);
          expect(bytes <= CAP_CATCHING_UP || carried.filter(size => size > 0).length === 1).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    { blockMs: 500, window: 150, joins: 0 },
    { blockMs: 1000, window: 150, joins: 0 },
    { blockMs: 500, window: 150, joins: 120 },
    { blockMs: 3000, window: 60, joins: 10 },
  ])(
    'ends within a few paces of the old network ($blockMs ms blocks, joins after $joins)',
    ({ blockMs, window, joins }) => {
      for (const busy of [true, false]) {
        const sizes = Array.from({ length: window }, (_, index) => (busy || index % 40 === 0 ? 300 : 0));
        const { answers, endAt } = run({
          start: 100,
          window,
          blockMs,
          paceMs: 1010,
          sizes,
          joinsAfter: joins,
          ownEnd: 'auto',
          merge: 'auto',
          timeline: 'keep',
          error: 1,
        });
        expect(answers.at(-1)!.at - endAt, busy ? 'busy' : 'idle').toBeLessThanOrEqual(3 * 1010);
      }
    },
  );

  it('lets a change wait no longer than two paces in a busy window', () => {
    const window = 300;
    const { answers } = run({
      start: 1,
      window,
      blockMs: 500,
      paceMs: 1010,
      sizes: Array<number>(window).fill(250),
      joinsAfter: 0,
      ownEnd: 'auto',
      merge: 'auto',
      timeline: 'keep',
      error: 1,
    });
    for (const { decision, at } of answers) expect(at - decision.from * 500).toBeLessThanOrEqual(2_020);
  });

  it('lets nothing wait when there is an answer for every block to come, however wrong the expected rest is', () => {
    const window = 60;
    const sizes = Array<number>(window).fill(250);
    const base = {
      start: 1,
      window,
      blockMs: 1200,
      paceMs: 1010,
      sizes,
      joinsAfter: 0,
      merge: 'auto' as const,
      timeline: 'keep' as const,
    };
    const { answers } = run({ ...base, ownEnd: 'off', error: 60 });
    for (const { decision, at } of answers) expect(at - decision.from * 1200).toBeLessThanOrEqual(1_010);
  });

  it('answers a switch the moment its height is archived, and waits for it no longer than its limit', () => {
    const terms = chooseTerms({
      start: 10,
      end: 1000,
      head: 20,
      blockMs: 1000,
      merge: 'auto',
      ownEnd: 'auto',
      timeline: 'keep',
      paceMs: 1010,
      expectedBytes: 0,
      now: 0,
    });
    const base = { terms, asked: 20, covered: 30, now: 5_000, lastContentAt: 4_999, restMs: 900_000, paceMs: 1010 };
    const expedite = { height: 33, since: 5_000 };
    expect(decide({ ...base, pending: [100, 0], expedite })).toMatchObject({ kind: 'wait', until: 8_000 });
    expect(decide({ ...base, pending: [100, 0, 50, 7], expedite })).toMatchObject({ kind: 'answer', from: 31, to: 34 });
    expect(decide({ ...base, now: 8_000, pending: [100, 0], expedite })).toMatchObject({
      kind: 'answer',
      from: 31,
      to: 32,
    });
    // Before the height is known nothing leaves, for as long as a switch may take to know it.
    const unknown = { height: null, since: 5_000 };
    expect(decide({ ...base, pending: [100, 7], expedite: unknown })).toMatchObject({ kind: 'wait', until: 8_000 });
    expect(decide({ ...base, now: 8_000, pending: [100, 7], expedite: unknown })).toMatchObject({
      kind: 'answer',
      to: 32,
    });
  });
});
