import { foldName, stringValue } from './json.js';

/*
 * A linear scanner over the bytes of one JSON text: checks the grammar exactly as Go's encoding/json does, builds no
 * values, never recurses and remembers one bit per nesting level. Everything that decides over a client's request
 * stands on it, so it is written for one property: what it accepts means the same to a node.
 */

/** A range of bytes: `start` inclusive, `end` exclusive. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

/** Nesting that we accept; Go stops at 10,000, honest requests at about six. */
export const SCAN_DEPTH_MAX = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

export const sliceOf = (bytes: Uint8Array, slice: Slice): Uint8Array => bytes.subarray(slice.start, slice.end);

export function skipSpace(bytes: Uint8Array, from: number): number {
  const length = bytes.length;
  let at = from;
  while (at < length) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
  return at;
}

/** 1 for the bytes at which a run of ordinary string bytes ends: quote, backslash, control characters. */
const ENDS_RUN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === QUOTE || byte === BACKSLASH || byte < 0x20 ? 1 : 0,
);

/** Index behind the string whose opening quote is at `start`; −1 when it is not one. */
export function skipString(bytes: Uint8Array, start: number): number {
  const length = bytes.length;
  let at = start + 1;
  while (at < length) {
    const byte = bytes[at]!;
    if (ENDS_RUN[byte] === 0) at++;
    else if (byte === QUOTE) return at + 1;
    else {
      at = byte === BACKSLASH ? skipEscape(bytes, at + 1) : -1;
      if (at < 0) return -1;
    }
  }
  return -1;
}

/** Index behind the escape whose letter is at `at`; −1 when it is not one. */
function skipEscape(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0x22:
    case 0x5c:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return at + 1;
    case 0x75:
      for (let i = 1; i <= 4; i++) if (!isHexDigit(bytes[at + i])) return -1;
      return at + 5;
    default:
      return -1;
  }
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

const isHexDigit = (byte: number | undefined): boolean =>
  byte !== undefined && (isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66));

/** Index behind the number at `start`; −1 when it is not one. */
function skipNumber(bytes: Uint8Array, start: number): number {
  let at = start;
  if (bytes[at] === 0x2d) at++;
  if (!isDigit(bytes[at])) return -1;
  at = bytes[at] === 0x30 ? at + 1 : skipDigits(bytes, at);
  if (bytes[at] === 0x2e) {
    if (!isDigit(bytes[at + 1])) return -1;
    at = skipDigits(bytes, at + 1);
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    at++;
    if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
    if (!isDigit(bytes[at])) return -1;
    at = skipDigits(bytes, at);
  }
  return at;
}

function skipDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isDigit(bytes[at])) at++;
  return at;
}

function skipWord(bytes: Uint8Array, start: number, word: string): number {
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word.charCodeAt(i)) return -1;
  return start + word.length;
}

/** Index behind a string, number or word at `at`; −1 for anything else. */
function skipScalar(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case QUOTE:
      return skipString(bytes, at);
    case 0x74:
      return skipWord(bytes, at, 'true');
    case 0x66:
      return skipWord(bytes, at, 'false');
    case 0x6e:
      return skipWord(bytes, at, 'null');
    default:
      return skipNumber(bytes, at);
  }
}

/** Per open bracket: 1 object, 0 array. One for all calls: the scanner never recurses and never waits. */
const OPEN_OBJECTS = new Uint8Array(SCAN_DEPTH_MAX);

/**
 * Index behind the JSON value at `start` (no white space before it); −1 when there is none, it is malformed, ends early
 * or is nested deeper than SCAN_DEPTH_MAX.
 */
export function skipValue(bytes: Uint8Array, start: number): number {
  const objects = OPEN_OBJECTS;
  let depth = 0;
  let at = start;
  for (;;) {
    // A value begins at `at`.
    const byte = bytes[at];
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (depth === SCAN_DEPTH_MAX) return -1;
      const isObject = byte === OPEN_OBJECT;
      objects[depth++] = isObject ? 1 : 0;
      at = skipSpace(bytes, at + 1);
      if (bytes[at] !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
        if (isObject) at = skipName(bytes, at);
        if (at < 0) return -1;
        continue;
      }
      at++;
      depth--;
    } else {
      at = skipScalar(bytes, at);
      if (at < 0) return -1;
    }
    // A value has ended: close brackets, or go on to the next value.
    for (;;) {
      if (depth === 0) return at;
      at = skipSpace(bytes, at);
      const isObject = objects[depth - 1] === 1;
      if (bytes[at] === COMMA) {
        at = skipSpace(bytes, at + 1);
        if (isObject) at = skipName(bytes, at);
        if (at < 0) return -1;
        break;
      }
      if (bytes[at] !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return -1;
      at++;
      depth--;
    }
  }
}

/** From the quote of a member name to the first byte of its value; −1 when there is no name and colon. */
function skipName(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return -1;
  const end = skipString(bytes, at);
  if (end < 0) return -1;
  const colon = skipSpace(bytes, end);
  return bytes[colon] === COLON ? skipSpace(bytes, colon + 1) : -1;
}

export type MembersScan<Name extends string> =
  | {
      readonly ok: true;
      /** Raw bytes of each known member's value; a member that is absent is not in it. */
      readonly members: Partial<Record<Name, Slice>>;
      readonly unknown: number;
      /** Index behind the closing bracket. */
      readonly end: number;
    }
  /**
   * malformed: not a JSON object. ambiguous: a known member is given twice, or in a spelling that a node takes for a known
   * one: a node would go by the last of them.
   */
  | {
      readonly ok: false;
      readonly problem: 'malformed' | 'ambiguous';
      readonly members: Partial<Record<Name, Slice>>;
      readonly end: number;
    };

/**
 * Finds the members of the JSON object at `start` by name without reading their values. Names are compared as Go reads
 * them: escapes resolved, then exactly, then under simple folding. Malformed beats ambiguous.
 */
export function scanMembers<Name extends string>(
  bytes: Uint8Array,
  start: number,
  names: readonly Name[],
): MembersScan<Name> {
  const members: Partial<Record<Name, Slice>> = {};
  const malformed = { ok: false, problem: 'malformed', members, end: -1 } as const;
  let ambiguous = false;
  let unknown = 0;
  let odd = 0;
  if (bytes[start] !== OPEN_OBJECT) return malformed;
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE_OBJECT) return { ok: true, members, unknown, end: at + 1 };
  for (;;) {
    const nameAt = at;
    const valueAt = skipName(bytes, nameAt);
    if (valueAt < 0) return malformed;
    const valueEnd = skipValue(bytes, valueAt);
    if (valueEnd < 0) return malformed;
    const nameEnd = skipString(bytes, nameAt);
    const isPlain = isPlainName(bytes, nameAt + 1, nameEnd - 1);
    // Nobody escapes a hundred member names for a good reason, and each costs a decoding.
    if (!isPlain && ++odd > ODD_NAMES_MAX) return { ok: false, problem: 'ambiguous', members, end: -1 };
    const name = isPlain ? plainMatch(bytes, nameAt + 1, nameEnd - 1, names) : oddMatch(bytes, nameAt, nameEnd, names);
    if (name === null) unknown++;
    else if (members[name.text] !== undefined || !name.exact) ambiguous = true;
    else members[name.text] = { start: valueAt, end: valueEnd };
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] === CLOSE_OBJECT) break;
    if (bytes[at] !== COMMA) return malformed;
    at = skipSpace(bytes, at + 1);
  }
  if (ambiguous) return { ok: false, problem: 'ambiguous', members, end: at + 1 };
  return { ok: true, members, unknown, end: at + 1 };
}

/** Member names with escapes or letters outside ASCII that one object may have. */
const ODD_NAMES_MAX = 100;
/** No known name is longer; escapes make at most six bytes of one. */
const NAME_BYTES_MAX = 6 * 32;

interface NameMatch<Name extends string> {
  readonly text: Name;
  /** false: only folding makes it this name. */
  readonly exact: boolean;
}

function isPlainName(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! > 0x7f || bytes[at] === BACKSLASH) return false;
  return true;
}

/** Compares a name of ASCII letters without escapes, byte by byte. */
function plainMatch<Name extends string>(
  bytes: Uint8Array,
  start: number,
  end: number,
  names: readonly Name[],
): NameMatch<Name> | null {
  let close: NameMatch<Name> | null = null;
  for (const text of names) {
    if (text.length !== end - start) continue;
    const exact = equalsAscii(bytes, start, text, false);
    if (exact) return { text, exact };
    if (equalsAscii(bytes, start, text, true)) close = { text, exact };
  }
  return close;
}

function equalsAscii(bytes: Uint8Array, start: number, text: string, fold: boolean): boolean {
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[start + i]!;
    const code = text.charCodeAt(i);
    if (byte !== code && !(fold && lowerAscii(byte) === lowerAscii(code))) return false;
  }
  return true;
}

const lowerAscii = (code: number): number => (code >= 0x41 && code <= 0x5a ? code + 0x20 : code);

/** The same for any other name: as Go reads it, exactly or under folding. */
function oddMatch<Name extends string>(
  bytes: Uint8Array,
  nameAt: number,
  end: number,
  names: readonly Name[],
): NameMatch<Name> | null {
  if (end - nameAt > NAME_BYTES_MAX) return null;
  const read = nameText(bytes.subarray(nameAt, end));
  if (read === null) return null;
  const exact = names.find(name => name === read);
  if (exact !== undefined) return { text: exact, exact: true };
  const folded = foldName(read);
  const close = names.find(name => foldName(name) === folded);
  return close === undefined ? null : { text: close, exact: false };
}

/** Name as Go reads it; null when it is not UTF-8, since it then contains U+FFFD and equals no name of ours. */
function nameText(quoted: Uint8Array): string | null {
  try {
    return stringValue(quoted);
  } catch {
    return null;
  }
}
