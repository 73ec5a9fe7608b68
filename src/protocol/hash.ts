import { createHash } from 'node:crypto';
import { bytesOfHex, hexOf } from './bytes.js';
import { CodecError } from './errors.js';

/** 64 lower-case hex digits. */
export const ZERO_HASH = '0'.repeat(64);

export const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const sha256Hex = (...parts: readonly Uint8Array[]): string => sha256(...parts).toString('hex');

/** 32 bytes of a hash in hex. Throws CodecError. */
export function hashBytes(hash: string): Buffer {
  const bytes = bytesOfHex(hash, 'hash');
  if (bytes.length !== 32) throw new CodecError(`hash has ${bytes.length} bytes, not 32`, 0);
  return bytes;
}

/**
 * Name-based UUID of RFC 4122 (version 5, SHA-1) in the namespace that Kwil uses for resolutions, resolution types and
 * voters (reference 4.10).
 */
export function kwilUuid(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha1').update(KWIL_NAMESPACE);
  for (const part of parts) hash.update(part);
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return uuidText(bytes);
}

const KWIL_NAMESPACE = Buffer.from('cc1cd90fb4db47f4b6df4bbe5fca88eb', 'hex');

/** Canonical lower-case text of 16 bytes. */
export function uuidText(bytes: Uint8Array): string {
  const hex = hexOf(bytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** 16 bytes of a UUID text in 8-4-4-4-12 form. Throws CodecError. */
export function uuidBytes(text: string): Buffer {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text))
    throw new CodecError('not a UUID', 0);
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}
