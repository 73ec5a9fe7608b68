import type { Height, NodeRef } from '../model/index.js';
import { bytesOfBase64, CodecError, decodeElements } from '../protocol/index.js';
import { hashOf } from './assemble.js';
import { reasonOf, rpcCodeOf, SourceError } from './errors.js';
import type { NodesPort } from './ports.js';

/** One old height as one node gave it, checked as far as one node's word can be. */
export interface Fetched {
  readonly height: Height;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly node: string;
}

export interface FetchBounds {
  readonly timeoutMs: number;
  /** Called when the size is known, before any chunk is asked for; waits for room. */
  readonly reserve?: (bytes: number) => Promise<void>;
  readonly signal: AbortSignal;
}

const CHUNKS_MAX = 10_000;
/** Largest chunk we take; nodes cut at 1,000,000 bytes. */
const CHUNK_BYTES_MAX = 16_000_000;
const HEIGHT_BYTES_MAX = 512 * 1024 * 1024;

/**
 * Reads one height from one node. The caller has read that node's committed height before: what is above it can still be
 * rewritten. Throws SourceError for anything that another node may do better.
 */
export async function fetchChangeset(
  nodes: NodesPort,
  node: NodeRef,
  height: Height,
  bounds: FetchBounds,
): Promise<Fetched> {
  const call = async <T>(method: string, params: unknown): Promise<T> => {
    try {
      return await nodes.call<T>(node, method, params, { timeoutMs: bounds.timeoutMs, signal: bounds.signal });
    } catch (error) {
      // The node's "no record" and "not yet" are one answer; it said before that it has this height, so it has no record.
      throw new SourceError(`${node.name}: ${reasonOf(error)}`, rpcCodeOf(error) !== undefined);
    }
  };
  const sizes = readSizes(await call<unknown>('user.changeset_metadata', { height }), height, node.name);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > HEIGHT_BYTES_MAX) throw new SourceError(`${node.name}: height ${height} claims ${total} bytes`);
  await bounds.reserve?.(total);
  const chunks: Buffer[] = [];
  for (const [index, size] of sizes.entries()) {
    const answer = await call<{ changesets?: unknown }>('user.changeset', { height, index });
    const chunk = readBase64(answer?.changesets, node.name);
    if (chunk.length !== size)
      throw new SourceError(
        `${node.name}: chunk ${index} of height ${height} has ${chunk.length} bytes, announced were ${size}`,
      );
    chunks.push(chunk);
  }
  const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  try {
    decodeElements(bytes);
  } catch (error) {
    if (error instanceof CodecError)
      throw new SourceError(`${node.name}: height ${height} is damaged: ${error.message}`);
    throw error;
  }
  return { height, bytes, sha256: hashOf(bytes), node: node.name };
}

function readSizes(answer: unknown, height: Height, node: string): readonly number[] {
  const { height: said, changesets, chunk_sizes: sizes } = (answer ?? {}) as Record<string, unknown>;
  const list: readonly unknown[] = Array.isArray(sizes) ? sizes : [];
  const right =
    said === height &&
    Number.isSafeInteger(changesets) &&
    (changesets as number) >= 0 &&
    (changesets as number) <= CHUNKS_MAX &&
    list.length === changesets &&
    list.every(size => Number.isSafeInteger(size) && (size as number) > 0 && (size as number) <= CHUNK_BYTES_MAX);
  if (!right) throw new SourceError(`${node}: the metadata of height ${height} is not what a node answers`);
  return list as readonly number[];
}

export function readBase64(value: unknown, node: string): Buffer {
  if (typeof value !== 'string') throw new SourceError(`${node}: a chunk is missing`);
  try {
    return bytesOfBase64(value);
  } catch {
    throw new SourceError(`${node}: a chunk is not base64`);
  }
}
