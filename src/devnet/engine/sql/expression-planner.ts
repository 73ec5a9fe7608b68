import type { DataType } from '../../../protocol/index.js';
import type { Expression, Select, Window } from './ast.js';
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

export interface Field {
  parent: string;
  name: string;
  type: VariableType;
}

const named = (field: Field): string => (field.parent === '' ? field.name : `${field.parent}.${field.name}`);

/** Type of a field that is one value. */
export function scalar(field: Field): DataType {
  if (field.type instanceof Map)
    throw new Error(
      'referenced field is an object, expected scalar or array. specify a field to access using the . operator',
    );
  return field.type as DataType;
}

const anonymous = (type: VariableType): Field => ({ parent: '', name: '', type });

/** Types of expressions over the columns that are in sight. */
export abstract class ExpressionPlanner {
  /** Columns of the queries around this one. */
  protected outer: Field[] = [];

  constructor(protected readonly scope: PlanScope) {}

  protected abstract select(select: Select): Field[];

  protected window(window: Window, fields: Field[]): void {
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
