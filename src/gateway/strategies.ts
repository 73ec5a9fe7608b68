import type { Config } from '../config/index.js';
import {
  createControl,
  createOfflineControl,
  createRollingControl,
  type Control,
  type ControlPorts,
  type OfflineControl,
  type RollingControl,
  type StrategyPorts,
  type TableComparison,
  type TablesPort,
} from '../control/index.js';
import { GatewayError, type NetworkName, type NodeRef } from '../model/index.js';
import type { Nodes } from '../nodes/index.js';
import { createVerifier, digestTables } from '../replication/index.js';
import type { Journal, Ledger } from '../storage/index.js';
import type { WatermarkView } from '../routing/index.js';

/** The one loop that decides, by what kind of move it is; the other two are null. */
export interface Decider {
  readonly control: Control;
  readonly rolling: RollingControl | null;
  readonly offline: OfflineControl | null;
}

export interface DeciderInputs extends Omit<ControlPorts, 'journal' | 'nodes' | 'ledger' | 'proxy'> {
  readonly proxy: ControlPorts['proxy'] & StrategyPorts['proxy'];
  readonly journal: Journal;
  readonly nodes: Nodes;
  readonly ledger: Ledger;
  readonly strangers: () => number;
}

/** Kinds of journal records that the switch's machine writes. */
const SWITCH_RECORDS: ReadonlySet<string> = new Set(['event', 'reset', 'refused']);

export function createDecider(current: () => Config, inputs: DeciderInputs): Decider {
  const { journal, strangers, ...rest } = inputs;
  const { migration, writes, cutover, dataDir, networks } = current();
  if (migration.strategy === 'zero-downtime') {
    const control = createControl(
      { strategy: migration.strategy, cutover, writes, dataDir, strangers },
      { ...rest, journal: switchJournal(journal) },
    );
    return { control, rolling: null, offline: null };
  }
  const ports: StrategyPorts = { ...rest, journal, tables: tablesOf(inputs) };
  const shared = { leader: migration.leader ?? null, operatorMs: migration.operatorMs, holdMs: writes.holdMs };
  if (migration.strategy === 'rolling') {
    const rolling = createRollingControl({ ...shared, wantedBuild: migration.build ?? null }, ports);
    return { control: rolling, rolling, offline: null };
  }
  const offline = createOfflineControl(
    { ...shared, oldChainId: networks.old.chainId, newChainId: () => current().networks.new?.chainId ?? null },
    ports,
  );
  return { control: offline, rolling: null, offline };
}

/** The journal as the switch reads it. Its epochs begin at 1, so a journal that another strategy has used is no place for it (I5). */
function switchJournal(journal: Journal): ControlPorts['journal'] {
  const foreign = journal.records().find(({ kind }) => !SWITCH_RECORDS.has(kind));
  if (foreign !== undefined) {
    throw new GatewayError(
      'journal_strategy',
      'config',
      `the journal of this dataDir is that of another strategy (${foreign.kind}): give zero-downtime a dataDir of its own`,
    );
  }
  return journal;
}

const SMALL_ROWS = 20_000;
const SETTLE_MS = 5000;
const LISTED_MAX = 200;

/** Data of any two nodes, by the verifier that otherwise compares two networks: one node stands for each. */
function tablesOf({ nodes, clock, logger, metrics }: DeciderInputs): TablesPort {
  /** `old` and `new` as the verifier asks for them, each with one node. */
  const pair = (reference: NodeRef, node: NodeRef) => {
    const refOf = (network: NetworkName): NodeRef => (network === 'old' ? reference : node);
    return {
      view(network: NetworkName) {
        const { network: real, name } = refOf(network);
        const view = nodes.view(real);
        const found = view?.nodes.find(one => one.name === name);
        if (view === null || found === undefined) return null;
        // Whoever asks has decided that this node is to be asked, drained or not.
        return { ...view, name: network, nodes: [{ ...found, network, name, state: 'up' as const }] };
      },
      subscribe: (listener: () => void) => nodes.subscribe(listener),
      call: <T>(
        asked: NodeRef,
        method: string,
        params: unknown,
        options?: { timeoutMs?: number; signal?: AbortSignal | undefined },
      ) => nodes.call<T>(refOf(asked.network), method, params, options),
    };
  };

  return {
    async compare(reference, node, { tables }, signal): Promise<TableComparison> {
      const verifier = createVerifier(
        { settleMs: SETTLE_MS },
        { nodes: pair(reference, node), clock, logger, metrics },
      );
      const scopes = tables === 'all' ? [{}] : await smallTables(nodes, reference, tables, signal);
      const sum = { tables: 0, rows: 0, differences: [] as string[] };
      for (const scope of scopes) {
        const report = await verifier.verify(scope, () => undefined, signal);
        sum.tables += report.tables;
        sum.rows += report.rows;
        sum.differences.push(
          ...report.structure.map(({ what, line, side }) => `${what} ${side}: ${line}`),
          ...report.differing.map(({ namespace, table, key, side }) => `${namespace}.${table} ${key} ${side}`),
          ...report.notCompared,
        );
      }
      return { ...sum, differences: sum.differences.slice(0, LISTED_MAX) };
    },
    digest: (node, signal) => digestTables(pair(node, node), 'old', signal),
  };
}

/** The fullest tables that are still quick to compare. */
async function smallTables(
  nodes: Nodes,
  node: NodeRef,
  count: number,
  signal: AbortSignal,
): Promise<readonly { readonly namespace: string; readonly table: string }[]> {
  const query = async (sql: string): Promise<readonly (readonly unknown[])[]> =>
    (await nodes.call<{ values: unknown[][] | null }>(node, 'user.query', { query: sql, params: {} }, { signal }))
      .values ?? [];
  const users = new Set(
    (await query('SELECT name, type FROM info.namespaces')).filter(([, type]) => type === 'USER').map(([name]) => name),
  );
  const named = new Map<string, { readonly namespace: string; readonly table: string }>();
  for (const [namespace, table] of await query('SELECT namespace, table_name FROM info.columns')) {
    if (users.has(namespace))
      named.set(`${String(namespace)}.${String(table)}`, { namespace: String(namespace), table: String(table) });
  }
  const counted = await Promise.all(
    [...named.values()].map(async one => {
      const [[rows] = []] = await query(`SELECT count(*) FROM ${one.namespace}."${one.table.replaceAll('"', '""')}"`);
      return { ...one, rows: Number(rows) };
    }),
  );
  return counted
    .filter(({ rows }) => rows > 0 && rows <= SMALL_ROWS)
    .sort((a, b) => b.rows - a.rows)
    .slice(0, count)
    .map(({ namespace, table }) => ({ namespace, table }));
}

/**
 * What the new network shows of the old one. After an offline migration was opened that is everything: it was compared row by
 * row, and the old one makes no blocks any more.
 */
export function watermarkAfter(control: Control, nodes: Nodes, watermark: WatermarkView): WatermarkView {
  const { strategy, committed } = control.intent();
  if (strategy !== 'offline' || !committed) return watermark;
  const perNode = Object.fromEntries(
    (nodes.view('new')?.nodes ?? []).flatMap(({ id, name }) => [
      [id, Number.MAX_SAFE_INTEGER],
      [name, Number.MAX_SAFE_INTEGER],
    ]),
  );
  return { applied: control.status().drainHeight, perNode, lagBlocks: 0 };
}
