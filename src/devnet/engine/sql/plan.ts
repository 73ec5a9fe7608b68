import type { DataType } from '../../../protocol/index.js';
import type {
  Cte,
  Dml,
  Expression,
  Join,
  Relation,
  Select,
  SelectCore,
  SetClause,
  SqlStatement,
  Upsert,
  Window,
} from './ast.js';
import { arrayOf, BOOL, fits, INT8, isNumber, isSame, itemOf, TEXT, typeText } from './data-type.js';
import { FUNCTIONS } from './functions.js';

/** A record variable's fields, or one value's type. */
export type VariableType = DataType | ReadonlyMap<string, DataType>;

export interface PlanColumn {
  readonly name: string;
  readonly type: DataType;
  readonly nullable: boolean;
  readonly primary: boolean;
}

export interface PlanTable {
  readonly name: string;
  readonly columns: readonly PlanColumn[];
  /** Column sets that ON CONFLICT may name. */
  readonly unique: readonly (readonly string[])[];
}

/** What the planner asks about the world. Lookups throw with the node's message. */
export interface PlanScope {
  readonly namespace: string;
  table(namespace: string, name: string): PlanTable;
  variable(name: string): VariableType;
  isAction(name: string): boolean;
}

export interface ResultField {
  /** Empty for an unnamed expression. */
  readonly name: string;
  readonly type: DataType;
}

export interface Plan {
  /** Empty for INSERT, UPDATE, DELETE. */
  readonly fields: readonly ResultField[];
  /** Number of result columns of every SELECT in the statement: what a deterministic ORDER BY has to list. */
  readonly widths: ReadonlyMap<Select, number>;
}

interface Field {
  parent: string;
  name: string;
  type: VariableType;
}

const named = (field: Field): string => (field.parent === '' ? field.name : `${field.parent}.${field.name}`);

function scalar(field: Field): DataType {
  if (field.type instanceof Map)
    throw new Error(
      'referenced field is an object, expected scalar or array. specify a field to access using the . operator',
    );
  return field.type as DataType;
}

const anonymous = (type: VariableType): Field => ({ parent: '', name: '', type });

/** Runs a part of a SELECT and names it in the error, as the node does. */
function inSection<T>(section: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SectionError) throw error;
    throw new SectionError(`error in ${section} section of sql statement: ${(error as Error).message}`);
  }
}

class SectionError extends Error {}

/**
 * Checks a statement's names and types the way the node's planner does, and tells the columns of its result. Whatever
 * this lets through and Postgres does not is left to Postgres.
 */
export function planStatement(statement: SqlStatement, scope: PlanScope): Plan {
  return new Planner(scope).statement(statement);
}

class Planner {
  private readonly widths = new Map<Select, number>();
  private readonly ctes = new Map<string, Field[]>();
  private outer: Field[] = [];
  private recursiveName: string | null = null;

  constructor(private readonly scope: PlanScope) {}

  statement(statement: SqlStatement): Plan {
    for (const cte of statement.ctes) this.cte(cte, statement.recursive);
    const fields = this.core(statement.core);
    return { fields: fields.map(field => ({ name: field.name, type: scalar(field) })), widths: this.widths };
  }

  private cte(cte: Cte, recursive: boolean): void {
    if (recursive) this.recursiveName = cte.name;
    const fields = this.select(cte.select, cte.name, cte.columns);
    this.recursiveName = null;
    this.ctes.set(cte.name, this.renamed(fields, cte.name, cte.columns));
  }

  private renamed(fields: Field[], parent: string, columns: readonly string[]): Field[] {
    if (columns.length > 0 && columns.length !== fields.length)
      throw new Error(`cte "${parent}" has ${fields.length} columns, but ${columns.length} were specified`);
    return fields.map((field, index) => ({ parent, name: columns[index] ?? field.name, type: field.type }));
  }

  private core(core: Dml): Field[] {
    switch (core.kind) {
      case 'select':
        return this.select(core.select);
      case 'insert':
        this.insert(core);
        return [];
      case 'update': {
        const table = this.scope.table(this.scope.namespace, core.table);
        const target = this.tableFields(table, core.alias ?? core.table);
        let all = target;
        if (core.from !== null) {
          all = [...target, ...this.relation(core.from)];
          all = this.joins(all, core.joins);
        }
        this.where(core.where, all);
        this.assignments(core.set, table, all);
        return [];
      }
      case 'delete': {
        const table = this.scope.table(this.scope.namespace, core.table);
        this.where(core.where, this.tableFields(table, core.alias ?? core.table));
        return [];
      }
    }
  }

  private where(where: Expression | null, fields: Field[]): void {
    if (where === null) return;
    const type = scalar(this.expression(where, fields));
    if (!fits(type, BOOL)) throw new Error(`WHERE clause must be of type boolean, received ${typeText(type)}`);
  }

  private tableFields(table: PlanTable, parent: string): Field[] {
    return table.columns.map(column => ({ parent, name: column.name, type: column.type }));
  }

  /** `self` and `columns` are set for the query of a CTE that may refer to itself. */
  private select(select: Select, self?: string, columns: readonly string[] = []): Field[] {
    const [before, result] = this.selectCore(select.cores[0]!);
    const isCompound = select.cores.length > 1;
    if (isCompound) for (const field of result) field.parent = '';
    for (const core of select.cores.slice(1)) {
      if (self !== undefined && this.recursiveName === self) this.ctes.set(self, this.renamed(result, self, columns));
      const [, right] = this.selectCore(core);
      inSection('COMPOUND', () => this.sameShape(result, right, 'incompatible schemas in COMPOUND operation: '));
    }
    this.widths.set(select, self !== undefined && this.recursiveName === self && isCompound ? 0 : result.length);
    const sortable = isCompound ? result : [...before, ...result];
    inSection('ORDER BY', () => {
      for (const term of select.order) this.expression(term.expression, sortable);
    });
    inSection('LIMIT', () => {
      if (select.limit !== null && !fits(scalar(this.expression(select.limit, sortable)), INT8))
        throw new Error('LIMIT must be an int');
    });
    inSection('OFFSET', () => {
      if (select.offset !== null && !fits(scalar(this.expression(select.offset, sortable)), INT8))
        throw new Error('OFFSET must be an int');
    });
    return result;
  }

  private sameShape(left: Field[], right: Field[], prefix = ''): void {
    if (left.length !== right.length) throw new Error(`${prefix}relations do not have the same number of fields`);
    left.forEach((field, index) => {
      const other = right[index]!;
      if (!fits(scalar(field), scalar(other)))
        throw new Error(
          `${prefix}field ${index} (named ${field.name} and ${other.name}) does not have the same data type`,
        );
    });
  }

  private selectCore(core: SelectCore): [Field[], Field[]] {
    let fields: Field[] = [];
    if (core.from === null) {
      const result = inSection('RESULTS', () => this.results(core, []));
      return [result, result];
    }
    inSection('UNKNOWN', () => (fields = this.relation(core.from!)));
    inSection('JOIN', () => (fields = this.joins(fields, core.joins)));
    inSection('WHERE', () => {
      if (core.where !== null && !fits(scalar(this.expression(core.where, fields)), BOOL))
        throw new Error('WHERE must be a boolean');
    });
    inSection('GROUP BY', () => {
      for (const term of core.groupBy) this.expression(term, fields);
    });
    inSection('HAVING', () => {
      if (core.having !== null && !fits(scalar(this.expression(core.having, fields)), BOOL))
        throw new Error('HAVING must evaluate to a boolean');
    });
    inSection('WINDOW', () => {
      for (const { window } of core.windows) this.window(window, fields);
    });
    return [fields, inSection('RESULTS', () => this.results(core, fields))];
  }

  private results(core: SelectCore, fields: Field[]): Field[] {
    return core.columns.flatMap(column => {
      if (column.kind === 'star') {
        if (core.from === null) throw new Error('wildcard "*" cannot be used without a FROM clause');
        const picked = fields.filter(field => column.table === null || field.parent === column.table);
        if (picked.length === 0) throw new Error(`table "${column.table ?? ''}" not found`);
        return picked.map(field => ({ ...field }));
      }
      const field = { ...this.expression(column.expression, fields) };
      return column.alias === null ? [field] : [{ parent: '', name: column.alias, type: field.type }];
    });
  }

  private relation(relation: Relation): Field[] {
    if (relation.kind === 'derived') {
      if (relation.alias === null) throw new Error('join against subquery must have an alias');
      const outer = this.outer;
      this.outer = [];
      const fields = this.select(relation.select);
      this.outer = outer;
      return this.renamed(fields, relation.alias, []);
    }
    const alias = relation.alias ?? relation.table;
    const cte = relation.namespace === null ? this.ctes.get(relation.table) : undefined;
    if (cte !== undefined) return this.renamed(cte, alias, []);
    return this.tableFields(this.scope.table(relation.namespace ?? this.scope.namespace, relation.table), alias);
  }

  private joins(start: Field[], joins: readonly Join[]): Field[] {
    let fields = start;
    for (const join of joins) {
      fields = [...fields, ...this.relation(join.relation)];
      const type = scalar(this.expression(join.on, fields));
      if (!fits(type, BOOL)) throw new Error(`JOIN condition must be of type boolean, received ${typeText(type)}`);
    }
    return fields;
  }

  private insert(core: Extract<Dml, { kind: 'insert' }>): void {
    const table = this.scope.table(this.scope.namespace, core.table);
    const fields = this.tableFields(table, table.name);
    const targets = core.columns.length === 0 ? table.columns : this.targetColumns(table, core.columns);
    if (core.select !== null) {
      const expected = targets.map((column): Field => ({ parent: table.name, name: column.name, type: column.type }));
      this.sameShape(expected, this.select(core.select));
    }
    for (const row of core.values) {
      if (row.length !== targets.length)
        throw new Error(`insert has ${targets.length} columns but ${row.length} values were supplied`);
      row.forEach((value, index) => {
        const type = scalar(this.expression(value, fields));
        if (!fits(type, targets[index]!.type))
          throw new Error(
            `insert value ${index + 1} must be of type ${typeText(targets[index]!.type)}, received ${typeText(type)}`,
          );
      });
    }
    if (core.upsert !== null) this.upsert(core.upsert, table, fields);
  }

  private targetColumns(table: PlanTable, names: readonly string[]): PlanColumn[] {
    for (const column of table.columns)
      if (column.primary && !names.includes(column.name))
        throw new Error(`column is not nullable: column "${column.name}" must be specified as an insert column`);
    return names.map(name => {
      const column = table.columns.find(candidate => candidate.name === name);
      if (column === undefined) throw new Error(`column "${name}" not found in table`);
      return column;
    });
  }

  private upsert(upsert: Upsert, table: PlanTable, fields: Field[]): void {
    for (const name of upsert.columns)
      if (!table.columns.some(column => column.name === name))
        throw new Error(`conflict column "${name}" not found in table`);
    if (upsert.columns.length > 0) {
      const isArbiter = table.unique.some(
        set => set.length === upsert.columns.length && set.every(name => upsert.columns.includes(name)),
      );
      if (!isArbiter && upsert.columns.length === 1)
        throw new Error(
          `illegal conflict arbiter: conflict column "${upsert.columns[0]!}" must have a unique index or be a primary key`,
        );
      if (!isArbiter) throw new Error('conflict columns must have a unique index or primary key');
    }
    if (upsert.update.length === 0) return;
    if (upsert.conflictWhere !== null)
      throw new Error(
        'engine does not yet support index predicates on upsert. Try using a WHERE constraint after the SET clause',
      );
    if (upsert.columns.length === 0) throw new Error('conflict column must be specified for DO UPDATE');
    const all = [...fields, ...fields.map(field => ({ ...field, parent: 'excluded' }))];
    // an unqualified name means the table, not `excluded`
    this.assignments(upsert.update, table, fields, all);
    if (upsert.where !== null && !fits(scalar(this.expression(upsert.where, all)), BOOL))
      throw new Error('conflict filter must be of type bool');
  }

  private assignments(clauses: readonly SetClause[], table: PlanTable, fields: Field[], all = fields): void {
    for (const clause of clauses) {
      const column = table.columns.find(candidate => candidate.name === clause.column);
      if (column === undefined)
        throw new Error(`column not found or cannot be referenced in this part of the query: "${clause.column}"`);
      const type = scalar(this.expression(clause.value, all));
      if (!fits(type, column.type))
        throw new Error(
          `cannot assign type ${typeText(type)} to column "${column.name}" of type ${typeText(column.type)}`,
        );
    }
  }

  private window(window: Window, fields: Field[]): void {
    for (const expression of window.partition) this.expression(expression, fields);
    for (const term of window.order) this.expression(term.expression, fields);
  }

  private column(table: string | null, name: string, fields: Field[]): Field {
    const shown = table === null ? name : `${table}.${name}`;
    for (const candidates of [fields, this.outer]) {
      const found = candidates.filter(field => field.name === name && (table === null || field.parent === table));
      const places = new Set(found.filter(field => field.parent !== 'excluded' || table !== null).map(named));
      if (
        places.size > 1 &&
        new Set(found.map(field => field.parent)).size > 1 &&
        !found.some(field => field.parent === '')
      )
        throw new Error(`ambiguous column: "${shown}"`);
      if (found.length > 0) return { ...found[0]! };
    }
    throw new Error(
      `column not found or cannot be referenced in this part of the query: unknown column reference "${shown}"`,
    );
  }

  expression(node: Expression, fields: Field[]): Field {
    const field = this.uncast(node, fields);
    return 'cast' in node && node.cast !== null ? { ...field, type: node.cast } : field;
  }

  private typeOf(node: Expression, fields: Field[]): DataType {
    return scalar(this.expression(node, fields));
  }

  private uncast(node: Expression, fields: Field[]): Field {
    switch (node.kind) {
      case 'literal':
        return anonymous(node.type);
      case 'variable':
        return anonymous(this.scope.variable(node.name));
      case 'column':
        return this.column(node.table, node.column, fields);
      case 'call':
        return this.call(node, fields);
      case 'window': {
        if (typeof node.over !== 'string') this.window(node.over, fields);
        if (node.filter !== null && !fits(this.typeOf(node.filter, fields), BOOL))
          throw new Error('filter expression evaluate to a boolean');
        const definition = FUNCTIONS.get(node.call.name);
        if (definition?.kind === 'scalar') throw new Error(`function "${node.call.name}" is not a window function`);
        return this.call(node.call, fields);
      }
      case 'paren':
        return this.expression(node.inner, fields);
      case 'collate':
        if (node.collation !== 'nocase') throw new Error(`unknown collation "${node.collation}"`);
        if (!fits(this.typeOf(node.inner, fields), TEXT))
          throw new Error('NOCASE collation can only be applied to text types');
        return this.expression(node.inner, fields);
      case 'field': {
        const record = this.expression(node.record, fields).type;
        if (!(record instanceof Map)) throw new Error(`expected object, got ${typeText(record as DataType)}`);
        const type = (record as ReadonlyMap<string, DataType>).get(node.field);
        if (type === undefined) throw new Error(`object "" does not have field "${node.field}"`);
        return anonymous(type);
      }
      case 'index': {
        const field = this.expression(node.array, fields);
        if (!fits(this.typeOf(node.index, fields), INT8)) throw new Error('array index must be an int');
        return { ...field, type: itemOf(scalar(field)) };
      }
      case 'slice':
        return this.expression(node.array, fields);
      case 'array':
        return this.array(node.items, node.cast, fields);
      case 'subquery': {
        const result = this.subquery(node.select, fields);
        if (node.exists) return anonymous(BOOL);
        if (result.length !== 1) throw new Error('scalar subquery must return exactly one column');
        return { ...result[0]!, parent: '' };
      }
      case 'arithmetic': {
        const left = this.typeOf(node.left, fields);
        const right = this.typeOf(node.right, fields);
        if (!fits(left, right))
          throw new Error(`arithmetic operands must be of the same type. ${typeText(left)} != ${typeText(right)}`);
        return anonymous(left);
      }
      case 'unary': {
        const type = this.typeOf(node.inner, fields);
        if (node.op === 'NOT') {
          if (!fits(type, BOOL)) throw new Error('logical negation can only be applied to boolean types');
        } else if (!isNumber(type))
          throw new Error(`${node.op === '-' ? 'negation' : 'positive'} can only be applied to numeric types`);
        return anonymous(type);
      }
      case 'case':
        return this.caseOf(node, fields);
      default:
        this.condition(node, fields);
        return anonymous(BOOL);
    }
  }

  private subquery(select: Select, fields: Field[]): Field[] {
    const outer = this.outer;
    this.outer = [...fields, ...outer];
    const result = this.select(select);
    this.outer = outer;
    return result;
  }

  private call(node: Extract<Expression, { kind: 'call' }>, fields: Field[]): Field {
    if (this.scope.isAction(node.name)) throw new Error(`actions cannot be used in SQL statements: "${node.name}"`);
    const definition = FUNCTIONS.get(node.name);
    if (definition === undefined) throw new Error(`function does not exist: "${node.name}"`);
    if (definition.kind === 'scalar') {
      if (node.star) throw new Error('star (*) not allowed in non-aggregate function calls');
      if (node.distinct) throw new Error('DISTINCT not allowed in non-aggregate function calls');
    }
    const type = definition.result(node.args.map(arg => this.typeOf(arg, fields)));
    return { parent: '', name: node.name, type };
  }

  private array(items: readonly Expression[], cast: DataType | null, fields: Field[]): Field {
    if (items.length === 0) {
      if (cast === null)
        throw new Error(
          'cannot detect type for empty array: Try type casting to the desired type, for example ARRAY[]::TEXT[]',
        );
      return anonymous(cast);
    }
    const types = items.map(item => this.typeOf(item, fields));
    if (types.some(type => !fits(types[0]!, type)))
      throw new Error('array constructor must have elements of the same type');
    return anonymous(arrayOf(types[0]!));
  }

  private caseOf(node: Extract<Expression, { kind: 'case' }>, fields: Field[]): Field {
    const expected = node.value === null ? BOOL : this.typeOf(node.value, fields);
    let result: DataType | null = null;
    for (const { when, then } of node.branches) {
      const type = this.typeOf(then, fields);
      if (result !== null && !fits(result, type))
        throw new Error(
          `all THEN expressions must be of the same type ${typeText(result)}, received ${typeText(type)}`,
        );
      result ??= type;
      const whenType = this.typeOf(when, fields);
      if (!fits(expected, whenType))
        throw new Error(`WHEN expression must be of type ${typeText(expected)}, received ${typeText(whenType)}`);
    }
    if (node.otherwise !== null) {
      const type = this.typeOf(node.otherwise, fields);
      if (!fits(result!, type))
        throw new Error(
          `ELSE expression must be of the same type of THEN expressions ${typeText(result!)}, received ${typeText(type)}`,
        );
    }
    return anonymous(result!);
  }

  private condition(
    node: Extract<Expression, { kind: 'compare' | 'logical' | 'like' | 'is' | 'in' | 'between' }>,
    fields: Field[],
  ): void {
    const same = (left: DataType, right: DataType, message: string): void => {
      if (!fits(left, right)) throw new Error(`${message}. ${typeText(left)} != ${typeText(right)}`);
    };
    switch (node.kind) {
      case 'compare':
        same(
          this.typeOf(node.left, fields),
          this.typeOf(node.right, fields),
          'comparison operands must be of the same type',
        );
        return;
      case 'logical':
        for (const side of [node.left, node.right])
          if (!fits(this.typeOf(side, fields), BOOL))
            throw new Error('logical operators must be applied to boolean types');
        return;
      case 'like': {
        const types = [this.typeOf(node.left, fields), this.typeOf(node.right, fields)];
        if (types.some(type => !fits(type, TEXT)))
          throw new Error(`string comparison operands must be of type string. ${types.map(typeText).join(' != ')}`);
        return;
      }
      case 'is': {
        const left = this.typeOf(node.left, fields);
        const right = this.typeOf(node.right, fields);
        if (node.distinct) same(left, right, 'IS DISTINCT FROM requires operands of the same type');
        else if (right.name !== 'null' && !isSame(left, right))
          throw new Error('IS requires the right operand to be NULL');
        return;
      }
      case 'between': {
        const type = this.typeOf(node.value, fields);
        same(type, this.typeOf(node.lower, fields), 'BETWEEN lower bound must be of the same type as the expression');
        same(type, this.typeOf(node.upper, fields), 'BETWEEN upper bound must be of the same type as the expression');
        return;
      }
      case 'in': {
        const left = this.typeOf(node.left, fields);
        if (node.select !== null) {
          const result = this.subquery(node.select, fields);
          if (result.length !== 1) throw new Error('subquery must return exactly one column');
          same(left, scalar(result[0]!), 'IN subquery must return the same type as the left expression');
        }
        for (const item of node.list ?? [])
          same(
            left,
            this.typeOf(item, fields),
            'IN list must contain elements of the same type as the left expression',
          );
        return;
      }
    }
  }
}
