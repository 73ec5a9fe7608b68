import type { DataType } from '../../../protocol/index.js';
import { resolveType } from './data-type.js';
import { position, SqlRuleError, syntaxError, tokenize, type SqlSyntaxError, type Token } from './token.js';

/** Words that the language keeps for itself: no table or column can be called so. */
const RESERVED = new Set(
  `table column to constraint on do set null delete update references ref not and or like ilike in between is exists all any join left
  right inner as asc desc limit offset order by group having no with case when then end distinct from where collate select insert values
  full union intersect except nulls first last returning into conflict nothing next over partition window filter recursive array true false
  cascade foreign_key fk on_update on_delete set_default set_null no_action`
    .trim()
    .split(/\s+/),
);

/** Words of the language that may be names all the same, in the order in which nodes list them. */
const NAME_WORDS = [
  ...[
    'use',
    'unuse',
    'action',
    'create',
    'alter',
    'add',
    'drop',
    'rename',
    'check',
    'foreign',
    'primary',
    'key',
    'unique',
  ],
  ...[
    'restrict',
    'default',
    'index',
    'as',
    'returns',
    'select',
    'values',
    'for',
    'if',
    'elseif',
    'else',
    'break',
    'continue',
  ],
  ...[
    'return',
    'ordinality',
    'grant',
    'granted',
    'revoke',
    'role',
    'replace',
    'current',
    'namespace',
    'transfer',
    'ownership',
  ],
  ...['roles', 'call'],
];

/** What may stand where a name is expected, as nodes print it; `others` are allowed there besides. */
export function namesExpected(first: readonly string[] = [], others: readonly string[] = []): string {
  const words = NAME_WORDS.filter(word => !['as', 'select', 'values'].includes(word) || others.includes(word));
  return `{${[...first, ...words].map(word => `'${word}'`).join(', ')}, IDENTIFIER}`;
}

/** Walks over the tokens of one text; the parsers build on it. */
export class Cursor {
  readonly source: string;
  protected readonly tokens: readonly Token[];
  protected at = 0;

  constructor(source: string) {
    this.source = source;
    this.tokens = tokenize(source);
  }

  protected get token(): Token {
    return this.tokens[this.at]!;
  }

  protected peek(ahead = 1): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)]!;
  }

  protected next(): Token {
    const token = this.token;
    if (token.kind !== 'end') this.at += 1;
    return token;
  }

  protected isWord(word: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'word' && token.text === word;
  }

  /** The next words are exactly these. */
  protected areWords(...words: string[]): boolean {
    return words.every((word, index) => this.isWord(word, index));
  }

  protected isSymbol(symbol: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'symbol' && token.text === symbol;
  }

  protected takeWords(...words: string[]): boolean {
    if (!this.areWords(...words)) return false;
    this.at += words.length;
    return true;
  }

  protected takeSymbol(symbol: string): boolean {
    if (!this.isSymbol(symbol)) return false;
    this.at += 1;
    return true;
  }

  protected expectWord(...words: string[]): void {
    for (const word of words) if (!this.takeWords(word)) throw this.unexpected(`'${word}'`);
  }

  protected expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) throw this.unexpected(`'${symbol}'`);
  }

  /** Nodes name the place where the last good token begins. */
  protected unexpected(expected: string, kind: 'mismatched' | 'extraneous' = 'mismatched'): SqlSyntaxError {
    const { token } = this;
    const shown = token.kind === 'end' ? '<EOF>' : this.source.slice(token.start, token.end);
    const before = this.tokens[this.at - 1] ?? token;
    return syntaxError(this.source, before.start, `${kind} input '${shown}' expecting ${expected}`);
  }

  /** Refusal of something well-formed, with the 1-based columns of its first and last token. */
  protected ruleError(kind: string, message: string, from: number, to = this.at - 1): SqlRuleError {
    const place = (index: number): string => {
      const [line, column] = position(this.source, this.tokens[index]!.start).split(':');
      return `${line!}:${Number(column) + 1}`;
    };
    return new SqlRuleError(`(sql) ${kind}: ${message}\n  start ${place(from)} end ${place(Math.max(to, from))}`);
  }

  protected isIdentifier(ahead = 0): boolean {
    const token = this.peek(ahead);
    if (token.kind === 'word') return !RESERVED.has(token.text);
    return this.isSymbol('"', ahead);
  }

  protected identifier(): string {
    if (this.takeSymbol('"')) {
      const name = this.plainIdentifier(namesExpected());
      this.expectSymbol('"');
      return name;
    }
    return this.plainIdentifier(namesExpected(['"']));
  }

  private plainIdentifier(expected: string): string {
    const token = this.token;
    if (token.kind !== 'word' || RESERVED.has(token.text)) throw this.unexpected(expected);
    this.at += 1;
    return token.text;
  }

  protected identifierList(): string[] {
    return this.list(() => this.identifier());
  }

  /** `name, name, …` in parentheses. */
  protected identifiersInParens(): string[] {
    this.expectSymbol('(');
    const names = this.identifierList();
    this.expectSymbol(')');
    return names;
  }

  protected list<T>(one: () => T): T[] {
    const items = [one()];
    while (this.takeSymbol(',')) items.push(one());
    return items;
  }

  protected typeName(): DataType {
    const from = this.at;
    const name = this.identifier();
    let precision = 0;
    let scale = 0;
    let hasMetadata = false;
    if (this.takeSymbol('(')) {
      hasMetadata = true;
      precision = this.digits();
      if (this.takeSymbol(',')) scale = this.digits();
      this.expectSymbol(')');
    }
    const isArray = this.isSymbol('[') && this.isSymbol(']', 1);
    if (isArray) this.at += 2;
    const type = resolveType(name, isArray, precision, scale);
    if (type === null) throw this.ruleError('type error', `unknown type: ${name}`, from);
    if (type.name !== 'numeric' && hasMetadata)
      throw this.ruleError('type error', `type ${name} cannot have metadata`, from);
    if (type.name === 'numeric') {
      if (!hasMetadata) throw this.ruleError('type error', `type ${name} requires metadata`, from);
      if (precision < 1) throw this.ruleError('type error', `precision must be at least 1: ${precision}`, from);
      if (precision > 1000) throw this.ruleError('type error', `precision must be at most 1000: ${precision}`, from);
      if (scale > precision)
        throw this.ruleError(
          'type error',
          `scale must be less than or equal to precision: ${scale} > ${precision}`,
          from,
        );
    }
    return type;
  }

  private digits(): number {
    const token = this.token;
    if (token.kind !== 'digits') throw this.unexpected('DIGITS_');
    this.at += 1;
    return Number(token.text);
  }
}
