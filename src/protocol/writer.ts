import { utf8Bytes } from './bytes.js';
import { NIL_LENGTH } from './reader.js';

/** Appends to a growing buffer. Methods mirror Reader and give the writer back for chaining. */
export class Writer {
  #buffer: Buffer;
  #length = 0;

  constructor(sizeHint = 256) {
    this.#buffer = Buffer.allocUnsafe(Math.max(16, sizeHint));
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far, as a copy of exactly that length. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }

  /** Makes room and gives the place. Call it before touching the buffer, which it may replace. */
  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = needed;
    return at;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  u16be(value: number): this {
    const at = this.#grow(2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  u32be(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  u64(value: bigint | number): this {
    const at = this.#grow(8);
    this.#buffer.writeBigUInt64LE(BigInt(value), at);
    return this;
  }

  u64be(value: bigint | number): this {
    const at = this.#grow(8);
    this.#buffer.writeBigUInt64BE(BigInt(value), at);
    return this;
  }

  i64(value: bigint | number): this {
    const at = this.#grow(8);
    this.#buffer.writeBigInt64LE(BigInt(value), at);
    return this;
  }

  i64be(value: bigint | number): this {
    const at = this.#grow(8);
    this.#buffer.writeBigInt64BE(BigInt(value), at);
    return this;
  }

  uvarint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.u8(rest);
  }

  bytes(value: Uint8Array | null): this {
    return value === null ? this.u32(NIL_LENGTH) : this.u32(value.length).raw(value);
  }

  string(value: string): this {
    return this.bytes(utf8Bytes(value));
  }

  stringBe(value: string): this {
    const bytes = utf8Bytes(value);
    return this.u32be(bytes.length).raw(bytes);
  }

  compactBytes(value: Uint8Array): this {
    return this.uvarint(value.length * 2).raw(value);
  }

  lengthPrefixed(value: Uint8Array): this {
    return this.uvarint(value.length).raw(value);
  }

  compactString(value: string): this {
    return this.lengthPrefixed(utf8Bytes(value));
  }

  bigInt(value: bigint | null): this {
    return value === null ? this.u8(0) : this.u8(1).compactString(value.toString());
  }
}
