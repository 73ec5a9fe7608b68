import { base64Of, decodeColumnData, hexOf, type Column, type ColumnValue, type Element } from '../protocol/index.js';

/** One element in readable form: for people, not for machines that apply it. */
export type ReadableElement =
  | { readonly kind: 'table'; readonly table: string; readonly columns: readonly string[] }
  | {
      readonly kind: 'insert' | 'update' | 'delete';
      readonly table: string;
      readonly old: ReadableRow | null;
      readonly new: ReadableRow | null;
    }
  | {
      readonly kind: 'spends';
      readonly spends: readonly { readonly account: string; readonly amount: string; readonly nonce: string }[];
    };

export type ReadableRow = Readonly<Record<string, unknown>>;

/** Longer texts are shown by their beginning and length. */
const TEXT_MAX = 200;
const ELEMENTS_MAX = 1_000;

export function describeElements(elements: readonly Element[]): readonly ReadableElement[] {
  const relations: { readonly table: string; readonly columns: readonly Column[] }[] = [];
  return elements.slice(0, ELEMENTS_MAX).map(element => {
    switch (element.kind) {
      case 'relation': {
        const table = `${element.schema}.${element.table}`;
        relations.push({ table, columns: element.columns ?? [] });
        return {
          kind: 'table',
          table,
          columns: (element.columns ?? []).map(({ name, type }) => `${name} ${type.name}${type.isArray ? '[]' : ''}`),
        };
      }
      case 'row': {
        const { table, columns } = relations[element.relation] ?? {
          table: `relation ${element.relation}`,
          columns: [],
        };
        const kind = element.old.length === 0 ? 'insert' : element.new.length === 0 ? 'delete' : 'update';
        return { kind, table, old: rowOf(columns, element.old), new: rowOf(columns, element.new) };
      }
      case 'spends':
        return {
          kind: 'spends',
          spends: element.spends.map(({ account, amount, nonce }) => ({
            account: hexOf(account.identifier),
            amount: String(amount ?? 0n),
            nonce: String(nonce),
          })),
        };
    }
  });
}

/** Columns that an update left alone are not shown. */
function rowOf(columns: readonly Column[], values: readonly ColumnValue[]): ReadableRow | null {
  if (values.length === 0) return null;
  const shown = values.flatMap((value, index) => {
    const column = columns[index];
    return value.kind === 3 || value.kind === 1 ? [] : [[column?.name ?? `#${index}`, valueOf(column, value)] as const];
  });
  return Object.fromEntries(shown);
}

function valueOf(column: Column | undefined, value: ColumnValue): unknown {
  if (value.kind === 0) return null;
  const data = value.data ?? new Uint8Array(0);
  if (column === undefined) return base64Of(data);
  return plain(decodeColumnData(column.type, data));
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'bigint') return value.toString();
  const text = value instanceof Uint8Array ? base64Of(value) : value;
  return typeof text === 'string' && text.length > TEXT_MAX
    ? `${text.slice(0, TEXT_MAX)}… (${text.length} characters)`
    : text;
}
