import type { Height } from '../model/index.js';
import { decodeColumnData, type Column, type ColumnValue, type Element } from '../protocol/index.js';
import {
  keyText,
  sqlLiteral,
  sqlText,
  touchedRows,
  type RowKey,
  type Tables,
  type TouchedRow,
} from './touched-rows.js';
import type { Cell } from './verify/queries.js';

/*
 * Values that the old node's recording loses and that no rewrite can bring back: a text that becomes `NULL` (recorded like an empty
 * text), a text item of that kind (recorded like a null item), an empty text array (recorded like one with an empty text). The
 * stream alone cannot tell them from what they look like; the row itself can, as long as the old network shows it. Pure.
 */

/** A place in a row that may have been recorded wrongly, or was. */
export interface Loss {
  readonly height: Height;
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** Empty when the table has no key: then nobody can be asked. */
  readonly key: RowKey;
  readonly recorded: RecordedText;
}

/** What the stream says: `''`, or the items of a text array. */
export type RecordedText = '' | readonly (string | null)[];

/** What the old network's own row says about it. */
export type Truth =
  | { readonly kind: 'lost'; readonly text: string; readonly statement: string }
  /** It is what it looks like, or the row was changed again, which a later height tells. */
  | { readonly kind: 'fine' };

/** Suspect places of one height, and the rows that it touches at all: what was known of those is out of date. */
export function suspectsOf(
  height: Height,
  elements: readonly Element[],
  tables: Tables,
): { readonly suspects: readonly Loss[]; readonly touched: readonly string[] } {
  const rows = touchedRows(elements, tables);
  const suspects = new Map<string, Loss>();
  const touched = new Set<string>();
  for (const row of rows) {
    for (const key of row.keys) {
      touched.add(rowName(row, key));
      // Within a height the last word counts.
      for (const [id, loss] of suspects) if (rowName(loss, loss.key) === rowName(row, key)) suspects.delete(id);
    }
    for (const loss of suspectsIn(height, row)) suspects.set(`${rowName(loss, loss.key)} ${loss.column}`, loss);
  }
  return { suspects: [...suspects.values()], touched: [...touched] };
}

export const rowName = ({ schema, table }: { readonly schema: string; readonly table: string }, key: RowKey): string =>
  `${schema}.${table} ${keyText(key)}`;

function suspectsIn(height: Height, row: TouchedRow): Loss[] {
  const key = row.keys.at(-1) ?? [];
  return row.new.flatMap((value, index) => {
    const column = row.columns[index]!;
    // Left alone, as far as the recorded forms go: an empty text that became NULL has the same form.
    const recorded = recordedText(column, value.kind === 3 ? row.old[index] : value);
    if (recorded === null) return [];
    return [{ height, schema: row.schema, table: row.table, column: column.name, key, recorded }];
  });
}

function recordedText({ type }: Column, value: ColumnValue | undefined): RecordedText | null {
  if (value?.kind !== 2 || type.name !== 'text') return null;
  const data = value.data ?? new Uint8Array(0);
  if (!type.isArray) return data.length === 0 ? '' : null;
  const items = decodeColumnData(type, data) as readonly (string | null)[];
  return items.includes(null) || (items.length === 1 && items[0] === '') ? items : null;
}

/** Judges a suspect by the cell that the old network shows now; undefined: the row is not there any more. */
export function truthOf(loss: Loss, cell: Cell | undefined): Truth {
  if (cell === undefined || cell === null) return { kind: 'fine' };
  const { recorded } = loss;
  if (recorded === '') return cell === 'NULL' ? lost(loss, "the text 'NULL'", sqlText('NULL')) : { kind: 'fine' };
  if (!Array.isArray(cell)) return { kind: 'fine' };
  const items = cell as readonly Cell[];
  if (items.length === 0) {
    return recorded.length === 1 && recorded[0] === ''
      ? lost(loss, 'an empty array', 'ARRAY[]::text[]')
      : { kind: 'fine' };
  }
  const same =
    items.length === recorded.length &&
    items.every((item, index) => item === recorded[index] || (recorded[index] === null && item === 'NULL'));
  if (!same || !items.some((item, index) => item === 'NULL' && recorded[index] === null)) return { kind: 'fine' };
  const sql = items.map(item => (item === null ? 'NULL' : sqlText(String(item))));
  return lost(loss, `an array with the text 'NULL'`, `ARRAY[${sql.join(', ')}]::text[]`);
}

function lost(loss: Loss, text: string, value: string): Truth {
  const where = loss.key.map(part => `${part.column} = ${sqlLiteral(part)}`).join(' AND ');
  return {
    kind: 'lost',
    text,
    // What was applied is part of the condition: a row that the new network's users changed since is left alone.
    statement: `{${loss.schema}}UPDATE ${loss.table} SET ${loss.column} = ${value} WHERE ${where} AND ${asApplied(loss)}`,
  };
}

function asApplied({ column, recorded }: Loss): string {
  if (recorded === '') return `${column} = ''`;
  const items = recorded.map(item => (item === null ? 'NULL' : sqlText(item)));
  // Items that are NULL never compare equal with `=`.
  return recorded.includes(null)
    ? `${column} IS NOT DISTINCT FROM ARRAY[${items.join(', ')}]::text[]`
    : `${column} = ARRAY[${items.join(', ')}]::text[]`;
}
