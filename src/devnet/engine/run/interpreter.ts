import type {
  ActionStatement,
  CallExpression,
  CreateAction,
  Expression,
  LoopSource,
  SqlStatement,
  Statement,
} from '../sql/ast.js';
import { fits, typeText } from '../sql/data-type.js';
import { FUNCTIONS } from '../sql/functions.js';
import { fromPostgres, isNull, nullOf, parameterText, textOf, valueOf, type KwilValue } from '../value.js';
import { hasPrivilege } from '../state/catalog.js';
import { runDefinition } from './definitions.js';
import { Evaluator, isEmptyArray, type Emit, type Row } from './evaluator.js';
import { Frame, recordOf, resolve } from './frame.js';
import { isTrue, withItem, withSlice } from './operators.js';
import { Scope, type Variable } from './scope.js';
import { parseTopLevel } from './statements.js';

/** Raised by the action itself with ERROR('…'): part of a call's answer instead of a failure of it. */
export class UserError extends Error {}

type Signal = 'next' | 'break' | 'continue' | 'return';

/** Loops and calls of one execution together; ends what would never end. */
const STEPS_MAX = 20_000_000;
const CALL_DEPTH_MAX = 200;

/** Runs the statements and actions of one transaction, call or query. */
export class Interpreter extends Evaluator {
  readonly logs: string[] = [];
  private steps = 0;
  private depth = 0;

  /** A statement text at the top level. */
  execute(text: string, params: ReadonlyMap<string, KwilValue>, emit: Emit): void {
    const statements = parseTopLevel(text);
    const frame = new Frame('main', new Scope(this.options.surroundings, ''), false);
    for (const [name, value] of params) frame.scope.assign(name, value);
    for (const statement of statements) this.topLevel(statement, frame, emit);
  }

  private topLevel(statement: Statement, frame: Frame, emit: Emit): void {
    const before = frame.namespace;
    if (statement.namespace !== null) {
      this.requireNamespace(statement.namespace);
      frame.namespace = statement.namespace;
    }
    if (statement.kind === 'sql') this.sql(statement, frame, emit);
    else runDefinition(this, statement, frame);
    if (statement.kind !== 'set-namespace') frame.namespace = before;
  }

  /** An action entered from outside. */
  call(namespaceText: string, actionText: string, args: readonly KwilValue[], emit: Emit): void {
    const namespace = namespaceText === '' ? 'main' : namespaceText.toLowerCase();
    const name = actionText.toLowerCase();
    const found = this.machine.catalog.namespace(namespace);
    if (found === undefined) throw new Error(`namespace "${namespace}" does not exist`);
    const action = found.actions.get(name);
    if (action === undefined) {
      if (FUNCTIONS.get(name)?.kind === 'scalar')
        throw new Error(`action "${name}" is a built-in function and cannot be called directly`);
      throw new Error(`unknown action: action "${name}" does not exist in namespace "${namespace}"`);
    }
    const top = new Frame(namespace, new Scope(this.options.surroundings, ''), false);
    const given = this.withInitials(action, args, top);
    if (given.length !== action.parameters.length)
      throw new Error(
        `action invocation error: action "${name}" expected ${action.parameters.length} arguments, but got ${args.length}`,
      );
    given.forEach((value, index) => {
      const expected = action.parameters[index]!.type;
      if (
        !fits(value.type, expected) &&
        !(isEmptyArray(value) && value.type.name === expected.name && expected.isArray)
      )
        throw new Error(
          `type error: action "${name}" expected argument ${index + 1} to be of type ${typeText(expected)}, but got ${typeText(value.type)}`,
        );
    });
    this.enter(namespace, action, given, top, true, emit);
  }

  /** Arguments with DEFAULT values for those that are missing at the end. */
  private withInitials(action: CreateAction, args: readonly KwilValue[], frame: Frame): KwilValue[] {
    const all = [...args];
    for (let index = args.length; index < action.parameters.length; index += 1) {
      const parameter = action.parameters[index]!;
      if (parameter.initial === null) throw new Error(`missing required argument ${index + 1} (${parameter.name})`);
      all.push(this.evaluate(parameter.initial, frame));
    }
    return all;
  }

  private enter(
    namespace: string,
    action: CreateAction,
    args: readonly KwilValue[],
    from: Frame,
    isTop: boolean,
    emit: Emit,
  ): void {
    this.mayEnter(namespace, action, from, isTop);
    this.depth += 1;
    if (this.depth > CALL_DEPTH_MAX) throw new Error('action invocation error: actions call each other too deeply');
    const frame = new Frame(namespace, new Scope(this.options.surroundings, isTop ? '' : from.namespace), true);
    args.forEach((value, index) => {
      const { name, type } = action.parameters[index]!;
      if (!fits(value.type, type) && !isEmptyArray(value))
        throw new Error(
          `type error: expected argument ${index + 1} to be ${typeText(type)}, got ${typeText(value.type)}`,
        );
      frame.scope.allocate(name, { type, data: value.data });
    });
    const names = action.returns?.fields.map(field => field.name) ?? [];
    const types = action.returns?.fields.map(field => field.type) ?? [];
    this.statements(action.body, frame, row => {
      if (row.values.length !== types.length)
        throw new Error(
          `unexpected action/function return shape: expected ${types.length} return values, got ${row.values.length}`,
        );
      const values = row.values.map((value, index) => {
        const type = types[index]!;
        if (!fits(value.type, type))
          throw new Error(
            `type error: expected return value ${index + 1} to be ${typeText(type)}, got ${typeText(value.type)}`,
          );
        return { type, data: value.data };
      });
      emit({ names, values });
    });
    this.depth -= 1;
  }

  private mayEnter(namespace: string, action: CreateAction, from: Frame, isTop: boolean): void {
    const { name, modifiers } = action;
    if (!modifiers.includes('VIEW') && !this.options.writable)
      throw new Error(`connection is read-only and cannot mutate state: action "${name}" requires a writer connection`);
    if (modifiers.includes('PRIVATE') && (isTop || from.namespace !== namespace))
      throw new Error(`action is private: action ${name} is private`);
    if (modifiers.includes('SYSTEM') && isTop) throw new Error(`action is system-only: action ${name} is system-only`);
    if (modifiers.includes('OWNER') && !this.isOwner())
      throw new Error(`action is owner-only: action ${name} can only be executed by the owner`);
    this.requirePrivilege('CALL', from);
  }

  isOwner(): boolean {
    return this.machine.catalog.state.roles.members.get(this.options.surroundings.caller)?.has('owner') ?? false;
  }

  requirePrivilege(privilege: string, frame: Frame): void {
    if (frame.inAction) return;
    const has = hasPrivilege(
      this.machine.catalog.state.roles,
      this.options.surroundings.caller,
      privilege,
      frame.namespace,
    );
    if (!has) throw new Error(`user does not have privilege ${privilege} on namespace "${frame.namespace}"`);
  }

  requireMutable(frame: Frame): void {
    if (frame.namespace === 'info') throw new Error('cannot mutate the "info" namespace directly');
    this.requireNamespace(frame.namespace);
  }

  private sql(statement: SqlStatement, frame: Frame, emit: Emit): void {
    const { kind } = statement.core;
    if (kind !== 'select') this.requireMutable(frame);
    this.requirePrivilege(kind.toUpperCase(), frame);
    if (kind !== 'select' && !this.options.writable)
      throw new Error(
        `connection is read-only and cannot mutate state: SQL statement mutates state, but the execution context is read-only: ${statement.raw}`,
      );
    for (const row of this.query(statement, frame)) emit(row);
  }

  private query(statement: SqlStatement, frame: Frame): Row[] {
    if (frame.queryActive) throw new Error('a query is currently active. nested queries are not allowed');
    const { writable, node } = this.options;
    const translated = this.machine.statements.translate(statement, this.planScope(frame), node, writable);
    translated.fields.forEach(({ type }, index) => {
      if (type.name !== 'null') return;
      if (!type.isArray) throw new Error('cannot create zero Value of null type');
      const what = 'cannot scan text (OID 25) in text format into *interpreter.arrayOfNulls';
      throw new Error(`can't scan into dest[${index}]: ${what}`);
    });
    const params = translated.params.map(name => parameterText(resolve(name, frame)));
    if (params.includes('NaN')) this.refuseNaN(translated.params, frame);
    const { fields, rows } = this.machine.session.run(translated.sql, params);
    const names = translated.fields.map(field => field.name);
    return rows.map(row => ({
      names,
      values: translated.fields.map((field, index) => fromPostgres(field.type, fields[index]!.oid, row[index]!)),
    }));
  }

  private refuseNaN(names: readonly string[], frame: Frame): void {
    if (names.some(name => resolve(name, frame).type.name === 'numeric' && resolve(name, frame).data === 'NaN'))
      throw new Error('panic: NaN');
  }

  private block(statements: readonly ActionStatement[], frame: Frame, emit: Emit): Signal {
    const outer = frame.scope;
    frame.scope = outer.child();
    const signal = this.statements(statements, frame, emit);
    frame.scope = outer;
    return signal;
  }

  private statements(statements: readonly ActionStatement[], frame: Frame, emit: Emit): Signal {
    for (const statement of statements) {
      const signal = this.statement(statement, frame, emit);
      if (signal !== 'next') return signal;
    }
    return 'next';
  }

  private statement(statement: ActionStatement, frame: Frame, emit: Emit): Signal {
    this.steps += 1;
    if (this.steps > STEPS_MAX) throw new Error('loop error: too many steps');
    switch (statement.kind) {
      case 'declare':
        frame.scope.allocate(statement.variable, nullOf(statement.type));
        return 'next';
      case 'assign':
        this.assign(statement, frame);
        return 'next';
      case 'call':
        this.callStatement(statement.receivers, statement.call, frame);
        return 'next';
      case 'for':
        return this.loop(statement, frame, emit);
      case 'if':
        return this.branch(statement, frame, emit);
      case 'run':
        this.sql(statement.sql, frame, () => undefined);
        return 'next';
      case 'break':
      case 'continue':
        return statement.kind;
      case 'return':
        if (statement.sql !== null) this.sql(statement.sql, frame, emit);
        else if (statement.values.length > 0) emit(this.rowOf(statement.values, frame));
        return 'return';
      case 'return-next':
        emit(this.rowOf(statement.values, frame));
        return 'next';
    }
  }

  private rowOf(expressions: readonly Expression[], frame: Frame): Row {
    return {
      names: expressions.map(() => ''),
      values: expressions.map(expression => this.evaluate(expression, frame)),
    };
  }

  private assign(statement: Extract<ActionStatement, { kind: 'assign' }>, frame: Frame): void {
    const value = this.evaluate(statement.value, frame);
    const { target } = statement;
    if (target.kind === 'variable') {
      if (statement.type !== null) frame.scope.declare(target.name, statement.type);
      frame.scope.assign(target.name, value);
      return;
    }
    if ((target.kind !== 'index' && target.kind !== 'slice') || target.array.kind !== 'variable')
      throw new Error('type error: cannot assign to this expression');
    const array = this.evaluate(target.array, frame);
    const at = (side: Expression | null): KwilValue | null => (side === null ? null : this.evaluate(side, frame));
    const changed =
      target.kind === 'index'
        ? withItem(array, this.evaluate(target.index, frame), value)
        : withSlice(array, at(target.from), at(target.to), value);
    frame.scope.assign(target.array.name, changed);
  }

  private branch(statement: Extract<ActionStatement, { kind: 'if' }>, frame: Frame, emit: Emit): Signal {
    for (const { when, body } of statement.branches) {
      const condition = this.evaluate(when, frame);
      if (isNull(condition)) continue;
      if (condition.type.name !== 'bool' || condition.type.isArray)
        throw new Error(`type error: IF clause expects type bool, got ${typeText(condition.type)}`);
      if (isTrue(condition)) return this.block(body, frame, emit);
    }
    return statement.otherwise === null ? 'next' : this.block(statement.otherwise, frame, emit);
  }

  private loop(statement: Extract<ActionStatement, { kind: 'for' }>, frame: Frame, emit: Emit): Signal {
    const outer = frame.scope;
    for (const item of this.loopItems(statement.over, frame)) {
      frame.scope = outer.child();
      frame.scope.allocate(statement.variable, item);
      // a real node cannot ask its database anything else while a loop reads from it
      const isQuery = statement.over.kind === 'sql';
      frame.queryActive ||= isQuery;
      const signal = this.statements(statement.body, frame, emit);
      if (isQuery) frame.queryActive = false;
      frame.scope = outer;
      if (signal === 'break') break;
      if (signal === 'return') return signal;
    }
    return 'next';
  }

  private *loopItems(over: LoopSource, frame: Frame): Generator<Variable> {
    switch (over.kind) {
      case 'range': {
        const from = this.evaluate(over.from, frame);
        const to = this.evaluate(over.to, frame);
        if (isNull(from) || isNull(to)) return;
        for (const side of [from, to])
          if (side.type.name !== 'int8') throw new Error(`type error: expected integer, got ${typeText(side.type)}`);
        const end = BigInt(textOf(to));
        for (let at = BigInt(textOf(from)); at <= end; at += 1n) yield valueOf(from.type, at.toString());
        return;
      }
      case 'sql': {
        const rows: Row[] = [];
        this.sql(over.sql, frame, row => rows.push(row));
        for (const row of rows) yield recordOf(row);
        return;
      }
      case 'function': {
        const rows: Row[] = [];
        this.invoke(over.call, frame, row => rows.push(row));
        for (const row of rows) yield recordOf(row);
        return;
      }
      case 'array': {
        const array = this.evaluate(over.value, frame);
        if (isNull(array)) return;
        if (!array.type.isArray) throw new Error(`type error: expected array, got ${typeText(array.type)}`);
        for (const item of array.data as readonly (string | null)[])
          yield valueOf({ ...array.type, isArray: false }, item);
        return;
      }
    }
  }

  private callStatement(receivers: readonly (string | null)[], call: CallExpression, frame: Frame): void {
    let rows = 0;
    this.invoke(call, frame, row => {
      rows += 1;
      if (rows > 1 && receivers.length > 0)
        throw new Error(
          `unexpected action/function return shape: expected function or action "${call.name}" to return a single record, but it returned a record set`,
        );
      if (receivers.length > row.values.length)
        throw new Error(
          `unexpected action/function return shape: expected function or action "${call.name}" to return at least ${receivers.length} values, but it returned ${row.values.length}`,
        );
      receivers.forEach((receiver, index) => {
        if (receiver !== null) frame.scope.assign(receiver, row.values[index]!);
      });
    });
    if (receivers.length > 0 && rows === 0)
      throw new Error(
        `unexpected action/function return shape: expected function or action "${call.name}" to return a single record, but it returned nothing`,
      );
  }

  /** An action or built-in function called from action code. */
  protected override invoke(call: CallExpression, frame: Frame, emit: Emit): void {
    const namespaceName = call.namespace ?? frame.namespace;
    this.requireNamespace(namespaceName);
    const namespace = this.machine.catalog.namespace(namespaceName)!;
    const action = namespace.actions.get(call.name);
    const args = call.args.map(arg => this.evaluate(arg, frame));
    if (action !== undefined) {
      const given = this.withInitials(action, args, frame);
      if (given.length !== action.parameters.length)
        throw new Error(`expected ${action.parameters.length} arguments, got ${given.length}`);
      this.enter(namespaceName, action, given, frame, false, emit);
      return;
    }
    const definition = FUNCTIONS.get(call.name);
    if (definition?.kind !== 'scalar')
      throw new Error(`unknown action "${call.name}" in namespace "${call.namespace ?? ''}"`);
    if (call.name === 'notice' || call.name === 'error') {
      definition.result(args.map(arg => arg.type));
      const text = isNull(args[0]!) ? '' : textOf(args[0]!);
      if (call.name === 'error') throw new UserError(text);
      this.logs.push(text);
      return;
    }
    const type = definition.result(args.map(arg => arg.type));
    const value = this.viaPostgres(args, type, frame, variables => ({ ...call, args: [...variables], cast: null }));
    emit({ names: [call.name], values: [value] });
  }
}
