import { bufferOf, utf8Bytes, utf8Text } from './bytes.js';
import { CodecError } from './errors.js';

/*
 * A small JSON reader that loses nothing we care about: numbers keep their text (nonces and ids go to 2^64), strings are
 * read as Go reads them, and an object that a Go node could read differently from us is refused instead of guessed at.
 */

/** A JSON number as it was written. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;

/** Members in the order they were written, names exact and unique. */
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** Deepest nesting that any message of ours needs is below ten. */
const DEPTH_MAX = 64;

/** Parses one JSON text (UTF-8 bytes or a string) with nothing but white space around it. Throws CodecError. */
export function parseJson(input: Uint8Array | string): JsonValue {
  const parser = new Parser(typeof input === 'string' ? utf8Bytes(input) : input);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bufferOf(bytes);
  }

  #fail(problem: string, offset = this.#at): never {
    throw new CodecError(problem, offset);
  }

  #space(): void {
    while (isSpace(this.#bytes[this.#at])) this.#at++;
  }

  end(): void {
    this.#space();
    if (this.#at < this.#bytes.length) this.#fail('unexpected bytes after the JSON value');
  }

  value(depth: number): JsonValue {
    if (depth > DEPTH_MAX) this.#fail('JSON is nested too deeply');
    this.#space();
    switch (this.#bytes[this.#at]) {
      case 0x7b:
        return this.#object(depth);
      case 0x5b:
        return this.#array(depth);
      case 0x22:
        return this.#string();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #word<T>(word: string, value: T): T {
    if (this.#bytes.toString('latin1', this.#at, this.#at + word.length) !== word) this.#fail('not a JSON value');
    this.#at += word.length;
    return value;
  }

  #number(): JsonNumber {
    const start = this.#at;
    while (isNumberByte(this.#bytes[this.#at])) this.#at++;
    const text = this.#bytes.toString('latin1', start, this.#at);
    if (!isJsonNumber(text)) this.#fail('not a JSON value', start);
    return new JsonNumber(text);
  }

  #string(): string {
    const start = this.#at;
    const end = stringEnd(this.#bytes, start);
    if (end < 0) this.#fail('string is not well formed', start);
    this.#at = end;
    return stringValue(this.#bytes.subarray(start, end), start);
  }

  #array(depth: number): JsonValue[] {
    const items: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#bytes[this.#at] === 0x5d) {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(this.value(depth + 1));
      if (this.#separator(0x5d)) return items;
    }
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#at++;
    this.#space();
    if (this.#bytes[this.#at] === 0x7d) {
      this.#at++;
      return members;
    }
    for (;;) {
      this.#space();
      const nameAt = this.#at;
      if (this.#bytes[nameAt] !== 0x22) this.#fail('member name expected');
      const name = this.#string();
      if (members.has(name)) this.#fail('member is given twice', nameAt);
      this.#space();
      if (this.#bytes[this.#at] !== 0x3a) this.#fail('":" expected');
      this.#at++;
      members.set(name, this.value(depth + 1));
      if (this.#separator(0x7d)) return members;
    }
  }

  /** Reads `,` or the closing byte; true when closed. */
  #separator(close: number): boolean {
    this.#space();
    const byte = this.#bytes[this.#at];
    if (byte !== close && byte !== 0x2c) this.#fail('"," or a closing bracket expected');
    this.#at++;
    return byte === close;
  }
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Digits, sign, point, exponent: what a number can consist of. */
const isNumberByte = (byte: number | undefined): boolean =>
  byte !== undefined &&
  ((byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || byte === 0x65 || byte === 0x45);

const isJsonNumber = (text: string): boolean => /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/.test(text);

/** Index just behind the string that begins with the quote at `start`; −1 when it never ends or holds a raw control byte. */
function stringEnd(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0x22) return at + 1;
    if (byte === 0x5c) at++;
    else if (byte < 0x20) return -1;
  }
  return -1;
}

/** Text of a quoted JSON string. A lone surrogate escape becomes U+FFFD, as in Go. Throws CodecError at `offset`. */
export function stringValue(quoted: Uint8Array, offset = 0): string {
  const text = utf8Text(quoted, offset);
  if (!text.includes('\\')) return text.slice(1, -1);
  try {
    // Through UTF-8 and back: lone surrogates have no encoding and turn into U+FFFD.
    return Buffer.from(JSON.parse(text) as string, 'utf8').toString('utf8');
  } catch {
    throw new CodecError('string has a bad escape', offset);
  }
}

/**
 * Go matches member names under Unicode simple folding: beside A–Z there are two letters outside ASCII that fold onto
 * an ASCII one, the long s (U+017F) and the Kelvin sign (U+212A).
 */
export const foldName = (name: string): string =>
  name.toLowerCase().replaceAll('\u017f', 's').replaceAll('\u212a', 'k');

/**
 * Members of an object that a node reads by `names` (lower case). Unknown members are ignored, as a node ignores them.
 * A name that only a node would take for one of ours is refused, since a node takes the last of several spellings.
 */
export function membersOf(value: JsonValue | undefined, what: string, names: readonly string[]): JsonObject {
  if (!(value instanceof Map)) throw new CodecError(`${what} is not an object`, 0);
  const members = value as JsonObject;
  for (const name of members.keys()) {
    if (!names.includes(name) && names.includes(foldName(name)))
      throw new CodecError(`${what} has a member in an unusual spelling`, 0);
  }
  return members;
}

/** A member that must be text; absent or null is `''`, as in Go. */
export function textMember(members: JsonObject, name: string): string {
  const value = members.get(name);
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new CodecError(`${name} is not text`, 0);
  return value;
}

/** An integer member as bigint; absent or null is 0, as in Go. Fractions and exponents are refused, as in Go. */
export function integerMember(members: JsonObject, name: string): bigint {
  const value = members.get(name);
  if (value === undefined || value === null) return 0n;
  return integerOf(value, name);
}

export function integerOf(value: JsonValue, what: string): bigint {
  if (!(value instanceof JsonNumber) || value.text.length > 20 || !/^-?[0-9]+$/.test(value.text))
    throw new CodecError(`${what} is not a 64-bit integer`, 0);
  return BigInt(value.text);
}

/** An integer member that must be a safe number: heights, codes, counts. */
export function safeMember(members: JsonObject, name: string): number {
  const value = Number(integerMember(members, name));
  if (!Number.isSafeInteger(value)) throw new CodecError(`${name} is out of range`, 0);
  return value;
}

/** A JSON string as Go's encoder writes it: `<`, `>`, `&` and the two line separators are escaped. */
export const jsonString = (text: string): string => goEscaped(JSON.stringify(text));

/** Any JSON value, escaped like `jsonString`. Members keep their order; bigint and undefined are not JSON. */
export const jsonText = (value: unknown): string => goEscaped(JSON.stringify(value));

// Outside strings none of these characters can occur in JSON, so the whole text may be treated at once.
const goEscaped = (json: string): string =>
  json.replace(/[<>&\u2028\u2029]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
