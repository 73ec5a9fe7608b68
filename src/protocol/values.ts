import { base64Of, bytesOfBase64, utf8Bytes, utf8Text } from './bytes.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { CodecError } from './errors.js';
import { uuidBytes, uuidText } from './hash.js';
import { integerOf, jsonString, membersOf, parseJson, textMember, type JsonObject, type JsonValue } from './json.js';

/**
 * Kwil type of a value or column (reference 4.6). `name` is lower case on the wire but kept as received; `precision` and
 * `scale` matter for `numeric` only and are 0 elsewhere (clients may send others, which nodes ignore).
 */
export interface DataType {
  readonly name: string;
  readonly isArray: boolean;
  readonly precision: number;
  readonly scale: number;
}

/** The scalar types a value can have once aliases are resolved. */
export type ScalarName = 'text' | 'int8' | 'int4' | 'bool' | 'bytea' | 'uuid' | 'numeric' | 'null';

/**
 * A value with its type, as in payload arguments and query parameters. An element is `00` for null or `01` and the value;
 * a scalar has one element, an array one per item. Elements are not looked into until `decodeValue`.
 */
export interface EncodedValue {
  readonly type: DataType;
  readonly elements: readonly Uint8Array[];
}

/** `int8` as bigint, `numeric` as decimal text, `uuid` as canonical text, `bytea` as bytes. */
export type Scalar = string | bigint | boolean | Uint8Array;
export type Value = Scalar | null | readonly (Scalar | null)[];

/** Most precision a Kwil numeric can have. */
const PRECISION_MAX = 1_000;
const ELEMENTS_MAX = 0xffff;

export const dataType = (name: string, isArray = false, precision = 0, scale = 0): DataType => ({
  name,
  isArray,
  precision,
  scale,
});

export const TEXT = dataType('text');
export const INT8 = dataType('int8');
export const INT4 = dataType('int4');
export const BOOL = dataType('bool');
export const BYTEA = dataType('bytea');
export const UUID = dataType('uuid');
export const NULL = dataType('null');
export const numericType = (precision: number, scale: number): DataType => dataType('numeric', false, precision, scale);
export const arrayOf = (type: DataType): DataType => ({ ...type, isArray: true });

const ALIASES: Readonly<Record<string, ScalarName>> = {
  text: 'text',
  string: 'text',
  int8: 'int8',
  int: 'int8',
  integer: 'int8',
  bigint: 'int8',
  int4: 'int4',
  smallint: 'int4',
  bool: 'bool',
  boolean: 'bool',
  bytea: 'bytea',
  blob: 'bytea',
  uuid: 'uuid',
  numeric: 'numeric',
  decimal: 'numeric',
  null: 'null',
};

/** Kwil's own name of a type name or SQL alias in any case; null for an unknown one. */
export const canonicalTypeName = (name: string): ScalarName | null => {
  const lower = name.toLowerCase();
  return Object.hasOwn(ALIASES, lower) ? ALIASES[lower]! : null;
};

export const sameType = (a: DataType, b: DataType): boolean =>
  a.name === b.name && a.isArray === b.isArray && a.precision === b.precision && a.scale === b.scale;

/** Type as SQL writes it: `numeric(20,4)[]`. */
export const typeText = (type: DataType): string =>
  `${type.name}${type.name === 'numeric' && type.precision > 0 ? `(${type.precision},${type.scale})` : ''}${type.isArray ? '[]' : ''}`;

export function readDataType(reader: Reader): DataType {
  reader.version('data type', 'be');
  const name = reader.stringBe();
  const isArray = reader.flag('array mark of a data type');
  return { name, isArray, precision: reader.u16be(), scale: reader.u16be() };
}

export function writeDataType(writer: Writer, type: DataType): void {
  writer.u16be(0).stringBe(type.name).flag(type.isArray).u16be(type.precision).u16be(type.scale);
}

export function encodeDataType(type: DataType): Uint8Array {
  const writer = new Writer(32);
  writeDataType(writer, type);
  return writer.finish();
}

/** Binary EncodedValue (reference 4.6). Elements are views into the input. Throws CodecError. */
export function decodeEncodedValue(input: Uint8Array | Reader): EncodedValue {
  const reader = input instanceof Reader ? input : new Reader(input);
  reader.version('value');
  const typeReader = reader.nested();
  const type = readDataType(typeReader);
  typeReader.end('a data type');
  const count = reader.u16();
  const elements: Uint8Array[] = [];
  for (let i = 0; i < count; i++) elements.push(reader.bytes());
  reader.end('a value');
  return { type, elements };
}

export function encodeEncodedValue(value: EncodedValue): Uint8Array {
  if (value.elements.length > ELEMENTS_MAX) throw new CodecError(`a value has at most ${ELEMENTS_MAX} elements`, 0);
  const writer = new Writer(64);
  writer.u16(0).bytes(encodeDataType(value.type)).u16(value.elements.length);
  for (const element of value.elements) writer.bytes(element);
  return writer.finish();
}

const NULL_ELEMENT = new Uint8Array([0]);

const present = (bytes: Uint8Array): Uint8Array => {
  const element = new Uint8Array(bytes.length + 1);
  element[0] = 1;
  element.set(bytes, 1);
  return element;
};

/** Element bytes of a scalar of that type. Throws CodecError when the value does not fit the type. */
export function encodeElement(type: DataType, value: Scalar | null): Uint8Array {
  if (value === null) return NULL_ELEMENT;
  switch (canonicalTypeName(type.name)) {
    case 'text':
    case 'numeric':
      if (typeof value === 'string') return present(utf8Bytes(value));
      break;
    case 'int8':
    case 'int4':
      if (typeof value === 'bigint' && value === BigInt.asIntN(64, value))
        return present(new Writer(16).i64be(value).finish());
      break;
    case 'bool':
      if (typeof value === 'boolean') return present(new Uint8Array([value ? 1 : 0]));
      break;
    case 'bytea':
      if (value instanceof Uint8Array) return present(value);
      break;
    case 'uuid':
      if (typeof value === 'string') return present(uuidBytes(value));
      break;
    case 'null':
    case null:
      break;
  }
  throw new CodecError(`value does not fit type ${typeText(type)}`, 0);
}

/** Meaning of one element of that type. Throws CodecError where a node would panic or refuse. */
export function decodeElement(type: DataType, element: Uint8Array): Scalar | null {
  const reader = new Reader(element);
  if (!reader.flag('null mark of a value')) {
    reader.end('a null');
    return null;
  }
  const name = canonicalTypeName(type.name);
  switch (name) {
    case 'text':
      return utf8Text(reader.take(reader.remaining), 1);
    case 'numeric':
      return numericText(utf8Text(reader.take(reader.remaining), 1));
    case 'bytea':
      return reader.take(reader.remaining);
    case 'int8': {
      const value = reader.i64be();
      reader.end('an int8');
      return value;
    }
    case 'bool': {
      const value = reader.u8() === 1;
      reader.end('a bool');
      return value;
    }
    case 'uuid': {
      const bytes = reader.take(16);
      reader.end('a uuid');
      return uuidText(bytes);
    }
    case 'int4':
    case 'null':
    case null:
      return reader.fail(`type ${typeText(type)} has no values in parameters`);
  }
}

function numericText(text: string): string {
  if (text.length > 2 * PRECISION_MAX || !/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?$/.test(text))
    throw new CodecError('not a decimal number', 1);
  return text;
}

/**
 * Meaning of a value. Throws CodecError for what a node cannot digest: a bool without its byte, an empty element, a scalar
 * with no or several elements, a numeric without precision (reference 1.4, 12.3).
 */
export function decodeValue(value: EncodedValue): Value {
  const { type, elements } = value;
  const name = canonicalTypeName(type.name);
  if (name === null) throw new CodecError('unknown type name', 0);
  if (name === 'null') return decodeNullType(value);
  if (name === 'numeric' && (type.precision < 1 || type.precision > PRECISION_MAX || type.scale > type.precision))
    throw new CodecError(`no such type ${typeText(type)}`, 0);
  if (type.isArray) return elements.map(element => decodeElement(type, element));
  if (elements.length !== 1) throw new CodecError(`a scalar has one element, not ${elements.length}`, 0);
  return decodeElement(type, elements[0]!);
}

function decodeNullType({ type, elements }: EncodedValue): Value {
  if (type.isArray) return elements.map(() => null);
  const [first, ...others] = elements;
  if (others.length > 0 || (first !== undefined && first.length > 0 && !(first.length === 1 && first[0] === 0)))
    throw new CodecError('a null has no data', 0);
  return null;
}

/** A value of the given type from its meaning. Throws CodecError when it does not fit. */
export const encodeValue = (type: DataType, value: Value): EncodedValue => {
  if (type.isArray) {
    if (value === null) return { type, elements: [NULL_ELEMENT] };
    if (!Array.isArray(value)) throw new CodecError('an array is expected', 0);
    return { type, elements: (value as readonly (Scalar | null)[]).map(item => encodeElement(type, item)) };
  }
  if (Array.isArray(value)) throw new CodecError('a scalar is expected', 0);
  return { type, elements: [encodeElement(type, value as Scalar | null)] };
};

export const textValue = (value: string | null): EncodedValue => encodeValue(TEXT, value);
export const int8Value = (value: bigint | null): EncodedValue => encodeValue(INT8, value);
export const boolValue = (value: boolean | null): EncodedValue => encodeValue(BOOL, value);
export const byteaValue = (value: Uint8Array | null): EncodedValue => encodeValue(BYTEA, value);
/** Canonical UUID text. */
export const uuidValue = (value: string | null): EncodedValue => encodeValue(UUID, value);
/** Decimal text; the node rounds it to `scale`. */
export const numericValue = (value: string | null, precision: number, scale: number): EncodedValue =>
  encodeValue(numericType(precision, scale), value);
/** A null of a concrete type. Prefer it to the type `null`, which can spoil a statement for a whole node (2.5). */
export const nullValue = (type: DataType = NULL): EncodedValue => ({ type, elements: [NULL_ELEMENT] });
/** An array of the given *item* type. */
export const arrayValue = (itemType: DataType, items: readonly (Scalar | null)[]): EncodedValue =>
  encodeValue(arrayOf(itemType), items);

/** JSON form of a data type: `{"name","is_array","metadata":[precision,scale]}`. */
export const encodeDataTypeJson = (type: DataType): string =>
  `{"name":${jsonString(type.name)},"is_array":${type.isArray},"metadata":[${type.precision},${type.scale}]}`;

export function dataTypeOfJson(value: JsonValue | undefined): DataType {
  const members = membersOf(value, 'data type', ['name', 'is_array', 'metadata']);
  const isArray = members.get('is_array') ?? false;
  if (typeof isArray !== 'boolean') throw new CodecError('is_array is not a boolean', 0);
  const metadata = members.get('metadata') ?? null;
  if (metadata !== null && (!Array.isArray(metadata) || metadata.length > 2))
    throw new CodecError('metadata is not a pair of numbers', 0);
  const [precision = 0, scale = 0] = (metadata ?? ([] as JsonValue[])).map(item => u16Of(item as JsonValue));
  return { name: textMember(members, 'name'), isArray, precision, scale };
}

function u16Of(value: JsonValue): number {
  const number = Number(integerOf(value, 'metadata'));
  if (number < 0 || number > 0xffff) throw new CodecError('metadata is out of range', 0);
  return number;
}

/** JSON form of a value, as in `user.query` parameters. */
export const encodeEncodedValueJson = (value: EncodedValue): string =>
  `{"type":${encodeDataTypeJson(value.type)},"data":[${value.elements.map(e => `"${base64Of(e)}"`).join(',')}]}`;

/** A value from its JSON form (text, bytes or an already parsed value). Throws CodecError. */
export function decodeEncodedValueJson(json: string | Uint8Array | JsonObject): EncodedValue {
  const parsed = typeof json === 'string' || json instanceof Uint8Array ? parseJson(json) : json;
  const members = membersOf(parsed, 'value', ['type', 'data']);
  const data = members.get('data') ?? [];
  if (!Array.isArray(data)) throw new CodecError('data is not an array', 0);
  const elements = (data as readonly JsonValue[]).map(item => {
    if (typeof item !== 'string') throw new CodecError('an element of data is not base64 text', 0);
    return bytesOfBase64(item, 'an element of data');
  });
  return { type: dataTypeOfJson(members.get('type')), elements };
}
