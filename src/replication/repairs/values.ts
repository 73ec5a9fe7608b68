import {
  decodeColumnData,
  encodeColumnData,
  plainNumeric,
  utf8Bytes,
  utf8Text,
  type Column,
  type ColumnScalar,
  type ColumnValue,
  type DataType,
  type Element,
  type RowChange,
} from '../../protocol/index.js';
import { columnsOf, relationsOf, type Repaired } from './repair.js';
import { mapRows } from './rows.js';

/** Numbers below 10⁻⁶ travel as `1.000E-7`, and the node keeps only as many decimals as the mantissa shows: write them out. */
export function writeOutSmallNumerics(elements: readonly Element[]): Repaired {
  return mapTexts(elements, 'numeric', text => (/[eE]/.test(text) ? plainNumeric(text) : text));
}

/**
 * The old side strips the quotes of the text `"NULL"` (six characters) and sends four; nothing else gives these four
 * bytes, so the quotes are put back.
 */
export function restoreQuotedNull(elements: readonly Element[]): Repaired {
  return mapTexts(elements, 'text', text => (text === NULL_TEXT ? `"${NULL_TEXT}"` : text));
}

const NULL_TEXT = 'NULL';
const EMPTY = new Uint8Array(0);

/** Columns of one row that may have two readings before its element is left as it is (2^6 statements for one row). */
const READINGS_MAX = 6;

/**
 * An empty text in an old row was either `''` or the text `NULL`, a null item of a text array either null or `NULL`. The row
 * exists once, so an element for each reading finds it whichever it is, and all but one find nothing.
 */
export function tryBothReadings(elements: readonly Element[]): Repaired {
  const relations = relationsOf(elements);
  return mapRows(elements, row => {
    if (row.old.length === 0) return null;
    const columns = columnsOf(relations, row);
    const places = row.old.flatMap((value, index) => placesOf(columns[index]!, value, index));
    if (places.length === 0 || places.length > READINGS_MAX) return null;
    const variants: RowChange[] = [];
    for (let bits = 0; bits < 2 ** places.length; bits += 1) {
      const chosen = places.filter((_, place) => (bits & (1 << place)) !== 0);
      variants.push(chosen.length === 0 ? row : { ...row, old: readAsNullText(row.old, columns, chosen) });
    }
    return variants;
  });
}

/** Where a value can be read in two ways: a column, or one item of it. */
interface Place {
  readonly column: number;
  readonly item: number | null;
}

function placesOf({ type }: Column, value: ColumnValue, column: number): Place[] {
  if (type.name !== 'text' || value.kind !== 2) return [];
  const data = value.data ?? EMPTY;
  if (!type.isArray) return data.length === 0 ? [{ column, item: null }] : [];
  return itemsOf(type, data).flatMap((item, index) => (item === null ? [{ column, item: index }] : []));
}

function readAsNullText(
  old: readonly ColumnValue[],
  columns: readonly Column[],
  places: readonly Place[],
): ColumnValue[] {
  return old.map((value, index) => {
    const here = places.filter(place => place.column === index);
    if (here.length === 0) return value;
    if (here[0]!.item === null) return { kind: 2, data: utf8Bytes(NULL_TEXT) };
    const { type } = columns[index]!;
    const chosen = new Set(here.map(place => place.item));
    const items = itemsOf(type, value.data ?? EMPTY).map((item, at) => (chosen.has(at) ? NULL_TEXT : item));
    return { kind: 2, data: encodeColumnData(type, items) };
  });
}

const itemsOf = (type: DataType, data: Uint8Array): readonly (ColumnScalar | null)[] =>
  decodeColumnData(type, data) as readonly (ColumnScalar | null)[];

/** Rewrites the texts (scalars and array items) of one type wherever a value is present. */
function mapTexts(
  elements: readonly Element[],
  typeName: 'text' | 'numeric',
  change: (text: string) => string,
): Repaired {
  const relations = relationsOf(elements);
  return mapRows(elements, row => {
    const columns = columnsOf(relations, row);
    let changed = false;
    const changeText = (text: string): string => {
      const result = change(text);
      if (result !== text) changed = true;
      return result;
    };
    const rewrite = (value: ColumnValue, index: number): ColumnValue => {
      const { type } = columns[index]!;
      if (value.kind !== 2 || type.name !== typeName) return value;
      const data = value.data ?? EMPTY;
      if (!type.isArray) {
        const text = utf8Text(data);
        const result = changeText(text);
        return result === text ? value : { kind: 2, data: utf8Bytes(result) };
      }
      const items = itemsOf(type, data).map(item => (item === null ? null : changeText(item as string)));
      return { kind: 2, data: encodeColumnData(type, items) };
    };
    const rewritten: RowChange = { ...row, old: row.old.map(rewrite), new: row.new.map(rewrite) };
    return changed ? [rewritten] : null;
  });
}
