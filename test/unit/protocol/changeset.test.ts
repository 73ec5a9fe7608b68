import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodecError,
  createChangesetReader,
  dataType,
  decodeChangesetEvent,
  decodeColumnData,
  decodeElements,
  decodeMigrationProposal,
  encodeChangesetEvent,
  encodeColumnData,
  encodeElements,
  encodeMigrationProposal,
  hexOf,
  resolutionId,
  resolutionTypeId,
  INT8,
  TEXT,
  type ColumnData,
  type DataType,
  type Element,
} from '../../../src/protocol/index.js';
import { columnType, decimal, element, uuid } from './arbitraries.js';
import { bytes, check, i64, safeHeight, text } from './property.js';

const hex = (input: string): Buffer => Buffer.from(input.replaceAll(/\s+/g, ''), 'hex');

/** Reference 11.2: one inserted row and one spend. */
const EXAMPLE = hex(`
01 43000000 0000 00000004 6d61696e 00000001 74 00000002
   0000 00000002 6964 0000 00000004 696e7438 00 0000 0000
   0000 00000004 6e616d65 0000 00000004 74657874 00 0000 0000
02 2e000000 0000 00000000 00000000 02000000
   0000 02 0000000000000008 1900000000000000
   0000 02 0000000000000002 6869
03 39000000 0000 01000000 2f000000
   0000 1e000000 0000 14000000 19e7e376e7c213b7e7e7e46cc70a5dd086daff2a 00000000
   01 01 30 0200000000000000`);

const EXAMPLE_ELEMENTS: Element[] = [
  {
    kind: 'relation',
    schema: 'main',
    table: 't',
    columns: [
      { name: 'id', type: INT8 },
      { name: 'name', type: TEXT },
    ],
  },
  {
    kind: 'row',
    relation: 0,
    old: [],
    new: [
      { kind: 2, data: encodeColumnData(INT8, 25n) },
      { kind: 2, data: encodeColumnData(TEXT, 'hi') },
    ],
  },
  {
    kind: 'spends',
    spends: [
      {
        account: { identifier: hex('19e7e376e7c213b7e7e7e46cc70a5dd086daff2a'), keyType: 'secp256k1' },
        amount: 0n,
        nonce: 2n,
      },
    ],
  },
];

describe('changeset streams', () => {
  it('have the layout of the reference', () => {
    expect(EXAMPLE).toHaveLength(185);
    expect(hexOf(encodeElements(EXAMPLE_ELEMENTS))).toBe(EXAMPLE.toString('hex'));
    expect(decodeElements(EXAMPLE).map(item => item.kind)).toEqual(['relation', 'row', 'spends']);
  });

  it('come back as they were written, in whatever pieces they arrive', () => {
    check(
      fc.tuple(fc.array(element, { maxLength: 8 }), fc.array(fc.nat(40), { minLength: 1, maxLength: 30 })),
      ([elements, cuts]) => {
        const stream = encodeElements(elements);
        const reader = createChangesetReader();
        const read: Element[] = [];
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length]!;
          // A chunk is overwritten as soon as its elements are encoded again below.
          read.push(...reader.push(stream.subarray(at, at + Math.max(size, i % 7 === 0 ? 0 : 1))));
          at += Math.max(size, i % 7 === 0 ? 0 : 1);
        }
        reader.end();
        expect(reader.bytes).toBe(stream.length);
        expect(hexOf(encodeElements(read))).toBe(hexOf(stream));
        expect(read.length).toBe(elements.length);
      },
    );
  });

  it('that are cut short anywhere say so', () => {
    for (let length = 0; length <= EXAMPLE.length; length++) {
      const complete = [0, 72, 123, 185].includes(length);
      if (complete) expect(() => decodeElements(EXAMPLE.subarray(0, length))).not.toThrow();
      else expect(() => decodeElements(EXAMPLE.subarray(0, length))).toThrow(CodecError);
    }
  });

  it('keep what stands behind the last column, for readers that must be spared a defect', () => {
    const stream = encodeElements([{ kind: 'row', relation: 0, old: [{ kind: 0 }], new: [], padding: hex('00') }]);
    const [row] = decodeElements(stream);
    expect(row).toMatchObject({ kind: 'row', new: [] });
    expect(row?.kind === 'row' && hexOf(row.padding!)).toBe('00');
    expect(hexOf(encodeElements([row!]))).toBe(hexOf(stream));
  });

  it.each([
    ['an unknown element', '04 00000000', 0],
    ['a zero element', '00 00000000', 0],
    ['an element larger than allowed', '02 ffffffff', 1],
    ['a column count that lies', '02 0e000000 0000 00000000 ffffffff 00000000', 18],
    ['a kind that does not exist', '02 19000000 0000 00000000 01000000 0000 04 0000000000000000 00000000', 17],
    ['a length without data', '02 19000000 0000 00000000 01000000 0000 03 0000000000000001 00000000', 17],
    ['a length beyond the element', '02 19000000 0000 00000000 01000000 0000 02 ffffffffffffffff 00000000', 18],
    ['a relation of another version', '01 0e000000 0001 00000000 00000000 ffffffff', 5],
    ['bytes behind a relation', '01 0f000000 0000 00000000 00000000 ffffffff 00', 19],
    [
      'an account of an unknown key type',
      '03 26000000 0000 01000000 1c000000 0000 0a000000 0000 00000000 07000000 00 0000000000000000 00000000',
      27,
    ],
  ])('with %s are refused at that byte', (_name, input, offset) => {
    const prefix = encodeElements(EXAMPLE_ELEMENTS.slice(0, 1));
    try {
      decodeElements(Buffer.concat([prefix, hex(input)]));
    } catch (error) {
      expect(error).toBeInstanceOf(CodecError);
      expect((error as CodecError).offset).toBe(prefix.length + offset);
      return;
    }
    throw new Error('was accepted');
  });

  it('are refused at the same byte of the stream in whatever pieces they arrive', () => {
    const stream = Buffer.concat([
      EXAMPLE,
      hex('02 19000000 0000 00000000 01000000 0000 04 0000000000000000 00000000'),
    ]);
    for (const size of [1, 7, 64, 1_000]) {
      const reader = createChangesetReader();
      let offset = -1;
      try {
        for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
      } catch (error) {
        offset = (error as CodecError).offset;
      }
      expect(offset, `pieces of ${size}`).toBe(EXAMPLE.length + 17);
    }
  });

  it('hold one element in memory at most, however small the pieces are', () => {
    const reader = createChangesetReader({ elementBytesMax: 1_000 });
    const data = new Uint8Array(900);
    const stream = encodeElements(
      Array.from({ length: 50 }, (): Element => ({ kind: 'row', relation: 0, old: [], new: [{ kind: 2, data }] })),
    );
    let most = 0;
    let elements = 0;
    for (const byte of stream) {
      elements += reader.push(Uint8Array.of(byte)).length;
      most = Math.max(most, reader.pending);
    }
    expect(elements).toBe(50);
    expect(most).toBeLessThan(1_005);
    expect(() => createChangesetReader({ elementBytesMax: 100 }).push(stream)).toThrow('larger than 100');
  });
});

const scalar = (type: DataType): fc.Arbitrary<ColumnData> => {
  switch (type.name) {
    case 'int8':
      return i64;
    case 'int4':
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    case 'bool':
      return fc.boolean();
    case 'bytea':
      return bytes();
    case 'uuid':
      return uuid;
    case 'numeric':
      return decimal;
    default:
      return text();
  }
};

describe('column data', () => {
  const typed = columnType.chain(type => {
    const one = scalar({ ...type, isArray: false });
    const value = type.isArray
      ? (fc.array(fc.option(one, { nil: null }), { maxLength: 6 }) as fc.Arbitrary<ColumnData>)
      : one;
    return value.map(data => ({ type, data }));
  });

  it('of every type comes back as it was written', () => {
    check(
      typed,
      ({ type, data }) => {
        const encoded = encodeColumnData(type, data);
        const decoded = decodeColumnData(type, encoded);
        expect(hexOf(encodeColumnData(type, decoded))).toBe(hexOf(encoded));
        if (!(data instanceof Uint8Array) && type.name !== 'bytea') expect(decoded).toEqual(data);
      },
      1_000,
    );
  });

  it('has the item lengths of the reference', () => {
    expect(hexOf(encodeColumnData(dataType('text', true), ['a', null]))).toBe('01000000016100');
    expect(hexOf(encodeColumnData(dataType('numeric', true), ['1']))).toBe('01000131');
    expect(hexOf(encodeColumnData(dataType('int8', true), [1n]))).toBe('01080100000000000000');
    expect(hexOf(encodeColumnData(dataType('int4'), -1))).toBe('ffffffff');
    // What a real node records for an empty text[]: one empty item.
    expect(decodeColumnData(dataType('text', true), hex('0100000000'))).toEqual(['']);
  });

  it.each([
    ['a short int8', 'int8', false, '00'],
    ['a long int4', 'int4', false, '0000000000'],
    ['a bool of 2', 'bool', false, '02'],
    ['a uuid of 15 bytes', 'uuid', false, '00'.repeat(15)],
    ['text that is not UTF-8', 'text', false, 'ff'],
    ['an item that is cut', 'text', true, '0100000005 61'],
    ['an item mark of 2', 'int8', true, '02'],
    ['an item of the wrong size', 'int8', true, '0107 00000000000000'],
    ['an inherited name as type', 'constructor', true, '00'],
  ])('that is %s is refused', (_name, name, isArray, input) => {
    expect(() => decodeColumnData(dataType(name, isArray), hex(input))).toThrow(CodecError);
  });
});

describe('events', () => {
  it('have the ids and layouts of the reference', () => {
    expect(resolutionTypeId('test')).toBe('24aa70cf-0e18-57c9-b449-da8c9db37821');
    expect(resolutionTypeId('migration')).toBe('74f810cc-5c17-5885-8cc4-c628fc342822');
    expect(resolutionTypeId('changeset_migration')).toBe('aac35b85-2978-56e8-b279-474475d902c8');
    const proposal = encodeMigrationProposal({
      activationPeriodBlocks: 100,
      durationBlocks: 200,
      timestamp: '2025-06-01 00:00:00',
    });
    expect(hexOf(proposal)).toBe('00006400000000000000c80000000000000013000000323032352d30362d30312030303a30303a3030');
    expect(resolutionId('migration', proposal)).toBe('5b473c3f-6b87-58a1-b47e-4cb4be8e49cc');
    const end = encodeChangesetEvent({ height: 300, chunk: 0, total: 1, piece: null, previous: 101 });
    expect(hexOf(end)).toBe('00002c0100000000000000000000000000000100000000000000ffffffff6500000000000000');
    expect(resolutionId('changeset_migration', end)).toBe('e043a21e-abc1-5a8c-afcc-8c698ef21cb7');
    const event = encodeChangesetEvent({ height: 101, chunk: 0, total: 1, piece: EXAMPLE, previous: 0 });
    expect(event).toHaveLength(223);
    expect(resolutionId('changeset_migration', event)).toBe('08e7c65d-27d4-51b0-8707-c1ace142eb3e');
  });

  it('come back as they were written, and nothing shorter or longer is taken', () => {
    const arbitrary = fc.record({
      height: safeHeight,
      chunk: safeHeight,
      total: safeHeight,
      piece: fc.option(bytes(), { nil: null }),
      previous: safeHeight,
    });
    check(arbitrary, value => {
      const body = encodeChangesetEvent(value);
      const read = decodeChangesetEvent(body);
      expect({ ...read, piece: read.piece === null ? null : hexOf(read.piece) }).toEqual({
        ...value,
        piece: value.piece === null ? null : hexOf(value.piece),
      });
      expect(() => decodeChangesetEvent(body.subarray(0, body.length - 1))).toThrow(CodecError);
      expect(() => decodeChangesetEvent(Buffer.concat([body, Buffer.of(0)]))).toThrow(CodecError);
    });
    check(fc.record({ activationPeriodBlocks: safeHeight, durationBlocks: safeHeight, timestamp: text() }), value => {
      expect(decodeMigrationProposal(encodeMigrationProposal(value))).toEqual(value);
    });
  });
});
