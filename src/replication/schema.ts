import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Relation } from '../protocol/index.js';
import { integrityError } from './errors.js';

/** Tables of the genesis state: no other can be in the stream, since no schema changes on the old network after Start. */
export interface Schema {
  readonly tables: ReadonlyMap<string, TableShape>;
  /** Throws `stream_names` for a relation that the genesis state does not have: nodes put its names into SQL unquoted. */
  check(relations: readonly Relation[]): void;
}

export interface TableShape {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly primaryKey: readonly string[];
}

const TABLES_MAX = 100_000;
const NAME = /^[\p{L}_][\p{L}\p{N}_$]*$/u;

export function createSchema(tables: readonly TableShape[]): Schema {
  const byName = new Map(tables.map(shape => [`${shape.schema}.${shape.table}`, shape]));
  return {
    tables: byName,
    check(relations) {
      for (const { schema, table, columns } of relations) {
        const shape = byName.get(`${schema}.${table}`);
        const foreign = columns?.find(({ name }) => shape !== undefined && !shape.columns.includes(name));
        if (
          shape === undefined ||
          foreign !== undefined ||
          ![schema, table, ...(columns ?? []).map(column => column.name)].every(isPlainName)
        ) {
          throw integrityError(
            'stream_names',
            'the stream names a table or column that the genesis state does not have',
            {
              schema: schema.slice(0, 80),
              table: table.slice(0, 80),
              column: foreign?.name.slice(0, 80) ?? null,
            },
          );
        }
      }
    },
  };
}

const isPlainName = (name: string): boolean => NAME.test(name) && name.length <= 63;

export interface GenesisSql {
  readonly schema: Schema;
  /** SHA-256 of the SQL text, hex: equals the snapshot's hash and the app hash of the new genesis. */
  readonly sha256: string;
}

/** Reads the tables out of the genesis state: gzipped SQL as pg_dump writes it, in any number of chunks, line by line. */
export async function readGenesisSql(chunks: Iterable<Uint8Array>): Promise<GenesisSql> {
  const tables: { schema: string; table: string; columns: string[]; primaryKey: string[] }[] = [];
  const hash = createHash('sha256');
  const sql = new PassThrough();
  sql.on('data', (piece: Buffer) => hash.update(piece));
  const unzipping = pipeline(Readable.from(chunks), createGunzip(), sql);
  // The failure is seen when it is awaited below; the line reader only sees the end of its input.
  unzipping.catch(() => undefined);
  const lines = createInterface({ input: sql, crlfDelay: Infinity });
  let current: (typeof tables)[number] | null = null;
  let altered: (typeof tables)[number] | undefined;
  let inRows = false;
  for await (const line of lines) {
    if (inRows) {
      if (line === '\\.') inRows = false;
      continue;
    }
    if (current !== null) {
      if (line.startsWith(')')) current = null;
      else if (!/^\s+(CONSTRAINT|CHECK|PRIMARY KEY|UNIQUE|FOREIGN KEY|EXCLUDE)\b/.test(line)) {
        const column = /^\s+(?:"((?:[^"]|"")+)"|(\S+))\s/.exec(line);
        if (column !== null) current.columns.push(nameOf(column[1], column[2]));
      }
      continue;
    }
    if (/^COPY .* FROM stdin;$/.test(line)) {
      inRows = true;
      continue;
    }
    const created = TABLE.exec(line);
    if (created !== null) {
      current = {
        schema: nameOf(created[1], created[2]),
        table: nameOf(created[3], created[4]),
        columns: [],
        primaryKey: [],
      };
      tables.push(current);
      if (tables.length > TABLES_MAX)
        throw integrityError('genesis_schema', `the genesis state has more than ${TABLES_MAX} tables`);
      continue;
    }
    const alter = ALTER.exec(line);
    if (alter !== null) {
      const [schema, table] = [nameOf(alter[1], alter[2]), nameOf(alter[3], alter[4])];
      altered = tables.find(shape => shape.schema === schema && shape.table === table);
    }
    const key = /PRIMARY KEY \(([^)]*)\);$/.exec(line);
    if (key !== null && altered !== undefined)
      altered.primaryKey = key[1]!.split(',').map(part => part.trim().replace(/^"|"$/g, ''));
  }
  await unzipping;
  return { schema: createSchema(tables), sha256: hash.digest('hex') };
}

const IDENTIFIER = String.raw`(?:"((?:[^"]|"")+)"|([^\s".(]+))`;
const TABLE = new RegExp(String.raw`^CREATE (?:UNLOGGED )?TABLE ${IDENTIFIER}\.${IDENTIFIER} \($`);
const ALTER = new RegExp(String.raw`^ALTER TABLE (?:ONLY )?${IDENTIFIER}\.${IDENTIFIER}$`);

const nameOf = (quoted: string | undefined, plain: string | undefined): string =>
  quoted?.replaceAll('""', '"') ?? plain ?? '';
