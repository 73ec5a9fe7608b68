import { setMaxListeners } from 'node:events';
import type { NodeRef } from '../model/index.js';
import { createNotifier, sleep } from '../platform/index.js';
import { hashOf } from './assemble.js';
import { reasonOf, SourceError } from './errors.js';
import { readBase64 } from './fetch.js';
import type { ReplicationPorts } from './ports.js';
import { readGenesisSql, type Schema } from './schema.js';
import type { Tail } from './tail.js';

/** The genesis state of the new network, as one old node published it: taken once, given to all new nodes. */
export interface Genesis {
  start(): void;
  close(): Promise<void>;
  /** Null until all of it is archived and checked. */
  state(): GenesisState | null;
  chunk(index: number): Uint8Array | undefined;
  schema(): Schema | null;
  reason(): string | null;
  readonly subscribe: (listener: () => void) => () => void;
}

export interface GenesisState {
  /** The node's `migration_metadata` value, untouched. */
  readonly metadata: MigrationMetadata;
  readonly snapshot: SnapshotMetadata;
  readonly source: string;
  readonly at: number;
}

export interface MigrationMetadata {
  readonly migration_state: { readonly status: string; readonly start_height: number; readonly end_height: number };
  readonly genesis_info: { readonly app_hash: string; readonly validators: readonly unknown[] };
  /** Base64 of JSON. */
  readonly snapshot_metadata: string;
  readonly version: number;
}

export interface SnapshotMetadata {
  readonly height: number;
  readonly chunk_hashes: readonly (readonly number[])[];
  readonly chunk_count: number;
  /** Base64. */
  readonly hash: string;
}

/** The dump takes under a second on small networks: looked for often at first, then less. */
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** A node that dumps does not answer until it is done, and gives up by itself after 20 s. */
const METADATA_TIMEOUT_MS = 30_000;
const CHUNK_TIMEOUT_MS = 120_000;
const CHUNKS_MAX = 100_000;

export function createGenesis(ports: ReplicationPorts, tail: Tail): Genesis {
  const { archive, clock, logger, nodes } = ports;
  const changes = createNotifier();
  const stop = new AbortController();
  // Many calls listen at once; they are bounded by their own windows.
  setMaxListeners(0, stop.signal);
  let schema: Schema | null = null;
  let reason: string | null = null;
  let running: Promise<void> | null = null;

  const state = (): GenesisState | null => (archive.record('genesis') as GenesisState | undefined) ?? null;
  const chunk = (index: number): Uint8Array | undefined => archive.blob(`genesis/${index}`);

  async function run(): Promise<void> {
    const kept = state();
    if (kept !== null) {
      schema = (await readGenesisSql(chunksOf(kept.snapshot.chunk_count))).schema;
      changes.notify();
      return;
    }
    for (let attempt = 0; !stop.signal.aborted; attempt += 1) {
      for (const { name } of tail.recorders.all()) {
        try {
          await take({ network: 'old', name });
          reason = null;
          changes.notify();
          return;
        } catch (error) {
          if (stop.signal.aborted) return;
          reason = `genesis state from ${name}: ${reasonOf(error)}`;
          logger.debug({ node: name, reason }, 'genesis state is not there yet');
        }
      }
      await sleep(clock, Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 1.3 ** Math.min(attempt, 20)), stop.signal);
    }
  }

  /** Everything from one node: the dumps of different nodes can differ, and new nodes must all start from the same. */
  async function take(node: NodeRef): Promise<void> {
    const answer = await nodes.call<{ metadata?: MigrationMetadata }>(
      node,
      'user.migration_metadata',
      {},
      { timeoutMs: METADATA_TIMEOUT_MS, signal: stop.signal },
    );
    const { metadata, snapshot } = readMetadata(answer);
    for (let index = 0; index < snapshot.chunk_count; index += 1) {
      const expected = Buffer.from(snapshot.chunk_hashes[index]!).toString('hex');
      // A chunk of an earlier attempt counts if it is the same: large states survive a restart in the middle.
      const kept = chunk(index);
      if (kept !== undefined && hashOf(kept) === expected) continue;
      const given = await nodes.call<{ chunk?: unknown }>(
        node,
        'user.migration_genesis_chunk',
        { height: snapshot.height, chunk_index: index },
        { timeoutMs: CHUNK_TIMEOUT_MS, signal: stop.signal },
      );
      const bytes = readBase64(given?.chunk, node.name);
      if (hashOf(bytes) !== expected) throw new SourceError(`chunk ${index} does not have its announced hash`);
      await archive.setBlob(`genesis/${index}`, bytes);
    }
    const sql = await readGenesisSql(chunksOf(snapshot.chunk_count));
    const announced = Buffer.from(snapshot.hash, 'base64').toString('hex');
    if (sql.sha256 !== announced || sql.sha256 !== metadata.genesis_info.app_hash) {
      throw new SourceError('the genesis state does not have its announced hash');
    }
    schema = sql.schema;
    await archive.createRecord('genesis', {
      metadata,
      snapshot,
      source: node.name,
      at: clock.now(),
    } satisfies GenesisState);
    logger.info(
      { node: node.name, chunks: snapshot.chunk_count, tables: sql.schema.tables.size },
      'genesis state archived',
    );
  }

  function* chunksOf(count: number): Iterable<Uint8Array> {
    for (let index = 0; index < count; index += 1) {
      const bytes = chunk(index);
      if (bytes === undefined) throw new SourceError(`chunk ${index} of the genesis state is not archived`);
      yield bytes;
    }
  }

  return {
    start() {
      running ??= run().catch((error: unknown) => {
        reason = reasonOf(error);
        logger.error({ reason }, 'the archived genesis state cannot be read');
        changes.notify();
      });
    },
    async close() {
      stop.abort();
      await running;
    },
    state: () => (schema === null ? null : state()),
    chunk,
    schema: () => schema,
    reason: () => reason,
    subscribe: changes.subscribe,
  };
}

function readMetadata(answer: { metadata?: MigrationMetadata } | null): {
  metadata: MigrationMetadata;
  snapshot: SnapshotMetadata;
} {
  const metadata = answer?.metadata;
  if (typeof metadata?.snapshot_metadata !== 'string' || !metadata.genesis_info || !metadata.migration_state) {
    throw new SourceError('the snapshot is not there yet');
  }
  let snapshot: SnapshotMetadata;
  try {
    snapshot = JSON.parse(Buffer.from(metadata.snapshot_metadata, 'base64').toString('utf8')) as SnapshotMetadata;
  } catch {
    throw new SourceError('the snapshot metadata is not JSON');
  }
  const { chunk_count: count, chunk_hashes: hashes, hash } = snapshot;
  const right =
    Number.isSafeInteger(count) &&
    count > 0 &&
    count <= CHUNKS_MAX &&
    Array.isArray(hashes) &&
    hashes.length === count &&
    hashes.every(bytes => (bytes as readonly number[]).length === 32) &&
    typeof hash === 'string';
  if (!right) throw new SourceError('the snapshot metadata is not what a node answers');
  return { metadata, snapshot };
}
