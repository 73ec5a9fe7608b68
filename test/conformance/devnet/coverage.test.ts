import { expect, it } from 'vitest';
import { goldenList } from '../../support/golden.js';
import { DISAGREEMENTS } from './disagreements.js';
import { recording } from './recordings.js';

/*
 * What the replays have to cover, counted from the recordings: the other tests make sure that exactly the listed exchanges
 * disagree, so the share of agreement is a matter of this list.
 */

/** Clients in private mode sign a challenge of the node: their recorded requests cannot be sent a second time. */
const SIGNED_FOR_ONE_NODE = new Set(['kwil-js-private', 'kwil-cli-private']);

const replayed = goldenList('rpc')
  .filter(name => /^(framing|refusals|state-.*|kwil-js-.*|kwil-cli-.*|rolling-.*|offline-.*)\.jsonl$/.test(name))
  .map(name => name.replace(/\.jsonl$/, ''))
  .filter(name => !SIGNED_FOR_ONE_NODE.has(name));

it('at least 95 % of the recorded exchanges agree', () => {
  const exchanges = replayed.reduce((sum, file) => sum + recording(file).length, 0);
  const listed = DISAGREEMENTS.flatMap(one => Object.values(one.where).flat());
  expect(exchanges).toBeGreaterThan(1400);
  expect(listed.length / exchanges).toBeLessThanOrEqual(0.05);
});

it('every listed exchange exists, once, and has a reason', () => {
  const seen = new Set<string>();
  for (const { where, differs, why } of DISAGREEMENTS) {
    expect(differs.length * why.length).toBeGreaterThan(0);
    for (const [file, lines] of Object.entries(where)) {
      expect(replayed).toContain(file);
      for (const line of lines) {
        expect(recording(file)[line]).toBeDefined();
        expect(seen.has(`${file}:${line}`)).toBe(false);
        seen.add(`${file}:${line}`);
      }
    }
  }
});
