import type { Cell, Reader, Row } from './queries.js';

export interface TableSpec {
  readonly namespace: string;
  readonly table: string;
  /** In the table's own order. */
  readonly columns: readonly string[];
  /** In the order of the key; empty when there is none. */
  readonly key: readonly string[];
}

/** One line of the schema, actions or roles that only one network has. */
export interface StructureDifference {
  readonly what: string;
  readonly line: string;
  readonly side: 'old-only' | 'new-only';
}

/** Tables of all user namespaces, by the network's own `info` views. */
export async function readTables(reader: Reader): Promise<Map<string, TableSpec>> {
  const namespaces = await userNamespaces(reader);
  const columns = await reader.query(
    'SELECT namespace, table_name, name, ordinal_position, is_primary_key FROM info.columns ORDER BY namespace, table_name, ordinal_position',
  );
  const indexes = await reader.query(
    'SELECT namespace, table_name, columns FROM info.indexes WHERE is_primary_key = true',
  );
  const keys = new Map(indexes.values.map(row => [nameOf(row), (row[2] as readonly string[] | null) ?? []]));
  const tables = new Map<string, TableSpec>();
  for (const row of columns.values) {
    const [namespace, table, name, , isKey] = row as [string, string, string, string, boolean];
    if (!namespaces.has(namespace)) continue;
    const id = nameOf(row);
    const known = tables.get(id) ?? { namespace, table, columns: [], key: keys.get(id) ?? [] };
    const key = keys.has(id) || !isKey ? known.key : [...known.key, name];
    tables.set(id, { ...known, columns: [...known.columns, name], key });
  }
  return tables;
}

const nameOf = (row: Row): string => `${row[0] as string}.${row[1] as string}`;

async function userNamespaces(reader: Reader): Promise<ReadonlySet<string>> {
  const { values } = await reader.query('SELECT name, type FROM info.namespaces ORDER BY name');
  return new Set(values.filter(row => row[1] === 'USER').map(row => row[0] as string));
}

/** What describes a network beside its rows. `scoped`: the first column is a namespace, of which only users' own count. */
const STRUCTURE: readonly { readonly what: string; readonly sql: string; readonly scoped: boolean }[] = [
  {
    what: 'column',
    scoped: true,
    sql: 'SELECT namespace, table_name, name, data_type, is_nullable, default_value, is_primary_key, ordinal_position FROM info.columns ORDER BY namespace, table_name, name',
  },
  {
    what: 'index',
    scoped: true,
    sql: 'SELECT namespace, table_name, name, is_primary_key, is_unique, columns FROM info.indexes ORDER BY namespace, table_name, name',
  },
  {
    what: 'constraint',
    scoped: true,
    sql: 'SELECT namespace, table_name, name, constraint_type, columns, expression FROM info.constraints ORDER BY namespace, table_name, name',
  },
  {
    what: 'foreign key',
    scoped: true,
    // Its column on_update is a reserved word of the dialect, so it cannot be named.
    sql: 'SELECT * FROM info.foreign_keys',
  },
  {
    what: 'action',
    scoped: true,
    sql: 'SELECT namespace, name, raw_statement, access_modifiers, built_in FROM info.actions ORDER BY namespace, name',
  },
  { what: 'role', scoped: false, sql: 'SELECT name, built_in FROM info.roles ORDER BY name' },
  {
    what: 'privilege',
    scoped: false,
    sql: 'SELECT role_name, privilege, namespace, granted FROM info.role_privileges ORDER BY role_name, privilege',
  },
  {
    what: 'member',
    scoped: false,
    sql: 'SELECT role_name, user_identifier FROM info.user_roles ORDER BY role_name, user_identifier',
  },
];

const LINE_MAX = 300;

/** Compares schemas, actions and roles. A view that a network does not have is left out and named in `notCompared`. */
export async function compareStructure(
  old: Reader,
  fresh: Reader,
): Promise<{ differences: StructureDifference[]; notCompared: string[] }> {
  const differences: StructureDifference[] = [];
  const notCompared: string[] = [];
  const namespaces = new Set([...(await userNamespaces(old)), ...(await userNamespaces(fresh))]);
  for (const { what, sql, scoped } of STRUCTURE) {
    const lines = async (reader: Reader): Promise<Set<string>> => {
      const { values } = await reader.query(sql);
      return new Set(
        values.filter(row => !scoped || namespaces.has(row[0] as string)).map(row => row.map(textOf).join(' ')),
      );
    };
    try {
      const [before, after] = [await lines(old), await lines(fresh)];
      for (const line of before)
        if (!after.has(line)) differences.push({ what, line: line.slice(0, LINE_MAX), side: 'old-only' });
      for (const line of after)
        if (!before.has(line)) differences.push({ what, line: line.slice(0, LINE_MAX), side: 'new-only' });
    } catch (error) {
      if (error instanceof Error) notCompared.push(`${what}s: ${error.message}`);
      else throw error;
    }
  }
  return { differences, notCompared };
}

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : JSON.stringify(cell));
