import { mkdir, statfs } from 'node:fs/promises';
import { open, type RootDatabase } from 'lmdb';
import { GatewayError, type Height, type NetworkName, type TxHash } from '../model/index.js';
import { createNotifier } from '../platform/index.js';
import { decodeEntry, encodeEntry, isFinal, type LedgerEntry, type LedgerState } from './ledger-format.js';

export interface LedgerOptions {
  readonly folder: string;
  /** Free bytes that must stay on the disk; below it writes are refused (default 32 MiB). */
  readonly reserveBytes?: number;
  /** Transactions that may wait for a block at once, and their bytes (defaults 100,000 and 512 MiB). */
  readonly openMax?: number;
  readonly openBytesMax?: number;
}

export interface LedgerChange {
  readonly state: LedgerState;
  readonly node?: string;
  readonly height?: Height;
  readonly code?: number;
}

/**
 * Writes in flight. An entry is on the disk before the first byte of its transaction leaves, and keeps the signed bytes
 * until the hash is in a block: a node's own answer is not durable.
 *
 * Errors of admit: `ledger_full` (refused: too many open, or the disk's reserve is reached), `ledger_failed` (control:
 * the flush failed). Nothing of a refused admission stays.
 */
export interface Ledger {
  open(): Promise<void>;
  close(): Promise<void>;
  /** Durable when it resolves; the admissions of one tick, and of the time a flush takes, share one flush. */
  admit(entry: LedgerEntry): Promise<void>;
  /** Records what became of it. Resolves when durable; what is lost in a crash is found out again. */
  settle(hash: TxHash, change: LedgerChange): Promise<void>;
  get(hash: TxHash): LedgerEntry | undefined;
  /** Without a final outcome, oldest first. */
  unresolved(network: NetworkName): readonly LedgerEntry[];
  counts(): { readonly old: number; readonly new: number };
  /** Newest write that a node took. */
  lastAccepted(network: NetworkName): { readonly hash: TxHash; readonly at: number } | null;
  /** Greatest height a write of ours is known to be in. */
  lastMined(network: NetworkName): Height | null;
  subscribe(listener: () => void): () => void;
  /**
   * Forgets final entries admitted before `at` (wall clock, ms), at most `max` of them (default 100,000), in small steps
   * between which everything else runs; gives their number.
   */
  prune(at: number, max?: number): Promise<number>;
}

const FORMAT_KEY = '!format';
const FORMAT = 1;
const MAP_BYTES = 16 * 1024 * 1024;
const RESERVE_BYTES = 32 * 1024 * 1024;
const SPACE_CHECK_MS = 1000;
const PRUNE_MAX = 100_000;
const PRUNE_STEP = 500;
const OPEN_MAX = 100_000;
const OPEN_BYTES_MAX = 512 * 1024 * 1024;

export function createLedger(options: LedgerOptions): Ledger {
  const { folder, reserveBytes = RESERVE_BYTES, openMax = OPEN_MAX, openBytesMax = OPEN_BYTES_MAX } = options;
  const changes = createNotifier();
  // Insertion order is admission order, which is what `unresolved` promises.
  const pending: Record<NetworkName, Map<TxHash, LedgerEntry>> = { old: new Map(), new: new Map() };
  const accepted: Record<NetworkName, { hash: TxHash; at: number } | null> = { old: null, new: null };
  const mined: Record<NetworkName, Height | null> = { old: null, new: null };
  /** Final entries on their way to the disk, where the older state is still to be read. */
  const settling = new Map<TxHash, LedgerEntry>();
  let openBytes = 0;
  let db: RootDatabase<Buffer, string> | null = null;
  let queue: Admission[] = [];
  let flushing: Promise<void> | null = null;
  let checkedAt = -Infinity;

  const need = (): RootDatabase<Buffer, string> => {
    if (db === null) throw new GatewayError('ledger_closed', 'control', 'the ledger is not open');
    return db;
  };

  function get(hash: TxHash): LedgerEntry | undefined {
    const open = pending.old.get(hash) ?? pending.new.get(hash) ?? settling.get(hash);
    if (open !== undefined) return open;
    const bytes = db?.get(hash);
    return bytes === undefined ? undefined : decodeEntry(hash, bytes);
  }

  /** The one place that changes what memory holds. */
  function remember(entry: LedgerEntry): void {
    settling.delete(entry.hash);
    const before = pending[entry.network].get(entry.hash);
    openBytes += (isFinal(entry.state) ? 0 : entry.tx.length) - (before?.tx.length ?? 0);
    if (isFinal(entry.state)) pending[entry.network].delete(entry.hash);
    else pending[entry.network].set(entry.hash, entry);
    if (entry.state === 'accepted' || entry.state === 'mined') {
      const last = accepted[entry.network];
      if (last === null || entry.at >= last.at) accepted[entry.network] = { hash: entry.hash, at: entry.at };
    }
    if (entry.state === 'mined' && entry.height !== undefined) {
      mined[entry.network] = Math.max(mined[entry.network] ?? 0, entry.height);
    }
  }

  function forget(entry: LedgerEntry): void {
    if (pending[entry.network].delete(entry.hash)) openBytes -= entry.tx.length;
  }

  async function flush(): Promise<void> {
    // The turn's other admissions join first.
    await Promise.resolve();
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      try {
        await checkSpace();
        const store = need();
        // One tick: lmdb puts them into one transaction, which is one flush.
        await Promise.all(batch.map(({ entry }) => store.put(entry.hash, encodeEntry(entry))));
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        const error =
          cause instanceof GatewayError
            ? cause
            : new GatewayError('ledger_failed', 'control', 'the ledger could not be written; the write was not sent', {
                cause,
              });
        for (const { entry, reject } of batch) {
          forget(entry);
          reject(error);
        }
      }
      changes.notify();
    }
    // In the same turn as the last look at the queue: an admission after it starts the next flush.
    flushing = null;
  }

  /** A full disk shows as a failed commit and worse; a look beforehand, at most once a second, keeps away from it. */
  async function checkSpace(): Promise<void> {
    const now = performance.now();
    if (now - checkedAt < SPACE_CHECK_MS) return;
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < reserveBytes)
      throw new GatewayError('ledger_full', 'refused', 'the disk of the ledger is full');
    checkedAt = now;
  }

  return {
    async open() {
      if (db !== null) return;
      await mkdir(folder, { recursive: true });
      const opened = open<Buffer, string>({
        path: folder,
        encoding: 'binary',
        overlappingSync: false,
        mapSize: MAP_BYTES,
      });
      const format = opened.get(FORMAT_KEY);
      if (format !== undefined && Number(format.toString()) > FORMAT) {
        await opened.close();
        throw new GatewayError('ledger_format', 'config', 'the ledger was written by a newer version of this program');
      }
      if (format === undefined) await opened.put(FORMAT_KEY, Buffer.from(String(FORMAT)));
      const found: LedgerEntry[] = [];
      for (const { key, value } of opened.getRange({ start: '0' })) {
        const entry = decodeEntry(key, value);
        // The process ended between the flush and the answer: whether it was sent is not known.
        found.push(entry.state === 'sending' ? { ...entry, state: 'unknown' } : entry);
      }
      found.sort((a, b) => a.at - b.at);
      for (const entry of found) remember(entry);
      db = opened;
    },

    async close() {
      const closing = db;
      if (closing === null) return;
      await flushing;
      db = null;
      await closing.flushed;
      await closing.close();
    },

    admit(entry) {
      if (db === null) return Promise.reject(new GatewayError('ledger_closed', 'control', 'the ledger is not open'));
      if (pending.old.size + pending.new.size >= openMax || openBytes + entry.tx.length > openBytesMax) {
        return Promise.reject(new GatewayError('ledger_full', 'refused', 'too many transactions wait for a block'));
      }
      const before = get(entry.hash);
      // Sent again by the client: what is known and durable about these bytes already is not taken back.
      if (before !== undefined && before.state !== 'rejected' && before.state !== 'dead') return Promise.resolve();
      remember(entry);
      return new Promise<void>((resolve, reject) => {
        queue.push({ entry, resolve, reject });
        flushing ??= flush();
      });
    },

    async settle(hash, change) {
      const before = get(hash);
      if (before === undefined) return;
      // A block is the last word; nothing else may take back a final outcome.
      if (before.state === 'mined' || (isFinal(before.state) && change.state !== 'mined')) return;
      const after: LedgerEntry = { ...before, ...change, tx: isFinal(change.state) ? NOTHING : before.tx };
      const store = need();
      remember(after);
      if (isFinal(after.state)) settling.set(hash, after);
      changes.notify();
      try {
        await store.put(hash, encodeEntry(after));
      } finally {
        if (settling.get(hash) === after) settling.delete(hash);
      }
    },

    get,
    unresolved: network => [...pending[network].values()],
    counts: () => ({ old: pending.old.size, new: pending.new.size }),
    lastAccepted: network => accepted[network],
    lastMined: network => mined[network],
    subscribe: changes.subscribe,

    async prune(at, max = PRUNE_MAX) {
      let forgotten = 0;
      let start = '0';
      while (db !== null && forgotten < max) {
        const gone: string[] = [];
        let read = 0;
        let last = '';
        for (const { key, value } of db.getRange({ start, limit: PRUNE_STEP })) {
          read++;
          last = key;
          // What is open in memory may be a newer admission of the same bytes, on its way to the disk.
          if (pending.old.has(key) || pending.new.has(key) || settling.has(key)) continue;
          const entry = decodeEntry(key, value);
          if (isFinal(entry.state) && entry.at < at && forgotten + gone.length < max) gone.push(key);
        }
        // In the turn of the look: no admission comes between.
        await Promise.all(gone.map(key => db!.remove(key)));
        forgotten += gone.length;
        if (read < PRUNE_STEP) break;
        // Hex digits only: nothing sorts between a hash and itself with a character behind it.
        start = `${last}!`;
        await new Promise(resolve => setImmediate(resolve));
      }
      return forgotten;
    },
  };
}

interface Admission {
  readonly entry: LedgerEntry;
  readonly resolve: () => void;
  readonly reject: (error: GatewayError) => void;
}

const NOTHING = new Uint8Array(0);
