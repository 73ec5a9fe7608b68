import type { DataType } from '../../protocol/index.js';
import type { TableSpec } from './catalogue.js';
import { quoted, type Cell, type Parameter, type Reader, type Row } from './queries.js';

/** A key whose rows differ, or that only one network has, as last seen. */
export interface DifferingKey {
  readonly namespace: string;
  readonly table: string;
  /** JSON of the key's values. */
  readonly key: string;
  readonly side: 'old-only' | 'new-only' | 'different';
  readonly old: Row | null;
  readonly new: Row | null;
}

export interface TableComparison {
  readonly rowsOld: number;
  readonly rowsNew: number;
  readonly suspects: readonly DifferingKey[];
  /** There are more differing keys than are listed. */
  readonly truncated: boolean;
}

/** Rows held at once per network. */
export const PAGE = 500;

/**
 * Walks one table of both networks in key order, page by page: the old network gives a page, the new one the same range of
 * keys. Order and range are the databases' own business, so collations do not matter as long as both are the same.
 */
export async function compareTable(
  spec: TableSpec,
  old: Reader,
  fresh: Reader,
  suspectsMax: number,
  signal: AbortSignal,
): Promise<TableComparison> {
  const suspects: DifferingKey[] = [];
  let rowsOld = 0;
  let rowsNew = 0;
  let truncated = false;
  let after: Position | null = null;
  for (let more = true; more && !signal.aborted;) {
    const page: Page = await readPage(spec, old, after, null);
    const isLast = page.rows.length < PAGE;
    const upTo: Position | null = isLast ? null : page.end;
    const before = new Map(page.rows.map(row => [keyOf(spec, row), row] as const));
    rowsOld += page.rows.length;
    // The new network may have any number of rows in this range: read in pages as well.
    for (let from: Position | null = after, rest = true; rest && !signal.aborted;) {
      const other: Page = await readPage(spec, fresh, from, upTo);
      rowsNew += other.rows.length;
      for (const row of other.rows) {
        const key = keyOf(spec, row);
        const twin = before.get(key);
        before.delete(key);
        if (twin === undefined) add(key, 'new-only', null, row);
        else if (!sameRow(twin, row)) add(key, 'different', twin, row);
      }
      rest = other.rows.length === PAGE;
      from = other.end;
    }
    for (const [key, row] of before) add(key, 'old-only', row, null);
    after = page.end;
    more = !isLast;
  }
  return { rowsOld, rowsNew, suspects, truncated };

  function add(key: string, side: DifferingKey['side'], before: Row | null, now: Row | null): void {
    if (suspects.length >= suspectsMax) truncated = true;
    else suspects.push({ namespace: spec.namespace, table: spec.table, key, side, old: before, new: now });
  }
}

export interface Position {
  readonly values: readonly Cell[];
  readonly types: readonly DataType[];
}

export interface Page {
  readonly rows: readonly Row[];
  /** Position of its last row; null when it is empty. */
  readonly end: Position | null;
}

/** Up to `PAGE` rows in key order, after one position and up to another. */
export async function readPage(
  spec: TableSpec,
  reader: Reader,
  after: Position | null,
  upTo: Position | null,
): Promise<Page> {
  const parameters: Parameter[] = [];
  const conditions = [
    ...(after === null ? [] : [beyond(spec.key, after, '>', parameters)]),
    ...(upTo === null ? [] : [`(${beyond(spec.key, upTo, '<', parameters)} OR ${equal(spec.key, upTo, parameters)})`]),
  ];
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const order = spec.key.map(quoted).join(', ');
  const { types, values } = await reader.query(`${selectOf(spec)}${where} ORDER BY ${order} LIMIT ${PAGE}`, parameters);
  const last = values.at(-1);
  const end = last === undefined ? null : positionOf(spec, last, types);
  return { rows: values, end };
}

const selectOf = ({ namespace, table, columns }: TableSpec): string =>
  `SELECT ${columns.map(quoted).join(', ')} FROM ${namespace}.${quoted(table)}`;

function positionOf(spec: TableSpec, row: Row, types: readonly DataType[]): Position {
  const places = spec.key.map(name => spec.columns.indexOf(name));
  return { values: places.map(place => row[place]!), types: places.map(place => types[place]!) };
}

/** `(a > $0) OR (a = $1 AND b > $2) …`: what comes after (or before) a position, column by column. */
function beyond(key: readonly string[], position: Position, sign: '>' | '<', parameters: Parameter[]): string {
  const alternatives = key.map((name, index) => {
    const equalBefore = key
      .slice(0, index)
      .map((column, at) => `${quoted(column)} = ${bind(position, at, parameters)}`);
    return `(${[...equalBefore, `${quoted(name)} ${sign} ${bind(position, index, parameters)}`].join(' AND ')})`;
  });
  return `(${alternatives.join(' OR ')})`;
}

const equal = (key: readonly string[], position: Position, parameters: Parameter[]): string =>
  `(${key.map((name, index) => `${quoted(name)} = ${bind(position, index, parameters)}`).join(' AND ')})`;

function bind(position: Position, index: number, parameters: Parameter[]): string {
  parameters.push({ type: position.types[index]!, value: position.values[index]! });
  return `$k${parameters.length - 1}`;
}

const keyOf = (spec: TableSpec, row: Row): string =>
  JSON.stringify(spec.key.map(name => row[spec.columns.indexOf(name)]));

const sameRow = (a: Row, b: Row): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Types of the key's columns on this network, by asking for no more than one row; null while the table is empty. */
async function keyTypes(spec: TableSpec, reader: Reader): Promise<readonly DataType[] | null> {
  const { types, values } = await reader.query(`${selectOf(spec)} LIMIT 1`);
  return values.length === 0 ? null : spec.key.map(name => types[spec.columns.indexOf(name)]!);
}

/**
 * Looks again at suspected keys until they settle: a row in flight shows on the new network a little later than on the old one.
 * What the new network shows counts as equal once the old one has shown the same since we began, since then it only lags.
 */
export async function recheck(
  spec: TableSpec,
  suspects: readonly DifferingKey[],
  old: Reader,
  fresh: Reader,
  rounds: { readonly count: number; readonly pause: () => Promise<void> },
  signal: AbortSignal,
): Promise<readonly DifferingKey[]> {
  if (suspects.length === 0) return suspects;
  const types = (await keyTypes(spec, old)) ?? (await keyTypes(spec, fresh));
  if (types === null) return [];
  const shown = new Map(suspects.map(({ key, old: row }) => [key, new Set([JSON.stringify(row)])]));
  let open = [...suspects];
  for (let round = 0; round < rounds.count && open.length > 0 && !signal.aborted; round += 1) {
    const still: DifferingKey[] = [];
    for (const suspect of open) {
      const position: Position = { values: JSON.parse(suspect.key) as Cell[], types };
      const parameters: Parameter[] = [];
      const sql = `${selectOf(spec)} WHERE ${equal(spec.key, position, parameters)}`;
      const before = (await old.query(sql, parameters)).values[0] ?? null;
      shown.get(suspect.key)!.add(JSON.stringify(before));
      const now = (await fresh.query(sql, parameters)).values[0] ?? null;
      if (shown.get(suspect.key)!.has(JSON.stringify(now))) continue;
      still.push({
        ...suspect,
        old: before,
        new: now,
        side: before === null ? 'new-only' : now === null ? 'old-only' : 'different',
      });
    }
    open = still;
    if (open.length > 0) await rounds.pause();
  }
  return open;
}
