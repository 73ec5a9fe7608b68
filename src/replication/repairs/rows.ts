import type { ColumnValue, Element, RowChange } from '../../protocol/index.js';
import { integrityError } from '../errors.js';
import type { Repaired } from './repair.js';

/** A delete has no byte behind its (empty) new columns, and the node wants one: append it. Readers ignore what follows. */
export function padDeletes(elements: readonly Element[]): Repaired {
  return mapRows(elements, row =>
    row.old.length > 0 && row.new.length === 0 && !row.padding?.length ? [{ ...row, padding: PAD }] : null,
  );
}

const PAD = Uint8Array.of(0);

/** The node writes a large value that an update did not touch as NULL. It reads "unchanged" right, and that is what it means. */
export function keepUnchangedLargeValues(elements: readonly Element[]): Repaired {
  return mapRows(elements, row => {
    if (row.old.some(column => column.kind === 1)) {
      throw integrityError('stream_row', 'an old row lacks a large value, so it does not identify the row');
    }
    return row.old.length > 0 && row.new.some(column => column.kind === 1)
      ? [{ ...row, new: row.new.map(column => (column.kind === 1 ? UNCHANGED : column)) }]
      : null;
  });
}

const UNCHANGED: ColumnValue = { kind: 3 };

/** An update in which no column changes makes an UPDATE without a SET list: it means nothing, so it goes. */
export function dropUpdatesWithoutChange(elements: readonly Element[]): Repaired {
  return mapRows(elements, row =>
    row.old.length > 0 && row.new.length > 0 && row.new.every(column => column.kind === 3) ? [] : null,
  );
}

/** Applies `change` to each row: null leaves it, a list takes its place (none: dropped). Counts the rows that changed. */
export function mapRows(
  elements: readonly Element[],
  change: (row: RowChange) => readonly RowChange[] | null,
): Repaired {
  const result: Element[] = [];
  let count = 0;
  for (const element of elements) {
    const changed = element.kind === 'row' ? change(element) : null;
    if (changed === null) result.push(element);
    else {
      count += 1;
      result.push(...changed);
    }
  }
  return { elements: count === 0 ? elements : result, count };
}
