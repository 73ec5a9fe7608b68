import { bytesOfHex, hexOf } from './bytes.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { keyFlag, readKeyType } from './accounts.js';
import { CodecError } from './errors.js';
import { hashBytes, sha256, sha256Hex, ZERO_HASH } from './hash.js';
import type { TypedKey } from './params.js';
import { decodeTx, type Transaction } from './tx.js';

/** Header of a block (reference 4.12). Hashes are 64 hex digits. */
export interface BlockHeader {
  readonly version: number;
  readonly height: number;
  readonly txCount: number;
  readonly prevHash: string;
  /** State hash before this block; the one after it is in the commit info. */
  readonly prevAppHash: string;
  readonly valsHash: string;
  readonly paramsHash: string;
  /** Unix milliseconds. */
  readonly stampMs: number;
  readonly merkleRoot: string;
  /** Only when the leader was replaced while the network stood still. */
  readonly newLeader: TypedKey | null;
}

/** A block. Transactions stay bytes: one that we cannot read must not hide the others. */
export interface Block {
  readonly header: BlockHeader;
  /** The leader's signature. */
  readonly signature: Uint8Array;
  readonly txs: readonly Uint8Array[];
}

const HASH_BYTES = 32;
/** Most transactions that fit into the largest block, at two bytes each. */
const TXS_MAX = 1 << 24;

/** `raw_block` of `chain.block`. Slices are views into the input. Throws CodecError. */
export function decodeBlock(bytes: Uint8Array): Block {
  const reader = new Reader(bytes);
  const header = readHeader(reader);
  const signature = reader.lengthPrefixed();
  const txs: Uint8Array[] = [];
  if (header.txCount > TXS_MAX) reader.fail('too many transactions');
  for (let i = 0; i < header.txCount; i++) txs.push(reader.lengthPrefixed());
  reader.end('a block');
  return { header, signature, txs };
}

export function encodeBlock(block: Block): Uint8Array {
  if (block.txs.length !== block.header.txCount)
    throw new CodecError('header and block disagree on the transactions', 0);
  const writer = new Writer(1024).raw(encodeBlockHeader(block.header)).lengthPrefixed(block.signature);
  for (const tx of block.txs) writer.lengthPrefixed(tx);
  return writer.finish();
}

function readHeader(reader: Reader): BlockHeader {
  const version = reader.u16();
  if (version !== 0) reader.fail(`unknown version ${version} of a block header`, reader.offset - 2);
  return {
    version,
    height: reader.safeI64('height'),
    txCount: reader.u32(),
    prevHash: hexOf(reader.take(HASH_BYTES)),
    prevAppHash: hexOf(reader.take(HASH_BYTES)),
    valsHash: hexOf(reader.take(HASH_BYTES)),
    paramsHash: hexOf(reader.take(HASH_BYTES)),
    stampMs: reader.safeU64('time'),
    merkleRoot: hexOf(reader.take(HASH_BYTES)),
    newLeader: reader.flag('new leader mark') ? readWireKey(reader.compactNested()) : null,
  };
}

function readWireKey(reader: Reader): TypedKey {
  return { type: readKeyType(reader), key: hexOf(reader.take(reader.remaining)) };
}

/** The 183 bytes (without a new leader) that are hashed and signed. */
export function encodeBlockHeader(header: BlockHeader): Uint8Array {
  const writer = new Writer(192)
    .u16(header.version)
    .i64(header.height)
    .u32(header.txCount)
    .raw(hashBytes(header.prevHash))
    .raw(hashBytes(header.prevAppHash))
    .raw(hashBytes(header.valsHash))
    .raw(hashBytes(header.paramsHash))
    .u64(header.stampMs)
    .raw(hashBytes(header.merkleRoot))
    .flag(header.newLeader !== null);
  if (header.newLeader !== null) writer.compactBytes(encodeWireKey(header.newLeader));
  return writer.finish();
}

const encodeWireKey = (key: TypedKey): Uint8Array =>
  new Writer(40).u32(keyFlag(key.type)).raw(bytesOfHex(key.key, 'key')).finish();

/** Hash of a block: SHA-256 of its header. */
export const blockHash = (block: Pick<Block, 'header'>): string => sha256Hex(encodeBlockHeader(block.header));

/**
 * Merkle root over transaction hashes: pair-wise SHA-256, a last odd one is paired with itself; one hash is its own root,
 * none is the zero hash.
 */
export function merkleRoot(hashes: readonly string[]): string {
  let level: Buffer[] = hashes.map(hashBytes);
  if (level.length === 0) return ZERO_HASH;
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let i = 0; i < level.length; i += 2) above.push(sha256(level[i]!, level[i + 1] ?? level[i]!));
    level = above;
  }
  return level[0]!.toString('hex');
}

/** Transactions of a block with their hashes. `tx` is null for bytes that we cannot read. */
export function blockTxs(block: Block): { readonly hash: string; readonly tx: Transaction | null }[] {
  return block.txs.map(bytes => {
    try {
      return { hash: sha256Hex(bytes), tx: decodeTx(bytes) };
    } catch (error) {
      if (error instanceof CodecError) return { hash: sha256Hex(bytes), tx: null };
      throw error;
    }
  });
}
