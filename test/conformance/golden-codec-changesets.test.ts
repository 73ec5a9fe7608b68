import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  base64Of,
  CHANGESET_CHUNK_BYTES,
  chunksOf,
  createChangesetReader,
  dataType,
  decodeColumnData,
  decodeElements,
  encodeColumnData,
  encodeElements,
  hexOf,
  keyFlag,
  type ColumnData,
  type ColumnValue,
  type Element,
  type Relation,
} from '../../src/protocol/index.js';
import { changesetFiles, changesetNames, changesetSet, goldenBytes, type DecodedElement } from '../support/golden.js';

const sets = changesetNames().map(changesetSet);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const KIND_NAMES = ['null', 'toast', 'value', 'same'];

describe.each(sets.map(set => [set.name, set] as const))('recorded changesets of %s', (_name, set) => {
  it('are the bytes that the manifest describes, in chunks as a node cuts them', () => {
    for (const height of set.heights) {
      const bytes = set.bytes(height.height);
      expect(bytes.length, `height ${height.height}`).toBe(height.bytes);
      expect(sha256(bytes)).toBe(height.sha256);
      const chunks = chunksOf(bytes, CHANGESET_CHUNK_BYTES);
      expect(chunks.map(sha256)).toEqual(height.chunk_sha256);
      expect(chunks.map(chunk => chunk.length)).toEqual(height.metadata.chunk_sizes ?? []);
    }
  });

  it('decode and encode to the same bytes, whole and in pieces of any size', () => {
    for (const { height, bytes: length } of set.heights) {
      const bytes = set.bytes(height);
      const elements = decodeElements(bytes);
      expect(Buffer.from(encodeElements(elements)).equals(bytes), `height ${height}`).toBe(true);
      const size = length > 100_000 ? 65_537 : 7;
      const reader = createChangesetReader();
      const pieces = chunksOf(bytes, size).flatMap(piece => reader.push(piece));
      reader.end();
      expect(Buffer.from(encodeElements(pieces)).equals(bytes), `height ${height} in pieces of ${size}`).toBe(true);
    }
  });

  it('mean what was recorded', () => {
    for (const { height } of set.heights) {
      const expected = set.decoded[String(height)] ?? [];
      const elements = decodeElements(set.bytes(height));
      expect(elements.length, `height ${height}`).toBe(expected.length);
      const relations = elements.filter(element => element.kind === 'relation');
      for (const [i, element] of elements.entries()) expectElement(element, expected[i]!, relations, height);
    }
  });

  it('hold column values that encode to the same bytes', () => {
    for (const { height } of set.heights) {
      const elements = decodeElements(set.bytes(height));
      const relations = elements.filter(element => element.kind === 'relation');
      for (const element of elements) {
        if (element.kind !== 'row') continue;
        const columns = relations[element.relation]!.columns!;
        for (const row of [element.old, element.new])
          for (const [i, value] of row.entries()) {
            if (value.kind !== 2) continue;
            const type = columns[i]!.type;
            expect(hexOf(encodeColumnData(type, decodeColumnData(type, value.data!)))).toBe(hexOf(value.data!));
          }
      }
    }
  });
});

function expectElement(
  element: Element,
  expected: DecodedElement,
  relations: readonly Relation[],
  height: number,
): void {
  const where = `height ${height}`;
  switch (element.kind) {
    case 'relation':
      expect(
        {
          schema: element.schema,
          table: element.table,
          columns: element.columns!.map(({ name, type }) => ({
            name,
            type: type.name,
            is_array: type.isArray,
            metadata: [type.precision, type.scale],
          })),
        },
        where,
      ).toEqual(expected.relation);
      break;
    case 'row': {
      const change = element.old.length === 0 ? 'insert' : element.new.length === 0 ? 'delete' : 'update';
      expect({ change, relation: element.relation }, where).toEqual({
        change: expected.change,
        relation: expected.relation_number,
      });
      const relation = relations[element.relation]!;
      expect(rowOf(relation, element.old), where).toEqual(expected.old);
      expect(rowOf(relation, element.new), where).toEqual(expected.new);
      expect(element.padding).toBeUndefined();
      break;
    }
    case 'spends':
      expect(
        element.spends.map(({ account, amount, nonce }) => ({
          account: hexOf(account.identifier),
          key_flag: keyFlag(account.keyType),
          amount: String(amount),
          nonce: Number(nonce),
        })),
        where,
      ).toEqual(expected.spends);
      break;
  }
}

const rowOf = (relation: Relation, values: readonly ColumnValue[]): unknown[] =>
  values.map(({ kind, data }, i) => {
    const type = relation.columns![i]!.type;
    return kind === 2 ? ['value', recordedForm(decodeColumnData(type, data!))] : [KIND_NAMES[kind]];
  });

/** Form of decoded.json: int8 and numeric as text, bytea as base64, very long texts as length and hash. */
function recordedForm(value: ColumnData | null): unknown {
  if (Array.isArray(value)) return (value as (ColumnData | null)[]).map(recordedForm);
  if (typeof value === 'bigint') return String(value);
  const text = value instanceof Uint8Array ? base64Of(value) : value;
  return typeof text === 'string' && text.length > 20_000
    ? { length: text.length, sha256: sha256(Buffer.from(text)), start: text.slice(0, 40) }
    : text;
}

it('every stream of the recordings decodes and encodes to the same bytes', () => {
  const files = changesetFiles();
  expect(files.length).toBeGreaterThan(220);
  for (const file of files) {
    const bytes = goldenBytes(file);
    expect(Buffer.from(encodeElements(decodeElements(bytes))).equals(bytes), file).toBe(true);
  }
});

it('an unknown column type is refused instead of guessed at', () => {
  expect(() => decodeColumnData(dataType('interval'), new Uint8Array(8))).toThrow('unknown column type');
});
