import { base64Of, decodeColumnData, type Column, type ColumnValue } from '../protocol/index.js';

export interface KeyColumn {
  readonly column: Column;
  /** As decodeColumnData gives it. */
  readonly value: unknown;
}

/**
 * Values of a row's key columns, in the order of the key. Null when the row does not tell all of them: the table has no key, or
 * an update left it alone and it is in the old row. Throws CodecError.
 */
export function keyColumnsOf(
  key: readonly string[],
  columns: readonly Column[],
  values: readonly ColumnValue[],
): readonly KeyColumn[] | null {
  if (key.length === 0) return null;
  const found: KeyColumn[] = [];
  for (const name of key) {
    const place = columns.findIndex(column => column.name === name);
    const [column, value] = [columns[place], values[place]];
    if (column === undefined || value?.kind !== 2) return null;
    found.push({ column, value: decodeColumnData(column.type, value.data ?? NOTHING) });
  }
  return found;
}

/** A value as `user.query` shows it in text: base64 for bytes. */
export const cellText = (value: unknown): string => (value instanceof Uint8Array ? base64Of(value) : String(value));

const NOTHING = new Uint8Array(0);
