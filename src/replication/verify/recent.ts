import type { Height } from '../../model/index.js';
import { sleep } from '../../platform/index.js';
import {
  base64Of,
  decodeColumnData,
  decodeElements,
  type Column,
  type ColumnValue,
  type DataType,
} from '../../protocol/index.js';
import { reasonOf } from '../errors.js';
import type { ArchivePort, ReplicationPorts } from '../ports.js';
import { readTables, type TableSpec } from './catalogue.js';
import { createReader, quoted, type Cell, type Parameter, type Reader, type Row } from './queries.js';

export interface RecentComparison {
  /** Keys whose rows were compared; 0 when the networks could not be asked for rows. */
  readonly compared: number;
  readonly differences: number;
}

/** Compares the rows that the last changesets changed, key by key, on both networks. */
export interface RecentVerifier {
  /**
   * Rows changed in the newest heights up to `upTo`, which the new network must show. Throws when they cannot be compared in
   * time. Where no old node is left, or the nodes answer no free queries (private mode), nothing is compared.
   */
  verifyRecent(upTo: Height, signal: AbortSignal): Promise<RecentComparison>;
}

const HEIGHTS_MAX = 50;
const KEYS_MAX = 200;
const KEYS_PER_QUERY = 50;
/** All of it happens while writes are held. */
const BUDGET_MS = 500;
/** A row that somebody else is changing on the old network may be ahead for a moment. */
const ROUNDS = 3;
const PAUSE_MS = 60;

interface Key {
  readonly values: readonly Cell[];
  readonly types: readonly DataType[];
}

/** table → JSON of the key → key. */
type Keys = ReadonlyMap<string, ReadonlyMap<string, Key>>;

export function createRecentVerifier(
  ports: Pick<ReplicationPorts, 'nodes' | 'clock' | 'logger'> & {
    readonly archive: Pick<ArchivePort, 'last' | 'bytes'>;
  },
): RecentVerifier {
  const { nodes, clock, logger, archive } = ports;
  // Tables of the old network do not change between Start and End, so that one look is enough.
  let tables: ReadonlyMap<string, TableSpec> | null = null;

  return {
    async verifyRecent(upTo, outer) {
      const signal = AbortSignal.any([outer, AbortSignal.timeout(BUDGET_MS)]);
      const [old, fresh] = [createReader(nodes, 'old', signal), createReader(nodes, 'new', signal)];
      try {
        tables ??= await readTables(old);
      } catch (error) {
        if (signal.aborted) throw error;
        logger.warn(
          { reason: reasonOf(error) },
          'the old network answers no queries: rows are not compared before the switch',
        );
        return { compared: 0, differences: 0 };
      }
      const specs = tables;
      const keys = recentKeys(archive, upTo, specs);
      let compared = 0;
      let differences = 0;
      await Promise.all(
        [...keys].map(async ([table, own]) => {
          compared += own.size;
          differences += await differing(specs.get(table)!, [...own.values()], old, fresh, signal);
        }),
      );
      signal.throwIfAborted();
      return { compared, differences };
    },
  };

  async function differing(spec: TableSpec, keys: readonly Key[], old: Reader, fresh: Reader, signal: AbortSignal) {
    let open = keys;
    const shown = new Map<string, Set<string>>();
    for (let round = 0; round < ROUNDS && open.length > 0; round += 1) {
      if (round > 0) await sleep(clock, PAUSE_MS, signal);
      signal.throwIfAborted();
      const [before, now] = await Promise.all([rowsOf(spec, open, old), rowsOf(spec, open, fresh)]);
      open = open.filter(({ values }) => {
        const key = JSON.stringify(values);
        const texts = shown.get(key) ?? new Set<string>();
        shown.set(key, texts.add(JSON.stringify(before.get(key) ?? null)));
        return !texts.has(JSON.stringify(now.get(key) ?? null));
      });
    }
    return open.length;
  }
}

/** Newest first, without rows that were changed again after `upTo`: those may be on their way. */
function recentKeys(
  archive: Pick<ArchivePort, 'last' | 'bytes'>,
  upTo: Height,
  specs: ReadonlyMap<string, TableSpec>,
): Keys {
  const last = archive.last() ?? 0;
  const keys = new Map<string, Map<string, Key>>();
  const inFlight = new Set<string>();
  let count = 0;
  for (let height = last; height > upTo - HEIGHTS_MAX && height > 0; height -= 1) {
    const bytes = archive.bytes(height);
    if (bytes === undefined) break;
    const relations: { readonly table: string; readonly columns: readonly Column[] }[] = [];
    for (const element of decodeElements(bytes)) {
      if (element.kind === 'relation')
        relations.push({ table: `${element.schema}.${element.table}`, columns: element.columns ?? [] });
      if (element.kind !== 'row') continue;
      const relation = relations[element.relation];
      const spec = relation && specs.get(relation.table);
      if (relation === undefined || spec === undefined || spec.key.length === 0) continue;
      for (const values of [element.old, element.new]) {
        const key = keyOf(spec, relation.columns, values);
        if (key === null) continue;
        const text = JSON.stringify(key.values);
        if (height > upTo) inFlight.add(`${relation.table} ${text}`);
        else if (!inFlight.has(`${relation.table} ${text}`) && count < KEYS_MAX) {
          const own = keys.get(relation.table) ?? new Map<string, Key>();
          keys.set(relation.table, own);
          if (!own.has(text)) count += 1;
          own.set(text, key);
        }
      }
    }
    if (count >= KEYS_MAX) break;
  }
  return keys;
}

function keyOf(spec: TableSpec, columns: readonly Column[], values: readonly ColumnValue[]): Key | null {
  const cells: Cell[] = [];
  const types: DataType[] = [];
  for (const name of spec.key) {
    const place = columns.findIndex(column => column.name === name);
    const column = columns[place];
    const value = values[place];
    if (column === undefined || value?.kind !== 2) return null;
    cells.push(cellOf(decodeColumnData(column.type, value.data ?? new Uint8Array(0))));
    types.push(column.type);
  }
  return { values: cells, types };
}

function cellOf(value: unknown): Cell {
  if (typeof value === 'boolean') return value;
  return value instanceof Uint8Array ? base64Of(value) : String(value);
}

async function rowsOf(spec: TableSpec, keys: readonly Key[], reader: Reader): Promise<ReadonlyMap<string, Row>> {
  const columns = spec.columns.map(quoted).join(', ');
  const chunks: (readonly Key[])[] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_QUERY) chunks.push(keys.slice(at, at + KEYS_PER_QUERY));
  const pages = await Promise.all(
    chunks.map(chunk => {
      const parameters: Parameter[] = [];
      const anyOf = chunk.map(({ values, types }) => {
        const parts = spec.key.map((name, index) => {
          parameters.push({ type: types[index]!, value: values[index]! });
          return `${quoted(name)} = $k${parameters.length - 1}`;
        });
        return `(${parts.join(' AND ')})`;
      });
      const sql = `SELECT ${columns} FROM ${spec.namespace}.${quoted(spec.table)} WHERE ${anyOf.join(' OR ')}`;
      return reader.query(sql, parameters);
    }),
  );
  const places = spec.key.map(name => spec.columns.indexOf(name));
  return new Map(
    pages.flatMap(({ values }) => values.map(row => [JSON.stringify(places.map(place => row[place]!)), row])),
  );
}
