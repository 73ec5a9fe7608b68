import { messageOf, type NetworkName } from '../model/index.js';
import type { Judgement } from './conditions.js';
import type { ControlPorts } from './ports.js';
import type { Probe } from './probes.js';
import { upNodes, type World } from './world.js';

/**
 * Checks that the two networks mean the same by their schemas. Both come from one genesis state and the old one takes no DDL
 * after Start (reference 6.3), so a difference was made on the new network, or the genesis state was another one.
 */

type Row = readonly unknown[];

const CALL_MS = 3500;
const SHOWN_MAX = 3;

const COLUMNS = 'SELECT namespace, table_name, name, data_type, is_nullable, is_primary_key FROM info.columns';
const ACTIONS = 'SELECT namespace, name, raw_statement FROM info.actions';

export const PARITY_PROBES: readonly Probe[] = [
  {
    id: 'schemas',
    title: 'Both networks have the same tables and columns',
    run: (context, ports, signal) =>
      compare(COLUMNS, row => `${String(row[0])}.${String(row[1])}.${String(row[2])}`, context.world(), ports, signal),
  },
  {
    id: 'actions',
    title: 'Both networks have the same actions',
    run: (context, ports, signal) =>
      compare(ACTIONS, row => `${String(row[0])}.${String(row[1])}`, context.world(), ports, signal),
  },
  {
    id: 'row-identity',
    title: 'Every table has a primary key',
    async run(context, ports, signal) {
      const rows = await query('old', COLUMNS, context.world(), ports, signal);
      if (rows instanceof Error) return unknown(rows);
      const tables = new Map<string, boolean>();
      for (const row of rows) {
        const table = `${String(row[0])}.${String(row[1])}`;
        tables.set(table, tables.get(table) === true || row[5] === true);
      }
      const without = [...tables].filter(([, hasKey]) => !hasKey).map(([table]) => table);
      const remedy =
        'changes of rows without a key arrive as inserts: give these tables a primary key before a migration';
      if (without.length > 0) return { verdict: 'warn', value: shown(without), threshold: 'none without', remedy };
      return { verdict: 'pass', value: `${tables.size} tables`, threshold: 'none without', remedy: '' };
    },
  },
];

async function compare(
  statement: string,
  keyOf: (row: Row) => string,
  world: World,
  ports: ControlPorts,
  signal: AbortSignal,
): Promise<Judgement> {
  const [old, fresh] = await Promise.all([
    query('old', statement, world, ports, signal),
    query('new', statement, world, ports, signal),
  ]);
  if (old instanceof Error) return unknown(old);
  if (fresh instanceof Error) return unknown(fresh);
  const newRows = new Map(fresh.map(row => [keyOf(row), JSON.stringify(row)]));
  const differing = old.filter(row => newRows.get(keyOf(row)) !== JSON.stringify(row)).map(keyOf);
  const oldKeys = new Set(old.map(keyOf));
  const extra = [...newRows.keys()].filter(key => !oldKeys.has(key));
  const threshold = 'equal';
  if (differing.length > 0) {
    const remedy =
      'changes to these cannot arrive as they were made: put the new network right, or start it again from this relay';
    return {
      verdict: 'fail',
      value: `missing or different on the new network: ${shown(differing)}`,
      threshold,
      remedy,
    };
  }
  if (extra.length > 0) {
    return {
      verdict: 'warn',
      value: `only on the new network: ${shown(extra)}`,
      threshold,
      remedy: 'make sure that this is wanted',
    };
  }
  return { verdict: 'pass', value: `${old.length} equal`, threshold, remedy: '' };
}

/** Rows of users' namespaces, or why there are none to be had: a network in private mode answers no free queries. */
async function query(
  network: NetworkName,
  statement: string,
  world: World,
  { nodes }: ControlPorts,
  signal: AbortSignal,
): Promise<readonly Row[] | Error> {
  const node = upNodes(world[network])[0];
  if (node === undefined) return new Error(`no node of the ${network} network is up`);
  try {
    const result = await nodes.call<{ values: readonly Row[] | null }>(
      { network, name: node.name },
      'user.query',
      { query: statement, params: {} },
      { timeoutMs: CALL_MS, signal },
    );
    return (result.values ?? []).filter(row => !isReserved(String(row[0])));
  } catch (error) {
    return new Error(`${network}: ${messageOf(error)}`);
  }
}

const isReserved = (namespace: string): boolean =>
  namespace === 'info' || namespace.startsWith('kwil_') || namespace.startsWith('pg_');

const unknown = (error: Error): Judgement => ({
  verdict: 'warn',
  value: error.message,
  threshold: 'comparable',
  remedy: 'compare by hand, for instance with `verify`; private mode answers no free queries',
});

const shown = (names: readonly string[]): string =>
  names.length <= SHOWN_MAX
    ? names.join(', ')
    : `${names.slice(0, SHOWN_MAX).join(', ')} and ${names.length - SHOWN_MAX} more`;
