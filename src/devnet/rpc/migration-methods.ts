import {
  base64Of,
  decodeMigrationProposal,
  encodeChangesetMetadata,
  encodeMigrationMetadata,
  encodeMigrationStatus,
  encodePendingMigrations,
  type MigrationState,
  type MigrationStatusText,
} from '../../protocol/index.js';
import type { MethodContext } from './context.js';
import { RpcError } from './errors.js';
import { fieldsOf, intField } from './go-json.js';
import type { RpcMethod } from './server.js';

const NO_SNAPSHOT = 'migration is active, but no snapshots found. The node might still be creating the snapshot';

/** The migration methods, on both sides of a migration (reference 6.5). */
export function migrationMethods(context: MethodContext): Record<string, RpcMethod> {
  const { node, network } = context;
  const method = (request: string, run: RpcMethod['run']): RpcMethod => ({ goType: `userjson.${request}`, run });

  const moving = (): boolean => {
    const status = node.view().params.migrationStatus;
    return status === 'MigrationInProgress' || status === 'MigrationCompleted';
  };
  const hasSnapshot = (): boolean => network.snapshot() !== null && !node.faults.find('missing-snapshot');

  function state(withHeight: boolean): MigrationState {
    const { params, migration } = node.view();
    return {
      status: params.migrationStatus as MigrationStatusText,
      startHeight: migration?.start ?? null,
      endHeight: migration?.end ?? null,
      currentHeight: withHeight ? (context.headBlock()?.header.height ?? null) : null,
    };
  }

  /** Recorded bytes of a height as this node serves them; undefined when it has no record. */
  function chunksOf(height: number): readonly Uint8Array[] | undefined {
    if (node.faults.find('missing-snapshot') || height > node.stored() + 1) return undefined;
    const record = network.changesets.get(height);
    if (!record) return undefined;
    const uncommitted = height > node.stored();
    const altered =
      (uncommitted && node.faults.find('replaced-changeset')) ||
      (node.faults.find('fork') && height >= (node.faults.find('fork')!.fromHeight ?? 0));
    return altered ? record.chunks.map(withAlteredEnd) : record.chunks;
  }

  return {
    'user.migration_status': method('MigrationStatusRequest', async () => {
      if (moving() && !hasSnapshot()) {
        // From the commit of Start − 1 until the dump begins there is nothing to say; during the dump the answer waits.
        const dump = node.faults.find('missing-snapshot') ? null : network.dumping();
        if (!dump) throw new RpcError(-700, 'migration state unavailable');
        await dump;
      }
      return encodeMigrationStatus(state(true));
    }),
    'user.migration_metadata': method('MigrationMetadataRequest', async () => {
      if (!moving()) {
        return encodeMigrationMetadata({ state: state(false), genesisInfo: null, snapshotBytes: null, version: 0 });
      }
      const dump = network.dumping();
      if (dump) await dump;
      const snapshot = network.snapshot();
      if (!snapshot || !hasSnapshot()) throw new RpcError(-32603, NO_SNAPSHOT);
      const validators = node.view().validators.map(one => ({ pubkey: one.key, type: one.keyType, power: one.power }));
      return encodeMigrationMetadata({
        state: state(false),
        genesisInfo: { appHash: snapshot.hash, validators },
        snapshotBytes: Buffer.from(snapshot.metadataJson),
        version: 0,
      });
    }),
    'user.migration_genesis_chunk': method('MigrationSnapshotChunkRequest', params => {
      const index = intField(fieldsOf(params, 'userjson.MigrationSnapshotChunkRequest'), 'chunk_index', 'uint32') ?? 0;
      const chunk = moving() && hasSnapshot() ? network.snapshot()!.chunks[index] : undefined;
      if (!chunk) throw new RpcError(-32603, 'failed to load genesis chunk');
      return `{"chunk":"${base64Of(chunk)}"}`;
    }),
    'user.changeset_metadata': method('ChangesetMetadataRequest', params => {
      const height = intField(fieldsOf(params, 'userjson.ChangesetMetadataRequest'), 'height') ?? 0;
      const chunks = chunksOf(height);
      if (!chunks) throw new RpcError(-32603, 'failed to load changeset metadata');
      return encodeChangesetMetadata({
        height,
        chunkCount: chunks.length,
        chunkSizes: chunks.map(chunk => chunk.length),
      });
    }),
    'user.changeset': method('ChangesetRequest', params => {
      const fields = fieldsOf(params, 'userjson.ChangesetRequest');
      const chunk = chunksOf(intField(fields, 'height') ?? 0)?.[intField(fields, 'index') ?? 0];
      if (!chunk) throw new RpcError(-32603, 'failed to load changesets');
      const cut = node.faults.take('truncated-chunk', 'user.changeset');
      return `{"changesets":"${base64Of(cut ? chunk.subarray(0, chunk.length - (cut.missingBytes ?? 1)) : chunk)}"}`;
    }),
    'user.list_migrations': method('ListMigrationsRequest', () =>
      encodePendingMigrations(
        node.view().openMigrations.map(({ id, body }) => ({ id, ...decodeMigrationProposal(body) })),
      ),
    ),
  };
}

/** The same length with another last byte: what a replaced proposal or a lying node serves. */
function withAlteredEnd(chunk: Uint8Array): Uint8Array {
  const altered = Uint8Array.from(chunk);
  if (altered.length > 0) altered[altered.length - 1]! ^= 1;
  return altered;
}
