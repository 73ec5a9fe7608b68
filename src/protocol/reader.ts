import { utf8Text } from './bytes.js';
import { CodecError } from './errors.js';

/*
 * Binary primitives of reference 0.2, reading side. Two rules make every codec above them simple to trust:
 * an accepted input has exactly one encoding (non-minimal varints, unclean decimals and invalid UTF-8 are refused), and
 * nothing is allocated before the bytes that justify it are there.
 */

/** Length mark of a nil byte string (`Bytes` with no value, distinct from an empty one). */
export const NIL_LENGTH = 0xffffffff;

/** Longest decimal text a BigInt may have; Kwil amounts are below 80 digits. */
const DECIMAL_DIGITS_MAX = 1_000;

/**
 * Reads one bounded piece of memory from front to back. Slices it returns are views into the input, not copies.
 * Every method throws CodecError when the bytes are not there. Offsets in errors are relative to the outermost reader.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Offset of byte 0 of this reader within the outermost input. */
  readonly #base: number;
  #at = 0;

  constructor(bytes: Uint8Array, base = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#base = base;
  }

  /** Position within the outermost input, as used in errors. */
  get offset(): number {
    return this.#base + this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  fail(problem: string, offset = this.offset): never {
    throw new CodecError(problem, offset);
  }

  /** Fails unless every byte was read. */
  end(what: string): void {
    if (this.remaining > 0) this.fail(`${this.remaining} unexpected bytes after ${what}`);
  }

  #advance(count: number): number {
    const at = this.#at;
    if (count > this.remaining) this.fail(`${count} bytes expected, ${this.remaining} left`);
    this.#at = at + count;
    return at;
  }

  /** The next `count` bytes as a view. */
  take(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A reader over the next `count` bytes, which count as read here. */
  sub(count: number): Reader {
    const base = this.offset;
    return new Reader(this.take(count), base);
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  /** A byte that may only be 0 or 1. */
  flag(what: string): boolean {
    const at = this.offset;
    const byte = this.u8();
    if (byte > 1) this.fail(`${what} must be 0 or 1, is ${byte}`, at);
    return byte === 1;
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u16be(): number {
    return this.#view.getUint16(this.#advance(2), false);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u32be(): number {
    return this.#view.getUint32(this.#advance(4), false);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }

  u64be(): bigint {
    return this.#view.getBigUint64(this.#advance(8), false);
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#advance(8), true);
  }

  i64be(): bigint {
    return this.#view.getBigInt64(this.#advance(8), false);
  }

  /** An unsigned 64-bit integer that must be a safe number: heights, counts, times. */
  safeU64(what: string): number {
    const at = this.offset;
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what} ${value} is too large`, at);
    return Number(value);
  }

  /** A signed 64-bit integer that must be a safe number and not negative. */
  safeI64(what: string): number {
    const at = this.offset;
    const value = this.i64();
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what} ${value} is out of range`, at);
    return Number(value);
  }

  /** The version in front of nearly everything; only 0 exists. */
  version(what: string, order: 'le' | 'be' = 'le'): void {
    const at = this.offset;
    const version = order === 'le' ? this.u16() : this.u16be();
    if (version !== 0) this.fail(`unknown version ${version} of ${what}`, at);
  }

  /** Unsigned LEB128 of at most 32 bits; longer forms of the same number are refused. */
  uvarint(): number {
    const start = this.offset;
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      if (shift === 28 && byte > 0x0f) this.fail('length is too large', start);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) this.fail('length is not written in its shortest form', start);
        return value;
      }
    }
  }

  /** A length that the remaining bytes can hold. */
  #length(value: number, start: number): number {
    if (value > this.remaining) this.fail(`length ${value} is more than the ${this.remaining} bytes left`, start);
    return value;
  }

  /** `Bytes`: u32 length and data; null for nil. */
  bytesOrNil(): Uint8Array | null {
    const start = this.offset;
    const length = this.u32();
    return length === NIL_LENGTH ? null : this.take(this.#length(length, start));
  }

  /** `Bytes` that may not be nil. */
  bytes(): Uint8Array {
    const start = this.offset;
    return this.bytesOrNil() ?? this.fail('nil where bytes are expected', start);
  }

  /** `Bytes` as a reader of its own. */
  nested(): Reader {
    const start = this.offset;
    const length = this.u32();
    if (length === NIL_LENGTH) this.fail('nil where bytes are expected', start);
    return this.sub(this.#length(length, start));
  }

  /** `String`: u32 length and UTF-8. */
  string(): string {
    const bytes = this.bytes();
    return utf8Text(bytes, this.offset - bytes.length);
  }

  /** u32 big-endian length and UTF-8, as in data types and relations. */
  stringBe(): string {
    const start = this.offset;
    const bytes = this.take(this.#length(this.u32be(), start));
    return utf8Text(bytes, this.offset - bytes.length);
  }

  /** `CBytes` as a reader of its own. Writers never send nil here, so it is refused. */
  compactNested(): Reader {
    const start = this.offset;
    const zigzag = this.uvarint();
    if (zigzag % 2 !== 0) this.fail('nil or negative length where bytes are expected', start);
    return this.sub(this.#length(zigzag / 2, start));
  }

  /** `CBytes`: zig-zag length and data. */
  compactBytes(): Uint8Array {
    const inner = this.compactNested();
    return inner.take(inner.remaining);
  }

  /** uvarint length and data, without text meaning. */
  lengthPrefixed(): Uint8Array {
    const start = this.offset;
    return this.take(this.#length(this.uvarint(), start));
  }

  /** `CString`. */
  compactString(): string {
    const bytes = this.lengthPrefixed();
    return utf8Text(bytes, this.offset - bytes.length);
  }

  /** `BigInt`: canonical decimal text, or null for nil. */
  bigInt(): bigint | null {
    if (!this.flag('nil mark of an integer')) return null;
    const start = this.offset;
    const text = this.compactString();
    if (text.length > DECIMAL_DIGITS_MAX || !/^(?:0|-?[1-9][0-9]*)$/.test(text))
      this.fail('integer is not canonical decimal text', start);
    return BigInt(text);
  }
}
