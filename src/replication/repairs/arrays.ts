import {
  decodeColumnData,
  TEXT,
  utf8Bytes,
  type Column,
  type ColumnScalar,
  type ColumnValue,
  type Element,
  type RowChange,
} from '../../protocol/index.js';
import { literalOf } from './literal.js';
import { columnsOf, relationsOf, type Repaired } from './repair.js';

/** Types whose null items end the node (a nil value's method is called). */
const FATAL_NULL_ITEMS = new Set(['numeric', 'uuid']);

/**
 * A null item in `numeric[]` or `uuid[]` ends the node that applies it. The node reads any column announced as `text` and lets
 * Postgres convert, so such a column is announced as text and its values are sent as array literals.
 */
export function sendNullItemsAsText(elements: readonly Element[]): Repaired {
  const affected = findColumns(
    elements,
    row => [...row.old.entries(), ...row.new.entries()],
    ({ type }, items) => FATAL_NULL_ITEMS.has(type.name) && items.includes(null),
  );
  if (affected.size === 0) return { elements, count: 0 };
  return announceAsText(elements, affected, row => [row]);
}

/**
 * An empty `text[]` is recorded as an array of one empty text. In an old row it is tried both ways: the row exists once, so at
 * most one of them finds it. Only a literal can say "empty", hence the column is announced as text.
 */
export function tryEmptyArrays(elements: readonly Element[]): Repaired {
  const affected = findColumns(
    elements,
    row => [...row.old.entries()],
    ({ type }, items) => type.name === 'text' && items.length === 1 && items[0] === '',
  );
  if (affected.size === 0) return { elements, count: 0 };
  return announceAsText(elements, affected, (row, columns) =>
    columns.reduce<readonly RowChange[]>(
      (variants, column) => variants.flatMap(variant => [variant, ...withEmpty(variant, column)]),
      [row],
    ),
  );
}

const ONE_EMPTY_TEXT = '{""}';

function withEmpty(row: RowChange, column: number): readonly RowChange[] {
  const value = row.old[column];
  if (value?.kind !== 2 || Buffer.from(value.data ?? NOTHING).toString() !== ONE_EMPTY_TEXT) return [];
  return [{ ...row, old: row.old.map((old, index) => (index === column ? { kind: 2, data: utf8Bytes('{}') } : old)) }];
}

/** Columns of each relation in which some row has an array value that `matches`. */
function findColumns(
  elements: readonly Element[],
  valuesOf: (row: RowChange) => readonly (readonly [index: number, value: ColumnValue])[],
  matches: (column: Column, items: readonly (ColumnScalar | null)[]) => boolean,
): ReadonlyMap<number, ReadonlySet<number>> {
  const relations = relationsOf(elements);
  const found = new Map<number, Set<number>>();
  for (const element of elements) {
    if (element.kind !== 'row') continue;
    const columns = columnsOf(relations, element);
    for (const [index, value] of valuesOf(element)) {
      const column = columns[index]!;
      if (!column.type.isArray || value.kind !== 2) continue;
      const items = decodeColumnData(column.type, value.data ?? NOTHING) as readonly (ColumnScalar | null)[];
      if (matches(column, items)) found.set(element.relation, (found.get(element.relation) ?? new Set()).add(index));
    }
  }
  return found;
}

/** Turns whole columns into text, in the relation and in every row of it; `expand` may make several rows of one. */
function announceAsText(
  elements: readonly Element[],
  affected: ReadonlyMap<number, ReadonlySet<number>>,
  expand: (row: RowChange, columns: readonly number[]) => readonly RowChange[],
): Repaired {
  const relations = relationsOf(elements);
  let number = -1;
  let count = 0;
  const result = elements.flatMap((element): readonly Element[] => {
    if (element.kind === 'relation') {
      number += 1;
      const columns = affected.get(number);
      if (columns === undefined) return [element];
      return [
        {
          ...element,
          columns: element.columns!.map((column, index) => (columns.has(index) ? { ...column, type: TEXT } : column)),
        },
      ];
    }
    const columns = element.kind === 'row' ? affected.get(element.relation) : undefined;
    if (element.kind !== 'row' || columns === undefined) return [element];
    count += 1;
    const types = relations[element.relation]!.columns!;
    const asText = (value: ColumnValue, index: number): ColumnValue =>
      value.kind === 2 && columns.has(index)
        ? { kind: 2, data: utf8Bytes(literalOf(types[index]!.type, value.data ?? NOTHING)) }
        : value;
    return expand({ ...element, old: element.old.map(asText), new: element.new.map(asText) }, [...columns]);
  });
  return { elements: result, count };
}

const NOTHING = new Uint8Array(0);
