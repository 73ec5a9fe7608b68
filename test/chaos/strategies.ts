import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

/*
 * The fault runs of rolling upgrades and offline migrations, as many as asked for:
 *
 *   npm run torture:strategies -- --runs 1000 --seed 1
 *
 * `--runs` per fault (default 100), `--seed` of the first run (default: anywhere; every failure prints its own).
 */
const { values } = parseArgs({ options: { runs: { type: 'string', default: '100' }, seed: { type: 'string' } } });

const whole = (name: string, text: string): string => {
  if (!/^\d{1,9}$/.test(text)) {
    process.stderr.write(`--${name} must be a whole number, not ${text}\n`);
    process.exit(64);
  }
  return text;
};

const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    'test/vitest.config.ts',
    'test/integration/strategies',
    '-t',
    'runs',
  ],
  {
    cwd: new URL('../..', import.meta.url),
    stdio: 'inherit',
    env: {
      ...process.env,
      STRATEGIES_RUNS: whole('runs', values.runs),
      ...(values.seed === undefined ? {} : { STRATEGIES_SEED: whole('seed', values.seed) }),
    },
  },
);
process.exitCode = status ?? 1;
