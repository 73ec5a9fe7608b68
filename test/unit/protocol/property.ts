import fc from 'fast-check';

/** Seed of every random test in this folder: PROTOCOL_SEED, or a new one per run. */
export const SEED = Number(process.env['PROTOCOL_SEED'] ?? Math.floor(Math.random() * 0x7fffffff));

/** Checks a property; a failure names the command that repeats it. */
export function check<T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => void, numRuns = 500): void {
  fc.assert(
    fc.property(arbitrary, value => {
      holds(value);
    }),
    {
      seed: SEED,
      numRuns,
      reporter: details => {
        if (!details.failed) return;
        const text = fc.defaultReportMessage(details) ?? 'property failed';
        throw new Error(
          `${text}\nrepeat with: PROTOCOL_SEED=${SEED} npx vitest run --config test/vitest.config.ts test/unit/protocol`,
        );
      },
    },
  );
}

/** Small deterministic generator for tests that build many inputs by hand. */
export interface Dice {
  /** Integer from 0 up to, without, `below`. */
  next(below: number): number;
  pick<T>(items: readonly T[]): T;
}

export function dice(seed: number): Dice {
  let state = seed | 0;
  const next = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
  return { next, pick: items => items[next(items.length)]! };
}

/** Valid Unicode text, with the characters that codecs trip over. */
export const text = (maxLength = 40): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength }),
    fc.constantFrom('', '\ufeffbom', 'NULL', '"NULL"', '<&>\u2028\u2029', '\u0000', '\u{1f600}', 'ſK'),
  );

export const bytes = (maxLength = 64): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
export const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
export const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
export const safeHeight = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
export const amount = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n });
