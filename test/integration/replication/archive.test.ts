import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createChangesetArchive, type ChangesetArchive } from '../../../src/storage/index.js';
import { contentOf } from './archive-child.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'switchyard-archive-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const changeset = (height: number, bytes: Uint8Array = contentOf(height)) => ({
  bytes,
  info: {
    height,
    bytes: bytes.length,
    effective: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    rows: 0,
    source: 'old-1',
    confirmedBy: null,
    at: 0,
  },
});

async function withArchive<T>(work: (archive: ChangesetArchive) => Promise<T>, options = {}): Promise<T> {
  const archive = createChangesetArchive({ folder, reserveBytes: 0, ...options });
  await archive.open();
  try {
    return await work(archive);
  } finally {
    await archive.close();
  }
}

/** Runs the child until it has acknowledged `lines` steps and a little more, then kills it; gives the last acknowledgement. */
async function killAfter(lines: number, extraMs: number): Promise<{ height: number; asked: number }> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('./archive-child.ts', import.meta.url)), folder],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let last = { height: 0, asked: 0 };
  let count = 0;
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()));
  createInterface({ input: child.stdout }).on('line', line => {
    last = JSON.parse(line) as typeof last;
    count += 1;
    if (count === lines) setTimeout(() => child.kill('SIGKILL'), extraMs);
  });
  await closed;
  return last;
}

describe('changeset archive', () => {
  it(
    'keeps everything it acknowledged, without a gap, when its process is killed at any moment',
    { timeout: 120_000 },
    async () => {
      let before = 0;
      for (let round = 0; round < 8; round += 1) {
        const acknowledged = await killAfter(3 + round * 4, round);
        await withArchive(async archive => {
          const last = archive.last()!;
          expect(archive.first()).toBe(1);
          expect(last).toBeGreaterThanOrEqual(acknowledged.height);
          for (let height = before + 1; height <= last; height += 1) {
            expect(archive.info(height)?.height, `height ${height}`).toBe(height);
            expect(Buffer.from(archive.bytes(height)!).equals(contentOf(height)), `height ${height}`).toBe(true);
          }
          const asked = archive.lastPlanned()!;
          expect(asked).toBeGreaterThanOrEqual(acknowledged.asked);
          for (let at = 1; at <= asked; at += 1) {
            expect(archive.plan(at)).toMatchObject({ asked: at });
            expect(Buffer.from(archive.served(at)!).toString()).toBe(`served ${at}`);
          }
          before = last;
        });
      }
      expect(before).toBeGreaterThan(20);
    },
  );

  it('takes only what follows, and refuses a gap, a repetition and an earlier height', () =>
    withArchive(async archive => {
      await archive.append([changeset(10), changeset(11)]);
      await expect(archive.append([changeset(13)])).rejects.toMatchObject({ code: 'archive_gap', family: 'integrity' });
      await expect(archive.append([changeset(11)])).rejects.toMatchObject({ code: 'archive_gap' });
      await expect(archive.append([changeset(12), changeset(14)])).rejects.toMatchObject({ code: 'archive_gap' });
      expect([archive.first(), archive.last()]).toEqual([10, 11]);
      await archive.append([changeset(12)]);
      expect(archive.last()).toBe(12);
    }));

  it('decides a plan record once, also when two ask at the same time', () =>
    withArchive(async archive => {
      const [first, second] = await Promise.all([
        archive.createPlan(7, { by: 'first' }, Buffer.from('a')),
        archive.createPlan(7, { by: 'second' }, Buffer.from('b')),
      ]);
      expect(first).toEqual({ by: 'first' });
      expect(second).toEqual({ by: 'first' });
      expect(Buffer.from(archive.served(7)!).toString()).toBe('a');
      await archive.createPlan(9, { by: 'later' }, null);
      expect([...archive.plans(0, Number.MAX_SAFE_INTEGER)]).toEqual([{ by: 'first' }, { by: 'later' }]);
      expect(await archive.createRecord('terms', 1)).toBe(1);
      expect(await archive.createRecord('terms', 2)).toBe(1);
    }));

  it('says so when the bytes on the disk are not those it was given', () =>
    withArchive(async archive => {
      const { info } = changeset(1, Buffer.from('right'));
      await archive.append([{ info, bytes: Buffer.from('wrong') }]);
      expect(() => archive.bytes(1)).toThrow(expect.objectContaining({ code: 'archive_damaged' }) as Error);
    }));

  it('stops clearly while there is no room on the disk, loses nothing, and goes on by itself', async () => {
    await withArchive(async archive => archive.append([changeset(1)]));
    await withArchive(
      async archive => {
        await expect(archive.append([changeset(2)])).rejects.toMatchObject({ code: 'archive_full', family: 'control' });
        await expect(archive.createPlan(1, {}, null)).rejects.toMatchObject({ code: 'archive_full' });
        expect(archive.last()).toBe(1);
      },
      { reserveBytes: Number.MAX_SAFE_INTEGER },
    );
    await withArchive(async archive => {
      await archive.append([changeset(2)]);
      expect(archive.last()).toBe(2);
    });
  });

  it('gives bytes back to the file when old heights are pruned, and keeps what was recorded about them', () =>
    withArchive(async archive => {
      for (let height = 1; height <= 20; height += 1) await archive.append([changeset(height)]);
      expect(await archive.prune(11)).toBe(9);
      expect(archive.bytes(5)).toBeUndefined();
      expect(archive.info(5)).toMatchObject({ height: 5 });
      expect(Buffer.from(archive.bytes(11)!).equals(contentOf(11))).toBe(true);
    }));

  it('refuses a folder that a newer version wrote', async () => {
    await withArchive(async archive => archive.setRecord('format', { version: 99 }));
    await expect(withArchive(async () => undefined)).rejects.toMatchObject({
      code: 'archive_format',
      family: 'config',
    });
  });
});
