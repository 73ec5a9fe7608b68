import { CHANGESET_CHUNK_BYTES } from '../../protocol/index.js';

/** What `changeset_metadata` and `changeset` tell of one height. */
export interface RecordedChangeset {
  readonly height: number;
  readonly chunks: readonly Uint8Array[];
}

/** Changesets of the old network, kept from execution on: readable before the block is committed (reference 6.6). */
export interface ChangesetRecords {
  put(height: number, bytes: Uint8Array): void;
  get(height: number): RecordedChangeset | undefined;
}

export function createChangesetRecords(): ChangesetRecords {
  const records = new Map<number, RecordedChangeset>();
  return {
    put(height, bytes) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += CHANGESET_CHUNK_BYTES) {
        chunks.push(bytes.subarray(at, at + CHANGESET_CHUNK_BYTES));
      }
      records.set(height, { height, chunks });
    },
    get: height => records.get(height),
  };
}
