import { decodeColumnData, hexOf, type ColumnScalar, type DataType } from '../../protocol/index.js';

/** The text that Postgres reads back as this value: of scalars as it prints them, of arrays as `{a,"b c",NULL}`. */
export function literalOf(type: DataType, data: Uint8Array): string {
  const value = decodeColumnData(type, data);
  if (!Array.isArray(value)) return scalarText(value as ColumnScalar);
  const items = (value as readonly (ColumnScalar | null)[]).map(item =>
    item === null ? 'NULL' : quoteItem(scalarText(item)),
  );
  return `{${items.join(',')}}`;
}

function scalarText(value: ColumnScalar): string {
  if (value instanceof Uint8Array) return `\\x${hexOf(value)}`;
  if (typeof value === 'boolean') return value ? 't' : 'f';
  return String(value);
}

/** Plain items need no quotes; anything else is quoted, with quotes and backslashes escaped. */
const quoteItem = (text: string): string =>
  /^[A-Za-z0-9.+-]+$/.test(text) && text.toUpperCase() !== 'NULL' ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`;
