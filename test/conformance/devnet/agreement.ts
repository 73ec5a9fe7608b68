import { DISAGREEMENTS, type Disagreement } from './disagreements.js';
import type { Outcome } from './replay.js';

/*
 * Judges a replay: every exchange agrees, or is listed with its reason. What is listed must still differ, and only where
 * the list says.
 */

export interface Tally {
  readonly total: number;
  /** Same status, headers, codes, members and types. */
  readonly agree: number;
  /** Every value the same as well. */
  readonly equal: number;
}

/** Throws with everything that is not as listed; gives the numbers. */
export function requireAgreement(outcomes: readonly Outcome[]): Tally {
  const problems = outcomes.flatMap(problemOf);
  if (problems.length > 0) throw new Error(`${problems.length} exchanges are not as listed:\n${problems.join('\n')}`);
  return tallyOf(outcomes);
}

export const tallyOf = (outcomes: readonly Outcome[]): Tally => ({
  total: outcomes.length,
  agree: outcomes.filter(one => one.differences.every(({ kind }) => kind === 'value')).length,
  equal: outcomes.filter(one => one.differences.length === 0).length,
});

function problemOf({ recorded, differences }: Outcome): string[] {
  const { file, line, name } = recorded;
  const listed = listedFor(file, line);
  const where = `${file}:${line} ${name}`;
  if (listed && differences.length === 0) return [`${where}: agrees now, but is listed ("${listed.why}")`];
  const unlisted = listed ? differences.filter(({ path, kind }) => !covers(listed, path, kind)) : differences;
  return unlisted.map(
    ({ kind, path, recorded: theirs, ours }) => `${where}: ${kind} at ${path}: recorded ${theirs}, ours ${ours}`,
  );
}

const listedFor = (file: string, line: number): Disagreement | undefined =>
  DISAGREEMENTS.find(one => one.where[file]?.includes(line));

const covers = (listed: Disagreement, path: string, kind: 'shape' | 'value'): boolean =>
  listed.path.test(path) && (kind === 'value' || listed.kind === 'shape');
