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
} from './ast.js';
import { BOOL, fits, INT8, typeText } from './data-type.js';
import {
  ExpressionPlanner,
  scalar,
  type Field,
  type Plan,
  type PlanColumn,
  type PlanScope,
  type PlanTable,
} from './expression-planner.js';

export type { Plan, PlanColumn, PlanScope, PlanTable, ResultField, VariableType } from './expression-planner.js';

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

class Planner extends ExpressionPlanner {
  private readonly widths = new Map<Select, number>();
  private readonly ctes = new Map<string, Field[]>();
  private recursiveName: string | null = null;

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
  protected override select(select: Select, self?: string, columns: readonly string[] = []): Field[] {
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
}
