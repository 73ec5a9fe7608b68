import { createHash } from 'node:crypto';
import type { Operation } from '../workload.js';
import { NAMESPACE, largeText, tables } from '../schema.js';
import { queryRows, type NodeClient } from './node-client.js';

/** All rows of all tables of one network: table → key text → row as JSON text. */
export type TableContents = ReadonlyMap<string, ReadonlyMap<string, readonly unknown[]>>;

const PAGE = 500;

export async function readTables(node: NodeClient): Promise<TableContents> {
  const contents = new Map<string, Map<string, readonly unknown[]>>();
  for (const { name, key } of tables) {
    const rows = new Map<string, readonly unknown[]>();
    const numeric = key === 'id';
    for (let after: string | null = null; ;) {
      const where: string = after === null ? '' : ` WHERE ${key} > ${numeric ? after : `'${after}'`}`;
      const page = await queryRows(node, `{${NAMESPACE}}SELECT * FROM ${name}${where} ORDER BY ${key} LIMIT ${PAGE}`);
      const keyAt = 0; // the key is the first column of every table of the demo
      for (const row of page) rows.set(String(row[keyAt]), row);
      if (page.length < PAGE) break;
      after = String(page[page.length - 1]![keyAt]);
    }
    contents.set(name, rows);
  }
  return contents;
}

/** What the tables must hold after the operations that the chain executed, as far as the operations say. */
export interface ExpectedState {
  /** item id → the columns that operations determine. */
  readonly items: Map<
    string,
    { label: string | null; counter: number; op: string; owner: string; body: string | null }
  >;
  readonly children: Map<string, { parent: string; note: string }>;
  readonly receipts: Map<string, string>;
}

export function seedState(rows: number): ExpectedState {
  const items: ExpectedState['items'] = new Map();
  for (let id = 1; id <= rows; id += 1) {
    items.set(String(id), {
      label: `seed ${id}`,
      counter: 0,
      op: `seed-${id}`,
      owner: '0',
      body: id % 10 === 0 ? digestOf(largeText(id, 9000)) : null,
    });
  }
  return { items, children: new Map(), receipts: new Map() };
}

/** Bodies are compared by digest; the load process records them in this form (load/writer.ts). */
const digestOf = (body: string): string => `sha256:${createHash('sha256').update(body).digest('hex')}`;

export const copyState = (state: ExpectedState): ExpectedState => ({
  items: new Map([...state.items].map(([id, item]) => [id, { ...item }])),
  children: new Map(state.children),
  receipts: new Map(state.receipts),
});

/** Applies one operation that is in a block with code 0. */
export function applyOperation(state: ExpectedState, operation: Operation): void {
  const id = String(operation.id);
  state.receipts.set(operation.op, operation.action);
  switch (operation.action) {
    case 'put_item':
      state.items.set(id, {
        label: operation.label,
        counter: 0,
        op: operation.op,
        owner: String(operation.owner),
        body: operation.body,
      });
      return;
    case 'touch_item': {
      const item = state.items.get(id);
      if (item !== undefined)
        Object.assign(item, { label: operation.label, counter: item.counter + 1, op: operation.op });
      return;
    }
    case 'drop_item':
      state.items.delete(id);
      for (const [child, { parent }] of state.children) if (parent === id) state.children.delete(child);
      return;
    case 'add_child':
      state.children.set(String(operation.child), { parent: id, note: operation.note });
      return;
    case 'same_item':
    case 'fail_item':
      return;
  }
}

/** Differences between a network's tables and what its chain says they must hold, in words. */
export function compareWithExpected(network: string, actual: TableContents, expected: ExpectedState): string[] {
  const differences: string[] = [];
  const check = (
    table: string,
    wanted: ReadonlyMap<string, unknown>,
    project: (row: readonly unknown[]) => unknown,
  ): void => {
    const rows = actual.get(table)!;
    for (const [key, want] of wanted) {
      const row = rows.get(key);
      if (row === undefined) differences.push(`${network} ${table} ${key}: missing`);
      else if (JSON.stringify(project(row)) !== JSON.stringify(want)) {
        differences.push(
          `${network} ${table} ${key}: has ${JSON.stringify(project(row))}, must be ${JSON.stringify(want)}`,
        );
      }
    }
    for (const key of rows.keys()) if (!wanted.has(key)) differences.push(`${network} ${table} ${key}: must not exist`);
  };
  // Column order of the tables: see schema.ts.
  check('items', expected.items, row => ({
    label: row[2],
    counter: Number(row[8]),
    op: row[10],
    owner: row[1],
    body: typeof row[9] === 'string' ? digestOf(row[9]) : null,
  }));
  check('children', expected.children, row => ({ parent: row[1], note: row[2] }));
  check('receipts', expected.receipts, row => row[2]);
  return differences;
}

/** Rows that no operation touched after the switch must be equal to the last letter in both networks. */
export function compareNetworks(old: TableContents, fresh: TableContents, touched: ReadonlySet<string>): string[] {
  const differences: string[] = [];
  for (const { name } of tables) {
    const oldRows = old.get(name)!;
    const newRows = fresh.get(name)!;
    for (const key of new Set([...oldRows.keys(), ...newRows.keys()])) {
      if (touched.has(`${name}/${key}`)) continue;
      const [a, b] = [oldRows.get(key), newRows.get(key)];
      if (JSON.stringify(a) !== JSON.stringify(b)) {
        differences.push(`${name} ${key}: old ${describe(a)}, new ${describe(b)}`);
      }
    }
  }
  return differences;
}

const describe = (row: readonly unknown[] | undefined): string =>
  row === undefined ? 'has no such row' : JSON.stringify(row).slice(0, 300);

/** Which rows an operation may have changed: `table/key`. */
export function touchedRows(operation: Operation, children: ExpectedState['children']): string[] {
  const rows = [`items/${operation.id}`, `receipts/${operation.op}`];
  if (operation.action === 'add_child') rows.push(`children/${operation.child}`);
  if (operation.action === 'drop_item') {
    for (const [child, { parent }] of children) if (parent === String(operation.id)) rows.push(`children/${child}`);
  }
  return rows;
}
