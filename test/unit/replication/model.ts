import {
  decodeColumnData,
  decodeElements,
  plainNumeric,
  type ColumnValue,
  type DataType,
  type Element,
  type Relation,
} from '../../../src/protocol/index.js';

/**
 * A model of a new network's node: its reader, its conflict rules and its defects, as far as they were seen on real ones.
 * Values are kept in one canonical form per type, so that two models can be compared: text for scalars, lists for arrays.
 */
export type Value = string | null | readonly (string | null)[];
export type Row = readonly Value[];

export interface Table {
  readonly columns: readonly { readonly name: string; readonly type: DataType }[];
  /** By the text of the first column, which is the primary key of every table here. */
  readonly rows: Map<string, Row>;
}

export interface ModelOptions {
  /** Reads as a correct reader would, instead of as the node does. */
  readonly correct?: boolean;
  /** Accounts known since Start, hex; spends of others are an error. Undefined: everybody is known. */
  readonly accounts?: ReadonlySet<string>;
  /** Takes a row that an update or delete names, and that was never seen, as one from before Start. */
  readonly adopt?: boolean;
}

export class NodeStopped extends Error {}

const UNCHANGED = Symbol('unchanged');

export function createModel(options: ModelOptions = {}) {
  const tables = new Map<string, Table>();
  const seen = new Set<string>();

  function table(relation: Relation): Table {
    const name = `${relation.schema}.${relation.table}`;
    let known = tables.get(name);
    if (known === undefined) {
      known = { columns: relation.columns!.map(column => ({ name: column.name, type: column.type })), rows: new Map() };
      tables.set(name, known);
    }
    return known;
  }

  /** One height as it arrives in an event: chunks as voted, `null` for an End without content. */
  function apply(stream: Uint8Array | null, chunkCount = 1): void {
    if (stream === null) throw new NodeStopped('changeset is not a byte slice');
    if (chunkCount > 1 && !options.correct) throw new NodeStopped('no more chunks to read');
    // Fewer bytes than a header are taken for the end.
    if (stream.length < 5) return;
    const relations: Relation[] = [];
    for (const element of decodeElements(stream)) {
      if (element.kind === 'relation') relations.push(element);
      else if (element.kind === 'spends') spend(element);
      else change(relations[element.relation]!, element);
    }
  }

  function spend(element: Extract<Element, { kind: 'spends' }>): void {
    for (const { account } of element.spends) {
      const id = Buffer.from(account.identifier).toString('hex');
      if (options.accounts !== undefined && !options.accounts.has(id) && !options.correct)
        throw new NodeStopped('account not found');
    }
  }

  function change(relation: Relation, row: Extract<Element, { kind: 'row' }>): void {
    const { rows, columns } = table(relation);
    if (row.new.length === 0 && !row.padding?.length && !options.correct)
      throw new NodeStopped('unexpected end of data');
    const read = (tuple: readonly ColumnValue[]): (Value | typeof UNCHANGED)[] =>
      tuple.map((value, index) => readValue(value, relation.columns![index]!.type, columns[index]!.type));
    const before = read(row.old) as Row;
    const after = read(row.new);
    const key = (values: readonly unknown[]): string => String(values[0]);
    const name = `${relation.schema}.${relation.table}`;
    if (before.length === 0) {
      const id = `${name}:${key(after)}`;
      seen.add(id);
      if (!rows.has(key(after))) rows.set(key(after), after as Row);
      return;
    }
    const id = `${name}:${key(before)}`;
    if (options.adopt && !seen.has(id)) rows.set(key(before), before);
    seen.add(id);
    const found = rows.get(key(before));
    const matches =
      found !== undefined && columns.every((column, index) => same(column.type, found[index]!, before[index]!));
    if (after.length === 0) {
      if (matches) rows.delete(key(before));
      return;
    }
    if (after.every(value => value === UNCHANGED)) {
      if (options.correct) return;
      throw new NodeStopped('syntax error at or near "WHERE"');
    }
    if (!matches) return;
    const merged = after.map((value, index) => (value === UNCHANGED ? found[index]! : value)) as Row;
    rows.delete(key(before));
    rows.set(key(merged), merged);
    seen.add(`${name}:${key(merged)}`);
  }

  function readValue(value: ColumnValue, announced: DataType, real: DataType): Value | typeof UNCHANGED {
    if (value.kind === 3 || (value.kind === 1 && options.correct)) return UNCHANGED;
    if (value.kind !== 2) return null;
    const data = value.data ?? new Uint8Array(0);
    // A parameter of type text reaches the database as a literal of the column's own type.
    if (announced.name === 'text' && !announced.isArray && (real.name !== 'text' || real.isArray))
      return fromLiteral(Buffer.from(data).toString(), real);
    const decoded = decodeColumnData(announced, data);
    if (!Array.isArray(decoded)) return scalar(announced.name, decoded);
    const items = decoded as readonly unknown[];
    if (!options.correct && (announced.name === 'numeric' || announced.name === 'uuid') && items.includes(null)) {
      throw new NodeStopped('panic: value method called using nil pointer');
    }
    return items.map(item => (item === null ? null : scalar(announced.name, item)));
  }

  function scalar(type: string, value: unknown): string {
    if (type === 'numeric')
      return options.correct ? canonicalNumeric(value as string) : canonicalNumeric(asNodeReads(value as string));
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
    return String(value);
  }

  return { apply, tables, table, createTable: (relation: Relation) => void table(relation) };
}

export type Model = ReturnType<typeof createModel>;

/** The node keeps as many decimals of scientific text as its mantissa shows. */
function asNodeReads(text: string): string {
  const match = /^(-?\d+)(?:\.(\d+))?[eE]([+-]?\d+)$/.exec(text);
  if (match === null) return text;
  const decimals = match[2]?.length ?? 0;
  const [whole = '0', fraction = ''] = plainNumeric(text).split('.');
  return decimals === 0 ? whole : `${whole}.${fraction.slice(0, decimals).padEnd(decimals, '0')}`;
}

/** Numbers compare without their trailing zeros, as in the database. */
export function canonicalNumeric(text: string): string {
  const plain = plainNumeric(text);
  const short = plain.includes('.') ? plain.replace(/\.?0+$/, '') : plain;
  return short === '-0' || short === '' ? '0' : short;
}

const same = (type: DataType, a: Value, b: Value): boolean =>
  JSON.stringify(a) === JSON.stringify(b) && type !== undefined;

/** What the database makes of the literal. */
function fromLiteral(text: string, type: DataType): Value {
  const one = (item: string): string => {
    switch (type.name) {
      case 'numeric':
        return canonicalNumeric(item);
      case 'bytea':
        return Buffer.from(item.slice(2), 'hex').toString('base64');
      case 'bool':
        return String(item === 't');
      default:
        return item;
    }
  };
  return type.isArray ? parseArray(text).map(item => (item === null ? null : one(item))) : one(text);
}

export function parseArray(text: string): (string | null)[] {
  const items: (string | null)[] = [];
  let at = 1;
  while (text[at] !== '}') {
    let item = '';
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"'; at += 1) {
        if (text[at] === '\\') at += 1;
        item += text[at];
      }
      at += 1;
      items.push(item);
    } else {
      for (; text[at] !== ',' && text[at] !== '}'; at += 1) item += text[at];
      items.push(item === 'NULL' ? null : item);
    }
    if (text[at] === ',') at += 1;
  }
  return items;
}

/** Rows of all tables, comparable. */
export const contentOf = (model: Pick<Model, 'tables'>): Record<string, readonly Row[]> =>
  Object.fromEntries(
    [...model.tables.entries()]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, { rows }]) => [
        name,
        [...rows.entries()].sort(([a], [b]) => a.localeCompare(b)).map(([, row]) => row),
      ]),
  );
