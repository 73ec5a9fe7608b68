import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readFile, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError, messageOf } from '../model/index.js';
import { lockFolder, syncFolder, type Clock } from '../platform/index.js';
import { decodeJournal, encodeRecord, firstChain, headerLine, type JournalRecord } from './journal-format.js';

export type { JournalRecord } from './journal-format.js';

export interface JournalOptions {
  /** Made when missing. The journal is `switch.journal` in it. */
  readonly folder: string;
  /** `false` leaves durability to the operating system; for tests and benchmarks only. */
  readonly fsync?: boolean;
}

export interface JournalPorts {
  readonly clock: Clock;
  /** Tests hand in a file that is slow, full or broken. */
  readonly openFile?: (path: string) => Promise<JournalFile>;
}

/** The four things that the journal does to its file. */
export interface JournalFile {
  /** Writes all bytes at `position`, or throws. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Append-only record of decisions. Errors of `append` (family control) carry in `details.written` whether the record may
 * come back after a restart: `no` (`journal_append_failed`: it was taken back, later appends may work) or `maybe`
 * (`journal_uncertain`: nobody can tell; every later append fails and only reopening the journal settles it).
 */
export interface Journal {
  readonly path: string;
  /** Resolves when the record is on the disk. Appends keep the order of their calls. `data` must be plain JSON. */
  append(entry: { readonly kind: string; readonly data: unknown }): Promise<JournalRecord>;
  /** Everything durable, oldest first. */
  records(): readonly JournalRecord[];
  /** Bytes of an unfinished record that were cut off at opening; 0 in an orderly life. */
  readonly tornBytes: number;
  /** Writes and flushes a small file beside the journal; gives the time it took, ms. */
  probeMs(): Promise<number>;
  /** Waits for appends under way. */
  close(): Promise<void>;
}

/**
 * Opens or creates the journal of a folder. Only one process may have it open (the lock beside it names the process).
 * Errors: `journal_newer` (config), `journal_damaged` (integrity), `data_folder_in_use` (config).
 */
export async function openJournal(options: JournalOptions, ports: JournalPorts): Promise<Journal> {
  const { folder, fsync = true } = options;
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'switch.journal');
  // Two gateways that decide from one journal would be two writers (I1).
  const lock = await lockFolder(folder);
  let file: JournalFile | null = null;
  try {
    const bytes = await readIfThere(path);
    const content = bytes === null ? null : decodeJournal(bytes);
    const id = content?.id ?? randomBytes(16).toString('hex');
    const records: JournalRecord[] = [...(content?.records ?? [])];
    let chain = content?.chain ?? firstChain(id);
    let length = content?.goodLength ?? 0;

    file = await (ports.openFile ?? openRealFile)(path);
    const sync = async (): Promise<void> => {
      if (fsync) await file!.sync();
    };
    if (content === null) {
      await file.truncate(0);
      const header = headerLine(id);
      await file.write(header, 0);
      length = header.length;
    } else {
      if (bytes!.length > length) await file.truncate(length);
      // After a failed flush the kernel may show bytes that the disk has not got. The last record is therefore written once
      // more before anything is decided from it; the ones before it were flushed before it was begun.
      if (length > content.lastOffset)
        await file.write(bytes!.subarray(content.lastOffset, length), content.lastOffset);
    }
    await sync();
    if (fsync) await syncFolder(folder);

    return createJournal({
      path,
      tornBytes: content === null ? (bytes?.length ?? 0) : bytes!.length - length,
      records,
      clock: ports.clock,
      async write(entries) {
        const at = length;
        const lines: Buffer[] = [];
        let next = chain;
        for (const record of entries) {
          const encoded = encodeRecord(next, record);
          lines.push(encoded.line);
          next = encoded.chain;
        }
        const block = Buffer.concat(lines);
        try {
          await file!.write(block, at);
          await sync();
        } catch (error) {
          await takeBack(file!, at, sync, error);
        }
        chain = next;
        length = at + block.length;
      },
      probeFolder: folder,
      fsync,
      async close() {
        await file!.close();
        await lock.release();
      },
    });
  } catch (error) {
    await file?.close().catch(() => undefined);
    await lock.release();
    throw error;
  }
}

/** Always throws: `journal_append_failed` when the bytes are surely gone again, `journal_uncertain` otherwise. */
async function takeBack(file: JournalFile, length: number, sync: () => Promise<void>, cause: unknown): Promise<never> {
  try {
    await file.truncate(length);
    await sync();
  } catch (second) {
    throw new GatewayError(
      'journal_uncertain',
      'control',
      `a journal record could neither be flushed (${messageOf(cause)}) nor taken back (${messageOf(second)}): restart the gateway`,
      { cause, details: { written: 'maybe' } },
    );
  }
  throw new GatewayError(
    'journal_append_failed',
    'control',
    `a journal record could not be flushed and was taken back: ${messageOf(cause)}`,
    { cause, details: { written: 'no' } },
  );
}

interface Core {
  readonly path: string;
  readonly tornBytes: number;
  readonly records: JournalRecord[];
  readonly clock: Clock;
  readonly probeFolder: string;
  readonly fsync: boolean;
  /** One write and one flush for all entries. */
  write(entries: readonly JournalRecord[]): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly kind: string;
  readonly data: unknown;
  resolve(record: JournalRecord): void;
  reject(error: unknown): void;
}

/** Serialises appends; those that arrive during a flush share the next one. */
function createJournal(core: Core): Journal {
  const { records, clock } = core;
  let waiting: Waiting[] = [];
  let running: Promise<void> | null = null;
  let broken: GatewayError | null = null;
  let closed: Promise<void> | null = null;

  const run = async (): Promise<void> => {
    // Callers of the same turn share one flush; and `running` is assigned before anything here can clear it.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      if (broken !== null) {
        for (const entry of batch) entry.reject(broken);
        continue;
      }
      const entries = batch.map((entry, index): JournalRecord => ({
        sequence: records.length + 1 + index,
        at: clock.now(),
        kind: entry.kind,
        data: entry.data,
      }));
      try {
        await core.write(entries);
        records.push(...entries);
        batch.forEach((entry, index) => entry.resolve(entries[index]!));
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'journal_uncertain') broken = error;
        for (const entry of batch) entry.reject(error);
      }
    }
    running = null;
  };

  return {
    path: core.path,
    tornBytes: core.tornBytes,
    records: () => records,
    append({ kind, data }) {
      if (closed !== null)
        return Promise.reject(new GatewayError('journal_closed', 'invariant', 'the journal is closed'));
      return new Promise((resolve, reject) => {
        waiting.push({ kind, data, resolve, reject });
        running ??= run();
      });
    },
    async probeMs() {
      const path = join(core.probeFolder, 'switch.probe');
      const begun = clock.monotonic();
      const handle = await open(path, 'w', 0o600);
      try {
        await handle.write(Buffer.alloc(512, 0x20));
        if (core.fsync) await handle.datasync();
      } finally {
        await handle.close();
      }
      const took = clock.monotonic() - begun;
      await unlink(path).catch(() => undefined);
      return took;
    },
    close() {
      closed ??= (async () => {
        while (running !== null) await running;
        await core.close();
      })();
      return closed;
    },
  };
}

export async function openRealFile(path: string): Promise<JournalFile> {
  const handle: FileHandle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  return {
    async write(bytes, position) {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    },
    truncate: length => handle.truncate(length),
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
