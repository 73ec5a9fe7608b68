import type { DataType } from '../../../protocol/index.js';
import type { CreateAction } from '../sql/ast.js';
import { BOOL, BYTEA, INT8, numeric, TEXT, UUID } from '../sql/data-type.js';
import { parse } from '../sql/parser.js';
import type { PlanColumn, PlanTable } from '../sql/plan.js';
import type { PgSession } from '../pg/session.js';
import { parseArray } from '../value.js';
import { captureSignature, captureSql } from './capture-triggers.js';

export interface CatalogColumn extends PlanColumn {
  /** Type as the changeset stream announces it: int4 is told apart, numerics have no metadata. */
  readonly streamType: DataType;
}

export interface CatalogTable extends PlanTable {
  readonly oid: number;
  readonly columns: readonly CatalogColumn[];
  readonly isView: boolean;
}

export interface Namespace {
  readonly name: string;
  readonly type: 'USER' | 'SYSTEM' | 'EXTENSION';
  readonly tables: ReadonlyMap<string, CatalogTable>;
  readonly actions: ReadonlyMap<string, CreateAction>;
}

export interface Roles {
  /** Role → `PRIVILEGE` or `PRIVILEGE namespace`. */
  readonly privileges: ReadonlyMap<string, ReadonlySet<string>>;
  /** User → roles. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Whether a user may do this in a namespace, by any of the roles it has; everybody has `default`. */
export const hasPrivilege = (roles: Roles, user: string, privilege: string, namespace: string): boolean =>
  ['default', ...(roles.members.get(user) ?? [])].some(role => {
    const granted = roles.privileges.get(role);
    return granted !== undefined && (granted.has(privilege) || granted.has(`${privilege} ${namespace}`));
  });

/** Schema as the engine sees it. Replaced as a whole, so that a failed transaction puts the old one back. */
export interface CatalogState {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly roles: Roles;
}

const BASE_TYPES: Readonly<Record<string, DataType>> = {
  int2: INT8,
  int4: INT8,
  int8: INT8,
  text: TEXT,
  name: TEXT,
  varchar: TEXT,
  bool: BOOL,
  bytea: BYTEA,
  uuid: UUID,
};

/** Kwil's type of a Postgres column. */
function columnType(udt: string, modifier: number): DataType {
  const isArray = udt.startsWith('_');
  const base = isArray ? udt.slice(1) : udt;
  // modifier of numeric(p,s): precision in the upper half, scale in the lower, 4 more for the length word
  const type = base === 'numeric' ? numeric(((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0x7ff) : BASE_TYPES[base];
  if (type === undefined) throw new Error(`column type ${udt} is not known`);
  return { ...type, isArray };
}

function streamType(udt: string): DataType {
  const type = columnType(udt, 4);
  const name = udt.endsWith('int4') ? 'int4' : type.name;
  return { name, isArray: type.isArray, precision: 0, scale: 0 };
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** Keeps the schema of the state and changes it together with Postgres. */
export class Catalog {
  state: CatalogState = { namespaces: new Map(), roles: { privileges: new Map(), members: new Map() } };

  constructor(private readonly session: PgSession) {}

  /** Reads everything anew. */
  load(): void {
    const rows = this.session.once('SELECT name, type FROM kwild_engine.namespaces ORDER BY name');
    const namespaces = new Map<string, Namespace>();
    for (const row of rows) {
      const name = row[0]!;
      const tables = this.readTables(name);
      namespaces.set(name, { name, type: row[1] as Namespace['type'], tables, actions: this.readActions(name) });
    }
    this.state = { namespaces, roles: this.readRoles() };
    for (const namespace of namespaces.values()) this.watch(namespace, new Map());
    this.session.forget();
  }

  namespace(name: string): Namespace | undefined {
    return this.state.namespaces.get(name);
  }

  /** The tables of a namespace were changed in Postgres. */
  reloadTables(name: string): void {
    const old = this.state.namespaces.get(name)!;
    const namespace = { ...old, tables: this.readTables(name) };
    this.replace(namespace);
    this.watch(namespace, old.tables);
    this.session.forget();
  }

  addNamespace(name: string): void {
    this.session.script(
      `CREATE SCHEMA ${name}; INSERT INTO kwild_engine.namespaces SELECT max(id) + 1, ${literal(name)}, 'USER' FROM kwild_engine.namespaces`,
    );
    this.replace({ name, type: 'USER', tables: new Map(), actions: new Map() });
  }

  dropNamespace(name: string): void {
    this.session.script(
      `DROP SCHEMA ${name} CASCADE; DELETE FROM kwild_engine.namespaces WHERE name = ${literal(name)}`,
    );
    const namespaces = new Map(this.state.namespaces);
    namespaces.delete(name);
    this.state = { namespaces, roles: this.readRoles() };
    this.session.forget();
  }

  storeAction(namespace: string, action: CreateAction): void {
    this.deleteAction(namespace, action.name);
    const texts = `ARRAY[${action.modifiers.map(literal).join(',')}]::text[]`;
    const [row] = this.session.run(
      `INSERT INTO kwild_engine.actions (id, namespace, name, raw_statement, returns_table, modifiers)
       SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, ${texts} FROM kwild_engine.actions RETURNING id`,
      [namespace, action.name, action.raw, String(action.returns?.table ?? false)],
    ).rows;
    const insert = (table: string, entries: readonly { name: string; type: DataType }[]): void => {
      entries.forEach((entry, index) => {
        this.session.run(
          `INSERT INTO kwild_engine.${table} (action_id, "position", name, type) VALUES ($1, $2, $3, $4)`,
          [row![0]!, String(index + 1), entry.name, infoType(entry.type)],
        );
      });
    };
    insert('parameters', action.parameters);
    insert('return_fields', action.returns?.fields ?? []);
    const old = this.state.namespaces.get(namespace)!;
    this.replace({ ...old, actions: new Map(old.actions).set(action.name, action) });
  }

  deleteAction(namespace: string, name: string): void {
    const old = this.state.namespaces.get(namespace)!;
    if (!old.actions.has(name)) return;
    this.session.run('DELETE FROM kwild_engine.actions WHERE namespace = $1 AND name = $2', [namespace, name]);
    const actions = new Map(old.actions);
    actions.delete(name);
    this.replace({ ...old, actions });
  }

  /** Runs a change of role tables and reads them anew. */
  changeRoles(sql: string, params: readonly (string | null)[]): void {
    this.session.run(sql, params);
    this.state = { ...this.state, roles: this.readRoles() };
  }

  tableOf(oid: number): { namespace: string; table: CatalogTable } | null {
    for (const namespace of this.state.namespaces.values())
      for (const table of namespace.tables.values()) if (table.oid === oid) return { namespace: namespace.name, table };
    return null;
  }

  private replace(namespace: Namespace): void {
    this.state = { ...this.state, namespaces: new Map(this.state.namespaces).set(namespace.name, namespace) };
  }

  /** Sees to it that the changes of every user table are captured. */
  private watch(namespace: Namespace, before: ReadonlyMap<string, CatalogTable>): void {
    if (namespace.name === 'info') return;
    const known = new Map([...before.values()].map(table => [table.oid, captureSignature(table)]));
    for (const table of namespace.tables.values()) {
      if (table.isView || known.get(table.oid) === captureSignature(table)) continue;
      this.session.script(captureSql(namespace.name, table));
    }
  }

  private readTables(namespace: string): Map<string, CatalogTable> {
    const columns = this.session.once(`
      SELECT c.oid, c.relname, c.relkind, a.attname, t.typname, a.atttypmod, a.attnotnull,
        EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      JOIN pg_type t ON t.oid = a.atttypid
      WHERE n.nspname = ${literal(namespace)} AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY c.relname, a.attnum`);
    const unique = this.session.once(`
      SELECT c.oid, ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY u (num, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num ORDER BY u.place)
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ${literal(namespace)} AND i.indisunique`);
    const sets = new Map<string, string[][]>();
    for (const [oid, names] of unique) sets.set(oid!, [...(sets.get(oid!) ?? []), parseArray(names!) as string[]]);
    const tables = new Map<string, CatalogTable & { columns: CatalogColumn[] }>();
    for (const [oid, name, kind, column, udt, modifier, notNull, primary] of columns) {
      let table = tables.get(name!);
      if (table === undefined) {
        table = { name: name!, oid: Number(oid), columns: [], unique: sets.get(oid!) ?? [], isView: kind === 'v' };
        tables.set(name!, table);
      }
      table.columns.push({
        name: column!,
        type: columnType(udt!, Number(modifier)),
        streamType: streamType(udt!),
        nullable: notNull !== 't',
        primary: primary === 't',
      });
    }
    return tables;
  }

  private readActions(namespace: string): Map<string, CreateAction> {
    const rows = this.session.once(
      `SELECT raw_statement FROM kwild_engine.actions WHERE namespace = ${literal(namespace)} ORDER BY name`,
    );
    const actions = new Map<string, CreateAction>();
    for (const row of rows) {
      const [statement] = parse(row[0]!);
      if (statement?.kind === 'create-action') actions.set(statement.name, { ...statement, raw: row[0]! });
    }
    return actions;
  }

  private readRoles(): Roles {
    const privileges = new Map<string, Set<string>>();
    for (const [role] of this.session.once('SELECT name FROM kwild_engine.roles')) privileges.set(role!, new Set());
    for (const [role, privilege, namespace] of this.session.once(
      'SELECT role_name, privilege, namespace FROM kwild_engine.role_privileges WHERE granted',
    ))
      privileges.get(role!)?.add(namespace === null ? privilege! : `${privilege!} ${namespace}`);
    const members = new Map<string, Set<string>>();
    for (const [role, user] of this.session.once('SELECT role_name, user_identifier FROM kwild_engine.user_roles'))
      members.set(user!, new Set([...(members.get(user!) ?? []), role!]));
    return { privileges, members };
  }
}

/** A type as `info.actions` prints it. */
export function infoType(type: DataType): string {
  const meta = type.name === 'numeric' ? `(${type.precision},${type.scale})` : '';
  return `${type.name}${meta}${type.isArray ? '[]' : ''}`;
}
