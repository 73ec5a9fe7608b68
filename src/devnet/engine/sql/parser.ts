import { LRUCache } from 'lru-cache';
import { ActionParser } from './action-parser.js';
import type {
  AlterAction,
  ColumnConstraint,
  ColumnDefinition,
  ForeignKey,
  RoleTarget,
  Statement,
  TableConstraint,
} from './ast.js';

const PRIVILEGES = ['select', 'insert', 'update', 'delete', 'create', 'drop', 'alter', 'roles', 'call', 'use'];
const START = `{'{', 'use', 'unuse', 'create', 'alter', 'drop', 'set', 'delete', 'update', 'with', 'select', 'insert', 'grant', 'revoke', 'transfer'}`;

type Bare<T> = T extends { namespace: string | null } ? Omit<T, 'namespace'> : never;

/** Top level: statements separated by semicolons, each with its own namespace prefix. */
class StatementParser extends ActionParser {
  statements(): Statement[] {
    const statements = [this.statement()];
    while (this.takeSymbol(';')) {
      if (this.token.kind === 'end') break;
      statements.push(this.statement());
    }
    if (this.token.kind !== 'end') throw this.unexpected('<EOF>');
    return statements;
  }

  private statement(): Statement {
    const from = this.token.start;
    let namespace: string | null = null;
    if (this.takeSymbol('{')) {
      namespace = this.identifier();
      this.expectSymbol('}');
    }
    return { namespace, ...this.bare(from) };
  }

  private bare(from: number): Bare<Statement> {
    const first = this.at;
    if (this.isQueryStart()) return this.sqlStatement();
    if (this.takeWords('create')) return this.create(from, first);
    if (this.takeWords('alter', 'table'))
      return { kind: 'alter-table', table: this.identifier(), actions: this.list(() => this.alterAction()) };
    if (this.takeWords('drop')) return this.drop();
    if (this.takeWords('grant')) return this.grant(true);
    if (this.takeWords('revoke')) return this.grant(false);
    if (this.takeWords('transfer', 'ownership', 'to'))
      return { kind: 'transfer-ownership', target: this.roleTarget(false) };
    if (this.takeWords('set', 'current', 'namespace', 'to')) return { kind: 'set-namespace', name: this.identifier() };
    if (this.takeWords('use')) return this.use();
    if (this.takeWords('unuse'))
      return { kind: 'unuse', alias: this.identifier(), ifExists: this.takeWords('if', 'exists') };
    throw this.unexpected(START);
  }

  private create(from: number, first: number): Bare<Statement> {
    const ifNotExists = (): boolean => this.takeWords('if', 'not', 'exists');
    if (this.takeWords('table')) return this.createTable(first, ifNotExists());
    if (this.takeWords('or', 'replace', 'action')) return this.createAction(from, true);
    if (this.takeWords('action')) return this.createAction(from, false);
    if (this.takeWords('namespace'))
      return { kind: 'create-namespace', ifNotExists: ifNotExists(), name: this.identifier() };
    if (this.takeWords('role')) return { kind: 'create-role', ifNotExists: ifNotExists(), role: this.identifier() };
    const unique = this.takeWords('unique');
    this.expectWord('index');
    const guarded = ifNotExists();
    const name = this.isIdentifier() ? this.identifier() : null;
    this.expectWord('on');
    const table = this.identifier();
    return { kind: 'create-index', name, unique, ifNotExists: guarded, table, columns: this.identifiersInParens() };
  }

  private drop(): Bare<Statement> {
    const ifExists = (): boolean => this.takeWords('if', 'exists');
    if (this.takeWords('table')) {
      const guarded = ifExists();
      const tables = this.identifierList();
      const behavior = ['cascade', 'restrict'].find(word => this.takeWords(word)) ?? '';
      return { kind: 'drop-table', tables, ifExists: guarded, behavior: behavior.toUpperCase() };
    }
    if (this.takeWords('index')) return { kind: 'drop-index', ifExists: ifExists(), name: this.identifier() };
    if (this.takeWords('action')) return { kind: 'drop-action', ifExists: ifExists(), name: this.identifier() };
    if (this.takeWords('namespace')) return { kind: 'drop-namespace', ifExists: ifExists(), name: this.identifier() };
    if (this.takeWords('role')) return { kind: 'drop-role', ifExists: ifExists(), role: this.identifier() };
    throw this.unexpected(`{'table', 'action', 'index', 'role', 'namespace'}`);
  }

  private createTable(first: number, ifNotExists: boolean): Bare<Statement> {
    const name = this.identifier();
    const columns: ColumnDefinition[] = [];
    const constraints: TableConstraint[] = [];
    this.expectSymbol('(');
    do {
      if (this.isTableConstraint()) constraints.push(this.tableConstraint());
      else columns.push(this.columnDefinition());
    } while (this.takeSymbol(','));
    this.expectSymbol(')');
    const seen = new Set<string>();
    for (const column of columns) {
      if (seen.has(column.name))
        throw this.ruleError('duplicate column name', `column "${column.name}" already exists`, first);
      seen.add(column.name);
    }
    const keys =
      columns.filter(column => column.constraints.some(constraint => constraint.kind === 'primary')).length +
      constraints.filter(constraint => constraint.rule.kind === 'primary').length;
    if (keys === 0) throw this.ruleError('missing primary key', 'no primary key declared', first);
    if (keys > 1) throw this.ruleError('redeclared primary key', 'multiple primary keys declared', first);
    return { kind: 'create-table', name, ifNotExists, columns, constraints };
  }

  private isTableConstraint(): boolean {
    if (this.isWord('constraint')) return true;
    if (this.areWords('primary', 'key') || this.areWords('foreign', 'key')) return this.isSymbol('(', 2);
    return (this.isWord('unique') || this.isWord('check')) && this.isSymbol('(', 1);
  }

  private tableConstraint(): TableConstraint {
    const name = this.takeWords('constraint') ? this.identifier() : null;
    if (this.takeWords('unique')) return { name, rule: { kind: 'unique', columns: this.identifiersInParens() } };
    if (this.takeWords('primary', 'key'))
      return { name, rule: { kind: 'primary', columns: this.identifiersInParens() } };
    if (this.takeWords('check')) return { name, rule: { kind: 'check', value: this.inParens() } };
    this.expectWord('foreign', 'key');
    const columns = this.identifiersInParens();
    return { name, rule: { kind: 'foreign', columns, key: this.foreignKey() } };
  }

  private inParens(): ReturnType<StatementParser['expression']> {
    this.expectSymbol('(');
    const value = this.expression();
    this.expectSymbol(')');
    return value;
  }

  private columnDefinition(): ColumnDefinition {
    const name = this.identifier();
    const type = this.typeName();
    const constraints: ColumnConstraint[] = [];
    for (;;) {
      if (this.takeWords('primary', 'key')) constraints.push({ kind: 'primary' });
      else if (this.takeWords('unique')) constraints.push({ kind: 'unique' });
      else if (this.takeWords('not', 'null')) constraints.push({ kind: 'not-null' });
      else if (this.takeWords('default')) constraints.push({ kind: 'default', value: this.expression() });
      else if (this.takeWords('check')) constraints.push({ kind: 'check', value: this.inParens() });
      else if (this.isWord('references')) constraints.push({ kind: 'references', key: this.foreignKey() });
      else return { name, type, constraints };
    }
  }

  private foreignKey(): ForeignKey {
    this.expectWord('references');
    let namespace: string | null = null;
    let table = this.identifier();
    if (this.takeSymbol('.')) {
      namespace = table;
      table = this.identifier();
    }
    const columns = this.identifiersInParens();
    const actions: ForeignKey['actions'] = [];
    while (actions.length < 2 && this.takeWords('on')) {
      const on = ['update', 'delete'].find(word => this.takeWords(word));
      if (on === undefined) throw this.unexpected(`{'delete', 'update'}`);
      const acts = [['set', 'null'], ['set', 'default'], ['restrict'], ['no', 'action'], ['cascade']];
      const act = acts.find(words => this.takeWords(...words));
      if (act === undefined) throw this.unexpected(`{'cascade', 'restrict', 'set', 'no'}`);
      actions.push({ on: on.toUpperCase(), act: act.join(' ').toUpperCase() });
    }
    return { namespace, table, columns, actions };
  }

  private alterAction(): AlterAction {
    if (this.takeWords('alter', 'column')) {
      const column = this.identifier();
      if (this.takeWords('set', 'not', 'null')) return { kind: 'set-not-null', column };
      if (this.takeWords('set', 'default')) return { kind: 'set-default', column, value: this.expression() };
      if (this.takeWords('drop', 'not', 'null')) return { kind: 'drop-not-null', column };
      this.expectWord('drop', 'default');
      return { kind: 'drop-default', column };
    }
    if (this.takeWords('add', 'column')) {
      const ifNotExists = this.takeWords('if', 'not', 'exists');
      return { kind: 'add-column', ifNotExists, column: this.identifier(), type: this.typeName() };
    }
    if (this.takeWords('add')) return { kind: 'add-constraint', constraint: this.tableConstraint() };
    if (this.takeWords('drop', 'column')) {
      const ifExists = this.takeWords('if', 'exists');
      return { kind: 'drop-column', ifExists, column: this.identifier() };
    }
    if (this.takeWords('drop', 'constraint')) {
      this.takeWords('if', 'exists');
      return { kind: 'drop-constraint', name: this.identifier() };
    }
    if (this.takeWords('rename', 'column')) {
      const column = this.identifier();
      this.expectWord('to');
      return { kind: 'rename-column', column, to: this.identifier() };
    }
    this.expectWord('rename', 'to');
    return { kind: 'rename-table', to: this.identifier() };
  }

  private grant(isGrant: boolean): Bare<Statement> {
    const conditional = isGrant ? this.takeWords('if', 'not', 'granted') : this.takeWords('if', 'granted');
    const privileges: string[] = [];
    let role: string | null = null;
    if (PRIVILEGES.some(word => this.isWord(word))) {
      privileges.push(
        ...this.list(() => {
          const word = PRIVILEGES.find(candidate => this.takeWords(candidate));
          if (word === undefined) throw this.unexpected('a privilege');
          return word.toUpperCase();
        }),
      );
    } else role = this.identifier();
    const on = this.takeWords('on') ? this.identifier() : null;
    this.expectWord(isGrant ? 'to' : 'from');
    return { kind: 'grant', grant: isGrant, conditional, privileges, role, on, target: this.roleTarget(true) };
  }

  private roleTarget(mayBeRole: boolean): RoleTarget {
    if (this.token.kind === 'string') return { user: this.next().text };
    if (mayBeRole && this.isIdentifier()) return { role: this.identifier() };
    return { expression: this.expression() };
  }

  private use(): Bare<Statement> {
    const ifNotExists = this.takeWords('if', 'not', 'exists');
    const extension = this.identifier();
    if (this.takeSymbol('{')) {
      if (!this.isSymbol('}')) {
        this.list(() => {
          this.identifier();
          this.expectSymbol(':');
          return this.expression();
        });
      }
      this.expectSymbol('}');
    }
    this.expectWord('as');
    return { kind: 'use', extension, alias: this.identifier(), ifNotExists };
  }
}

const cache = new LRUCache<string, readonly Statement[]>({
  max: 500,
  maxSize: 8_000_000,
  sizeCalculation: (_, text) => text.length + 1,
});

/** Statements of a text, in order. Throws `SqlSyntaxError`. Do not change the result: it is shared. */
export function parse(text: string): readonly Statement[] {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const trimmed = text.trim();
  const statements = new StatementParser(trimmed.endsWith(';') ? trimmed : `${trimmed};`).statements();
  cache.set(text, statements);
  return statements;
}
