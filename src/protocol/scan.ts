import { foldName, isSpace, stringValue } from './json.js';

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
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

/** Index behind the string whose opening quote is at `start`; −1 when it is not one. */
export function skipString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) {
      at = skipEscape(bytes, at + 1) - 1;
      if (at < 0) return -1;
    } else if (byte < 0x20) return -1;
  }
  return -1;
}

/** Index behind the escape whose letter is at `at`; −1 (or less) when it is not one. */
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

/**
 * Index behind the JSON value at `start` (no white space before it); −1 when there is none, it is malformed, ends early
 * or is nested deeper than SCAN_DEPTH_MAX.
 */
export function skipValue(bytes: Uint8Array, start: number): number {
  /** Per open bracket: 1 object, 0 array. */
  const objects = new Uint8Array(SCAN_DEPTH_MAX);
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
  if (bytes[start] !== OPEN_OBJECT) return malformed;
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE_OBJECT) return { ok: true, members, unknown, end: at + 1 };
  for (;;) {
    const nameAt = at;
    const valueAt = skipName(bytes, nameAt);
    if (valueAt < 0) return malformed;
    const valueEnd = skipValue(bytes, valueAt);
    if (valueEnd < 0) return malformed;
    const match = matchName(bytes, nameAt, names);
    if (match === null) unknown++;
    else if (!match.exact || members[match.name] !== undefined) ambiguous = true;
    else members[match.name] = { start: valueAt, end: valueEnd };
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] === CLOSE_OBJECT) break;
    if (bytes[at] !== COMMA) return malformed;
    at = skipSpace(bytes, at + 1);
  }
  if (ambiguous) return { ok: false, problem: 'ambiguous', members, end: at + 1 };
  return { ok: true, members, unknown, end: at + 1 };
}

/** No known name is longer; escapes make at most six bytes of one, and a folded letter has three. */
const NAME_BYTES_MAX = 6 * 32;

function matchName<Name extends string>(
  bytes: Uint8Array,
  nameAt: number,
  names: readonly Name[],
): { readonly name: Name; readonly exact: boolean } | null {
  const end = skipString(bytes, nameAt);
  if (end - nameAt > NAME_BYTES_MAX) return null;
  const text = nameText(bytes.subarray(nameAt, end));
  if (text === null) return null;
  const exact = names.find(name => name === text);
  if (exact !== undefined) return { name: exact, exact: true };
  const folded = foldName(text);
  const close = names.find(name => foldName(name) === folded);
  return close === undefined ? null : { name: close, exact: false };
}

/** Name as Go reads it; null when it is not UTF-8, since it then contains U+FFFD and equals no name of ours. */
function nameText(quoted: Uint8Array): string | null {
  try {
    return stringValue(quoted);
  } catch {
    return null;
  }
}
