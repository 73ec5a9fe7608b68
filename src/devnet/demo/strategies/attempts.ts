import { readFile } from 'node:fs/promises';
import type { AttemptRecord } from '../load/records.js';

export async function readAttempts(file: string): Promise<readonly AttemptRecord[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as AttemptRecord);
}

/** Wall clock, ms. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Longest time without an acknowledged write that touches the span. */
export function longestSilence(attempts: readonly AttemptRecord[], span: Span): number {
  const answers = attempts
    .filter(({ acknowledged }) => acknowledged)
    .map(({ answeredAt }) => answeredAt)
    .sort((a, b) => a - b);
  let longest = 0;
  for (let i = 1; i < answers.length; i += 1) {
    const [before, after] = [answers[i - 1]!, answers[i]!];
    if (after >= span.from && before <= span.to) longest = Math.max(longest, after - before);
  }
  return longest;
}

/** Writes that were turned away, by the reason they were given. */
export function refusalsByReason(attempts: readonly AttemptRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, reason } of attempts) {
    if (outcome !== 'refused') continue;
    const word = reason ?? 'none';
    counts[word] = (counts[word] ?? 0) + 1;
  }
  return counts;
}
