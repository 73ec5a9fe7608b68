import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/index.js';
import { decodeJournal } from '../../../src/storage/journal-format.js';
import { openJournal, type Journal, type JournalFile } from '../../../src/storage/index.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sy-journal-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const open = (openFile?: (path: string) => Promise<JournalFile>): Promise<Journal> =>
  openJournal({ folder, fsync: false }, { clock: systemClock, ...(openFile === undefined ? {} : { openFile }) });
const path = (): string => join(folder, 'switch.journal');
const dataOf = (journal: Journal): unknown[] => journal.records().map(record => record.data);

/** A journal with three records of different length, one with everything that JSON can hold. */
const RECORDS = [
  { step: 'first' },
  { text: 'lines\nand "quotes", ü and 漢', n: 1.5, none: null, list: [1, [2]] },
  { step: 'x'.repeat(40) },
];
async function filled(): Promise<Buffer> {
  const journal = await open();
  for (const data of RECORDS) await journal.append({ kind: 'event', data });
  await journal.close();
  return readFile(path());
}

describe('a journal', () => {
  it('gives back what was appended, in order, with sequence numbers', async () => {
    const real = await openJournal({ folder }, { clock: systemClock });
    const record = await real.append({ kind: 'event', data: RECORDS[0] });
    expect(record).toMatchObject({ sequence: 1, kind: 'event', data: RECORDS[0] });
    await Promise.all(RECORDS.slice(1).map(data => real.append({ kind: 'event', data })));
    await real.close();
    const again = await open();
    expect(again.records().map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(dataOf(again)).toEqual(RECORDS);
    expect(again.tornBytes).toBe(0);
    expect(await again.probeMs()).toBeGreaterThanOrEqual(0);
    await again.close();
    expect((await stat(path())).mode & 0o777).toBe(0o600);
  });

  it('cut at any byte opens with the whole records before the cut and goes on from there', async () => {
    const whole = await filled();
    const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([offset]) => offset + 1);
    for (let length = 0; length <= whole.length; length += 1) {
      await writeFile(path(), whole.subarray(0, length));
      const journal = await open();
      const kept = Math.max(0, ends.filter(end => end <= length).length - 1);
      expect({ length, data: dataOf(journal) }).toEqual({ length, data: RECORDS.slice(0, kept) });
      await journal.append({ kind: 'event', data: 'after' });
      await journal.close();
      const again = await open();
      expect(dataOf(again)).toEqual([...RECORDS.slice(0, kept), 'after']);
      await again.close();
    }
  });

  it('whose last write left zeros, as a power cut may, opens without that record', async () => {
    const whole = await filled();
    const begin = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    for (let zeros = begin + 1; zeros < whole.length; zeros += 7) {
      const torn = Buffer.from(whole);
      torn.fill(0, begin, zeros);
      await writeFile(path(), torn);
      const journal = await open();
      expect(dataOf(journal)).toEqual(RECORDS.slice(0, 2));
      await journal.close();
    }
  });

  it('with any byte of a whole record changed is refused, and says where', async () => {
    const whole = await filled();
    for (let offset = 0; offset < whole.length; offset += 1) {
      const bad = Buffer.from(whole);
      bad[offset]! ^= 0x01;
      // The line feed is what says that a record is whole: without the last one the record was never finished.
      if (offset === whole.length - 1) continue;
      expect(() => decodeJournal(bad), `byte ${offset}`).toThrow(/^the journal (is damaged|has format)/);
      if (offset % 50 !== 0) continue;
      await writeFile(path(), bad);
      await expect(open()).rejects.toMatchObject({
        code: expect.stringMatching(/^journal_(damaged|newer)$/) as string,
      });
      expect(await readFile(path())).toEqual(bad);
    }
  });

  it('with a record taken out, doubled or moved is refused', async () => {
    const lines = (await filled()).toString().trimEnd().split('\n');
    const [header, a, b, c] = lines as [string, string, string, string];
    for (const order of [
      [a, c],
      [b, c],
      [a, b, b, c],
      [a, c, b],
      [b, a, c],
    ]) {
      await writeFile(path(), [header, ...order].join('\n') + '\n');
      await expect(open()).rejects.toMatchObject({ code: 'journal_damaged' });
    }
  });

  it('of a newer format is refused and left alone', async () => {
    const newer = (await filled()).toString().replace('switchyard-journal 1', 'switchyard-journal 2');
    await writeFile(path(), newer);
    await expect(open()).rejects.toMatchObject({ code: 'journal_newer', family: 'config' });
    expect((await readFile(path())).toString()).toBe(newer);
    await expect(stat(join(folder, 'gateway.lock'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that is no journal at all is refused', async () => {
    await writeFile(path(), 'hello\n');
    await expect(open()).rejects.toMatchObject({ code: 'journal_damaged' });
  });

  it('is open in one process at a time, and a lock left by a killed process does not count', async () => {
    const journal = await open();
    await expect(open()).rejects.toMatchObject({ code: 'data_folder_in_use' });
    await journal.close();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const gone = new Promise(resolve => child.once('exit', resolve));
    const stat = (await readFile(`/proc/${child.pid}/stat`)).toString();
    const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    await writeFile(join(folder, 'gateway.lock'), `${child.pid} ${startedAt}`);
    await expect(open()).rejects.toMatchObject({ code: 'data_folder_in_use', details: { pid: child.pid } });
    child.kill('SIGKILL');
    await gone;
    await (await open()).close();
    // The same number, another process.
    await writeFile(join(folder, 'gateway.lock'), `${process.pid} 1`);
    await (await open()).close();
  });
});

describe('an append that fails', () => {
  /** A file in memory: what was written, and what of it would survive a power cut. */
  function memoryFile() {
    const faults = { write: 0, sync: 0, truncate: 0 };
    const state = { bytes: Buffer.alloc(0), syncs: 0, faults, cutAt: null as number | null };
    const fail = (what: keyof typeof faults): void => {
      if (faults[what] > 0) {
        faults[what] -= 1;
        throw new Error(`no ${what}`);
      }
    };
    const file: JournalFile = {
      async write(bytes, position) {
        const part = state.cutAt === null ? bytes : bytes.subarray(0, state.cutAt);
        const next = Buffer.alloc(Math.max(state.bytes.length, position + part.length));
        state.bytes.copy(next);
        next.set(part, position);
        state.bytes = next;
        fail('write');
      },
      async truncate(length) {
        fail('truncate');
        state.bytes = state.bytes.subarray(0, length);
      },
      async sync() {
        fail('sync');
        state.syncs += 1;
      },
      close: async () => undefined,
    };
    return { state, file };
  }
  const openMemory = async () => {
    const { state, file } = memoryFile();
    const journal = await openJournal({ folder }, { clock: systemClock, openFile: async () => file });
    return { state, journal };
  };

  it('is taken back, and the next one works', async () => {
    const { state, journal } = await openMemory();
    await journal.append({ kind: 'event', data: 1 });
    const before = state.bytes;
    state.faults.sync = 1;
    await expect(journal.append({ kind: 'event', data: 2 })).rejects.toMatchObject({
      code: 'journal_append_failed',
      details: { written: 'no' },
    });
    expect(state.bytes).toEqual(before);
    state.faults.write = 1;
    state.cutAt = 10;
    await expect(journal.append({ kind: 'event', data: 3 })).rejects.toMatchObject({ details: { written: 'no' } });
    expect(state.bytes).toEqual(before);
    state.cutAt = null;
    await journal.append({ kind: 'event', data: 4 });
    expect(dataOf(journal)).toEqual([1, 4]);
    await journal.close();
    await writeFile(path(), state.bytes);
    const again = await open();
    expect(dataOf(again)).toEqual([1, 4]);
    await again.close();
  });

  it('and cannot be taken back leaves a journal that takes nothing more', async () => {
    const { state, journal } = await openMemory();
    state.faults.sync = 1;
    state.faults.truncate = 1;
    await expect(journal.append({ kind: 'event', data: 1 })).rejects.toMatchObject({
      code: 'journal_uncertain',
      details: { written: 'maybe' },
    });
    await expect(journal.append({ kind: 'event', data: 2 })).rejects.toMatchObject({ code: 'journal_uncertain' });
    expect(journal.records()).toEqual([]);
    await journal.close();
  });

  it('is not reported before the flush has ended, and those of one turn share a flush', async () => {
    const { state, file } = memoryFile();
    let release: () => void = () => undefined;
    let isHanging = false;
    const slow: JournalFile = {
      ...file,
      async sync() {
        if (isHanging) await new Promise<void>(resolve => (release = resolve));
        state.syncs += 1;
      },
    };
    const journal = await openJournal({ folder }, { clock: systemClock, openFile: async () => slow });
    isHanging = true;
    const before = state.syncs;
    const done: number[] = [];
    const all = [1, 2, 3, 4].map(async data => {
      await journal.append({ kind: 'event', data });
      done.push(data);
    });
    await new Promise(resolve => setImmediate(resolve));
    expect(done).toEqual([]);
    expect(journal.records()).toEqual([]);
    isHanging = false;
    release();
    await Promise.all(all);
    expect(done).toEqual([1, 2, 3, 4]);
    expect(state.syncs - before).toBe(1);
    await journal.close();
  });

  it('leaves the last record to be written once more at the next opening, before it is believed', async () => {
    const whole = await filled();
    const written: { position: number; bytes: Buffer }[] = [];
    const { file } = memoryFile();
    const journal = await openJournal(
      { folder },
      {
        clock: systemClock,
        openFile: async () => ({
          ...file,
          write: async (bytes, position) => void written.push({ position, bytes: Buffer.from(bytes) }),
        }),
      },
    );
    const begin = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    expect(written).toEqual([{ position: begin, bytes: whole.subarray(begin) }]);
    await journal.close();
  });
});
