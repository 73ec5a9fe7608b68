import type {
  ActionReturn,
  ActionStatement,
  CallExpression,
  CreateAction,
  Expression,
  LoopSource,
  NamedType,
} from './ast.js';
import { QueryParser } from './query-parser.js';

const MODIFIERS = new Set(['public', 'private', 'system', 'owner', 'view']);

/** CREATE ACTION and the code between its braces. */
export class ActionParser extends QueryParser {
  /** Stands behind CREATE [OR REPLACE] ACTION; `from` is where the whole statement begins, prefix included. */
  protected createAction(from: number, replace: boolean): CreateAction {
    const start = this.at;
    const ifNotExists = this.takeWords('if', 'not', 'exists');
    if (ifNotExists && replace)
      throw this.ruleError('syntax error', 'cannot have both "OR REPLACE" and "IF NOT EXISTS" clauses', start);
    const name = this.identifier();
    const parameters = this.parameters();
    const modifiers: string[] = [];
    while (this.isIdentifier() && !this.isWord('returns')) {
      const at = this.at;
      const word = this.identifier();
      if (!MODIFIERS.has(word)) throw this.ruleError('syntax error', `unknown modifier: "${word}"`, at);
      modifiers.push(word.toUpperCase());
    }
    const returns = this.takeWords('returns') ? this.actionReturn() : null;
    const body = this.block();
    const raw = `${this.source.slice(from, this.tokens[this.at - 1]!.end)};`;
    return { kind: 'create-action', name, ifNotExists, replace, parameters, modifiers, returns, body, raw };
  }

  private parameters(): CreateAction['parameters'] {
    this.expectSymbol('(');
    if (this.takeSymbol(')')) return [];
    const seen = new Set<string>();
    const parameters = this.list(() => {
      const at = this.at;
      const name = this.variable();
      if (seen.has(name)) throw this.ruleError('parameter error', `parameter ${name} already declared`, at);
      seen.add(name);
      const type = this.typeName();
      return { name, type, initial: this.takeWords('default') ? this.expression() : null };
    });
    this.expectSymbol(')');
    return parameters;
  }

  private variable(): string {
    const token = this.token;
    if (token.kind !== 'variable') throw this.unexpected('VARIABLE');
    this.at += 1;
    return token.text;
  }

  private actionReturn(): ActionReturn {
    const table = this.takeWords('table');
    this.expectSymbol('(');
    const fields: NamedType[] = this.list(() => {
      // `(int8)` and `(n int8)` are both allowed for a single row
      const isNamed = this.isIdentifier(1) && !this.isSymbol('(', 1);
      const name = isNamed || table ? this.identifier() : '';
      return { name, type: this.typeName() };
    });
    this.expectSymbol(')');
    return { table, fields };
  }

  private block(): ActionStatement[] {
    this.expectSymbol('{');
    const statements: ActionStatement[] = [];
    while (!this.takeSymbol('}')) statements.push(this.actionStatement());
    return statements;
  }

  private actionStatement(): ActionStatement {
    const token = this.token;
    if (token.kind === 'word') {
      switch (token.text) {
        case 'for':
          return this.forLoop();
        case 'if':
          return this.ifStatement();
        case 'break':
        case 'continue': {
          this.at += 1;
          this.expectSymbol(';');
          return { kind: token.text };
        }
        case 'return':
          return this.returnStatement();
        default:
      }
      if (this.isQueryStart()) {
        const sql = this.sqlStatement();
        this.expectSymbol(';');
        return { kind: 'run', sql };
      }
      return this.callStatement([]);
    }
    if (token.kind === 'variable' && this.isIdentifier(1)) return this.declaration();
    if (token.kind === 'variable' || this.isSymbol('_')) {
      const receivers = this.receivers();
      if (receivers !== null) return this.callStatement(receivers);
      return this.assignment();
    }
    throw this.unexpected('a statement');
  }

  /** `$x type;` or `$x type := value;` */
  private declaration(): ActionStatement {
    const variable = this.variable();
    const type = this.typeName();
    if (this.takeSymbol(';')) return { kind: 'declare', variable, type };
    if (!this.takeSymbol(':=')) this.expectSymbol('=');
    const value = this.expression();
    this.expectSymbol(';');
    return { kind: 'assign', target: { kind: 'variable', name: variable, cast: null }, type, value };
  }

  /** `$a, _ := name(` stands here: takes it up to the name; null when it is something else. */
  private receivers(): (string | null)[] | null {
    const start = this.at;
    const names: (string | null)[] = [];
    for (;;) {
      if (this.takeSymbol('_')) names.push(null);
      else if (this.token.kind === 'variable') names.push(this.next().text);
      else break;
      if (!this.takeSymbol(',')) break;
    }
    const isAssign = this.takeSymbol(':=') || this.takeSymbol('=');
    const isCall =
      isAssign &&
      this.isIdentifier() &&
      (this.isSymbol('(', 1) || (this.isSymbol('.', 1) && this.isIdentifier(2) && this.isSymbol('(', 3)));
    if (isCall && (names.length > 1 || this.callEndsStatement())) return names;
    this.at = start;
    return null;
  }

  /** Whether the call that stands here is the whole right side and not the beginning of a longer expression. */
  private callEndsStatement(): boolean {
    let depth = 0;
    for (let ahead = 0; ; ahead += 1) {
      const token = this.peek(ahead);
      if (token.kind === 'end') return false;
      if (token.kind !== 'symbol') continue;
      if (token.text === '(') depth += 1;
      if (token.text === ')') {
        depth -= 1;
        if (depth === 0) return this.isSymbol(';', ahead + 1);
      }
    }
  }

  private callStatement(receivers: (string | null)[]): ActionStatement {
    const call = this.actionCall();
    this.expectSymbol(';');
    return { kind: 'call', receivers, call };
  }

  private actionCall(): CallExpression {
    const first = this.identifier();
    return this.takeSymbol('.') ? this.call(first, this.identifier()) : this.call(null, first);
  }

  private assignment(): ActionStatement {
    let target: Expression = { kind: 'variable', name: this.variable(), cast: null };
    if (this.takeSymbol('[')) {
      const from = this.isSymbol(':') ? null : this.expression();
      if (this.takeSymbol(':')) {
        target = { kind: 'slice', array: target, from, to: this.isSymbol(']') ? null : this.expression(), cast: null };
      } else {
        target = { kind: 'index', array: target, index: from!, cast: null };
      }
      this.expectSymbol(']');
    }
    if (!this.takeSymbol(':=')) this.expectSymbol('=');
    const value = this.expression();
    this.expectSymbol(';');
    return { kind: 'assign', target, type: null, value };
  }

  private forLoop(): ActionStatement {
    this.expectWord('for');
    const variable = this.variable();
    this.expectWord('in');
    const over = this.loopSource();
    const body = this.block();
    this.takeSymbol(';');
    return { kind: 'for', variable, over, body };
  }

  private loopSource(): LoopSource {
    if (this.isQueryStart()) return { kind: 'sql', sql: this.sqlStatement() };
    if (this.isWord('array') && !this.isSymbol('[', 1)) {
      this.at += 1;
      return { kind: 'array', value: this.expression() };
    }
    const at = this.at;
    const value = this.expression();
    if (this.takeSymbol('..')) return { kind: 'range', from: value, to: this.expression() };
    if (value.kind === 'call') return { kind: 'function', call: value };
    if (value.kind === 'array') return { kind: 'array', value };
    throw this.ruleError(
      'loop error',
      'must use IN ARRAY when looping over anything that is not a function, integer range, or SQL statement',
      at,
    );
  }

  private ifStatement(): ActionStatement {
    this.expectWord('if');
    const branches = [{ when: this.expression(), body: this.block() }];
    let otherwise: ActionStatement[] | null = null;
    for (;;) {
      if (this.takeWords('elseif') || this.takeWords('else', 'if'))
        branches.push({ when: this.expression(), body: this.block() });
      else if (this.takeWords('else')) {
        otherwise = this.block();
        break;
      } else break;
    }
    this.takeSymbol(';');
    return { kind: 'if', branches, otherwise };
  }

  private returnStatement(): ActionStatement {
    this.expectWord('return');
    if (this.takeWords('next')) {
      const values = this.expressions();
      this.expectSymbol(';');
      return { kind: 'return-next', values };
    }
    if (this.isQueryStart()) {
      const sql = this.sqlStatement();
      this.expectSymbol(';');
      return { kind: 'return', values: [], sql };
    }
    const values = this.isSymbol(';') ? [] : this.expressions();
    this.expectSymbol(';');
    return { kind: 'return', values, sql: null };
  }
}
