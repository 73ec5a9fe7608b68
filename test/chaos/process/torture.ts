/**
 * `npm run torture -- [--seconds N] [--seed S] [--only kills|chaos|end|mutants|exposures|NAME OF A VARIANT] [--json]`
 *
 * Real gateway processes between two real networks under load, killed at every record of the journal and disturbed in every way
 * that the devnet knows; a checker outside the gateway reads both chains. Known-broken variants go through stories made for
 * them and must all be caught. Prints the counts of contract section 6 as one JSON line, then the verdict in words; exit code
 * 0 only if all is well. No trial begins that would not end in N seconds by what earlier ones took, and everything ends
 * ALLOWANCE_MS after them. Repeat with the same seed for the same choices; what the operating system does with them is its own.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRandom } from '../../../src/devnet/demo/random.js';
import { messageOf } from '../../../src/model/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import { compile } from './compile.js';
import { disturbed, endInside } from './disturbances.js';
import { everyExposure, exposing } from './exposures.js';
import { killsAtEnd, killsInSwitch } from './kills.js';
import { MUTANT_NAMES, type MutantName } from './mutants.js';
import { RECORDS } from './points.js';
import { createTally, report } from './tally.js';
import { endAll, runTrial, type Trial } from './trial.js';

const END_WINDOW_MS = 14_000;
/** A run ends so long after its seconds at the latest. */
const ALLOWANCE_MS = 30_000;
/** What a trial takes before one of its kind has been timed. */
const TRIAL_MS = 20_000;
const PARTS = ['kills', 'chaos', 'end', 'mutants', 'exposures'] as const;
type Part = (typeof PARTS)[number];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '180' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
      only: { type: 'string' },
      // Standard output is the same with it and without.
      json: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds);
  const seed = Number(values.seed);
  const only = values.only;
  if (
    !(seconds > 0) ||
    !Number.isSafeInteger(seed) ||
    (only !== undefined && ![...PARTS, ...MUTANT_NAMES].includes(only as Part))
  ) {
    process.stderr.write(
      `usage: --seconds N > 0, --seed S a whole number, --only one of ${[...PARTS, ...MUTANT_NAMES].join(', ')}\n`,
    );
    return 64;
  }
  const repeat = `npm run torture -- --seconds ${seconds} --seed ${seed}${only === undefined ? '' : ` --only ${only}`}`;
  process.stderr.write(`seed ${seed}; repeat with: ${repeat}\n`);
  const begun = performance.now();
  const deadline = begun + seconds * 1000;
  const say = (text: string): void =>
    void process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(1)} s  ${text}\n`);
  const wants = (part: Part): boolean => only === undefined || only === part;
  const mutants = MUTANT_NAMES.filter(name => wants('mutants') || only === name);
  const tally = createTally({
    records: wants('kills') ? RECORDS : [],
    mutants,
  });
  const tookMs = new Map<string, number>();
  const program = await compile(fileURLToPath(new URL('./gateway.ts', import.meta.url)));
  let trialSeed = seed * 1000;

  /** Runs a trial if it can end in time; true when it was begun. */
  const once = async (
    kind: string,
    story: (trial: Trial) => Promise<void>,
    options: { windowMs?: number; mutant?: MutantName } = {},
  ): Promise<boolean> => {
    const at = performance.now();
    if (at + (tookMs.get(kind) ?? TRIAL_MS) > deadline) return false;
    const own = ++trialSeed;
    const name = `${options.mutant ?? kind} (trial ${own})`;
    const tell = (text: string): void => say(`${name}: ${text}`);
    try {
      const result = await runTrial(
        { seed: own, random: createRandom(own, 5), deadline, say: tell, entry: program.entry, ...options },
        story,
      );
      if (options.mutant === undefined) tally.add(name, result);
      else tally.judged(options.mutant, result);
      const verdict = result.problems.length === 0 ? 'nothing found' : result.problems.slice(0, 5).join('; ');
      tell(`${result.acknowledged} writes, ${result.kills} kills, ${result.steps.length} points: ${verdict}`);
    } catch (error) {
      tally.failed(name, messageOf(error));
      tell(`the trial itself failed: ${messageOf(error)}`);
    }
    tookMs.set(kind, Math.max(tookMs.get(kind) ?? 0, performance.now() - at));
    return true;
  };
  const must = async (
    kind: string,
    ...rest: [Parameters<typeof once>[1], Parameters<typeof once>[2]?]
  ): Promise<void> => {
    if (!(await once(kind, ...rest))) tally.skipped(kind);
  };

  const lanes = [
    async () => {
      if (wants('kills')) await must('kills', killsInSwitch(tally.points));
      if (wants('kills')) await must('kills at End', killsAtEnd(tally.points), { windowMs: END_WINDOW_MS });
      while (wants('kills') && (await once('kills', killsInSwitch(tally.points))));
    },
    async () => {
      for (const mutant of mutants) await must('mutant', exposing(mutant), { mutant });
      if (wants('exposures')) await must('exposures', everyExposure);
      if (wants('end')) await must('end', endInside, { windowMs: END_WINDOW_MS });
      if (wants('chaos')) await must('chaos', disturbed);
      for (let more = true; more;) {
        more = wants('end') && (await once('end', endInside, { windowMs: END_WINDOW_MS }));
        more = (wants('chaos') && (await once('chaos', disturbed))) || more;
      }
    },
  ];
  const isInTime = await Promise.race([
    Promise.all(lanes.map(lane => lane())).then(() => true),
    sleep(systemClock, seconds * 1000 + ALLOWANCE_MS).then(() => false),
  ]);
  if (!isInTime) {
    tally.failed('run', `not at its end ${ALLOWANCE_MS / 1000} s after its time`);
    await Promise.race([endAll(), sleep(systemClock, 5000)]);
  }
  await program.remove();
  const { json, words, isWell } = report(tally, { seed, repeat, durationMs: performance.now() - begun });
  process.stdout.write(`${JSON.stringify(json)}\n${words}\n`);
  return isWell ? 0 : 1;
}

process.exitCode = await main();
process.stdout.write('', () => process.exit());
