import { decodeColumnData, TEXT, type ColumnScalar, type ColumnValue, type Element } from '../../protocol/index.js';
import { literalOf } from './literal.js';
import { columnsOf, relationsOf, type Repaired } from './repair.js';

/** Types whose null items end the node (a nil value's method is called). */
const FATAL_NULL_ITEMS = new Set(['numeric', 'uuid']);

/**
 * A null item in `numeric[]` or `uuid[]` ends the node that applies it. The node reads any column announced as `text` and lets
 * Postgres convert, so such a column is announced as text and its values are sent as array literals.
 */
export function sendNullItemsAsText(elements: readonly Element[]): Repaired {
  const relations = relationsOf(elements);
  const columnsAsText = new Map<number, Set<number>>();
  for (const element of elements) {
    if (element.kind !== 'row') continue;
    const columns = columnsOf(relations, element);
    for (const tuple of [element.old, element.new]) {
      tuple.forEach((value, index) => {
        const { type } = columns[index]!;
        if (!type.isArray || !FATAL_NULL_ITEMS.has(type.name) || value.kind !== 2) return;
        if (!(decodeColumnData(type, value.data ?? NOTHING) as readonly (ColumnScalar | null)[]).includes(null)) return;
        const set = columnsAsText.get(element.relation) ?? new Set();
        columnsAsText.set(element.relation, set.add(index));
      });
    }
  }
  if (columnsAsText.size === 0) return { elements, count: 0 };

  let number = -1;
  let count = 0;
  const result = elements.map((element): Element => {
    if (element.kind === 'relation') {
      number += 1;
      const affected = columnsAsText.get(number);
      if (affected === undefined) return element;
      return {
        ...element,
        columns: element.columns!.map((column, index) => (affected.has(index) ? { ...column, type: TEXT } : column)),
      };
    }
    const affected = element.kind === 'row' ? columnsAsText.get(element.relation) : undefined;
    if (element.kind !== 'row' || affected === undefined) return element;
    count += 1;
    const columns = relations[element.relation]!.columns!;
    const asText = (value: ColumnValue, index: number): ColumnValue =>
      value.kind === 2 && affected.has(index)
        ? { kind: 2, data: Buffer.from(literalOf(columns[index]!.type, value.data ?? NOTHING)) }
        : value;
    return { ...element, old: element.old.map(asText), new: element.new.map(asText) };
  });
  return { elements: result, count };
}

const NOTHING = new Uint8Array(0);
