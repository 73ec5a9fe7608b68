import type { AlterAction, CreateAction, Expression, RoleTarget, Statement } from '../sql/ast.js';
import { fits, typeText } from '../sql/data-type.js';
import { generateDefinition } from '../sql/generate.js';
import type { CatalogTable } from '../state/catalog.js';
import { isNull, textOf } from '../value.js';
import type { Frame } from './frame.js';
import type { Interpreter } from './interpreter.js';

/** Privileges that cannot be given for one namespace only. */
const GLOBAL_ONLY = new Set(['ROLES', 'USE']);
const BUILT_IN_NAMESPACES = new Set(['main', 'info']);

/** Carries out what changes schema, actions or roles. */
export function runDefinition(run: Interpreter, statement: Statement, frame: Frame): void {
  switch (statement.kind) {
    case 'create-table':
      return createTable(run, statement, frame);
    case 'alter-table':
      return alterTable(run, statement, frame);
    case 'drop-table':
      return dropTable(run, statement, frame);
    case 'create-index':
      return createIndex(run, statement, frame);
    case 'drop-index':
      allow(run, frame, 'DROP');
      return change(run, statement, frame);
    case 'create-action':
      return createAction(run, statement, frame);
    case 'drop-action':
      return dropAction(run, statement, frame);
    case 'create-namespace':
      return createNamespace(run, statement, frame);
    case 'drop-namespace':
      return dropNamespace(run, statement, frame);
    case 'set-namespace':
      run.requirePrivilege('USE', frame);
      if (run.machine.catalog.namespace(statement.name) === undefined)
        throw new Error(`namespace not found: namespace "${statement.name}" does not exist`);
      frame.namespace = statement.name;
      return;
    case 'create-role':
    case 'drop-role':
      return changeRole(run, statement, frame);
    case 'grant':
      return grant(run, statement, frame);
    case 'transfer-ownership':
      return transferOwnership(run, statement.target, frame);
    case 'use':
      run.requirePrivilege('USE', frame);
      throw new Error(`extension "${statement.extension}" does not exist`);
    case 'unuse':
      run.requirePrivilege('USE', frame);
      if (statement.ifExists) return;
      throw new Error(`extension initialized with alias "${statement.alias}" does not exist`);
    case 'sql':
      throw new Error('not a definition');
  }
}

type Of<K extends Statement['kind']> = Extract<Statement, { kind: K }>;

/** DDL needs a namespace that may be changed, a privilege, and a transaction. */
function allow(run: Interpreter, frame: Frame, privilege: string): void {
  run.requireMutable(frame);
  run.requirePrivilege(privilege, frame);
  requireWriter(run);
}

function requireWriter(run: Interpreter): void {
  if (!run.options.writable) throw new Error('connection is read-only and cannot mutate state');
}

function change(run: Interpreter, statement: Statement, frame: Frame): void {
  let sql: string;
  try {
    sql = generateDefinition(statement, run.planScope(frame));
  } catch (error) {
    throw new Error(`postgres SQL generation error: ${(error as Error).message}`, { cause: error });
  }
  run.machine.session.script(sql);
  run.machine.catalog.reloadTables(frame.namespace);
  run.machine.statements.clear();
}

function tableOf(run: Interpreter, frame: Frame, name: string): CatalogTable | undefined {
  return run.machine.catalog.namespace(frame.namespace)?.tables.get(name);
}

function requireTable(run: Interpreter, frame: Frame, name: string): CatalogTable {
  const table = tableOf(run, frame, name);
  if (table === undefined) throw new Error(`unknown table: table "${name}" not found in namespace ""`);
  return table;
}

function createTable(run: Interpreter, statement: Of<'create-table'>, frame: Frame): void {
  allow(run, frame, 'CREATE');
  if (tableOf(run, frame, statement.name) !== undefined) {
    if (statement.ifNotExists) return;
    throw new Error(`table "${statement.name}" already exists`);
  }
  change(run, statement, frame);
}

function dropTable(run: Interpreter, statement: Of<'drop-table'>, frame: Frame): void {
  allow(run, frame, 'DROP');
  for (const name of statement.tables)
    if (tableOf(run, frame, name) === undefined && !statement.ifExists)
      throw new Error(`table "${name}" does not exist`);
  change(run, statement, frame);
}

function createIndex(run: Interpreter, statement: Of<'create-index'>, frame: Frame): void {
  allow(run, frame, 'CREATE');
  const table = requireTable(run, frame, statement.table);
  for (const name of statement.columns)
    if (!table.columns.some(column => column.name === name))
      throw new Error(`column "${name}" does not exist in table "${statement.table}"`);
  change(run, statement, frame);
}

function alterTable(run: Interpreter, statement: Of<'alter-table'>, frame: Frame): void {
  allow(run, frame, 'ALTER');
  const table = requireTable(run, frame, statement.table);
  for (const action of statement.actions) checkAlter(run, action, table, frame);
  const needed = statement.actions.filter(action => !isSettled(action, table));
  if (needed.length > 0) change(run, { ...statement, actions: needed }, frame);
}

/** `ADD COLUMN IF NOT EXISTS` of a column that is there, `DROP COLUMN IF EXISTS` of one that is not. */
function isSettled(action: AlterAction, table: CatalogTable): boolean {
  const has = (name: string): boolean => table.columns.some(column => column.name === name);
  if (action.kind === 'add-column') return action.ifNotExists && has(action.column);
  return action.kind === 'drop-column' && action.ifExists && !has(action.column);
}

function checkAlter(run: Interpreter, action: AlterAction, table: CatalogTable, frame: Frame): void {
  const find = (name: string): CatalogTable['columns'][number] | undefined =>
    table.columns.find(column => column.name === name);
  switch (action.kind) {
    case 'add-column':
      if (find(action.column) !== undefined && !action.ifNotExists)
        throw new Error(`column "${action.column}" already exists`);
      return;
    case 'rename-column':
      if (find(action.column) === undefined) throw new Error(`column "${action.column}" does not exist`);
      if (find(action.to) !== undefined) throw new Error(`column "${action.to}" already exists`);
      return;
    case 'rename-table':
      if (tableOf(run, frame, action.to) !== undefined) throw new Error(`table "${action.to}" already exists`);
      return;
    case 'drop-column':
    case 'set-not-null':
    case 'set-default':
    case 'drop-not-null':
    case 'drop-default': {
      const column = find(action.column);
      if (column === undefined) {
        if (action.kind === 'drop-column' && action.ifExists) return;
        throw new Error(`column "${action.column}" does not exist`);
      }
      const verb = action.kind === 'drop-column' ? 'drop' : 'alter';
      if (column.primary)
        throw new Error(
          `cannot drop or alter a table's primary key: cannot ${verb} primary key column "${action.column}"`,
        );
      if (action.kind === 'set-default') {
        const { type } = run.evaluate(action.value, frame);
        if (!fits(type, column.type))
          throw new Error(`type error: expected ${typeText(column.type)}, got ${typeText(type)}`);
      }
      return;
    }
    case 'add-constraint':
    case 'drop-constraint':
  }
}

function createAction(run: Interpreter, statement: CreateAction, frame: Frame): void {
  allow(run, frame, 'CREATE');
  const { catalog } = run.machine;
  if (catalog.namespace(frame.namespace)!.actions.has(statement.name)) {
    if (statement.ifNotExists) return;
    if (!statement.replace) throw new Error(`action/function "${statement.name}" already exists`);
  }
  const access = new Set(statement.modifiers.filter(modifier => ['PUBLIC', 'PRIVATE', 'SYSTEM'].includes(modifier)));
  if (access.size === 0)
    throw new Error(
      `one of PUBLIC, PRIVATE, or SYSTEM access modifier is required. received: "${statement.modifiers.join(', ').toLowerCase()}"`,
    );
  if (access.size > 1) throw new Error('only one of PUBLIC, PRIVATE, or SYSTEM is allowed');
  catalog.storeAction(frame.namespace, { ...statement, modifiers: [...new Set(statement.modifiers)] });
}

function dropAction(run: Interpreter, statement: Of<'drop-action'>, frame: Frame): void {
  allow(run, frame, 'DROP');
  const { catalog } = run.machine;
  if (!catalog.namespace(frame.namespace)!.actions.has(statement.name)) {
    if (statement.ifExists) return;
    throw new Error(`action "${statement.name}" does not exist`);
  }
  catalog.deleteAction(frame.namespace, statement.name);
}

function createNamespace(run: Interpreter, { name, ifNotExists }: Of<'create-namespace'>, frame: Frame): void {
  run.requirePrivilege('CREATE', frame);
  requireWriter(run);
  if (/^(kwil_|pg_)/.test(name))
    throw new Error(`namespace prefix is reserved: cannot use namespace with a reserved prefix "${name}"`);
  if (run.machine.catalog.namespace(name) !== undefined) {
    if (ifNotExists) return;
    throw new Error(`namespace already exists: "${name}"`);
  }
  run.machine.catalog.addNamespace(name);
}

function dropNamespace(run: Interpreter, { name, ifExists }: Of<'drop-namespace'>, frame: Frame): void {
  run.requirePrivilege('DROP', frame);
  requireWriter(run);
  if (run.machine.catalog.namespace(name) === undefined) {
    if (ifExists) return;
    throw new Error(`namespace not found: namespace "${name}" does not exist`);
  }
  if (BUILT_IN_NAMESPACES.has(name)) throw new Error(`cannot drop a built-in namespace: "${name}"`);
  run.machine.catalog.dropNamespace(name);
  run.machine.statements.clear();
}

function changeRole(run: Interpreter, statement: Of<'create-role'> | Of<'drop-role'>, frame: Frame): void {
  run.requirePrivilege('ROLES', frame);
  requireWriter(run);
  const { catalog } = run.machine;
  const exists = catalog.state.roles.privileges.has(statement.role);
  const isBuiltIn = statement.role === 'default' || statement.role === 'owner';
  if (statement.kind === 'create-role') {
    if (exists && statement.ifNotExists) return;
    if (isBuiltIn) throw new Error(`invalid operation on built-in role: role "${statement.role}" cannot be added`);
    if (exists) throw new Error(`role "${statement.role}" already exists`);
    catalog.changeRoles('INSERT INTO kwild_engine.roles (name) VALUES ($1)', [statement.role]);
    return;
  }
  if (!exists && statement.ifExists) return;
  if (isBuiltIn) throw new Error(`invalid operation on built-in role: role "${statement.role}" cannot be dropped`);
  if (!exists) throw new Error(`role "${statement.role}" does not exist`);
  catalog.changeRoles('DELETE FROM kwild_engine.roles WHERE name = $1', [statement.role]);
}

function userOf(run: Interpreter, target: RoleTarget, frame: Frame): string {
  if ('user' in target) return target.user;
  if ('role' in target) throw new Error('invalid grant/revoke statement');
  const expression: Expression = target.expression;
  const value = run.evaluate(expression, frame);
  if (value.type.name !== 'text' || value.type.isArray)
    throw new Error(`type error: expected text, got ${typeText(value.type)}`);
  if (isNull(value)) throw new Error('cannot assign role to null user');
  return textOf(value);
}

function grant(run: Interpreter, statement: Of<'grant'>, frame: Frame): void {
  run.requirePrivilege('ROLES', frame);
  requireWriter(run);
  if (statement.role === null) grantPrivileges(run, statement);
  else grantRole(run, statement, statement.role, frame);
}

function grantPrivileges(run: Interpreter, statement: Of<'grant'>): void {
  const { catalog } = run.machine;
  if (!('role' in statement.target)) throw new Error('invalid grant/revoke statement');
  const { role } = statement.target;
  if (role === 'owner')
    throw new Error(
      statement.grant ? 'owner role already has all privileges' : 'owner role cannot have privileges revoked',
    );
  const held = catalog.state.roles.privileges.get(role);
  if (held === undefined) throw new Error(`role "${role}" does not exist`);
  for (const privilege of statement.privileges) {
    if (statement.on !== null && GLOBAL_ONLY.has(privilege))
      throw new Error(`the selected object is global-only, and cannot be namespaced: ${privilege}`);
    if (statement.on !== null) run.requireNamespace(statement.on);
    const has = held.has(statement.on === null ? privilege : `${privilege} ${statement.on}`);
    if (has === statement.grant) {
      if (statement.conditional) continue;
      throw new Error(
        `role "${role}" ${has ? 'already has' : 'does not have'} some or all of the specified privileges`,
      );
    }
    const sql = statement.grant
      ? 'INSERT INTO kwild_engine.role_privileges (role_name, privilege, namespace) VALUES ($1, $2, $3)'
      : 'DELETE FROM kwild_engine.role_privileges WHERE role_name = $1 AND privilege = $2 AND namespace IS NOT DISTINCT FROM $3';
    catalog.changeRoles(sql, [role, privilege, statement.on]);
  }
}

function grantRole(run: Interpreter, statement: Of<'grant'>, role: string, frame: Frame): void {
  const { catalog } = run.machine;
  if (role === 'default')
    throw new Error('invalid operation on built-in role: cannot grant or revoke the default role');
  if (role === 'owner') throw new Error('cannot grant or revoke the owner role, use TRANSFER OWNERSHIP instead');
  if (statement.on !== null) throw new Error('role assignment is global and cannot be namespaced');
  const user = userOf(run, statement.target, frame);
  if (!catalog.state.roles.privileges.has(role)) throw new Error(`role "${role}" does not exist`);
  const has = catalog.state.roles.members.get(user)?.has(role) ?? false;
  if (has === statement.grant) {
    if (statement.conditional) return;
    throw new Error(has ? `user "${user}" already has role "${role}"` : `user "${user}" does not have role "${role}"`);
  }
  const sql = statement.grant
    ? 'INSERT INTO kwild_engine.user_roles (role_name, user_identifier) VALUES ($1, $2)'
    : 'DELETE FROM kwild_engine.user_roles WHERE role_name = $1 AND user_identifier = $2';
  catalog.changeRoles(sql, [role, user]);
}

function transferOwnership(run: Interpreter, target: RoleTarget, frame: Frame): void {
  run.requirePrivilege('ROLES', frame);
  if (!run.isOwner()) throw new Error('user does not have privilege: only the db owner can transfer ownership');
  requireWriter(run);
  const user = userOf(run, target, frame);
  const { catalog } = run.machine;
  catalog.changeRoles(`DELETE FROM kwild_engine.user_roles WHERE role_name = 'owner'`, []);
  catalog.changeRoles(`INSERT INTO kwild_engine.user_roles (role_name, user_identifier) VALUES ('owner', $1)`, [user]);
}
