import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ADMIN_PREFIX,
  CodecError,
  decodeCallResult,
  decodeChangesetMetadata,
  decodeMigrationStatus,
  decodeQueryResult,
  decodeSnapshotMetadata,
  decodeTxJson,
  EMPTY_RESULT,
  encodeCallResult,
  encodeQueryResult,
  encodeSnapshotMetadata,
  httpStatusOf,
  isMethodName,
  jsonString,
  JsonNumber,
  METHODS,
  parseJson,
  RPC_CODES,
  TX_CODES,
  type Cell,
  type JsonObject,
} from '../../../src/protocol/index.js';
import { columnType } from './arbitraries.js';
import { check, text } from './property.js';

const scalarCell: fc.Arbitrary<Cell> = fc.oneof(text(), fc.boolean(), fc.constant(null));
const cell: fc.Arbitrary<Cell> = fc.oneof(scalarCell, fc.array(scalarCell, { maxLength: 4 }));

describe('query results', () => {
  it('come back as they were written', () => {
    const result = fc.record({
      columnNames: fc.array(text(10), { maxLength: 4 }),
      columnTypes: fc.array(columnType, { maxLength: 4 }),
      values: fc.array(fc.array(cell, { maxLength: 4 }), { maxLength: 5 }),
    });
    check(result, value => {
      expect(decodeQueryResult(encodeQueryResult(value))).toEqual(value);
      expect(JSON.parse(encodeQueryResult(value))).toMatchObject({
        values: value.values,
        column_names: value.columnNames,
      });
    });
    check(
      fc.record({
        queryResult: fc.option(result, { nil: null }),
        logs: text(),
        error: fc.option(text(), { nil: null }),
      }),
      value => {
        expect(decodeCallResult(encodeCallResult(value))).toEqual(value);
      },
      100,
    );
  });

  it('without rows are three nulls', () => {
    expect(encodeQueryResult(EMPTY_RESULT)).toBe('{"column_names":null,"column_types":null,"values":null}');
  });

  it.each([
    '{"values":[[1]]}',
    '{"values":[{}]}',
    '{"column_names":[null]}',
    '{"column_types":[5]}',
    '{"values":{}}',
    '[]',
    'null',
    '',
  ])('%s is refused', json => {
    expect(() => decodeQueryResult(json)).toThrow(CodecError);
  });
});

describe('JSON', () => {
  it('reads what JSON.parse reads, with numbers as their text', () => {
    const plain = (value: unknown): unknown => {
      if (value instanceof JsonNumber) return Number(value.text);
      if (Array.isArray(value)) return value.map(plain);
      return value instanceof Map
        ? Object.fromEntries([...(value as JsonObject)].map(([name, item]) => [name, plain(item)]))
        : value;
    };
    check(fc.jsonValue({ maxDepth: 5 }), value => {
      const json = JSON.stringify(value, null, 1);
      if (json.includes('__proto__')) return;
      expect(plain(parseJson(json))).toEqual(JSON.parse(json));
    });
  });

  it.each([
    '{"a":1,"a":1}',
    '[1,]',
    '{,}',
    '01',
    '"\\x"',
    '"\n"',
    '[1',
    '{"a"}',
    'tru',
    '-',
    '1 2',
    '\ufeff1',
    '['.repeat(100) + ']'.repeat(100),
  ])('%s is refused', json => {
    expect(() => parseJson(json)).toThrow(CodecError);
  });

  it('strings are read and written as Go does', () => {
    expect(parseJson('"\\ud800x"')).toBe('\ufffdx');
    expect(jsonString('<a&b>\u2028"\\')).toBe('"\\u003ca\\u0026b\\u003e\\u2028\\"\\\\"');
    check(text(), value => expect(parseJson(jsonString(value))).toBe(value));
  });
});

describe('migration answers', () => {
  it('translate the wire’s names once and zero to null', () => {
    expect(
      decodeMigrationStatus(
        '{"status":{"status":"ActivationPeriod","start_height":5,"end_height":9,"chain_height":2}}',
      ),
    ).toEqual({
      status: 'ActivationPeriod',
      startHeight: 5,
      endHeight: 9,
      currentHeight: 2,
    });
    expect(decodeMigrationStatus('{"status":{"status":"NoActiveMigration"}}').startHeight).toBeNull();
  });

  it('that contradict themselves are refused', () => {
    expect(() => decodeMigrationStatus('{"status":{"status":"Sleeping"}}')).toThrow(CodecError);
    expect(() => decodeMigrationStatus('{"status":{"status":"ActivationPeriod","start_height":-1}}')).toThrow(
      CodecError,
    );
    expect(() =>
      decodeMigrationStatus('{"status":{"status":"ActivationPeriod","start_height":9007199254740993}}'),
    ).toThrow(CodecError);
    expect(() => decodeChangesetMetadata('{"height":1,"changesets":2,"chunk_sizes":[1]}')).toThrow(CodecError);
    const good = encodeSnapshotMetadata({
      height: 1,
      format: 0,
      chunkHashes: ['00'.repeat(32)],
      chunkCount: 1,
      hash: 'aa'.repeat(32),
      size: 5,
    });
    expect(decodeSnapshotMetadata(good).chunkHashes).toEqual(['00'.repeat(32)]);
    expect(() => decodeSnapshotMetadata(good.replace('[[0,', '[[256,'))).toThrow(CodecError);
    expect(() => decodeSnapshotMetadata(good.replace('[[0,', '[['))).toThrow(CodecError);
    expect(() => decodeSnapshotMetadata(good.replace('"chunk_count":1', '"chunk_count":2'))).toThrow(CodecError);
  });
});

describe('tables', () => {
  it('give each error its HTTP status', () => {
    const others = Object.values(RPC_CODES).filter(code => httpStatusOf(code) === 200);
    expect([
      httpStatusOf(-32601),
      httpStatusOf(-32700),
      httpStatusOf(-32600),
      httpStatusOf(-32602),
      httpStatusOf(-32603),
    ]).toEqual([404, 400, 400, 400, 500]);
    expect(others).toHaveLength(Object.keys(RPC_CODES).length - 5);
    expect(new Set(Object.values(RPC_CODES)).size).toBe(Object.keys(RPC_CODES).length);
    expect(new Set(Object.values(TX_CODES)).size).toBe(Object.keys(TX_CODES).length);
  });

  it('name every method under its service and no admin method', () => {
    for (const [name, { service }] of Object.entries(METHODS)) {
      expect(name.startsWith(`${service}.`)).toBe(true);
      expect(name.startsWith(ADMIN_PREFIX)).toBe(false);
    }
    expect(isMethodName('toString')).toBe(false);
    expect(() => decodeTxJson('[]')).toThrow(CodecError);
  });
});
