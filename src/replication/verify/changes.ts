import type { Height } from '../../model/index.js';
import { decodeElements, type Column, type ColumnValue, type DataType } from '../../protocol/index.js';
import { cellText, keyColumnsOf } from '../row-key.js';
import type { TableSpec } from './catalogue.js';
import type { Cell } from './queries.js';

/** A key that a changeset touched. */
export interface ChangedKey {
  /** `namespace.table`. */
  readonly table: string;
  readonly values: readonly Cell[];
  readonly types: readonly DataType[];
  /** Height of its last change. */
  readonly height: Height;
  /** Whether a row has this key after that change. */
  readonly present: boolean;
}

export interface ChangesOfHeight {
  /** By `nameOf`, the last change of each. */
  readonly keys: ReadonlyMap<string, ChangedKey>;
  /** Rows of tables that have no key by which they could be asked for. */
  readonly keyless: number;
}

export const nameOfKey = ({ table, values }: Pick<ChangedKey, 'table' | 'values'>): string =>
  `${table} ${JSON.stringify(values)}`;

/** Keys of user tables that one old height changed. Pure. Throws CodecError. */
export function changesOf(bytes: Uint8Array, height: Height, specs: ReadonlyMap<string, TableSpec>): ChangesOfHeight {
  const relations: { readonly table: string; readonly columns: readonly Column[] }[] = [];
  const keys = new Map<string, ChangedKey>();
  let keyless = 0;
  for (const element of decodeElements(bytes)) {
    if (element.kind === 'relation')
      relations.push({ table: `${element.schema}.${element.table}`, columns: element.columns ?? [] });
    if (element.kind !== 'row') continue;
    const relation = relations[element.relation];
    const spec = relation && specs.get(relation.table);
    // Tables that are not the users' (accounts, votes) are not in the catalogue.
    if (relation === undefined || spec === undefined) continue;
    // An update names only the columns that it changed.
    const fresh = element.new.map((value, place) => (value.kind === 3 ? (element.old[place] ?? value) : value));
    const [before, after] = [keyOf(spec, relation.columns, element.old), keyOf(spec, relation.columns, fresh)];
    if (before === null && after === null) keyless += 1;
    const note = (key: KeyValues, present: boolean): void => {
      const changed: ChangedKey = { table: relation.table, ...key, height, present };
      keys.set(nameOfKey(changed), changed);
    };
    if (before !== null) note(before, false);
    if (after !== null) note(after, true);
  }
  return { keys, keyless };
}

type KeyValues = Pick<ChangedKey, 'values' | 'types'>;

function keyOf(spec: TableSpec, columns: readonly Column[], values: readonly ColumnValue[]): KeyValues | null {
  const key = keyColumnsOf(spec.key, columns, values);
  return key && { values: key.map(({ value }) => cellOf(value)), types: key.map(({ column }) => column.type) };
}

const cellOf = (value: unknown): Cell => (typeof value === 'boolean' ? value : cellText(value));
