import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isCommitted, replay, type Decision, type Entry } from '../../../src/cutover/index.js';

/** What a gateway's journal says about the one decision, read from the file as an operator would. */
export interface DecisionOnDisk {
  /** Null before the commit. */
  readonly decision: Decision | null;
  /** What contradicts I4 in the records after the commit, in words. */
  readonly problems: readonly string[];
}

const CHAIN_LENGTH = 64;
const FORWARD: ReadonlySet<string> = new Set(['committed', 'opening', 'switched', 'settled']);

/** Nothing that is still being written counts: a record is there when its line feed is. */
export async function readEntries(folder: string): Promise<readonly Entry[]> {
  const text = await readFile(join(folder, 'data', 'journal', 'switch.journal'), 'utf8');
  return text
    .split('\n')
    .slice(1, -1)
    .map(line => JSON.parse(line.slice(CHAIN_LENGTH + 1)) as Entry);
}

export async function readDecision(folder: string): Promise<DecisionOnDisk> {
  const entries = await readEntries(folder);
  const at = entries.findIndex(entry => entry.kind === 'event' && entry.data.phase === 'committed');
  if (at < 0) return { decision: null, problems: [] };
  const state = replay(entries.slice(0, at + 1));
  const back = entries.slice(at + 1).flatMap(entry => {
    const phase = entry.kind === 'event' ? entry.data.phase : entry.kind === 'reset' ? entry.data.state.phase : null;
    return phase === null || FORWARD.has(phase) ? [] : [phase];
  });
  return {
    decision: isCommitted(state) ? state.decision : null,
    problems: back.length === 0 ? [] : [`undecided: after the commit the journal went on to ${back[0]}`],
  };
}
