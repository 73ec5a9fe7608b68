import type { DataType } from '../../../protocol/index.js';
import type {
  AlterAction,
  ColumnConstraint,
  Expression,
  ForeignKey,
  Join,
  OrderTerm,
  Relation,
  Select,
  SelectCore,
  SetClause,
  SqlStatement,
  Statement,
  TableConstraint,
  Window,
} from './ast.js';
import { itemOf, pgType } from './data-type.js';
import { FUNCTIONS } from './functions.js';
import type { Plan, VariableType } from './plan.js';

export interface Generated {
  readonly sql: string;
  /** What `$1`, `$2` … stand for: `$name`, `@name`, or `$record.field`. */
  readonly params: readonly string[];
}

interface Environment {
  readonly namespace: string;
  variable(name: string): VariableType;
}

/**
 * Postgres text of a statement. Names are written unquoted, as the node writes them, so words that Postgres keeps for
 * itself fail here as there.
 * @param ordered add an ORDER BY over all columns to every SELECT, so that all nodes see the same order
 */
export function generateSql(
  statement: SqlStatement,
  plan: Plan,
  environment: Environment,
  ordered: boolean,
): Generated {
  const generator = new Generator(
    environment,
    ordered ? plan.widths : new Map(),
    statement.ctes.map(cte => cte.name),
  );
  return { sql: generator.statement(statement), params: generator.params };
}

export function generateExpression(expression: Expression, environment: Environment): Generated {
  const generator = new Generator(environment, new Map(), []);
  return { sql: `SELECT ${generator.expression(expression)}`, params: generator.params };
}

/** DDL as the node sends it. Only the statements that Postgres itself carries out. */
export function generateDefinition(statement: Statement, environment: Environment): string {
  return new Generator(environment, new Map(), []).definition(statement);
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

class Generator {
  readonly params: string[] = [];

  constructor(
    private readonly environment: Environment,
    private readonly widths: ReadonlyMap<Select, number>,
    private readonly ctes: readonly string[],
  ) {}

  statement(statement: SqlStatement): string {
    const ctes = statement.ctes.map(
      cte =>
        `${cte.name}${cte.columns.length === 0 ? '' : ` (${cte.columns.join(', ')})`} AS (${this.select(cte.select)})`,
    );
    const head = ctes.length === 0 ? '' : `WITH ${statement.recursive ? 'RECURSIVE ' : ''}${ctes.join(', ')} `;
    return head + this.core(statement.core);
  }

  private qualified(table: string): string {
    return `${this.environment.namespace}.${table}`;
  }

  private core(core: SqlStatement['core']): string {
    switch (core.kind) {
      case 'select':
        return this.select(core.select);
      case 'insert': {
        const alias = core.alias === null ? '' : ` AS ${core.alias}`;
        const columns = core.columns.length === 0 ? '' : ` (${core.columns.join(', ')})`;
        const source =
          core.select === null
            ? `VALUES ${core.values.map(row => `(${this.expressions(row)})`).join(', ')}`
            : this.select(core.select);
        return `INSERT INTO ${this.qualified(core.table)}${alias}${columns} ${source}${this.upsert(core.upsert)}`;
      }
      case 'update': {
        const alias = core.alias === null ? '' : ` AS ${core.alias}`;
        const from = core.from === null ? '' : ` FROM ${this.relation(core.from)}${this.joins(core.joins)}`;
        return `UPDATE ${this.qualified(core.table)}${alias} SET ${this.setClauses(core.set)}${from}${this.where(core.where)}`;
      }
      case 'delete': {
        const alias = core.alias === null ? '' : ` AS ${core.alias}`;
        return `DELETE FROM ${this.qualified(core.table)}${alias}${this.where(core.where)}`;
      }
    }
  }

  private where(where: Expression | null): string {
    return where === null ? '' : ` WHERE ${this.expression(where)}`;
  }

  private setClauses(clauses: readonly SetClause[]): string {
    return clauses.map(clause => `${clause.column} = ${this.expression(clause.value)}`).join(', ');
  }

  private upsert(upsert: Extract<SqlStatement['core'], { kind: 'insert' }>['upsert']): string {
    if (upsert === null) return '';
    const columns = upsert.columns.length === 0 ? '' : ` (${upsert.columns.join(', ')})`;
    const conflictWhere = upsert.conflictWhere === null ? '' : ` WHERE ${this.expression(upsert.conflictWhere)}`;
    if (upsert.update.length === 0) return ` ON CONFLICT${columns}${conflictWhere} DO NOTHING`;
    return ` ON CONFLICT${columns}${conflictWhere} DO UPDATE SET ${this.setClauses(upsert.update)}${this.where(upsert.where)}`;
  }

  private select(select: Select): string {
    const text = select.cores.map((core, index) => {
      const operator = index === 0 ? '' : ` ${select.operators[index - 1]!} `;
      return operator + this.selectCore(core);
    });
    const terms = select.order.map(term => this.orderTerm(term));
    for (let position = 1; position <= (this.widths.get(select) ?? 0); position += 1) terms.push(String(position));
    if (terms.length > 0) text.push(` ORDER BY ${terms.join(', ')}`);
    if (select.limit !== null) text.push(` LIMIT ${this.expression(select.limit)}`);
    if (select.offset !== null) text.push(` OFFSET ${this.expression(select.offset)}`);
    return text.join('');
  }

  private selectCore(core: SelectCore): string {
    const columns = core.columns.map(column => {
      if (column.kind === 'star') return column.table === null ? '*' : `${column.table}.*`;
      return this.expression(column.expression) + (column.alias === null ? '' : ` AS ${column.alias}`);
    });
    const from = core.from === null ? '' : ` FROM ${this.relation(core.from)}${this.joins(core.joins)}`;
    const where = this.where(core.where);
    const groupBy = core.groupBy.length === 0 ? '' : ` GROUP BY ${this.expressions(core.groupBy)}`;
    const having = core.having === null ? '' : ` HAVING ${this.expression(core.having)}`;
    const windows =
      core.windows.length === 0
        ? ''
        : ` WINDOW ${core.windows.map(({ name, window }) => `${name} AS ${this.window(window)}`).join(', ')}`;
    return `SELECT ${core.distinct ? 'DISTINCT ' : ''}${columns.join(', ')}${from}${where}${groupBy}${having}${windows}`;
  }

  private relation(relation: Relation): string {
    if (relation.kind === 'derived')
      return `(${this.select(relation.select)})${relation.alias === null ? '' : ` AS ${relation.alias}`}`;
    const alias = relation.alias === null ? '' : ` AS ${relation.alias}`;
    if (relation.namespace !== null) return `${relation.namespace}.${relation.table}${alias}`;
    return (this.ctes.includes(relation.table) ? relation.table : this.qualified(relation.table)) + alias;
  }

  private joins(joins: readonly Join[]): string {
    return joins
      .map(
        join =>
          ` ${join.type === '' ? '' : `${join.type} `}JOIN ${this.relation(join.relation)} ON ${this.expression(join.on)}`,
      )
      .join('');
  }

  private orderTerm(term: OrderTerm): string {
    const direction = term.direction === '' ? '' : ` ${term.direction}`;
    return this.expression(term.expression) + direction + (term.nulls === '' ? '' : ` NULLS ${term.nulls}`);
  }

  private window(window: Window): string {
    const parts: string[] = [];
    if (window.partition.length > 0) parts.push(`PARTITION BY ${this.expressions(window.partition)}`);
    if (window.order.length > 0) parts.push(`ORDER BY ${window.order.map(term => this.orderTerm(term)).join(', ')}`);
    return `(${parts.join(' ')})`;
  }

  private expressions(nodes: readonly Expression[]): string {
    return nodes.map(node => this.expression(node)).join(', ');
  }

  expression(node: Expression): string {
    const text = this.uncast(node);
    return 'cast' in node && node.cast !== null ? `${text}::${pgType(node.cast)}` : text;
  }

  private parameter(name: string, type: DataType): string {
    let index = this.params.indexOf(name);
    if (index === -1) index = this.params.push(name) - 1;
    return `$${index + 1}${parameterCast(type)}`;
  }

  private uncast(node: Expression): string {
    switch (node.kind) {
      case 'literal':
        return literal(node.type, node.text);
      case 'variable': {
        const type = this.environment.variable(node.name);
        if (type instanceof Map)
          throw new Error(
            'referenced field is an object, expected scalar or array. specify a field to access using the . operator',
          );
        return this.parameter(node.name, type as DataType);
      }
      case 'field': {
        const record = node.record.kind === 'variable' ? this.environment.variable(node.record.name) : null;
        const type = record instanceof Map ? (record as ReadonlyMap<string, DataType>).get(node.field) : undefined;
        if (type === undefined || node.record.kind !== 'variable')
          throw new Error(`field ${node.field} not found in object`);
        return this.parameter(`${node.record.name}.${node.field}`, type);
      }
      case 'column':
        return node.table === null ? node.column : `${node.table}.${node.column}`;
      case 'call':
        return this.call(node);
      case 'window': {
        const filter = node.filter === null ? '' : ` FILTER (WHERE ${this.expression(node.filter)})`;
        return `${this.call(node.call)}${filter} OVER ${typeof node.over === 'string' ? node.over : this.window(node.over)}`;
      }
      case 'index':
        return `${this.subscripted(node.array)}[${this.expression(node.index)}]`;
      case 'slice': {
        const bound = (side: Expression | null): string => (side === null ? '' : this.expression(side));
        return `${this.subscripted(node.array)}[${bound(node.from)}:${bound(node.to)}]`;
      }
      case 'array':
        return `ARRAY[${this.expressions(node.items)}]`;
      case 'paren':
        return `(${this.expression(node.inner)})`;
      case 'arithmetic':
      case 'compare':
      case 'logical':
        return `${this.expression(node.left)} ${node.op} ${this.expression(node.right)}`;
      case 'unary':
        return `${node.op} ${this.expression(node.inner)}`;
      case 'collate':
        return `${this.expression(node.inner)} COLLATE ${node.collation}`;
      case 'like':
        return `${this.expression(node.left)} ${node.not ? 'NOT ' : ''}${node.op} ${this.expression(node.right)}`;
      case 'is':
        return `${this.expression(node.left)} IS ${node.not ? 'NOT ' : ''}${node.distinct ? 'DISTINCT FROM ' : ''}${this.expression(node.right)}`;
      case 'in': {
        const right = node.select === null ? this.expressions(node.list ?? []) : this.select(node.select);
        return `${this.expression(node.left)}${node.not ? ' NOT' : ''} IN (${right})`;
      }
      case 'between':
        return `${this.expression(node.value)}${node.not ? ' NOT' : ''} BETWEEN ${this.expression(node.lower)} AND ${this.expression(node.upper)}`;
      case 'case': {
        const value = node.value === null ? '' : ` ${this.expression(node.value)}`;
        const branches = node.branches.map(
          ({ when, then }) => ` WHEN ${this.expression(when)} THEN ${this.expression(then)}`,
        );
        const otherwise = node.otherwise === null ? '' : ` ELSE ${this.expression(node.otherwise)}`;
        return `CASE${value}${branches.join('')}${otherwise} END`;
      }
      case 'subquery':
        return `${node.exists ? `${node.not ? 'NOT ' : ''}EXISTS ` : ''}(${this.select(node.select)})`;
    }
  }

  private call(node: Extract<Expression, { kind: 'call' }>): string {
    const definition = FUNCTIONS.get(node.name);
    if (definition === undefined) throw new Error(`function ${node.name} not found`);
    return definition.format(
      node.args.map(arg => this.expression(arg)),
      node.distinct,
    );
  }

  /** Postgres wants parentheses around anything but a bare column before `[`. */
  private subscripted(array: Expression): string {
    const text = this.expression(array);
    return array.kind === 'column' ? text : `(${text})`;
  }

  definition(statement: Statement): string {
    switch (statement.kind) {
      case 'create-table': {
        const columns = statement.columns.map(
          column =>
            `${column.name} ${pgType(column.type)}${column.constraints.map(constraint => ` ${this.columnConstraint(constraint)}`).join('')}`,
        );
        const constraints = statement.constraints.map(constraint => this.tableConstraint(constraint));
        return `CREATE TABLE ${this.qualified(statement.name)} (${[...columns, ...constraints].join(', ')})`;
      }
      case 'alter-table':
        return `ALTER TABLE ${this.qualified(statement.table)} ${statement.actions.map(action => this.alterAction(action)).join(', ')}`;
      case 'drop-table': {
        const tables = statement.tables.map(table => this.qualified(table)).join(', ');
        return `DROP TABLE ${statement.ifExists ? 'IF EXISTS ' : ''}${tables}${statement.behavior === '' ? '' : ` ${statement.behavior}`}`;
      }
      case 'create-index': {
        const guard = statement.ifNotExists ? 'IF NOT EXISTS ' : '';
        const name = statement.name === null ? '' : `${statement.name} `;
        const unique = statement.unique ? 'UNIQUE ' : '';
        return `CREATE ${unique}INDEX ${guard}${name}ON ${this.qualified(statement.table)} (${statement.columns.join(', ')})`;
      }
      case 'drop-index':
        return `DROP INDEX ${statement.ifExists ? 'IF EXISTS ' : ''}${this.qualified(statement.name)}`;
      default:
        throw new Error(`not a definition: ${statement.kind}`);
    }
  }

  private columnConstraint(constraint: ColumnConstraint): string {
    switch (constraint.kind) {
      case 'primary':
        return 'PRIMARY KEY';
      case 'unique':
        return 'UNIQUE';
      case 'not-null':
        return 'NOT NULL';
      case 'default':
        return `DEFAULT ${this.expression(constraint.value)}`;
      case 'check':
        return `CHECK (${this.expression(constraint.value)})`;
      case 'references':
        return this.foreignKey(constraint.key);
    }
  }

  private foreignKey(key: ForeignKey): string {
    const target = key.namespace === null ? this.qualified(key.table) : `${key.namespace}.${key.table}`;
    return `REFERENCES ${target} (${key.columns.join(', ')})${key.actions.map(({ on, act }) => ` ON ${on} ${act}`).join('')}`;
  }

  private tableConstraint(constraint: TableConstraint): string {
    const name = constraint.name === null ? '' : `CONSTRAINT ${constraint.name} `;
    const { rule } = constraint;
    switch (rule.kind) {
      case 'primary':
        return `${name}PRIMARY KEY (${rule.columns.join(', ')})`;
      case 'unique':
        return `${name}UNIQUE (${rule.columns.join(', ')})`;
      case 'check':
        return `${name}CHECK (${this.expression(rule.value)})`;
      case 'foreign':
        return `${name}FOREIGN KEY (${rule.columns.join(', ')}) ${this.foreignKey(rule.key)}`;
    }
  }

  private alterAction(action: AlterAction): string {
    switch (action.kind) {
      case 'set-not-null':
        return `ALTER COLUMN ${action.column} SET NOT NULL`;
      case 'set-default':
        return `ALTER COLUMN ${action.column} SET DEFAULT ${this.expression(action.value)}`;
      case 'drop-not-null':
        return `ALTER COLUMN ${action.column} DROP NOT NULL`;
      case 'drop-default':
        return `ALTER COLUMN ${action.column} DROP DEFAULT`;
      case 'add-column':
        return `ADD COLUMN ${action.column} ${pgType(action.type)}`;
      case 'drop-column':
        return `DROP COLUMN ${action.column}`;
      case 'rename-column':
        return `RENAME COLUMN ${action.column} TO ${action.to}`;
      case 'rename-table':
        return `RENAME TO ${action.to}`;
      case 'add-constraint':
        return `ADD ${this.tableConstraint(action.constraint)}`;
      case 'drop-constraint':
        return `DROP CONSTRAINT ${action.name}`;
    }
  }
}

function literal(type: DataType, text: string | null): string {
  if (text === null) return 'NULL';
  if (type.name === 'text') return quoted(text);
  if (type.name === 'bytea') return `E'\\\\x${text}'`;
  return text;
}

/** `::TYPE` behind a parameter, so that Postgres never has to guess; nothing for a value of unknown type. */
function parameterCast(type: DataType): string {
  if (itemOf(type).name === 'null') return '';
  return `::${pgType(type)}`;
}
