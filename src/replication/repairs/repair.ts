import type { Column, Element, Relation, RowChange } from '../../protocol/index.js';
import { integrityError } from '../errors.js';

/** What a rewrite made of the elements of one height, and how many it changed. Unchanged input is given back as it is. */
export interface Repaired {
  readonly elements: readonly Element[];
  readonly count: number;
}

/** A pure function over the elements of one old height. */
export type ElementRepair = (elements: readonly Element[]) => Repaired;

export const relationsOf = (elements: readonly Element[]): readonly Relation[] =>
  elements.filter((element): element is Relation => element.kind === 'relation');

/** Columns of the table that a row belongs to; stops when the row does not fit them. */
export function columnsOf(relations: readonly Relation[], row: RowChange): readonly Column[] {
  const columns = relations[row.relation]?.columns;
  if (!columns)
    throw integrityError('stream_relation', `a row names relation ${row.relation}, which was not announced`);
  for (const tuple of [row.old, row.new]) {
    if (tuple.length !== 0 && tuple.length !== columns.length) {
      throw integrityError('stream_row', `a row has ${tuple.length} columns, its table has ${columns.length}`);
    }
  }
  return columns;
}
