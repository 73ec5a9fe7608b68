import { invalidParams } from './errors.js';

/**
 * Requests as Go's decoder reads them: member names match without case, the last duplicate wins, unknown members are
 * ignored, `null` is an absent member, and a wrong type is an error text that names the Go type (reference 0.1).
 */
export interface GoFields {
  readonly type: string;
  get(name: string): unknown;
}

/** Go's name folding: ASCII without case, plus the long s and the Kelvin sign. */
const fold = (name: string): string => name.replaceAll('ſ', 's').replaceAll('\u212a', 'k').toLowerCase();

export function fieldsOf(value: unknown, goType: string): GoFields {
  if (value === null || value === undefined) return { type: goType, get: () => undefined };
  if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, goType);
  const members = new Map<string, unknown>();
  for (const [name, member] of Object.entries(value)) members.set(fold(name), member === null ? undefined : member);
  return { type: goType, get: name => members.get(fold(name)) };
}

/** Name of a JSON value's kind in Go's error texts. */
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'object' ? 'object' : typeof value;
}

function mismatch(value: unknown, goType: string): Error {
  return invalidParams(`json: cannot unmarshal ${kindOf(value)} into Go value of type ${goType}`);
}

function fieldMismatch(fields: GoFields, name: string, value: unknown, goType: string): Error {
  const shortType = fields.type.slice(fields.type.lastIndexOf('.') + 1);
  return invalidParams(
    `json: cannot unmarshal ${kindOf(value)} into Go struct field ${shortType}.${name} of type ${goType}`,
  );
}

export function textField(fields: GoFields, name: string): string {
  const value = fields.get(name);
  if (value === undefined) return '';
  if (typeof value !== 'string') throw fieldMismatch(fields, name, value, 'string');
  return value;
}

/** Whole numbers only; `undefined` when absent. */
export function intField(fields: GoFields, name: string, goType = 'int64'): number | undefined {
  const value = fields.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw fieldMismatch(fields, name, value, goType);
  if (!Number.isInteger(value) || (goType.startsWith('uint') && value < 0)) {
    throw invalidParams(
      `json: cannot unmarshal number ${value} into Go struct field ${fields.type.slice(fields.type.lastIndexOf('.') + 1)}.${name} of type ${goType}`,
    );
  }
  return value;
}

export function boolField(fields: GoFields, name: string): boolean {
  const value = fields.get(name);
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw fieldMismatch(fields, name, value, 'bool');
  return value;
}

export function base64Field(fields: GoFields, name: string): Uint8Array {
  const value = fields.get(name);
  if (value === undefined) return EMPTY;
  if (typeof value !== 'string') throw fieldMismatch(fields, name, value, '[]uint8');
  return base64Value(value);
}

export function base64Value(value: unknown): Uint8Array {
  if (value === null || value === undefined) return EMPTY;
  if (typeof value !== 'string') throw mismatch(value, '[]uint8');
  const text = /[\r\n]/.test(value) ? value.replace(/[\r\n]/g, '') : value;
  const bad = firstBadBase64(text);
  if (bad !== -1) throw invalidParams(`illegal base64 data at input byte ${bad}`);
  return Buffer.from(text, 'base64');
}

/** Offset of the first character that standard padded base64 does not allow there, −1 when all is well. */
function firstBadBase64(text: string): number {
  const bad = /[^A-Za-z0-9+/]/.exec(text);
  const end = bad?.index ?? text.length;
  const padding = text.length - end;
  if (bad === null) return text.length % 4 === 0 ? -1 : text.length - (text.length % 4 === 1 ? 1 : 0);
  if (padding > 2 || text.length % 4 !== 0 || !/^={1,2}$/.test(text.slice(end))) return end;
  return -1;
}

export function hexField(fields: GoFields, name: string): Uint8Array {
  const value = fields.get(name);
  if (value === undefined) return EMPTY;
  if (typeof value !== 'string') throw fieldMismatch(fields, name, value, 'types.HexBytes');
  return hexValue(value);
}

export function hexValue(text: string): Uint8Array {
  const bad = /[^0-9a-fA-F]/u.exec(text);
  if (bad) {
    const point = bad[0].codePointAt(0)!;
    throw invalidParams(
      `encoding/hex: invalid byte: U+${point.toString(16).toUpperCase().padStart(4, '0')} '${bad[0]}'`,
    );
  }
  if (text.length % 2 === 1) throw invalidParams('encoding/hex: odd length hex string');
  return Buffer.from(text, 'hex');
}

/** 32-byte hash; absent is the zero hash (empty text here), `null` and `""` are refused as the node does. */
export function hashMember(params: unknown, name: string): string | undefined {
  if (params === null || params === undefined || typeof params !== 'object') return undefined;
  let found: unknown;
  for (const [key, value] of Object.entries(params)) if (fold(key) === fold(name)) found = value === null ? '' : value;
  if (found === undefined) return undefined;
  if (typeof found !== 'string') throw mismatch(found, 'string');
  if (found.length !== 64) throw invalidParams(`invalid hash length: expected 64, got ${found.length}`);
  return Buffer.from(hexValue(found)).toString('hex');
}

const EMPTY = new Uint8Array(0);

/** Go writes JSON with `<`, `>`, `&` and two line separators escaped; needed where a text holds them. */
export function goJson(value: unknown): string {
  return escapeGo(JSON.stringify(value));
}

export function escapeGo(json: string): string {
  if (!/[<>&\u2028\u2029]/.test(json)) return json;
  return json.replace(/[<>&\u2028\u2029]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
