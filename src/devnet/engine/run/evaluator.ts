import type { DataType } from '../../../protocol/index.js';
import type { PgSession } from '../pg/session.js';
import type { CallExpression, Expression } from '../sql/ast.js';
import { BOOL, typeText } from '../sql/data-type.js';
import { generateExpression } from '../sql/generate.js';
import type { PlanScope } from '../sql/plan.js';
import type { Catalog } from '../state/catalog.js';
import { fromPostgres, parameterText, valueOf, type KwilValue } from '../value.js';
import { Frame, resolve } from './frame.js';
import { arithmetic, cast, compare, is, itemAt, logical, makeArray, sliceOf, unary } from './operators.js';
import { isRecord, typeOfVariable, type Surroundings } from './scope.js';
import type { StatementCache } from './statements.js';

export interface Row {
  readonly names: readonly string[];
  readonly values: readonly KwilValue[];
}

export interface Machine {
  readonly session: PgSession;
  readonly catalog: Catalog;
  readonly statements: StatementCache;
}

export interface ExecutionOptions {
  readonly surroundings: Surroundings;
  /** False for queries and calls: nothing may change then. */
  readonly writable: boolean;
  /** Whose plan cache answers; null in blocks. */
  readonly node: string | null;
}

export type Emit = (row: Row) => void;

/** Values of action code's expressions: computed here where that is plain, by Postgres where only it can tell. */
export abstract class Evaluator {
  constructor(
    readonly machine: Machine,
    readonly options: ExecutionOptions,
  ) {}

  /** An action or built-in function called from action code. */
  protected abstract invoke(call: CallExpression, frame: Frame, emit: Emit): void;

  requireNamespace(name: string): void {
    if (this.machine.catalog.namespace(name) === undefined) throw new Error(`namespace not found: "${name}"`);
  }

  planScope(frame: Frame): PlanScope {
    const { catalog } = this.machine;
    return {
      namespace: frame.namespace,
      variable: name => typeOfVariable(frame.scope.get(name)),
      isAction: name => catalog.namespace(frame.namespace)?.actions.has(name) ?? false,
      table: (namespace, name) => {
        this.requireNamespace(namespace);
        const table = catalog.namespace(namespace)!.tables.get(name);
        if (table === undefined)
          throw new Error(`unknown table: table "${name}" not found in namespace "${namespace}"`);
        return table;
      },
    };
  }

  evaluate(node: Expression, frame: Frame): KwilValue {
    const value = this.uncast(node, frame);
    if (!('cast' in node) || node.cast === null) return value;
    const target = node.cast;
    if (isEmptyArray(value) && target.isArray) return { type: target, data: [] };
    return cast(value, target) ?? this.castViaPostgres(value, target);
  }

  private uncast(node: Expression, frame: Frame): KwilValue {
    switch (node.kind) {
      case 'literal':
        if (node.type.name === 'bytea') return valueOf(node.type, `\\x${node.text!}`);
        if (node.type.name === 'bool') return valueOf(node.type, node.text === 'true' ? 't' : 'f');
        return valueOf(node.type, node.text);
      case 'variable': {
        const variable = frame.scope.get(node.name);
        if (isRecord(variable)) throw new Error('type error: expected a value, got a record');
        return variable;
      }
      case 'field': {
        const record = node.record.kind === 'variable' ? frame.scope.get(node.record.name) : null;
        if (record === null || !isRecord(record)) throw new Error('type error: expected object');
        const field = record.get(node.field);
        if (field === undefined) throw new Error(`field ${node.field} not found in object`);
        return field;
      }
      case 'paren':
        return this.evaluate(node.inner, frame);
      case 'call': {
        const rows: Row[] = [];
        this.invoke(node, frame, row => rows.push(row));
        const [row] = rows;
        if (rows.length !== 1 || row!.values.length !== 1)
          throw new Error(
            `unexpected action/function return shape: expected function or action "${node.name}" to return a single value, but it returned ${rows.length === 0 ? 'nothing' : `${rows.length === 1 ? row!.values.length : rows.length} values`}`,
          );
        return row!.values[0]!;
      }
      case 'array':
        return makeArray(
          node.items.map(item => this.evaluate(item, frame)),
          node.cast,
        );
      case 'index':
        return itemAt(this.evaluate(node.array, frame), this.evaluate(node.index, frame));
      case 'slice': {
        const bound = (side: Expression | null): KwilValue | null =>
          side === null ? null : this.evaluate(side, frame);
        return sliceOf(this.evaluate(node.array, frame), bound(node.from), bound(node.to));
      }
      case 'arithmetic':
        return this.pair(node, frame, (left, right) => arithmetic(node.op, left, right));
      case 'compare':
        return this.pair(node, frame, (left, right) => compare(node.op, left, right));
      case 'logical':
        return logical(node.op, this.evaluate(node.left, frame), this.evaluate(node.right, frame));
      case 'unary':
        return unary(node.op, this.evaluate(node.inner, frame));
      case 'is':
        return is(this.evaluate(node.left, frame), this.evaluate(node.right, frame), node.distinct, node.not);
      default:
        throw new Error(`type error: ${node.kind} cannot be used outside of SQL`);
    }
  }

  private pair(
    node: Extract<Expression, { kind: 'arithmetic' | 'compare' }>,
    frame: Frame,
    compute: (left: KwilValue, right: KwilValue) => KwilValue | null,
  ): KwilValue {
    const left = this.evaluate(node.left, frame);
    const right = this.evaluate(node.right, frame);
    const known = compute(left, right);
    if (known !== null) return known;
    const type = node.kind === 'compare' ? BOOL : left.type;
    return this.viaPostgres([left, right], type, frame, ([l, r]) => ({ ...node, left: l!, right: r! }));
  }

  private castViaPostgres(value: KwilValue, type: KwilValue['type']): KwilValue {
    const { fields, rows } = this.machine.session.run(`SELECT $1::${typeText(value.type)}::${typeText(type)}`, [
      parameterText(value),
    ]);
    return fromPostgres(type, fields[0]!.oid, rows[0]![0]!);
  }

  /** What only Postgres can compute, of values that are known: a function, arithmetic on numerics. */
  protected viaPostgres(
    values: readonly KwilValue[],
    type: DataType,
    frame: Frame,
    build: (variables: readonly Expression[]) => Expression,
  ): KwilValue {
    const helper = new Frame(frame.namespace, frame.scope.child(), true);
    const variables = values.map((value, index): Expression => {
      helper.scope.allocate(`$v${index}`, value);
      return { kind: 'variable', name: `$v${index}`, cast: null };
    });
    const generated = generateExpression(build(variables), this.planScope(helper));
    const params = generated.params.map(name => parameterText(resolve(name, helper)));
    const { fields, rows } = this.machine.session.run(generated.sql, params);
    return fromPostgres(type, fields[0]!.oid, rows[0]![0]!);
  }
}

/** Fits every array type with items of its kind. */
export const isEmptyArray = (value: KwilValue): boolean => value.type.isArray && value.data?.length === 0;
