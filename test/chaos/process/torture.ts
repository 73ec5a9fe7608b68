/**
 * `npm run torture -- [--seconds N] [--seed S] [--only steps|chaos|end|mutants]`
 *
 * Real gateway processes between two real networks under load, killed at every record of the journal and disturbed in every way
 * that the devnet knows; a checker outside the gateway reads both chains. Prints the counts of contract section 6 as one JSON
 * line, then the verdict in words; exit code 0 only if all is well. Repeat with the same seed for the same choices; what the
 * operating system does with them is its own.
 */
import { parseArgs } from 'node:util';
import { createRandom } from '../../../src/devnet/demo/random.js';
import { messageOf } from '../../../src/model/index.js';
import { MUTANT_NAMES } from './mutants.js';
import { POINT_COUNT } from './points.js';
import { disturbed, endInside, everyStep, exposing, runTrial, type Trial, type TrialResult } from './trial.js';

const END_WINDOW_MS = 14_000;
/** A mutant is given so many chances: some need a moment that does not come every time. */
const MUTANT_TRIES = 3;

interface Tally {
  trials: number;
  kills: number;
  readonly steps: Set<string>;
  lost: number;
  duplicated: number;
  unresolved: number;
  readonly caught: Set<string>;
  recoveryMsMax: number;
  acknowledged: number;
  readonly problems: string[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '90' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
      only: { type: 'string' },
    },
  });
  const seconds = Number(values.seconds);
  const seed = Number(values.seed);
  const repeat = `npm run torture -- --seconds ${seconds} --seed ${seed}`;
  process.stderr.write(`seed ${seed}; repeat with: ${repeat}\n`);
  const begun = performance.now();
  const deadline = begun + seconds * 1000;
  const say = (text: string): void =>
    void process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(1)} s  ${text}\n`);
  const tally: Tally = {
    trials: 0,
    kills: 0,
    steps: new Set(),
    lost: 0,
    duplicated: 0,
    unresolved: 0,
    caught: new Set(),
    recoveryMsMax: 0,
    acknowledged: 0,
    problems: [],
  };
  const wants = (part: string): boolean => values.only === undefined || values.only === part;
  let trialSeed = seed * 1000;

  const healthy = async (name: string, story: (trial: Trial) => Promise<void>, windowMs?: number): Promise<void> => {
    const own = ++trialSeed;
    const random = createRandom(own, 5);
    try {
      const result = await runTrial(
        {
          seed: own,
          random,
          deadline,
          say: text => say(`${name}: ${text}`),
          ...(windowMs === undefined ? {} : { windowMs }),
        },
        story,
      );
      add(tally, name, result);
      say(
        `${name}: ${result.acknowledged} writes, ${result.kills} kills, ${result.steps.length} steps, ` +
          `${result.problems.length === 0 ? 'all well' : result.problems.slice(0, 5).join('; ')}`,
      );
    } catch (error) {
      tally.problems.push(`${name}: ${messageOf(error)}`);
      say(`${name}: failed: ${messageOf(error)}`);
    }
  };

  const mutants = async (): Promise<void> => {
    for (const mutant of MUTANT_NAMES) {
      for (let attempt = 1; attempt <= MUTANT_TRIES && !tally.caught.has(mutant); attempt += 1) {
        const own = ++trialSeed;
        const evidence = await runTrial(
          { seed: own, random: createRandom(own, 6), deadline, mutant, say: text => say(`${mutant}: ${text}`) },
          exposing(mutant),
        ).then(
          ({ problems }) => problems[0],
          (error: unknown) => void say(`${mutant}: the trial itself failed, which proves nothing: ${messageOf(error)}`),
        );
        if (evidence !== undefined) tally.caught.add(mutant);
        say(
          evidence === undefined ? `mutant ${mutant} not caught (${attempt})` : `mutant ${mutant} caught: ${evidence}`,
        );
      }
    }
  };

  const lanes = [
    async () => {
      if (wants('steps')) await healthy('steps', everyStep(tally.steps));
      while (wants('steps') && performance.now() < deadline) await healthy('steps', everyStep(new Set()));
    },
    async () => {
      if (wants('mutants')) await mutants();
      if (wants('end')) await healthy('end', endInside, END_WINDOW_MS);
      do {
        if (wants('chaos')) await healthy('chaos', disturbed);
        if (wants('end') && performance.now() < deadline) await healthy('end', endInside, END_WINDOW_MS);
      } while ((wants('chaos') || wants('end')) && performance.now() < deadline);
    },
  ];
  await Promise.all(lanes.map(lane => lane()));

  const mutantsWanted = wants('mutants') ? MUTANT_NAMES.length : 0;
  process.stdout.write(
    JSON.stringify({
      trials: tally.trials,
      kills: tally.kills,
      stepsCovered: tally.steps.size,
      lost: tally.lost,
      duplicated: tally.duplicated,
      unresolved: tally.unresolved,
      mutantsCaught: tally.caught.size,
      mutants: mutantsWanted,
      steps: POINT_COUNT,
      acknowledged: tally.acknowledged,
      restartMsMax: Math.round(tally.recoveryMsMax),
      seed,
    }) + '\n',
  );
  const missed = wants('mutants') ? MUTANT_NAMES.filter(name => !tally.caught.has(name)) : [];
  const wrong = [...tally.problems, ...missed.map(name => `the broken variant ${name} was not caught`)];
  process.stdout.write(
    wrong.length === 0
      ? `all well: ${tally.trials} trials, ${tally.kills} kills at ${tally.steps.size} of ${POINT_COUNT} points, ${tally.caught.size} of ${mutantsWanted} broken variants caught\n`
      : `NOT WELL (repeat: ${repeat}): ${wrong.slice(0, 10).join(' | ')}\n`,
  );
  return wrong.length === 0 ? 0 : 1;
}

function add(tally: Tally, name: string, result: TrialResult): void {
  tally.trials += 1;
  tally.kills += result.kills;
  for (const step of result.steps) tally.steps.add(step);
  tally.lost += result.lost;
  tally.duplicated += result.duplicated;
  tally.unresolved += result.unresolved;
  tally.acknowledged += result.acknowledged;
  tally.recoveryMsMax = Math.max(tally.recoveryMsMax, result.recoveryMsMax);
  tally.problems.push(...result.problems.map(problem => `${name}: ${problem}`));
}

process.exitCode = await main();
process.stdout.write('', () => process.exit());
