import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createControl, type Control } from '../../../src/control/index.js';
import { systemClock } from '../../../src/platform/index.js';
import { openJournal, type Journal } from '../../../src/storage/index.js';
import { fakeWorld } from '../../unit/control/fakes.js';

/** The loop on a real journal file: what a killed process leaves on the disk is what the next one starts from. */
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sy-control-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const begin = async (
  folder: string,
  onRecord: (path: string) => Promise<void> = async () => undefined,
): Promise<{ control: Control; journal: Journal }> => {
  const journal = await openJournal({ folder }, { clock: systemClock });
  const world = fakeWorld();
  const watched = {
    ...journal,
    async append(entry: { kind: string; data: unknown }) {
      const record = await journal.append(entry);
      await onRecord(journal.path);
      return record;
    },
  };
  const options = {
    strategy: 'zero-downtime' as const,
    cutover: {
      attemptMs: 30_000,
      lagBlocksMax: 5,
      reserveBlocks: 10,
      coolDownMs: 60_000,
      differencesMax: 0,
      endWarningsMs: [],
    },
    writes: { holdMs: 8_000, holdBytesMax: 1024 },
    dataDir: folder,
  };
  const control = createControl(options, { ...world.ports(), journal: watched, clock: systemClock });
  await control.start();
  world.newHead += 1;
  await world.changed();
  return { control, journal };
};
const until = async (isTrue: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 2000 && !isTrue(); turn += 1) await new Promise(resolve => setTimeout(resolve, 5));
  expect(isTrue()).toBe(true);
};
const phasesOf = (bytes: Buffer): string[] =>
  [...bytes.toString().matchAll(/"phase":"([a-z-]+)","epoch":\d+,"seq"/g)].map(match => match[1]!);

describe('the switch on a journal file', () => {
  it('ends right from every state that a kill can leave on the disk, whole or torn', { timeout: 120_000 }, async () => {
    const left: Buffer[] = [];
    const { control, journal } = await begin(join(root, 'first'), async path => void left.push(await readFile(path)));
    await until(() => control.intent().phase === 'ready');
    expect(await control.command({ kind: 'start', actor: 'alice', reason: '' })).toMatchObject({ accepted: true });
    await until(() => control.intent().phase === 'switched');
    await control.close();
    await journal.close();
    expect(phasesOf(left.at(-1)!)).toContain('committed');

    let trial = 0;
    for (const [index, bytes] of left.entries()) {
      const before = left[index - 1]?.length ?? 0;
      const torn = bytes.subarray(0, before + Math.floor((bytes.length - before) / 2));
      for (const disk of index === 0 ? [bytes] : [bytes, torn]) {
        trial += 1;
        const folder = join(root, `trial-${trial}`);
        await mkdir(folder);
        await writeFile(join(folder, 'switch.journal'), disk);
        const isDecided = phasesOf(disk.subarray(0, disk.lastIndexOf('\n') + 1)).includes('committed');
        const next = await begin(folder);
        expect(next.control.intent()).toMatchObject({
          committed: isDecided,
          writes: { kind: 'send', network: isDecided ? 'new' : 'old' },
        });
        if (isDecided) await until(() => next.control.intent().phase === 'switched');
        await next.control.close();
        await next.journal.close();
      }
    }
    expect(trial).toBeGreaterThanOrEqual(20);
  });
});
