import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

/** Largest chunk of a genesis snapshot before base64 (reference 6.5). */
export const GENESIS_CHUNK_BYTES = 16_000_000 - 4096;

/** Most SQL a snapshot may unpack to here. */
const SQL_BYTES_MAX = 1024 * 1024 * 1024;

export interface GenesisSnapshot {
  readonly height: number;
  /** SHA-256 of the uncompressed SQL, hex: `app_hash` of the genesis info. */
  readonly hash: string;
  readonly chunks: readonly Buffer[];
  /** JSON text that `snapshot_metadata` carries in base64. */
  readonly metadataJson: string;
}

/** Packs a dump as an old node publishes it. */
export async function packSnapshot(height: number, sql: Uint8Array): Promise<GenesisSnapshot> {
  const packed = await promisify(gzip)(sql);
  const chunks: Buffer[] = [];
  for (let at = 0; at < packed.length; at += GENESIS_CHUNK_BYTES)
    chunks.push(packed.subarray(at, at + GENESIS_CHUNK_BYTES));
  const hash = createHash('sha256').update(sql).digest();
  const metadata = {
    height,
    format: 0,
    chunk_hashes: chunks.map(chunk => [...createHash('sha256').update(chunk).digest()]),
    chunk_count: chunks.length,
    hash: hash.toString('base64'),
    size: packed.length,
  };
  return { height, hash: hash.toString('hex'), chunks, metadataJson: JSON.stringify(metadata) };
}

/** SQL of the chunks, checked against `hash`. Throws with the node's words. */
export async function unpackSnapshot(chunks: readonly Uint8Array[], hash: string): Promise<Buffer> {
  const sql = await promisify(gunzip)(Buffer.concat(chunks), { maxOutputLength: SQL_BYTES_MAX });
  const found = createHash('sha256').update(sql).digest('hex');
  if (found !== hash) throw new Error(`invalid snapshot hash ${found}, expected ${hash}`);
  return sql;
}
