import { formatNumeric, type Cell, type DataType, type EncodedValue } from '../../protocol/index.js';
import { EngineHalt } from './errors.js';
import { NULL, resolveType } from './sql/data-type.js';

/**
 * A value while it is worked with: Postgres' own text of it (`t`, `\x00ff`, `-1.50`), a list of such texts for an array,
 * null for SQL NULL.
 */
export interface KwilValue {
  readonly type: DataType;
  readonly data: string | null | readonly (string | null)[];
}

export const nullOf = (type: DataType): KwilValue => ({ type, data: null });
export const valueOf = (type: DataType, data: KwilValue['data']): KwilValue => ({ type, data });
export const isNull = (value: KwilValue): boolean => value.data === null;

/** Text of a scalar that is not null. */
export const textOf = (value: KwilValue): string => value.data as string;

/** A parameter that does not decode, in the node's words. */
export class ParameterError extends Error {}

const ZERO_HEX = /^[0-9a-f]*$/;

/**
 * Meaning of a value that came with a transaction, call or query. Throws `ParameterError`, and `EngineHalt` where the real
 * node's handler panics.
 */
export function decodeParameter(value: EncodedValue): KwilValue {
  const type = resolveType(value.type.name, value.type.isArray, value.type.precision, value.type.scale);
  if (type === null) throw new ParameterError(`unknown type "${value.type.name}"`);
  if (type.name === 'int4') throw new ParameterError('cannot decode type int4');
  if (type.name === 'null') {
    if (type.isArray) return { type: { ...NULL, isArray: true }, data: value.elements.map(() => null) };
    return nullOf(NULL);
  }
  if (!type.isArray && value.elements.length !== 1)
    throw new ParameterError(`expected 1 element, got ${value.elements.length}`);
  if (type.name === 'numeric') checkNumeric(type);
  const items = value.elements.map(element => decodeElement(type, element));
  if (!type.isArray) return { type: withoutNoise(type), data: items[0]! };
  // what the node itself makes of empty lists: a null bytea[], and a numeric[] that has lost its metadata
  if (items.length === 0 && type.name === 'bytea') return nullOf(withoutNoise(type));
  if (items.length === 0 && type.name === 'numeric') return { type: { ...type, precision: 0, scale: 0 }, data: [] };
  return { type: withoutNoise(type), data: items };
}

/** Clients send metadata with int8 as well; it means nothing there. */
const withoutNoise = (type: DataType): DataType =>
  type.name === 'numeric' ? type : { ...type, precision: 0, scale: 0 };

function checkNumeric({ precision, scale }: DataType): void {
  if (precision < 1) throw new ParameterError(`precision must be at least 1: ${precision}`);
  if (precision > 1000) throw new ParameterError(`precision must be at most 1000: ${precision}`);
  if (scale > precision)
    throw new ParameterError(`scale must be less than or equal to precision: ${scale} > ${precision}`);
}

function decodeElement(type: DataType, element: Uint8Array): string | null {
  const bytes = Buffer.from(element.buffer, element.byteOffset, element.byteLength);
  if (bytes.length === 0) throw new EngineHalt('runtime error: index out of range [0] with length 0', 'engine-panic');
  if (bytes[0] === 0) return null;
  if (bytes[0] !== 1) throw new ParameterError(`expected 0 or 1 for first byte, got ${bytes[0]!}`);
  const rest = bytes.subarray(1);
  switch (type.name) {
    case 'text':
      return rest.toString('utf8');
    case 'int8':
      if (rest.length !== 8) throw new ParameterError('int must be 8 bytes');
      return rest.readBigInt64BE().toString();
    case 'bool':
      if (rest.length === 0)
        throw new EngineHalt('runtime error: index out of range [0] with length 0', 'engine-panic');
      return rest[0] === 1 ? 't' : 'f';
    case 'bytea':
      return `\\x${rest.toString('hex')}`;
    case 'uuid':
      if (rest.length !== 16) throw new ParameterError('uuid must be 16 bytes');
      return rest.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    default:
      return roundedNumeric(rest.toString('utf8'), type.precision, type.scale);
  }
}

/** Decimal text with exactly `scale` places, rounded half away from zero. Throws when it has too many digits. */
export function roundedNumeric(text: string, precision: number, scale: number): string {
  if (/^nan$/i.test(text)) return 'NaN';
  const match = text.length > 4_096 ? null : /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match ?? [];
  if (match === null || whole + fraction === '') throw new ParameterError(`invalid decimal: ${text}`);
  // places that the digits have behind the point, and places to drop
  const places = fraction.length - Number(exponent);
  let digits = BigInt(whole + fraction);
  if (places < scale) digits *= 10n ** BigInt(scale - places);
  else if (places > scale) {
    const divisor = 10n ** BigInt(places - scale);
    digits = (digits + divisor / 2n) / divisor;
  }
  const plain = digits.toString().padStart(scale + 1, '0');
  if (digits !== 0n && digits.toString().length > precision) throw new ParameterError('invalid operation');
  const shown = scale === 0 ? plain : `${plain.slice(0, -scale)}.${plain.slice(-scale)}`;
  return sign === '-' && digits !== 0n ? `-${shown}` : shown;
}

/** Postgres' text form of a value, for a text-format parameter. */
export function parameterText(value: KwilValue): string | null {
  const { data } = value;
  if (data === null || typeof data === 'string') return data;
  return arrayText(data);
}

/** Postgres' text of a one-dimensional array. */
export const arrayText = (items: readonly (string | null)[]): string =>
  `{${items.map(item => (item === null ? 'NULL' : `"${item.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`)).join(',')}}`;

/** Items of Postgres' text of a one-dimensional array. */
export function parseArray(text: string): (string | null)[] {
  const items: (string | null)[] = [];
  let at = 1;
  while (at < text.length - 1) {
    if (text[at] === '"') {
      let item = '';
      let from = at + 1;
      let end = from;
      for (; text[end] !== '"'; end += 1) {
        if (text[end] !== '\\') continue;
        item += text.slice(from, end);
        end += 1;
        from = end;
      }
      items.push(item + text.slice(from, end));
      at = end + 1;
    } else {
      let end = at;
      while (text[end] !== ',' && text[end] !== '}') end += 1;
      const item = text.slice(at, end);
      items.push(item === 'NULL' ? null : item);
      at = end;
    }
    at += 1;
  }
  return items;
}

/** OID of Postgres' text type: what a literal without a type comes back as. */
const TEXT_OID = 25;

/** A cell of a Postgres result as a value of the type that the planner gave it. */
export function fromPostgres(type: DataType, oid: number, text: string | null): KwilValue {
  if (text === null) return { type, data: null };
  if (type.isArray) return { type, data: parseArray(text).map(item => (item === null ? null : scaled(type, item))) };
  // a binary literal is a plain text to Postgres, and its letters are then taken for the bytes
  if (type.name === 'bytea' && oid === TEXT_OID)
    return { type, data: `\\x${Buffer.from(text, 'utf8').toString('hex')}` };
  return { type, data: scaled(type, text) };
}

/** Numerics get the scale of their type where Postgres computed with more or fewer places. */
function scaled(type: DataType, text: string): string {
  if (type.name !== 'numeric' || text === 'NaN') return text;
  const point = text.indexOf('.');
  const places = point === -1 ? 0 : text.length - point - 1;
  return places === type.scale ? text : roundedNumeric(text, 1_000, type.scale);
}

/** A value as it stands in a JSON result (reference 5). */
export function cellOf(value: KwilValue): Cell {
  const { type, data } = value;
  if (data === null) return null;
  if (typeof data === 'string') return scalarCell(type, data);
  // an empty int8[] is nil in the node's language and comes out as null
  if (data.length === 0 && (type.name === 'int8' || type.name === 'int4')) return null;
  return data.map(item => (item === null ? null : scalarCell(type, item)));
}

function scalarCell(type: DataType, text: string): Cell {
  switch (type.name) {
    case 'bool':
      return text === 't' || text === 'true';
    case 'bytea':
      return bytesOf(text).toString('base64');
    case 'numeric':
      if (text === 'NaN') throw new Error('panic: NaN');
      return formatNumeric(text);
    default:
      return text;
  }
}

/** Bytes of Postgres' hex text of a bytea. */
export function bytesOf(text: string): Buffer {
  const hex = text.slice(2);
  if (!text.startsWith('\\x') || !ZERO_HEX.test(hex)) throw new Error(`invalid bytea: ${text.slice(0, 20)}`);
  return Buffer.from(hex, 'hex');
}
