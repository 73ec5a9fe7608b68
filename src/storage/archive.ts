import { createHash } from 'node:crypto';
import { mkdir, statfs } from 'node:fs/promises';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { open, type Database, type RootDatabase } from 'lmdb';
import { GatewayError, type Height } from '../model/index.js';

/** What is kept about one archived old height beside its bytes. */
export interface ChangesetInfo {
  readonly height: Height;
  /** Length of the original stream; 0 when the block changed nothing. */
  readonly bytes: number;
  /** Length of the stream after all repairs: 0 when nothing is left to apply. */
  readonly effective: number;
  /** SHA-256 of the original stream, hex. */
  readonly sha256: string;
  /** Row changes in the stream. */
  readonly rows: number;
  /** Node it was taken from, and the node that gave the same bytes (null when there was no second recorder). */
  readonly source: string;
  readonly confirmedBy: string | null;
  /** Wall clock, ms. */
  readonly at: number;
}

export interface ArchivedChangeset {
  readonly info: ChangesetInfo;
  readonly bytes: Uint8Array;
}

export interface ChangesetArchiveOptions {
  readonly folder: string;
  /** Free bytes that must stay on the disk; below it nothing is taken in (default 64 MiB). */
  readonly reserveBytes?: number;
}

/** Years of heights fit: the map grows by itself, only this many bytes are asked for at first. */
const MAP_BYTES = 64 * 1024 * 1024;
const RESERVE_BYTES = 64 * 1024 * 1024;
const FORMAT = 1;

/**
 * Changesets, genesis state, plan and marks of one migration, in LMDB. Every promise resolves after the commit is on disk
 * (`overlappingSync: false`), and nothing is visible before: a `kill -9` at any moment leaves a contiguous prefix.
 *
 * Errors: `archive_gap` (integrity), `archive_conflict` (integrity), `archive_damaged` (integrity), `archive_full` (control: free
 * space fell below the reserve; the same call works again once there is room), `archive_format` (config: written by a newer version).
 */
export interface ChangesetArchive {
  open(): Promise<void>;
  close(): Promise<void>;

  /** First and last archived height; null while empty. Everything in between is there. */
  first(): Height | null;
  last(): Height | null;
  /** Appends consecutive heights in one commit. The first must follow `last()`, or start the archive. */
  append(changesets: readonly ArchivedChangeset[]): Promise<void>;
  info(height: Height): ChangesetInfo | undefined;
  /** The original bytes; undefined when not archived or pruned. Checks the hash. */
  bytes(height: Height): Uint8Array | undefined;
  /** Deletes the bytes (not the info) of heights below `before`; returns how many. */
  prune(before: Height): Promise<number>;

  /** Writes the record of an asked height unless there is one; gives the record that holds. `served` is kept beside it. */
  createPlan(asked: Height, record: unknown, served: Uint8Array | null): Promise<unknown>;
  plan(asked: Height): unknown;
  served(asked: Height): Uint8Array | undefined;
  lastPlanned(): Height | null;
  /** Records from `from` to `to`, both inclusive, in order. */
  plans(from: Height, to: Height): Iterable<unknown>;

  /** Small named records: genesis metadata, marks per identity, watermark state. */
  record(name: string): unknown;
  setRecord(name: string, value: unknown): Promise<void>;
  /** Writes unless it exists; gives the value that holds. */
  createRecord(name: string, value: unknown): Promise<unknown>;
  blob(name: string): Uint8Array | undefined;
  setBlob(name: string, bytes: Uint8Array): Promise<void>;

  sizeBytes(): number;
}

export function createChangesetArchive(options: ChangesetArchiveOptions): ChangesetArchive {
  const reserveBytes = options.reserveBytes ?? RESERVE_BYTES;
  let root: RootDatabase<Buffer, string> | null = null;
  let stores: Stores | null = null;
  let first: Height | null = null;
  let last: Height | null = null;

  const need = (): Stores => {
    if (stores === null) throw new GatewayError('archive_closed', 'invariant', 'the changeset archive is not open');
    return stores;
  };

  return {
    async open() {
      if (stores !== null) return;
      await mkdir(options.folder, { recursive: true });
      root = open({ path: options.folder, encoding: 'binary', overlappingSync: false, maxDbs: 8, mapSize: MAP_BYTES });
      const child = <K extends string | number>(name: string): Database<Buffer, K> =>
        root!.openDB<Buffer, K>({ name, encoding: 'binary' });
      stores = {
        infos: child<number>('infos'),
        bytes: child<number>('bytes'),
        plans: child<number>('plans'),
        served: child<number>('served'),
        records: child<string>('records'),
        blobs: child<string>('blobs'),
      };
      const format = readJson(stores.records.get('format')) as { version: number } | undefined;
      if (format !== undefined && format.version > FORMAT) {
        await this.close();
        throw new GatewayError(
          'archive_format',
          'config',
          `archive format ${format.version} is newer than this program understands`,
        );
      }
      if (format === undefined) await stores.records.put('format', toJson({ version: FORMAT }));
      first = edgeKey(stores.infos, false);
      last = edgeKey(stores.infos, true);
    },
    async close() {
      const closing = root;
      root = null;
      stores = null;
      if (closing === null) return;
      // Writes under way end first. The turn after them lets the shared read transaction reset itself: lmdb does that on a timer,
      // which would otherwise find the environment closed.
      await closing.committed;
      await setImmediate();
      await setTimeout(2);
      await closing.close();
    },

    first: () => first,
    last: () => last,

    async append(changesets) {
      if (changesets.length === 0) return;
      const { infos, bytes } = need();
      let expected = last === null ? changesets[0]!.info.height : last + 1;
      let total = 0;
      for (const { info } of changesets) {
        if (info.height !== expected) {
          throw new GatewayError(
            'archive_gap',
            'integrity',
            `height ${info.height} cannot follow ${expected - 1} in the archive`,
          );
        }
        expected += 1;
        total += info.bytes;
      }
      await needSpace(options.folder, total, reserveBytes);
      // One condition around all of them: either every height of the batch is there after a crash, or none.
      const created = await infos.ifNoExists(changesets[0]!.info.height, () => {
        for (const { info, bytes: content } of changesets) {
          void infos.put(info.height, toJson(info));
          if (content.length > 0) void bytes.put(info.height, asBuffer(content));
        }
      });
      if (!created) {
        throw new GatewayError(
          'archive_conflict',
          'integrity',
          `height ${changesets[0]!.info.height} was archived by somebody else`,
        );
      }
      first ??= changesets[0]!.info.height;
      last = expected - 1;
    },
    info: height => readJson(need().infos.get(height)) as ChangesetInfo | undefined,
    bytes(height) {
      const { infos, bytes } = need();
      const info = readJson(infos.get(height)) as ChangesetInfo | undefined;
      if (info === undefined) return undefined;
      if (info.bytes === 0) return new Uint8Array(0);
      const content = bytes.get(height);
      if (content === undefined) return undefined;
      if (createHash('sha256').update(content).digest('hex') !== info.sha256) {
        throw new GatewayError(
          'archive_damaged',
          'integrity',
          `the archived bytes of height ${height} do not have their recorded hash`,
        );
      }
      return content;
    },
    async prune(before) {
      const { bytes } = need();
      const keys = [...bytes.getKeys({ end: before, limit: PRUNE_MAX })];
      await Promise.all(keys.map(key => bytes.remove(key)));
      return keys.length;
    },

    async createPlan(asked, record, content) {
      const { plans, served } = need();
      await needSpace(options.folder, content?.length ?? 0, reserveBytes);
      await plans.ifNoExists(asked, () => {
        void plans.put(asked, toJson(record));
        if (content !== null && content.length > 0) void served.put(asked, asBuffer(content));
      });
      return readJson(plans.get(asked));
    },
    plan: asked => readJson(need().plans.get(asked)),
    served: asked => need().served.get(asked),
    lastPlanned: () => edgeKey(need().plans, true),
    *plans(from, to) {
      const { plans } = need();
      const firstPlanned = edgeKey(plans, false) ?? 0;
      const lastPlanned = edgeKey(plans, true) ?? -1;
      // Point reads instead of a cursor: an open read transaction would make the file grow.
      for (let asked = Math.max(from, firstPlanned); asked <= Math.min(to, lastPlanned); asked += 1) {
        const record = readJson(plans.get(asked));
        if (record !== undefined) yield record;
      }
    },

    record: name => readJson(need().records.get(name)),
    async setRecord(name, value) {
      await need().records.put(name, toJson(value));
    },
    async createRecord(name, value) {
      const { records } = need();
      await records.ifNoExists(name, () => void records.put(name, toJson(value)));
      return readJson(records.get(name));
    },
    blob: name => need().blobs.get(name),
    async setBlob(name, content) {
      await needSpace(options.folder, content.length, reserveBytes);
      await need().blobs.put(name, asBuffer(content));
    },

    sizeBytes() {
      const stats = root?.getStats() as { lastPageNumber?: number; pageSize?: number } | undefined;
      return ((stats?.lastPageNumber ?? -1) + 1) * (stats?.pageSize ?? 0);
    },
  };
}

interface Stores {
  readonly infos: Database<Buffer, number>;
  readonly bytes: Database<Buffer, number>;
  readonly plans: Database<Buffer, number>;
  readonly served: Database<Buffer, number>;
  readonly records: Database<Buffer, string>;
  readonly blobs: Database<Buffer, string>;
}

/** Deletes of one commit; the caller repeats while it gets this many. */
const PRUNE_MAX = 10_000;

const toJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const readJson = (bytes: Buffer | undefined): unknown =>
  bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function edgeKey(store: Database<Buffer, number>, reverse: boolean): number | null {
  for (const key of store.getKeys({ reverse, limit: 1 })) return key;
  return null;
}

/**
 * A full disk shows in LMDB as a failed commit and, beside it, as unhandled rejections that end the process: so it is asked
 * before, with room for the copies that copy-on-write makes.
 */
async function needSpace(folder: string, bytes: number, reserveBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free < reserveBytes + 2 * bytes) {
    throw new GatewayError(
      'archive_full',
      'control',
      `only ${free} bytes are free where the archive is; ${reserveBytes + 2 * bytes} are needed`,
    );
  }
}
