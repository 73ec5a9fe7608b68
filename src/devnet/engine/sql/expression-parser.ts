import type { DataType } from '../../../protocol/index.js';
import type { CallExpression, Expression, OrderTerm, Select, Window } from './ast.js';
import { Cursor } from './cursor.js';
import { BOOL, BYTEA, INT8, NULL, numeric, TEXT } from './data-type.js';

const INT8_MAX = 9223372036854775807n;
const DEPTH_MAX = 200;

/** Binding strength of the infix operators, weakest first; as in Kwil's grammar, not as in Postgres. */
const POWER = {
  or: 1,
  and: 2,
  not: 3,
  is: 4,
  compare: 5,
  between: 6,
  like: 7,
  in: 8,
  concat: 9,
  add: 10,
  multiply: 11,
  power: 12,
} as const;

/** Expressions of statements and of action code. */
export abstract class ExpressionParser extends Cursor {
  private depth = 0;

  protected abstract select(): Select;

  protected expressions(): Expression[] {
    return this.list(() => this.expression());
  }

  protected expression(power = 0): Expression {
    this.depth += 1;
    if (this.depth > DEPTH_MAX) throw this.unexpected('an expression that is less deep');
    try {
      let left = this.prefix();
      for (;;) {
        const grown = this.infix(left, power);
        if (grown === null) return left;
        left = grown;
      }
    } finally {
      this.depth -= 1;
    }
  }

  private prefix(): Expression {
    if (this.isWord('not') && !this.isWord('exists', 1)) {
      this.at += 1;
      return { kind: 'unary', op: 'NOT', inner: this.expression(POWER.not) };
    }
    for (const op of ['+', '-'] as const)
      if (this.takeSymbol(op)) return { kind: 'unary', op, inner: this.expression(POWER.power + 1) };
    if (this.takeSymbol('!')) return { kind: 'unary', op: 'NOT', inner: this.expression(POWER.power + 1) };
    return this.postfix(this.primary());
  }

  private infix(left: Expression, power: number): Expression | null {
    const token = this.token;
    if (token.kind === 'symbol') {
      const arithmetic = (op: '+' | '-' | '*' | '/' | '%' | '^' | '||', own: number): Expression | null => {
        if (own <= power) return null;
        this.at += 1;
        return { kind: 'arithmetic', op, left, right: this.expression(own) };
      };
      const compare = (op: '=' | '!=' | '<' | '<=' | '>' | '>='): Expression | null => {
        if (POWER.compare <= power) return null;
        this.at += 1;
        return { kind: 'compare', op, left, right: this.expression(POWER.compare) };
      };
      switch (token.text) {
        case '^':
          return arithmetic('^', POWER.power);
        case '*':
        case '/':
        case '%':
          return arithmetic(token.text, POWER.multiply);
        case '+':
        case '-':
          return arithmetic(token.text, POWER.add);
        case '||':
          return arithmetic('||', POWER.concat);
        case '=':
        case '==':
          return compare('=');
        case '!=':
        case '<>':
          return compare('!=');
        case '<':
        case '<=':
        case '>':
        case '>=':
          return compare(token.text);
        default:
          return null;
      }
    }
    if (token.kind !== 'word') return null;
    switch (token.text) {
      case 'and':
      case 'or': {
        const own = token.text === 'and' ? POWER.and : POWER.or;
        if (own <= power) return null;
        this.at += 1;
        return { kind: 'logical', op: token.text === 'and' ? 'AND' : 'OR', left, right: this.expression(own) };
      }
      case 'is':
        return POWER.is <= power ? null : this.isExpression(left);
      case 'collate':
        this.at += 1;
        return { kind: 'collate', inner: left, collation: this.identifier() };
      case 'not':
      case 'in':
      case 'like':
      case 'ilike':
      case 'between':
        return this.negatable(left, power);
      default:
        return null;
    }
  }

  private isExpression(left: Expression): Expression {
    this.expectWord('is');
    const not = this.takeWords('not');
    if (this.takeWords('distinct', 'from'))
      return { kind: 'is', not, distinct: true, left, right: this.expression(POWER.is) };
    const word = ['null', 'true', 'false'].find(candidate => this.takeWords(candidate));
    if (word === undefined) throw this.unexpected(`{'null', 'true', 'false', 'distinct'}`);
    const right: Expression =
      word === 'null'
        ? { kind: 'literal', type: NULL, text: null, cast: null }
        : { kind: 'literal', type: BOOL, text: word, cast: null };
    return { kind: 'is', not, distinct: false, left, right };
  }

  private negatable(left: Expression, power: number): Expression | null {
    const not = this.isWord('not');
    const word = this.peek(not ? 1 : 0).text;
    const own = { in: POWER.in, like: POWER.like, ilike: POWER.like, between: POWER.between }[word];
    if (own === undefined || own <= power) return null;
    this.at += not ? 2 : 1;
    if (word === 'in') {
      this.expectSymbol('(');
      const isSelect = this.isWord('select');
      const node: Expression = {
        kind: 'in',
        not,
        left,
        list: isSelect ? null : this.expressions(),
        select: isSelect ? this.select() : null,
      };
      this.expectSymbol(')');
      return node;
    }
    if (word === 'between') {
      const lower = this.expression(POWER.between);
      this.expectWord('and');
      return { kind: 'between', not, value: left, lower, upper: this.expression(POWER.between) };
    }
    return { kind: 'like', op: word === 'like' ? 'LIKE' : 'ILIKE', not, left, right: this.expression(POWER.like) };
  }

  private postfix(start: Expression): Expression {
    let node = start;
    for (;;) {
      if (this.isSymbol('.') && this.isIdentifier(1)) {
        this.at += 1;
        node = { kind: 'field', record: node, field: this.identifier(), cast: this.cast() };
      } else if (this.isSymbol('[')) {
        this.at += 1;
        if (this.takeSymbol(':')) {
          node = this.slice(node, null);
        } else {
          const index = this.expression();
          if (this.takeSymbol(':')) node = this.slice(node, index);
          else {
            this.expectSymbol(']');
            node = { kind: 'index', array: node, index, cast: this.cast() };
          }
        }
      } else return node;
    }
  }

  private slice(array: Expression, from: Expression | null): Expression {
    const to = this.isSymbol(']') ? null : this.expression();
    this.expectSymbol(']');
    return { kind: 'slice', array, from, to, cast: this.cast() };
  }

  protected cast(): DataType | null {
    return this.takeSymbol('::') ? this.typeName() : null;
  }

  private primary(): Expression {
    const token = this.token;
    switch (token.kind) {
      case 'string':
        this.at += 1;
        return { kind: 'literal', type: TEXT, text: token.text, cast: this.cast() };
      case 'digits':
        return this.numberLiteral();
      case 'binary':
        this.at += 1;
        return { kind: 'literal', type: BYTEA, text: token.text, cast: this.cast() };
      case 'variable':
      case 'context':
        this.at += 1;
        return { kind: 'variable', name: token.text, cast: this.cast() };
      case 'symbol':
        if (token.text === '(') return this.parenthesized();
        if (token.text === '[') return this.arrayLiteral();
        if (token.text === '"') return this.named();
        break;
      case 'word':
        return this.wordExpression(token.text);
      default:
    }
    throw this.unexpected('an expression');
  }

  private wordExpression(word: string): Expression {
    if (word === 'true' || word === 'false') {
      this.at += 1;
      return { kind: 'literal', type: BOOL, text: word, cast: this.cast() };
    }
    if (word === 'null') {
      this.at += 1;
      return { kind: 'literal', type: NULL, text: null, cast: this.cast() };
    }
    if (word === 'array' && this.isSymbol('[', 1)) {
      this.at += 1;
      return this.arrayLiteral();
    }
    if (word === 'case') return this.caseExpression();
    if (word === 'exists' || (word === 'not' && this.isWord('exists', 1))) {
      const not = this.takeWords('not');
      this.expectWord('exists');
      this.expectSymbol('(');
      const select = this.select();
      this.expectSymbol(')');
      return { kind: 'subquery', select, exists: true, not, cast: this.cast() };
    }
    return this.named();
  }

  private numberLiteral(): Expression {
    const from = this.at;
    const whole = this.next().text;
    if (this.isSymbol('.') && this.peek(1).kind === 'digits') {
      this.at += 1;
      const fraction = this.next().text;
      const digits = whole.replace(/^0+/, '').length + fraction.length;
      return {
        kind: 'literal',
        type: numeric(digits, fraction.length),
        text: `${whole}.${fraction}`,
        cast: this.cast(),
      };
    }
    if (BigInt(whole) > INT8_MAX)
      throw this.ruleError('syntax error', `integer exceeds max int8: ${whole}`, from, from);
    return { kind: 'literal', type: INT8, text: BigInt(whole).toString(), cast: this.cast() };
  }

  private parenthesized(): Expression {
    this.expectSymbol('(');
    if (this.isWord('select')) {
      const select = this.select();
      this.expectSymbol(')');
      return { kind: 'subquery', select, exists: false, not: false, cast: this.cast() };
    }
    const inner = this.expression();
    this.expectSymbol(')');
    return { kind: 'paren', inner, cast: this.cast() };
  }

  private arrayLiteral(): Expression {
    this.expectSymbol('[');
    const items = this.isSymbol(']') ? [] : this.expressions();
    this.expectSymbol(']');
    return { kind: 'array', items, cast: this.cast() };
  }

  private caseExpression(): Expression {
    this.expectWord('case');
    const value = this.isWord('when') ? null : this.expression();
    const branches: { when: Expression; then: Expression }[] = [];
    while (this.takeWords('when')) {
      const when = this.expression();
      this.expectWord('then');
      branches.push({ when, then: this.expression() });
    }
    if (branches.length === 0) throw this.unexpected(`'when'`);
    const otherwise = this.takeWords('else') ? this.expression() : null;
    this.expectWord('end');
    return { kind: 'case', value, branches, otherwise };
  }

  /** A column, `table.column`, a function call or `namespace.action(…)`. */
  private named(): Expression {
    const first = this.identifier();
    if (this.isSymbol('(')) return this.afterCall(this.call(null, first));
    if (this.isSymbol('.') && this.isIdentifier(1)) {
      this.at += 1;
      const second = this.identifier();
      if (this.isSymbol('(')) return this.afterCall(this.call(first, second));
      return { kind: 'column', table: first, column: second, cast: this.cast() };
    }
    return { kind: 'column', table: null, column: first, cast: this.cast() };
  }

  protected call(namespace: string | null, name: string): CallExpression {
    this.expectSymbol('(');
    let args: Expression[] = [];
    let star = false;
    let distinct = false;
    if (this.takeSymbol('*')) star = true;
    else if (!this.isSymbol(')')) {
      distinct = this.takeWords('distinct');
      args = this.expressions();
    }
    this.expectSymbol(')');
    return { kind: 'call', namespace, name, args, star, distinct, cast: null };
  }

  private afterCall(call: CallExpression): Expression {
    let filter: Expression | null = null;
    if (this.takeWords('filter')) {
      this.expectSymbol('(');
      this.expectWord('where');
      filter = this.expression();
      this.expectSymbol(')');
      if (!this.isWord('over')) throw this.unexpected(`'over'`);
    }
    if (this.takeWords('over'))
      return { kind: 'window', call, filter, over: this.isSymbol('(') ? this.window() : this.identifier() };
    return { ...call, cast: this.cast() };
  }

  protected window(): Window {
    this.expectSymbol('(');
    const partition = this.takeWords('partition', 'by') ? this.expressions() : [];
    const order = this.takeWords('order', 'by') ? this.orderTerms() : [];
    this.expectSymbol(')');
    return { partition, order };
  }

  protected orderTerms(): OrderTerm[] {
    return this.list(() => {
      const expression = this.expression();
      const direction = ['asc', 'desc'].find(word => this.takeWords(word)) ?? '';
      let nulls = '';
      if (this.takeWords('nulls')) {
        nulls = ['first', 'last'].find(word => this.takeWords(word)) ?? '';
        if (nulls === '') throw this.unexpected(`{'first', 'last'}`);
      }
      return { expression, direction: direction.toUpperCase(), nulls: nulls.toUpperCase() };
    });
  }
}
