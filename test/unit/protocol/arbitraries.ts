import fc from 'fast-check';
import {
  arrayValue,
  BOOL,
  boolValue,
  BYTEA,
  byteaValue,
  dataType,
  INT8,
  int8Value,
  nullValue,
  numericType,
  numericValue,
  TEXT,
  textValue,
  UUID,
  uuidValue,
  type AccountId,
  type Column,
  type ColumnValue,
  type DataType,
  type Element,
  type EncodedValue,
  type Payload,
  type VotableEvent,
} from '../../../src/protocol/index.js';
import { amount, bytes, i64, text, u64 } from './property.js';

/** Random members of every type on the wire, for round trips. */

export const uuid = fc.uuid();
export const decimal = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.nat(12))
  .map(([negative, digits, scale]) => {
    const padded = digits.toString().padStart(scale + 1, '0');
    const plain = scale === 0 ? padded : `${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
    return negative && digits > 0n ? `-${plain}` : plain;
  });

export const encodedValue: fc.Arbitrary<EncodedValue> = fc.oneof(
  text().map(textValue),
  i64.map(int8Value),
  fc.boolean().map(boolValue),
  bytes().map(byteaValue),
  uuid.map(uuidValue),
  decimal.map(value => numericValue(value, 60, 12)),
  fc.constantFrom(TEXT, INT8, BOOL, BYTEA, UUID, numericType(10, 2)).map(nullValue),
  fc.constant(nullValue()),
  fc.array(fc.option(text(), { nil: null }), { maxLength: 5 }).map(items => arrayValue(TEXT, items)),
  fc.array(fc.option(i64, { nil: null }), { maxLength: 5 }).map(items => arrayValue(INT8, items)),
  fc.array(fc.option(bytes(8), { nil: null }), { maxLength: 5 }).map(items => arrayValue(BYTEA, items)),
);

export const account: fc.Arbitrary<AccountId> = fc.record({
  identifier: bytes(33),
  keyType: fc.constantFrom('secp256k1' as const, 'ed25519' as const),
});

export const event: fc.Arbitrary<VotableEvent> = fc.record({ type: text(20), body: bytes(200) });

const args = fc.array(encodedValue, { maxLength: 4 });

export const payload: fc.Arbitrary<Payload> = fc.oneof(
  fc.record({
    kind: fc.constant('raw_statement' as const),
    statement: text(200),
    params: fc.array(fc.record({ name: text(10), value: encodedValue }), { maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('execute' as const),
    namespace: text(10),
    action: text(10),
    calls: fc.array(args, { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('transfer' as const), to: account, amount: fc.option(amount, { nil: null }) }),
  fc.record({ kind: fc.constant('maa_exec' as const), agent: bytes(20), namespace: text(10), action: text(10), args }),
  fc.record({ kind: fc.constant('validator_join' as const), power: u64 }),
  fc.constant({ kind: 'validator_leave' as const }),
  fc.record({
    kind: fc.constantFrom('validator_approve' as const, 'validator_remove' as const),
    publicKey: bytes(33),
    keyType: fc.constantFrom('secp256k1' as const, 'ed25519' as const),
  }) as fc.Arbitrary<Payload>,
  fc.record({ kind: fc.constant('validator_vote_ids' as const), ids: fc.array(uuid, { maxLength: 5 }) }),
  fc.record({ kind: fc.constant('validator_vote_bodies' as const), events: fc.array(event, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('create_resolution' as const), event }),
  fc.record({
    kind: fc.constantFrom('approve_resolution' as const, 'delete_resolution' as const),
    id: uuid,
  }) as fc.Arbitrary<Payload>,
);

export const columnType: fc.Arbitrary<DataType> = fc
  .tuple(fc.constantFrom('text', 'int8', 'int4', 'bool', 'bytea', 'uuid', 'numeric'), fc.boolean())
  .map(([name, isArray]) => dataType(name, isArray));

export const column: fc.Arbitrary<Column> = fc.record({ name: text(12), type: columnType });

export const columnValue: fc.Arbitrary<ColumnValue> = fc.oneof(
  fc.constantFrom<ColumnValue>({ kind: 0 }, { kind: 1 }, { kind: 3 }),
  bytes(80).map((data): ColumnValue => ({ kind: 2, data })),
);

export const element: fc.Arbitrary<Element> = fc.oneof(
  fc.record({
    kind: fc.constant('relation' as const),
    schema: text(10),
    table: text(10),
    columns: fc.option(fc.array(column, { maxLength: 6 }), { nil: null }),
  }),
  fc
    .record({
      kind: fc.constant('row' as const),
      relation: fc.nat(),
      old: fc.array(columnValue, { maxLength: 5 }),
      new: fc.array(columnValue, { maxLength: 5 }),
    })
    .chain(row =>
      fc.oneof(
        fc.constant(row),
        fc.uint8Array({ minLength: 1, maxLength: 3 }).map(padding => ({ ...row, padding })),
      ),
    ),
  fc.record({
    kind: fc.constant('spends' as const),
    spends: fc.array(fc.record({ account, amount: fc.option(amount, { nil: null }), nonce: u64 }), { maxLength: 4 }),
  }),
);
