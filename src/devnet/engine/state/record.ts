import {
  encodeColumnData,
  formatNumeric,
  type ColumnScalar,
  type ColumnValue,
  type DataType,
  type Element,
} from '../../../protocol/index.js';
import { EngineHalt } from '../errors.js';
import type { PgSession } from '../pg/session.js';
import type { DefectSwitches } from '../types.js';
import { bytesOf, parseArray } from '../value.js';
import type { Catalog, CatalogTable } from './catalog.js';
import { isRiskyArray } from './capture-triggers.js';

/** Changes that triggers captured in this block, as elements of a changeset stream (reference 6.8). */
export function readChanges(session: PgSession, catalog: Catalog, defects: DefectSwitches): Element[] {
  const { rows } = session.run('SELECT relation, kind, old, new, kept FROM kwild_capture.change ORDER BY seq');
  if (rows.length === 0) return [];
  session.run('DELETE FROM kwild_capture.change');
  const elements: Element[] = [];
  const numbers = new Map<number, number>();
  for (const [oid, kind, oldText, newText, kept] of rows) {
    const found = catalog.tableOf(Number(oid));
    // the table was dropped later in this block; a real node's stream has lost its name by then as well
    if (found === null) continue;
    const { namespace, table } = found;
    let relation = numbers.get(table.oid);
    if (relation === undefined) {
      relation = numbers.size;
      numbers.set(table.oid, relation);
      const columns = table.columns.map(column => ({ name: column.name, type: column.streamType }));
      elements.push({ kind: 'relation', schema: namespace, table: table.name, columns });
    }
    const before = oldText === null ? [] : encodeRow(oldText!, table, defects);
    const after = newText === null ? [] : encodeRow(newText!, table, defects);
    if (kind === 'U') markUnchanged(before, after, kept === null || kept === undefined ? [] : parseArray(kept));
    elements.push({ kind: 'row', relation, old: before, new: after });
  }
  return elements;
}

/** New columns of an update: 1 = a large value left alone, 3 = the same bytes as before. */
function markUnchanged(before: readonly ColumnValue[], after: ColumnValue[], kept: readonly (string | null)[]): void {
  after.forEach((value, index) => {
    const old = before[index];
    if (kept[index] === 't') after[index] = { kind: 1 };
    else if (old !== undefined && old.kind === value.kind && sameBytes(old.data, value.data))
      after[index] = { kind: 3 };
  });
}

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;

function encodeRow(text: string, table: CatalogTable, defects: DefectSwitches): ColumnValue[] {
  const cells = parseRecord(text);
  return table.columns.map((column, index): ColumnValue => {
    const cell = cells[index] ?? null;
    return cell === null ? { kind: 0 } : { kind: 2, data: encodeCell(column.streamType, cell, defects) };
  });
}

function encodeCell(type: DataType, text: string, defects: DefectSwitches): Uint8Array {
  if (!type.isArray) return encodeColumnData(type, scalarOf(type, text, defects) ?? '');
  const items = parseArray(text);
  if (items.length === 0 && defects.emptyArrayEndsNode) {
    if (isRiskyArray(type))
      throw new EngineHalt(
        `decodeWALData failed: ${type.name === 'int8' || type.name === 'int4' ? 'strconv.ParseInt: ' : ''}parsing "": invalid syntax`,
        'engine-panic',
      );
    // an empty text[] is taken for a list of one empty text
    if (type.name === 'text') return encodeColumnData(type, ['']);
  }
  return encodeColumnData(
    type,
    items.map(item => (item === null ? null : scalarOf(type, item, defects))),
  );
}

/** null where the stream of a real node loses the value. */
function scalarOf(type: DataType, text: string, defects: DefectSwitches): ColumnScalar | null {
  switch (type.name) {
    case 'text':
      if (!defects.textNullLost) return text;
      // the four letters are taken for a null, and the six with quotes for the four letters
      if (text === 'NULL') return null;
      return text === '"NULL"' ? 'NULL' : text;
    case 'int8':
      return BigInt(text);
    case 'int4':
      return Number(text);
    case 'bool':
      return text === 't';
    case 'bytea':
      return bytesOf(text);
    case 'numeric':
      if (text === 'NaN') throw new EngineHalt('decodeWALData failed: NaN', 'engine-panic');
      return formatNumeric(text);
    default:
      return text;
  }
}

/** Cells of Postgres' text of a row: `(1,,"a ""b""")`. */
export function parseRecord(text: string): (string | null)[] {
  const cells: (string | null)[] = [];
  let at = 1;
  for (;;) {
    let cell: string | null = null;
    while (text[at] !== ',' && !(text[at] === ')' && at === text.length - 1)) {
      cell ??= '';
      if (text[at] === '"') {
        at += 1;
        for (;;) {
          const end = nextSpecial(text, at);
          cell += text.slice(at, end);
          if (text[end] === '\\' || text[end + 1] === '"') {
            cell += text[end + 1]!;
            at = end + 2;
          } else {
            at = end + 1;
            break;
          }
        }
      } else {
        const end = endOfPlain(text, at);
        cell += text.slice(at, end);
        at = end;
      }
    }
    cells.push(cell);
    if (at >= text.length - 1) return cells;
    at += 1;
  }
}

function nextSpecial(text: string, from: number): number {
  const quote = text.indexOf('"', from);
  const slash = text.indexOf('\\', from);
  return slash === -1 || quote < slash ? quote : slash;
}

function endOfPlain(text: string, from: number): number {
  for (let at = from; ; at += 1) {
    const c = text[at];
    if (c === ',' || c === '"' || (c === ')' && at === text.length - 1)) return at;
  }
}
