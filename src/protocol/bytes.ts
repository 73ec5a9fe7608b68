import { CodecError } from './errors.js';

// ignoreBOM keeps a leading U+FEFF: without it the decoder would swallow three bytes and the round trip would break.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8Encoder = new TextEncoder();

export const utf8Bytes = (text: string): Uint8Array => utf8Encoder.encode(text);

/** Text of UTF-8 bytes. Throws CodecError at `offset` when they are not UTF-8. */
export function utf8Text(bytes: Uint8Array, offset = 0): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new CodecError('text is not UTF-8', offset);
  }
}

export const hexOf = (bytes: Uint8Array): string => bufferOf(bytes).toString('hex');

export const base64Of = (bytes: Uint8Array): string => bufferOf(bytes).toString('base64');

/** The same memory as a Buffer. */
export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Bytes of hex text in either case, without `0x`. Throws CodecError. */
export function bytesOfHex(text: string, what = 'hex text'): Buffer {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new CodecError(`${what} is not hex`, 0);
  return Buffer.from(text, 'hex');
}

/** Bytes of standard padded base64. Throws CodecError. Line breaks, which Go would skip, are refused. */
export function bytesOfBase64(text: string, what = 'base64 text'): Buffer {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new CodecError(`${what} is not base64`, 0);
  return Buffer.from(text, 'base64');
}

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => bufferOf(a).equals(b);
