import { utf8Bytes, utf8Text } from './bytes.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { CodecError } from './errors.js';
import { uuidBytes, uuidText } from './hash.js';
import { typeText, type DataType } from './values.js';

/*
 * What the data of a present column (kind 2) means, by the type its relation announces (reference 6.8). Other encodings
 * than in payload arguments: integers are little-endian, and a text `NULL` is already lost when the node records it.
 */

/** `int8` as bigint, `int4` as number, `numeric` and `uuid` as text, `bytea` as bytes. */
export type ColumnScalar = string | bigint | number | boolean | Uint8Array;
export type ColumnData = ColumnScalar | readonly (ColumnScalar | null)[];

/** Bytes of the length in front of an array item. */
const ITEM_LENGTH_BYTES: Readonly<Record<string, 1 | 2 | 4>> = {
  text: 4,
  bytea: 4,
  numeric: 2,
  int8: 1,
  int4: 1,
  bool: 1,
  uuid: 1,
};

/** Throws CodecError for bytes that the type cannot have, and for an unknown type. */
export function decodeColumnData(type: DataType, data: Uint8Array): ColumnData {
  const reader = new Reader(data);
  if (!type.isArray) return readScalar(type, reader);
  const lengthBytes = itemLengthBytes(type);
  const items: (ColumnScalar | null)[] = [];
  while (reader.remaining > 0) {
    if (!reader.flag('null mark of an array item')) items.push(null);
    else items.push(readScalar(type, reader.sub(readItemLength(reader, lengthBytes))));
  }
  return items;
}

/** Throws CodecError when the value does not fit the type. */
export function encodeColumnData(type: DataType, value: ColumnData): Uint8Array {
  if (!type.isArray) return scalarBytes(type, value);
  if (!Array.isArray(value)) throw new CodecError(`value does not fit type ${typeText(type)}`, 0);
  const lengthBytes = itemLengthBytes(type);
  const writer = new Writer();
  for (const item of value as readonly (ColumnScalar | null)[]) {
    if (item === null) writer.u8(0);
    else writeItem(writer, lengthBytes, scalarBytes(type, item));
  }
  return writer.finish();
}

function itemLengthBytes(type: DataType): 1 | 2 | 4 {
  const bytes = Object.hasOwn(ITEM_LENGTH_BYTES, type.name) ? ITEM_LENGTH_BYTES[type.name] : undefined;
  if (bytes === undefined) throw new CodecError('unknown column type', 0);
  return bytes;
}

function readItemLength(reader: Reader, lengthBytes: 1 | 2 | 4): number {
  if (lengthBytes === 1) return reader.u8();
  return lengthBytes === 2 ? reader.u16be() : reader.u32be();
}

function writeItem(writer: Writer, lengthBytes: 1 | 2 | 4, bytes: Uint8Array): void {
  writer.u8(1);
  if (lengthBytes === 1) writer.u8(bytes.length);
  else if (lengthBytes === 2) writer.u16be(bytes.length);
  else writer.u32be(bytes.length);
  writer.raw(bytes);
}

function readScalar(type: DataType, reader: Reader): ColumnScalar {
  switch (type.name) {
    case 'text':
    case 'numeric':
      return utf8Text(reader.take(reader.remaining), reader.offset);
    case 'bytea':
      return reader.take(reader.remaining);
    case 'int8':
      return ended(reader.i64(), reader, type);
    case 'int4':
      return ended(reader.u32() | 0, reader, type);
    case 'bool':
      return ended(reader.flag('a bool'), reader, type);
    case 'uuid':
      return ended(uuidText(reader.take(16)), reader, type);
    default:
      return reader.fail('unknown column type');
  }
}

function ended<T>(value: T, reader: Reader, type: DataType): T {
  reader.end(`a value of type ${type.name}`);
  return value;
}

function scalarBytes(type: DataType, value: ColumnData): Uint8Array {
  switch (type.name) {
    case 'text':
    case 'numeric':
      if (typeof value === 'string') return utf8Bytes(value);
      break;
    case 'bytea':
      if (value instanceof Uint8Array) return value;
      break;
    case 'int8':
      if (typeof value === 'bigint' && value === BigInt.asIntN(64, value)) return new Writer(16).i64(value).finish();
      break;
    case 'int4':
      if (typeof value === 'number' && value === (value | 0)) return new Writer(16).u32(value >>> 0).finish();
      break;
    case 'bool':
      if (typeof value === 'boolean') return new Uint8Array([value ? 1 : 0]);
      break;
    case 'uuid':
      if (typeof value === 'string') return uuidBytes(value);
      break;
    default:
      throw new CodecError('unknown column type', 0);
  }
  throw new CodecError(`value does not fit type ${typeText(type)}`, 0);
}
