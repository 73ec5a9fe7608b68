import { createHash } from 'node:crypto';
import type { PgSession } from '../pg/session.js';

/** Schemas that every network has from the start: a dump lists them, a restore finds them there already. */
const FIXED_SCHEMAS = ['info', 'kwild_accts', 'kwild_engine', 'main'];
/** Tables of the fixed schemas that carry state, in the order in which they can be filled. */
const STATE_TABLES = [
  'kwild_accts.accounts',
  'kwild_engine.namespaces',
  'kwild_engine.actions',
  'kwild_engine.parameters',
  'kwild_engine.return_fields',
  'kwild_engine.roles',
  'kwild_engine.role_privileges',
  'kwild_engine.user_roles',
];

const END_OF_DATA = '\\.';

const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

interface UserTable {
  readonly oid: string;
  /** `"schema"."table"`. */
  readonly target: string;
}

const USER_TABLES_SQL = `
SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN kwild_engine.namespaces k ON k.name = n.nspname WHERE c.relkind = 'r' ORDER BY n.nspname, c.relname`;

/**
 * The state as SQL in the shape of a genesis snapshot: schemas, tables, rows, constraints, indexes. Rows are sorted by
 * their hash, so that the same state gives the same bytes on every node.
 */
export function dumpState(session: PgSession): Buffer {
  const parts: Buffer[] = [];
  const line = (text: string): void => {
    parts.push(Buffer.from(`${text}\n`, 'utf8'));
  };
  const users = session
    .once(`SELECT name FROM kwild_engine.namespaces WHERE type = 'USER' ORDER BY name`)
    .map(row => row[0]!);
  for (const schema of [...FIXED_SCHEMAS, ...users].sort()) line(`CREATE SCHEMA ${quotedName(schema)};`);
  const tables = session
    .once(USER_TABLES_SQL)
    .map(([oid, schema, name]): UserTable => ({ oid: oid!, target: `${quotedName(schema!)}.${quotedName(name!)}` }));
  for (const table of tables) {
    line(createTable(session, table));
    line(`ALTER TABLE ONLY ${table.target} REPLICA IDENTITY FULL;`);
  }
  for (const target of [...STATE_TABLES, ...tables.map(table => table.target)]) copyTable(session, target, parts, line);
  for (const table of tables) for (const statement of constraints(session, table, `IN ('p', 'u')`)) line(statement);
  for (const table of tables) for (const statement of indexes(session, table)) line(statement);
  for (const table of tables) for (const statement of constraints(session, table, `= 'f'`)) line(statement);
  return Buffer.concat(parts);
}

function createTable(session: PgSession, table: UserTable): string {
  const columns = session.once(`
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ${table.oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`);
  const checks = session.once(`
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ${table.oid} AND contype = 'c' ORDER BY conname`);
  const lines = [
    ...columns.map(
      ([name, type, notNull, initial]) =>
        `    ${quotedName(name!)} ${type!}${initial === null ? '' : ` DEFAULT ${initial}`}${notNull === 't' ? ' NOT NULL' : ''}`,
    ),
    ...checks.map(([name, rule]) => `    CONSTRAINT ${quotedName(name!)} ${rule!}`),
  ];
  return `CREATE TABLE ${table.target} (\n${lines.join(',\n')}\n);`;
}

function copyTable(session: PgSession, target: string, parts: Buffer[], line: (text: string) => void): void {
  const names = session.once(
    `SELECT attname FROM pg_attribute WHERE attrelid = '${target.replaceAll("'", "''")}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  );
  const rows = session
    .copyOut(`COPY ${target} TO STDOUT`)
    .map(row => ({ row, hash: createHash('sha256').update(row.subarray(0, -1)).digest() }))
    .sort((a, b) => Buffer.compare(a.hash, b.hash));
  line(`COPY ${target} (${names.map(row => quotedName(row[0]!)).join(', ')}) FROM stdin;`);
  for (const { row } of rows) parts.push(row);
  line(END_OF_DATA);
}

function constraints(session: PgSession, table: UserTable, kinds: string): string[] {
  return session
    .once(
      `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ${table.oid} AND contype ${kinds} ORDER BY conname`,
    )
    .map(([name, rule]) => `ALTER TABLE ONLY ${table.target} ADD CONSTRAINT ${quotedName(name!)} ${rule!};`);
}

function indexes(session: PgSession, table: UserTable): string[] {
  return session
    .once(
      `SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       WHERE i.indrelid = ${table.oid} AND NOT EXISTS (SELECT 1 FROM pg_constraint s WHERE s.conindid = i.indexrelid AND s.contype IN ('p', 'u'))
       ORDER BY c.relname`,
    )
    .map(row => `${row[0]!};`);
}

/** Brings a dump into an empty state. Throws when it is not one. */
export function restoreState(session: PgSession, sql: Uint8Array): void {
  const text = Buffer.from(sql.buffer, sql.byteOffset, sql.byteLength);
  session.script('BEGIN');
  try {
    for (const part of readDump(text)) {
      if ('data' in part) session.copyIn(part.copy, part.data);
      else if (!FIXED_SCHEMAS.some(schema => part.statement === `CREATE SCHEMA ${quotedName(schema)};`))
        session.script(part.statement);
    }
    session.script('COMMIT');
  } catch (error) {
    session.script('ROLLBACK');
    throw error;
  }
}

type DumpPart = { readonly statement: string } | { readonly copy: string; readonly data: Buffer };

function* readDump(dump: Buffer): Generator<DumpPart> {
  let at = 0;
  const nextLine = (): string => {
    const end = dump.indexOf(10, at);
    const line = dump.toString('utf8', at, end === -1 ? dump.length : end);
    at = end === -1 ? dump.length : end + 1;
    return line;
  };
  while (at < dump.length) {
    let statement = nextLine();
    if (statement.startsWith('COPY ') && statement.endsWith(' FROM stdin;')) {
      const from = at;
      const isEmpty = dump.toString('latin1', at, at + 3) === `${END_OF_DATA}\n`;
      const end = isEmpty ? at : dump.indexOf(`\n${END_OF_DATA}\n`, at) + 1;
      if (end < from) throw new Error('dump ends inside the rows of a table');
      at = end + END_OF_DATA.length + 1;
      yield { copy: statement, data: dump.subarray(from, end) };
      continue;
    }
    while (!statement.endsWith(';') && at < dump.length) statement += `\n${nextLine()}`;
    if (statement !== '') yield { statement };
  }
}
