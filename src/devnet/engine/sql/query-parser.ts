import type {
  Cte,
  Dml,
  Join,
  Relation,
  ResultColumn,
  Select,
  SelectCore,
  SetClause,
  SqlStatement,
  Upsert,
} from './ast.js';
import { namesExpected } from './cursor.js';
import { ExpressionParser } from './expression-parser.js';

/** SELECT, INSERT, UPDATE, DELETE. */
export class QueryParser extends ExpressionParser {
  protected isQueryStart(): boolean {
    return ['with', 'select', 'insert', 'update', 'delete'].some(word => this.isWord(word));
  }

  protected sqlStatement(): SqlStatement {
    const from = this.token.start;
    const ctes: Cte[] = [];
    let recursive = false;
    if (this.takeWords('with')) {
      recursive = this.takeWords('recursive');
      ctes.push(...this.list(() => this.cte()));
    }
    const core = this.dml();
    return { kind: 'sql', raw: this.source.slice(from, this.tokens[this.at - 1]!.end), ctes, recursive, core };
  }

  private cte(): Cte {
    const name = this.identifier();
    const columns = this.isSymbol('(') ? this.identifiersInParens() : [];
    this.expectWord('as');
    this.expectSymbol('(');
    const select = this.select();
    this.expectSymbol(')');
    return { name, columns, select };
  }

  private dml(): Dml {
    if (this.isWord('select')) return { kind: 'select', select: this.select() };
    if (this.isWord('insert')) return this.insert();
    if (this.isWord('update')) return this.update();
    if (this.isWord('delete')) return this.remove();
    throw this.unexpected(`{'delete', 'update', 'select', 'insert'}`);
  }

  protected select(): Select {
    const cores = [this.selectCore()];
    const operators: string[] = [];
    for (;;) {
      if (this.takeWords('union', 'all')) operators.push('UNION ALL');
      else {
        const word = ['union', 'intersect', 'except'].find(candidate => this.takeWords(candidate));
        if (word === undefined) break;
        operators.push(word.toUpperCase());
      }
      cores.push(this.selectCore());
    }
    const order = this.takeWords('order', 'by') ? this.orderTerms() : [];
    const limit = this.takeWords('limit') ? this.expression() : null;
    const offset = this.takeWords('offset') ? this.expression() : null;
    return { cores, operators, order, limit, offset };
  }

  private selectCore(): SelectCore {
    this.expectWord('select');
    const distinct = this.takeWords('distinct');
    const columns = this.list(() => this.resultColumn());
    let from: Relation | null = null;
    let joins: Join[] = [];
    if (this.takeWords('from')) {
      from = this.relation();
      joins = this.joins();
    }
    const where = this.takeWords('where') ? this.expression() : null;
    const groupBy = this.takeWords('group', 'by') ? this.expressions() : [];
    const having = groupBy.length > 0 && this.takeWords('having') ? this.expression() : null;
    const windows = this.takeWords('window')
      ? this.list(() => {
          const name = this.identifier();
          this.expectWord('as');
          return { name, window: this.window() };
        })
      : [];
    return { distinct, columns, from, joins, where, groupBy, having, windows };
  }

  private resultColumn(): ResultColumn {
    if (this.takeSymbol('*')) return { kind: 'star', table: null };
    if (this.isIdentifier() && this.isSymbol('.', 1) && this.isSymbol('*', 2)) {
      const table = this.identifier();
      this.at += 2;
      return { kind: 'star', table };
    }
    const expression = this.expression();
    const alias = this.takeWords('as') || this.isIdentifier() ? this.identifier() : null;
    return { kind: 'expression', expression, alias };
  }

  private alias(): string | null {
    return this.takeWords('as') || this.isIdentifier() ? this.identifier() : null;
  }

  private relation(): Relation {
    if (this.takeSymbol('(')) {
      const select = this.select();
      this.expectSymbol(')');
      return { kind: 'derived', select, alias: this.alias() };
    }
    const first = this.identifier();
    if (this.takeSymbol('.')) return { kind: 'table', namespace: first, table: this.identifier(), alias: this.alias() };
    return { kind: 'table', namespace: null, table: first, alias: this.alias() };
  }

  private joins(): Join[] {
    const joins: Join[] = [];
    for (;;) {
      const type = ['inner', 'left', 'right', 'full'].find(word => this.isWord(word) && this.isWord('join', 1));
      if (type === undefined && !this.isWord('join')) return joins;
      this.at += type === undefined ? 1 : 2;
      const relation = this.relation();
      this.expectWord('on');
      joins.push({ type: (type ?? '').toUpperCase(), relation, on: this.expression() });
    }
  }

  private setClauses(): SetClause[] {
    return this.list(() => {
      const column = this.identifier();
      this.expectSymbol('=');
      return { column, value: this.expression() };
    });
  }

  private update(): Dml {
    this.expectWord('update');
    const table = this.identifier();
    const alias = this.alias();
    this.expectWord('set');
    const set = this.setClauses();
    let from: Relation | null = null;
    let joins: Join[] = [];
    if (this.takeWords('from')) {
      from = this.relation();
      joins = this.joins();
    }
    return {
      kind: 'update',
      table,
      alias,
      set,
      from,
      joins,
      where: this.takeWords('where') ? this.expression() : null,
    };
  }

  private remove(): Dml {
    this.expectWord('delete', 'from');
    const table = this.identifier();
    const alias = this.alias();
    return { kind: 'delete', table, alias, where: this.takeWords('where') ? this.expression() : null };
  }

  private insert(): Dml {
    this.expectWord('insert', 'into');
    const table = this.identifier();
    const alias = this.alias();
    const columns = this.isSymbol('(') ? this.identifiersInParens() : [];
    let values: ReturnType<QueryParser['expressions']>[] = [];
    let select: Select | null = null;
    if (this.takeWords('values')) {
      values = this.list(() => {
        this.expectSymbol('(');
        const row = this.expressions();
        this.expectSymbol(')');
        return row;
      });
    } else if (this.isWord('select')) select = this.select();
    else {
      // A stray token before a name or a list, such as the dot of `ns.table`, is told apart from a wrong one.
      const stray = this.isIdentifier(1) || this.isSymbol('(', 1);
      throw this.unexpected(namesExpected(['(', '"'], ['as', 'select', 'values']), stray ? 'extraneous' : 'mismatched');
    }
    return { kind: 'insert', table, alias, columns, values, select, upsert: this.upsert() };
  }

  private upsert(): Upsert | null {
    if (!this.takeWords('on', 'conflict')) return null;
    let columns: string[] = [];
    let conflictWhere = null;
    if (this.isSymbol('(')) {
      columns = this.identifiersInParens();
      if (this.takeWords('where')) conflictWhere = this.expression();
    }
    this.expectWord('do');
    if (this.takeWords('nothing')) return { columns, conflictWhere, update: [], where: null };
    this.expectWord('update', 'set');
    const update = this.setClauses();
    return { columns, conflictWhere, update, where: this.takeWords('where') ? this.expression() : null };
  }
}
