import { hexOf, type Column, type ColumnValue, type Element } from '../protocol/index.js';
import { columnsOf, relationsOf } from './repairs/repair.js';
import { cellText, keyColumnsOf } from './row-key.js';
import type { TableShape } from './schema.js';

/** One changed row of the stream, named as people name it. */
export interface TouchedRow {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly Column[];
  readonly old: readonly ColumnValue[];
  readonly new: readonly ColumnValue[];
  /** Key columns with type and value; before and after the change where it changes the key. Empty for a table without a key. */
  readonly keys: readonly RowKey[];
}

export interface KeyPart {
  readonly column: string;
  readonly type: Column['type'];
  /** As `user.query` shows it: base64 for bytes. */
  readonly text: string;
}

export type RowKey = readonly KeyPart[];

export type Tables = ReadonlyMap<string, TableShape>;

/** Rows of one height in order. Pure. Throws as the repairs do for a stream that does not fit itself. */
export function touchedRows(elements: readonly Element[], tables: Tables): TouchedRow[] {
  const relations = relationsOf(elements);
  return elements.flatMap(element => {
    if (element.kind !== 'row') return [];
    const columns = columnsOf(relations, element);
    const { schema, table } = relations[element.relation]!;
    const primaryKey = tables.get(`${schema}.${table}`)?.primaryKey ?? [];
    const keys: RowKey[] = [];
    for (const values of [element.old, element.new]) {
      const key = keyOf(primaryKey, columns, values);
      if (key !== null && !keys.some(known => keyText(known) === keyText(key))) keys.push(key);
    }
    return [{ schema, table, columns, old: element.old, new: element.new, keys }];
  });
}

export const keyText = (key: RowKey): string => JSON.stringify(key.map(({ text }) => text));

const keyOf = (
  primaryKey: readonly string[],
  columns: readonly Column[],
  values: readonly ColumnValue[],
): RowKey | null =>
  keyColumnsOf(primaryKey, columns, values)?.map(({ column, value }) => ({
    column: column.name,
    type: column.type,
    text: cellText(value),
  })) ?? null;

/** A value as the node's SQL writes it. */
export function sqlLiteral({ type, text }: Pick<KeyPart, 'type' | 'text'>): string {
  switch (type.name) {
    case 'int8':
    case 'int4':
    case 'bool':
      return text;
    case 'bytea':
      return `0x${hexOf(Buffer.from(text, 'base64'))}`;
    case 'uuid':
      return `${sqlText(text)}::uuid`;
    case 'numeric':
      return `${sqlText(text)}::numeric(${type.precision},${type.scale})`;
    default:
      return sqlText(text);
  }
}

export const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
