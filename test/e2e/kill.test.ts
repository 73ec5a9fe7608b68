import { expect, test } from 'vitest';
import { runDemo, type DemoResult } from '../../src/devnet/demo/index.js';

const seed = Number(process.env['KILL_SEED'] ?? Math.floor(Math.random() * 1e6));
const repeat = `KILL_SEED=${seed} npx vitest run --config test/vitest.config.ts test/e2e/kill.test.ts`;

test(
  'a gateway that is killed at 20 random moments of a migration loses nothing and doubles nothing',
  { timeout: 400_000 },
  async () => {
    console.log(`seed ${seed}; repeat with: ${repeat}`);
    let printed = '';
    const code = await runDemo(
      { json: true, seed, writers: 16, readers: 16, rate: 40, rows: 200, kills: 20 },
      { stdout: { write: text => (printed += text) }, stderr: process.stderr, signal: new AbortController().signal },
    );
    const result = JSON.parse(printed) as DemoResult;
    expect(result.problems, repeat).toEqual([]);
    expect(result.writes).toMatchObject({ lost: 0, duplicated: 0 });
    expect(result.verification.differences).toBe(0);
    expect(result.reads).toMatchObject({ errors: 0, backwards: 0, stale: 0 });
    expect(code).toBe(0);
  },
);
