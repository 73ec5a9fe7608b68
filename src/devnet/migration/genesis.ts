import { createHash } from 'node:crypto';
import {
  decodeMigrationMetadata,
  decodeSnapshotMetadata,
  type KeyType,
  type NetworkParams,
} from '../../protocol/index.js';
import { sleep, type Clock } from '../../platform/index.js';
import type { MigrationWindow } from '../chain/consensus-state.js';
import type { Validator } from '../chain/resolutions.js';
import { unpackSnapshot } from '../chain/snapshot.js';
import { createSourceClient } from './source-client.js';

/** What a chain starts from. */
export interface Genesis {
  /** The first block is this + 1. */
  readonly initialHeight: number;
  /** Hash of the genesis state in hex; null for an empty one. */
  readonly stateHash: string | null;
  readonly params: NetworkParams;
  readonly validators: readonly Validator[];
  /** New network: the old heights it takes over. */
  readonly window: MigrationWindow | null;
}

export interface FetchedGenesis {
  readonly genesis: Genesis;
  /** Null when this node's database already holds the state. */
  readonly sql: Uint8Array | null;
}

/** Start of a new network's node: asks the old network until its snapshot is there, fetches and checks it. */
export interface GenesisSource {
  /** Own genesis file: what the old network does not tell. Set before `fetch`. */
  base: Genesis | null;
  /** Null when `living` said no meanwhile. Throws with the words with which the real process ends. */
  fetch(living: () => boolean): Promise<FetchedGenesis | null>;
  close(): void;
}

export interface GenesisSourceOptions {
  readonly url: string;
  readonly clock: Clock;
  /** Pause between two questions for the snapshot; an answer may be held instead. */
  readonly pollMs: number;
  readonly log: (line: string) => void;
}

export function createGenesisSource(options: GenesisSourceOptions): GenesisSource {
  const client = createSourceClient(options.url);
  const closing = new AbortController();
  let known: Genesis | null = null;

  const source: GenesisSource = {
    base: null,
    async fetch(living) {
      const life = new AbortController();
      const signal = AbortSignal.any([closing.signal, life.signal]);
      const watch = setInterval(() => living() || life.abort(), 200);
      try {
        // Also a node that has its state already asks this, and ends when nobody answers (reference 6.13, relay).
        await client.call('user.health', {}, signal).catch((error: unknown) => {
          throw new Error(`failed to prepare for migration: ${error instanceof Error ? error.message : String(error)}`);
        });
        if (known) return { genesis: known, sql: null };
        for (;;) {
          const fetched = await tryOnce(signal);
          if (fetched) {
            known = fetched.genesis;
            return fetched;
          }
          await sleep(options.clock, options.pollMs, signal);
          if (signal.aborted) return null;
        }
      } catch (error) {
        if (signal.aborted) return null;
        throw error;
      } finally {
        clearInterval(watch);
      }
    },
    close: () => closing.abort(),
  };

  /** One round; null while the snapshot is not there. */
  async function tryOnce(signal: AbortSignal): Promise<FetchedGenesis | null> {
    let answer: unknown;
    try {
      answer = await client.call('user.migration_metadata', {}, signal);
    } catch (error) {
      if (signal.aborted) return null;
      options.log(`migration metadata not available yet: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
    const { state, genesisInfo, snapshotBytes } = decodeMigrationMetadata(JSON.stringify(answer));
    if (!genesisInfo || !snapshotBytes || state.startHeight === null || state.endHeight === null) return null;
    const snapshot = decodeSnapshotMetadata(snapshotBytes);
    const chunks: Buffer[] = [];
    for (let index = 0; index < snapshot.chunkCount; index++) {
      const params = { height: state.startHeight, chunk_index: index };
      const { chunk } = (await client.call('user.migration_genesis_chunk', params, signal)) as { chunk: string };
      const bytes = Buffer.from(chunk, 'base64');
      const hash = createHash('sha256').update(bytes).digest('hex');
      if (hash !== snapshot.chunkHashes[index]) throw new Error(`snapshot chunk ${index} hash mismatch`);
      chunks.push(bytes);
    }
    const sql = await unpackSnapshot(chunks, genesisInfo.appHash);
    const base = source.base!;
    const named = genesisInfo.validators.map(one => ({
      key: one.pubkey,
      keyType: one.type as KeyType,
      power: Number(one.power),
    }));
    return {
      sql,
      genesis: {
        initialHeight: state.startHeight,
        stateHash: genesisInfo.appHash,
        params: { ...base.params, migrationStatus: 'GenesisMigration' },
        validators: base.validators.length > 0 ? base.validators : named,
        window: { start: state.startHeight, end: state.endHeight },
      },
    };
  }

  return source;
}
