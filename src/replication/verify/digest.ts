import { createHash } from 'node:crypto';
import type { NetworkName } from '../../model/index.js';
import type { NodesPort } from '../ports.js';
import { readTables } from './catalogue.js';
import { PAGE, readPage, type Page, type Position } from './compare.js';
import { createReader } from './queries.js';

/** All rows of one table, in key order, in one number. */
export interface TableDigest {
  /** `namespace.table`. */
  readonly table: string;
  readonly rows: number;
  /** Hex, over the rows as the node shows them; two networks with the same rows have the same. */
  readonly sha256: string;
}

/** One digest per table of a network, tables without a primary key left out. Throws what a node said. */
export async function digestTables(
  nodes: NodesPort,
  network: NetworkName,
  signal: AbortSignal,
): Promise<readonly TableDigest[]> {
  const reader = createReader(nodes, network, signal);
  const digests: TableDigest[] = [];
  for (const [table, spec] of await readTables(reader)) {
    if (spec.key.length === 0) continue;
    const hash = createHash('sha256').update(JSON.stringify(spec.columns));
    let rows = 0;
    let after: Position | null = null;
    for (let more = true; more;) {
      signal.throwIfAborted();
      const page: Page = await readPage(spec, reader, after, null);
      for (const row of page.rows) hash.update(JSON.stringify(row)).update('\n');
      rows += page.rows.length;
      after = page.end;
      more = page.rows.length === PAGE;
    }
    digests.push({ table, rows, sha256: hash.digest('hex') });
  }
  return digests;
}
