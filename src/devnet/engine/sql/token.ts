/** Why a statement is refused before anything runs; the text carries the position. */
export class SqlSyntaxError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SqlSyntaxError';
  }
}

/** A fault in the whole statement that is otherwise well-formed, in the node's wording. */
export class SqlRuleError extends SqlSyntaxError {}

export type TokenKind = 'word' | 'variable' | 'context' | 'string' | 'digits' | 'binary' | 'symbol' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Lower-case for words and variables; without quotes for strings. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const SYMBOLS = ['||', '==', '!=', '<>', '<=', '>=', '::', ':=', '..'];
const SINGLE = new Set('{}[]:;(),@!.*=#$%+-/^<>_"');

const isSpace = (c: number): boolean => c === 32 || c === 9 || c === 10 || c === 13 || c === 11;
const isLetter = (c: number): boolean => (c >= 97 && c <= 122) || (c >= 65 && c <= 90);
const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isHex = (c: number): boolean => isDigit(c) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70);

/** Line and column (from 0) of an offset, as the node prints them. */
export function position(source: string, offset: number): string {
  let line = 1;
  let from = 0;
  for (let at = source.indexOf('\n'); at !== -1 && at < offset; at = source.indexOf('\n', from)) {
    line += 1;
    from = at + 1;
  }
  return `${line}:${offset - from}`;
}

/** `offset` is where the text goes wrong; columns in these messages count from 1. */
export function syntaxError(source: string, offset: number, message: string): SqlSyntaxError {
  const [line, column] = position(source, offset).split(':');
  return new SqlSyntaxError(`(sql) syntax error: ${message}\n  location ${line!}:${Number(column) + 1}`);
}

/** Splits a statement text into tokens; comments and white space are dropped. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const word = (from: number): number => {
    let end = from;
    while (end < source.length) {
      const c = source.charCodeAt(end);
      if (!isLetter(c) && !isDigit(c) && c !== 95) break;
      end += 1;
    }
    return end;
  };
  const push = (kind: TokenKind, text: string, end: number): void => {
    tokens.push({ kind, text, start: at, end });
    at = end;
  };
  while (at < source.length) {
    const c = source.charCodeAt(at);
    if (isSpace(c)) at += 1;
    else if (source.startsWith('--', at) || source.startsWith('//', at)) {
      const end = source.indexOf('\n', at);
      at = end === -1 ? source.length : end;
    } else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2);
      if (end === -1) throw syntaxError(source, at, `token recognition error at: '/*'`);
      at = end + 2;
    } else if (c === 39) {
      const end = endOfString(source, at);
      push('string', source.slice(at + 1, end - 1), end);
    } else if (isDigit(c)) {
      if (c === 48 && /[xX]/.test(source[at + 1] ?? '') && isHex(source.charCodeAt(at + 2))) {
        let end = at + 2;
        while (end < source.length && isHex(source.charCodeAt(end))) end += 1;
        push('binary', source.slice(at + 2, end).toLowerCase(), end);
      } else {
        let end = at;
        while (end < source.length && isDigit(source.charCodeAt(end))) end += 1;
        push('digits', source.slice(at, end), end);
      }
    } else if (isLetter(c)) {
      const end = word(at);
      push('word', source.slice(at, end).toLowerCase(), end);
    } else if ((c === 36 || c === 64) && isLetter(source.charCodeAt(at + 1))) {
      const end = word(at + 1);
      push(c === 36 ? 'variable' : 'context', source.slice(at, end).toLowerCase(), end);
    } else {
      const pair = SYMBOLS.find(symbol => source.startsWith(symbol, at));
      if (pair !== undefined) push('symbol', pair, at + 2);
      else if (SINGLE.has(source[at]!)) push('symbol', source[at]!, at + 1);
      else throw syntaxError(source, at, `token recognition error at: '${source[at]!}'`);
    }
  }
  tokens.push({ kind: 'end', text: '<EOF>', start: source.length, end: source.length });
  return tokens;
}

function endOfString(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at += 1) {
    const c = source.charCodeAt(at);
    if (c === 92) at += 1;
    else if (c === 39) return at + 1;
  }
  throw syntaxError(source, start, `token recognition error at: '${source.slice(start, start + 20)}'`);
}
