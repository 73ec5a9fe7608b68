import {
  decodeColumnData,
  decodeElements,
  plainNumeric,
  type ColumnScalar,
  type ColumnValue,
  type DataType,
  type Element,
  type Relation,
  type RowChange,
} from '../../../protocol/index.js';
import { ReplicationHalt } from '../errors.js';
import { PgError, type PgSession } from '../pg/session.js';
import type { DefectSwitches } from '../types.js';
import { arrayText } from '../value.js';
import type { Accounts } from './accounts.js';

/** A column of a change, ready for a parameter: text, null, or left as it is. */
type Cell = { readonly keep: true } | { readonly keep: false; readonly text: string | null };

const KEEP: Cell = { keep: true };
/** What is left of a stream that is shorter than an element's header is taken for its end. */
const HEADER_BYTES = 5;

/**
 * Applies the old network's changes of one height by the node's conflict rules (reference 6.9), with its defects (6.12) as
 * switched. Throws `ReplicationHalt`, with the node's message, where the new network stops.
 */
export class Applier {
  constructor(
    private readonly session: PgSession,
    private readonly accounts: Accounts,
    private readonly defects: DefectSwitches,
  ) {}

  apply(height: number, bytes: Uint8Array | null): void {
    if (bytes === null) {
      if (this.defects.emptyEndHalts) throw new ReplicationHalt('changeset is not a byte slice', height);
      return;
    }
    const relations: Relation[] = [];
    for (const element of this.elements(bytes, height)) {
      switch (element.kind) {
        case 'relation':
          relations.push(element);
          break;
        case 'row':
          this.row(element, relations[element.relation], height);
          break;
        case 'spends':
          for (const spend of element.spends) {
            const isKnown = this.accounts.applySpend(spend.account, spend.amount ?? 0n);
            if (!isKnown && this.defects.unknownSpenderHalts) throw new ReplicationHalt('account not found', height);
          }
      }
    }
  }

  private elements(bytes: Uint8Array, height: number): readonly Element[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let end = 0;
    while (bytes.length - end >= HEADER_BYTES) {
      const next = end + HEADER_BYTES + view.getUint32(end + 1, true);
      if (next > bytes.length) throw new ReplicationHalt('no more chunks to read', height);
      end = next;
    }
    try {
      return decodeElements(bytes.subarray(0, end));
    } catch (error) {
      throw new ReplicationHalt(`invalid changeset: ${(error as Error).message}`, height);
    }
  }

  private row(change: RowChange, relation: Relation | undefined, height: number): void {
    if (relation === undefined) throw new ReplicationHalt('runtime error: index out of range', height);
    if (relation.columns === null || relation.columns.length === 0)
      throw new ReplicationHalt(`relation ${relation.schema}.${relation.table} has no columns`, height);
    const isDelete = change.new.length === 0;
    // the reader wants at least one byte behind the count of new columns
    if (isDelete && this.defects.deleteHalts && (change.padding?.length ?? 0) === 0)
      throw new ReplicationHalt('unexpected end of data', height);
    const types = relation.columns.map(column => column.type);
    const before = change.old.map((value, index) => this.cell(types[index]!, value, height));
    const after = change.new.map((value, index) => this.cell(types[index]!, value, height));
    const table = `${this.name(relation.schema)}.${this.name(relation.table)}`;
    const names = relation.columns.map(column => this.name(column.name));
    if (change.old.length === 0) this.insert(table, names, after, height);
    else if (isDelete) this.remove(table, names, before, height);
    else this.update(table, names, before, after, height);
  }

  private name(name: string): string {
    return this.defects.namesUnquoted ? name : `"${name.replaceAll('"', '""')}"`;
  }

  private run(sql: string, params: readonly (string | null)[], height: number): void {
    try {
      this.session.run(sql, params);
    } catch (error) {
      if (error instanceof PgError) throw new ReplicationHalt(error.message, height);
      throw error;
    }
  }

  private insert(table: string, names: readonly string[], after: readonly Cell[], height: number): void {
    const marks = names.map((_, index) => `$${index + 1}`).join(', ');
    this.run(
      `INSERT INTO ${table} (${names.join(', ')}) VALUES (${marks}) ON CONFLICT DO NOTHING`,
      after.map(cell => (cell.keep ? null : cell.text)),
      height,
    );
  }

  private remove(table: string, names: readonly string[], before: readonly Cell[], height: number): void {
    const params: (string | null)[] = [];
    this.run(`DELETE FROM ${table} WHERE ${sameRow(names, before, params)}`, params, height);
  }

  private update(
    table: string,
    names: readonly string[],
    before: readonly Cell[],
    after: readonly Cell[],
    height: number,
  ): void {
    const params: (string | null)[] = [];
    const sets: string[] = [];
    after.forEach((cell, index) => {
      if (!cell.keep) sets.push(`${names[index]!} = $${params.push(cell.text)}`);
    });
    if (sets.length === 0) {
      if (this.defects.unchangedUpdateHalts)
        throw new ReplicationHalt('ERROR: syntax error at or near "WHERE" (SQLSTATE 42601)', height);
      return;
    }
    this.run(`UPDATE ${table} SET ${sets.join(', ')} WHERE ${sameRow(names, before, params)}`, params, height);
  }

  private cell(type: DataType, value: ColumnValue, height: number): Cell {
    switch (value.kind) {
      case 0:
        return { keep: false, text: null };
      case 1:
        return this.defects.largeValueBecomesNull ? { keep: false, text: null } : KEEP;
      case 3:
        return KEEP;
      case 2:
        return { keep: false, text: this.text(type, value.data ?? new Uint8Array(), height) };
    }
  }

  private text(type: DataType, data: Uint8Array, height: number): string | null {
    // to the node a present value of no bytes is a null, but for texts and bytes
    if (data.length === 0 && !type.isArray && type.name !== 'text' && type.name !== 'bytea') return null;
    let decoded: ReturnType<typeof decodeColumnData>;
    try {
      decoded = decodeColumnData(type, data);
    } catch (error) {
      throw new ReplicationHalt(`invalid value of type ${type.name}: ${(error as Error).message}`, height);
    }
    if (!type.isArray) return this.scalar(type, decoded as ColumnScalar);
    const items = decoded as readonly (ColumnScalar | null)[];
    if (this.defects.nullItemHalts && items.includes(null)) {
      const owner = { numeric: 'Decimal', uuid: 'UUID' }[type.name];
      if (owner !== undefined)
        throw new ReplicationHalt(`value method ${owner}.Value called using nil *${owner} pointer`, height);
    }
    return arrayText(items.map(item => (item === null ? null : this.scalar(type, item))));
  }

  private scalar(type: DataType, value: ColumnScalar): string {
    if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
    if (typeof value === 'boolean') return value ? 't' : 'f';
    const text = String(value);
    if (type.name !== 'numeric') return text;
    return this.defects.tinyNumericRounded ? roundedByMantissa(text) : plainNumeric(text);
  }
}

/** WHERE that matches a row only if every old value is still there. Appends to `params`. */
function sameRow(names: readonly string[], before: readonly Cell[], params: (string | null)[]): string {
  return before
    .map((cell, index) => {
      if (cell.keep || cell.text === null) return `${names[index]!} IS NULL`;
      return `${names[index]!} = $${params.push(cell.text)}`;
    })
    .join(' AND ');
}

/** Scientific text is read back with as many decimals as its mantissa shows: `1.000E-7` is 0.000. */
function roundedByMantissa(text: string): string {
  const match = /^(-?)(\d)(?:\.(\d+))?E(-\d+)$/.exec(text);
  if (match === null) return text;
  const places = match[3]?.length ?? 0;
  const plain = plainNumeric(text);
  const point = plain.indexOf('.');
  const digits = plain.slice(point + 1).padEnd(places + 1, '0');
  const kept = `${plain.slice(0, point).replace('-', '')}${digits.slice(0, places)}`;
  const rounded = (BigInt(kept) + (digits[places]! >= '5' ? 1n : 0n)).toString().padStart(places + 1, '0');
  const shown = places === 0 ? rounded : `${rounded.slice(0, -places)}.${rounded.slice(-places)}`;
  return match[1]! + shown;
}
