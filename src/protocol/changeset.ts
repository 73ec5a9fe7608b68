import { encodeAccountId, readAccountId, type AccountId } from './accounts.js';
import { bufferOf } from './bytes.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { CodecError } from './errors.js';
import { readDataType, writeDataType, type DataType } from './values.js';

/*
 * The stream of row changes of one height (reference 6.8). Decoding is exact: encoding the decoded elements gives the
 * same bytes. What column data means is in column-values.ts.
 */

export interface Column {
  readonly name: string;
  readonly type: DataType;
}

/** Announces a table; numbered 0, 1, 2 … in order of appearance within the height. */
export interface Relation {
  readonly kind: 'relation';
  readonly schema: string;
  readonly table: string;
  /** null is the wire's "none", which a real node does not send. */
  readonly columns: readonly Column[] | null;
}

/** 0 null · 1 large value left alone by an update (not sent) · 2 value present · 3 unchanged by this update. */
export type ColumnKind = 0 | 1 | 2 | 3;

export interface ColumnValue {
  readonly kind: ColumnKind;
  /** Only with kind 2. */
  readonly data?: Uint8Array;
}

/** Insert: no old columns. Delete: no new columns. Update: both. Old columns are the complete row. */
export interface RowChange {
  readonly kind: 'row';
  /** Number of the relation within the height. */
  readonly relation: number;
  readonly old: readonly ColumnValue[];
  readonly new: readonly ColumnValue[];
  /** Bytes behind the last column, which readers ignore; absent in what nodes record. */
  readonly padding?: Uint8Array;
}

export interface Spend {
  readonly account: AccountId;
  readonly amount: bigint | null;
  readonly nonce: bigint;
}

/** Account debits of the block, last in the stream and only if there are any. */
export interface Spends {
  readonly kind: 'spends';
  readonly spends: readonly Spend[];
}

export type Element = Relation | RowChange | Spends;

const ELEMENT_TYPES = { relation: 1, row: 2, spends: 3 } as const;
const HEADER_BYTES = 5;
const NO_COLUMNS = 0xffffffff;

/** Most bytes of one chunk that nodes cut a stream into (before base64). */
export const CHANGESET_CHUNK_BYTES = 1_000_000;
/** A block holds at most a few MiB of changes; one element larger than this is a lie. */
export const ELEMENT_BYTES_MAX = 128 * 1024 * 1024;

export interface ChangesetReaderOptions {
  /** Largest body of one element, default 128 MiB. */
  readonly elementBytesMax?: number;
}

/**
 * Reads a stream that arrives in pieces. Keeps at most one incomplete element; what it returns may be views into the
 * chunk that was pushed, so a chunk must not be reused while its elements are in use.
 */
export interface ChangesetReader {
  /** Elements completed by this chunk. Throws CodecError; the reader is then unusable. */
  push(chunk: Uint8Array): Element[];
  /** Bytes of the element that is still incomplete. */
  readonly pending: number;
  /** Bytes pushed so far. */
  readonly bytes: number;
  /** Says that nothing follows. Throws CodecError when an element is incomplete. */
  end(): void;
}

export function createChangesetReader(options: ChangesetReaderOptions = {}): ChangesetReader {
  const elementBytesMax = options.elementBytesMax ?? ELEMENT_BYTES_MAX;
  /** The incomplete element: `held` bytes at the start of a buffer that doubles as bytes really arrive. */
  let buffer = Buffer.alloc(0);
  let held = 0;
  let total = 0;
  /** Bytes needed before anything more can be decided: the header, then the whole element. */
  let needed = HEADER_BYTES;

  const hold = (bytes: Uint8Array): void => {
    if (held + bytes.length > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(held + bytes.length, Math.min(needed, 2 * held)));
      buffer.copy(larger, 0, 0, held);
      buffer = larger;
    }
    buffer.set(bytes, held);
    held += bytes.length;
  };

  const push = (chunk: Uint8Array): Element[] => {
    total += chunk.length;
    if (held + chunk.length < needed) {
      hold(chunk);
      return [];
    }
    const input = held === 0 ? bufferOf(chunk) : Buffer.concat([buffer.subarray(0, held), chunk]);
    const base = total - input.length;
    const elements: Element[] = [];
    let at = 0;
    for (needed = HEADER_BYTES; input.length - at >= needed;) {
      const body = at + HEADER_BYTES;
      const length = input.readUInt32LE(at + 1);
      const type = input[at]!;
      if (type < 1 || type > 3) throw new CodecError(`unknown element type ${type}`, base + at);
      if (length > elementBytesMax)
        throw new CodecError(`element of ${length} bytes is larger than ${elementBytesMax}`, base + at + 1);
      needed = HEADER_BYTES + length;
      if (input.length - at < needed) break;
      elements.push(readElement(type, new Reader(input.subarray(body, at + needed), base + body)));
      at += needed;
      needed = HEADER_BYTES;
    }
    // A new buffer each time: elements handed out before may still look into the old one.
    buffer = Buffer.alloc(0);
    held = 0;
    hold(input.subarray(at));
    return elements;
  };

  return {
    push,
    get pending() {
      return held;
    },
    get bytes() {
      return total;
    },
    end: () => {
      if (held > 0) throw new CodecError(`stream ends within an element, ${held} bytes of it are there`, total);
    },
  };
}

/** Elements of a complete stream. Throws CodecError. */
export function decodeElements(bytes: Uint8Array, options: ChangesetReaderOptions = {}): Element[] {
  const reader = createChangesetReader(options);
  const elements = reader.push(bytes);
  reader.end();
  return elements;
}

export function encodeElements(elements: Iterable<Element>): Uint8Array {
  const writer = new Writer(4096);
  for (const element of elements) writeElement(writer, element);
  return writer.finish();
}

/** Cuts a stream into the chunks in which a node serves it; none for an empty stream. */
export function chunksOf(bytes: Uint8Array, size = CHANGESET_CHUNK_BYTES): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

function readElement(type: number, reader: Reader): Element {
  if (type === ELEMENT_TYPES.relation) return readRelation(reader);
  return type === ELEMENT_TYPES.row ? readRow(reader) : readSpends(reader);
}

function writeElement(writer: Writer, element: Element): void {
  const body = encodeBody(element);
  writer.u8(ELEMENT_TYPES[element.kind]).u32(body.length).raw(body);
}

function encodeBody(element: Element): Uint8Array {
  switch (element.kind) {
    case 'relation':
      return encodeRelation(element);
    case 'row':
      return encodeRow(element);
    case 'spends':
      return encodeSpends(element);
  }
}

function readRelation(reader: Reader): Relation {
  reader.version('relation', 'be');
  const schema = reader.stringBe();
  const table = reader.stringBe();
  const count = reader.u32be();
  const columns: Column[] = [];
  if (count !== NO_COLUMNS)
    for (let i = 0; i < count; i++) {
      reader.version('column', 'be');
      columns.push({ name: reader.stringBe(), type: readDataType(reader) });
    }
  reader.end('a relation');
  return { kind: 'relation', schema, table, columns: count === NO_COLUMNS ? null : columns };
}

function encodeRelation({ schema, table, columns }: Relation): Uint8Array {
  const writer = new Writer().u16be(0).stringBe(schema).stringBe(table);
  writer.u32be(columns === null ? NO_COLUMNS : columns.length);
  for (const { name, type } of columns ?? []) {
    writer.u16be(0).stringBe(name);
    writeDataType(writer, type);
  }
  return writer.finish();
}

function readRow(reader: Reader): RowChange {
  reader.version('row change');
  const relation = reader.u32();
  const old = readColumns(reader);
  const fresh = readColumns(reader);
  const row: RowChange = { kind: 'row', relation, old, new: fresh };
  return reader.remaining === 0 ? row : { ...row, padding: reader.take(reader.remaining) };
}

function readColumns(reader: Reader): ColumnValue[] {
  const count = reader.u32();
  const columns: ColumnValue[] = [];
  for (let i = 0; i < count; i++) columns.push(readColumn(reader));
  return columns;
}

function readColumn(reader: Reader): ColumnValue {
  reader.version('column value', 'be');
  const at = reader.offset;
  const kind = reader.u8();
  const length = reader.u64be();
  if (kind > 3) reader.fail(`unknown kind ${kind} of a column value`, at);
  if (kind !== 2) return length === 0n ? VALUELESS[kind]! : reader.fail('a column value without data has a length', at);
  if (length > BigInt(reader.remaining))
    reader.fail(`length ${length} is more than the ${reader.remaining} bytes left`, at + 1);
  return { kind: 2, data: reader.take(Number(length)) };
}

const VALUELESS: readonly ColumnValue[] = [{ kind: 0 }, { kind: 1 }, { kind: 2 }, { kind: 3 }];

function encodeRow(row: RowChange): Uint8Array {
  const writer = new Writer().u16(0).u32(row.relation);
  writeColumns(writer, row.old);
  writeColumns(writer, row.new);
  return writer.raw(row.padding ?? NOTHING).finish();
}

const NOTHING = new Uint8Array(0);

function writeColumns(writer: Writer, columns: readonly ColumnValue[]): void {
  writer.u32(columns.length);
  for (const { kind, data = NOTHING } of columns) {
    if (kind !== 2 && data.length > 0) throw new CodecError(`a column value of kind ${kind} has no data`, 0);
    writer.u16be(0).u8(kind).u64be(data.length).raw(data);
  }
}

function readSpends(reader: Reader): Spends {
  reader.version('block spends');
  const count = reader.u32();
  const spends: Spend[] = [];
  for (let i = 0; i < count; i++) {
    const inner = reader.nested();
    inner.version('spend');
    const account = inner.nested();
    spends.push({ account: readAccountId(account), amount: inner.bigInt(), nonce: inner.u64() });
    account.end('an account');
    inner.end('a spend');
  }
  reader.end('block spends');
  return { kind: 'spends', spends };
}

function encodeSpends({ spends }: Spends): Uint8Array {
  const writer = new Writer().u16(0).u32(spends.length);
  for (const { account, amount, nonce } of spends)
    writer.bytes(new Writer(64).u16(0).bytes(encodeAccountId(account)).bigInt(amount).u64(nonce).finish());
  return writer.finish();
}
