import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64Of, bytesOfBase64, bytesOfHex, CodecError, hexOf, Reader, Writer } from '../../../src/protocol/index.js';
import { amount, bytes, check, i64, safeHeight, text, u64 } from './property.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('binary primitives', () => {
  it('come back as they were written, one after the other', () => {
    const arbitrary = fc.record({
      a: u64,
      b: i64,
      c: text(),
      d: fc.option(bytes(), { nil: null }),
      e: fc.option(amount, { nil: null }),
      f: bytes(),
      g: fc.nat(2 ** 28),
      h: safeHeight,
      i: fc.boolean(),
      j: text(),
    });
    check(arbitrary, v => {
      const written = new Writer(16)
        .u64(v.a)
        .i64(v.b)
        .string(v.c)
        .bytes(v.d)
        .bigInt(v.e)
        .compactBytes(v.f)
        .uvarint(v.g)
        .u64(v.h)
        .flag(v.i)
        .compactString(v.j)
        .u64be(v.a)
        .i64be(v.b)
        .stringBe(v.j)
        .finish();
      const r = new Reader(written);
      const read = {
        a: r.u64(),
        b: r.i64(),
        c: r.string(),
        d: r.bytesOrNil(),
        e: r.bigInt(),
        f: r.compactBytes(),
        g: r.uvarint(),
        h: r.safeU64('h'),
        i: r.flag('i'),
        j: r.compactString(),
      };
      expect([read.a, read.b, read.c, read.e, read.g, read.h, read.i, read.j]).toEqual([
        v.a,
        v.b,
        v.c,
        v.e,
        v.g,
        v.h,
        v.i,
        v.j,
      ]);
      expect(read.d === null ? null : hexOf(read.d)).toBe(v.d === null ? null : hexOf(v.d));
      expect(hexOf(read.f)).toBe(hexOf(v.f));
      expect([r.u64be(), r.i64be(), r.stringBe()]).toEqual([v.a, v.b, v.j]);
      r.end('everything');
    });
  });

  it('have the layouts of the reference', () => {
    expect(hexOf(new Writer().uvarint(300).finish())).toBe('ac02');
    expect(hexOf(new Writer().compactBytes(new Uint8Array(65)).finish()).slice(0, 4)).toBe('8201');
    expect(hexOf(new Writer().bytes(null).finish())).toBe('ffffffff');
    expect(hexOf(new Writer().bigInt(0n).finish())).toBe('010130');
    expect(hexOf(new Writer().bigInt(null).finish())).toBe('00');
  });

  it.each([
    ['a length that is longer than the rest', '05000000 61', (r: Reader) => r.bytes(), 0],
    ['a length near 2^32', 'feffffff 00', (r: Reader) => r.bytes(), 0],
    ['a compact length that lies', 'fe ff ff ff 0f 00', (r: Reader) => r.compactBytes(), 0],
    ['a length of more than 32 bits', 'ff ff ff ff ff 7f', (r: Reader) => r.uvarint(), 0],
    ['a length that never ends', '80 80 80', (r: Reader) => r.uvarint(), 3],
    ['a length in a longer form than needed', '80 00', (r: Reader) => r.uvarint(), 0],
    ['a nil compact length', '01', (r: Reader) => r.compactBytes(), 0],
    ['nil where bytes are expected', 'ffffffff', (r: Reader) => r.bytes(), 0],
    ['text that is not UTF-8', '02000000 c328', (r: Reader) => r.string(), 4],
    ['a surrogate in UTF-8', '03000000 eda080', (r: Reader) => r.string(), 4],
    ['a decimal with a plus', '01 02 2b31', (r: Reader) => r.bigInt(), 1],
    ['a decimal with leading zeros', '01 02 3031', (r: Reader) => r.bigInt(), 1],
    ['minus zero', '01 02 2d30', (r: Reader) => r.bigInt(), 1],
    ['a nil mark of 2', '02', (r: Reader) => r.bigInt(), 0],
    ['an unsafe height', '0000000000002000', (r: Reader) => r.safeU64('height'), 0],
    ['a negative height', 'ffffffffffffffff', (r: Reader) => r.safeI64('height'), 0],
    ['too few bytes for an integer', '000000', (r: Reader) => r.u32(), 0],
  ] as const)('%s is a CodecError with the offset', (_name, input, read, offset) => {
    try {
      read(new Reader(hex(input)));
    } catch (error) {
      expect(error).toBeInstanceOf(CodecError);
      expect((error as CodecError).offset).toBe(offset);
      return;
    }
    throw new Error('was accepted');
  });

  it('offsets in nested readers count from the outermost input', () => {
    const reader = new Reader(hex('03000000 aabbcc'));
    const inner = reader.nested();
    inner.take(2);
    expect(() => inner.u16()).toThrow(/at byte 6/);
  });

  it('hex and base64 are strict', () => {
    check(bytes(), value => {
      expect(hexOf(bytesOfHex(hexOf(value)))).toBe(hexOf(value));
      expect(hexOf(bytesOfBase64(base64Of(value)))).toBe(hexOf(value));
    });
    for (const bad of ['0x00', 'abc', 'zz', ' 00']) expect(() => bytesOfHex(bad)).toThrow(CodecError);
    for (const bad of ['A', 'AA=', 'AAAA\n', 'AA==AAAA', '-_AA', 'A==='])
      expect(() => bytesOfBase64(bad)).toThrow(CodecError);
  });
});
