import { sleep } from '../../platform/index.js';
import { reasonOf } from '../errors.js';
import type { ReplicationPorts } from '../ports.js';
import { compareStructure, readTables, type StructureDifference, type TableSpec } from './catalogue.js';
import { compareTable, recheck, type DifferingKey } from './compare.js';
import { createReader } from './queries.js';

export interface VerifierOptions {
  /** Differing keys that are listed at most; default 10,000. */
  readonly differencesMax?: number;
  /** How long a differing key may take to become equal, as rows in flight do; default 15 s. */
  readonly settleMs?: number;
}

export interface VerifyScope {
  readonly namespace?: string | undefined;
  readonly table?: string | undefined;
  /** List both rows of each differing key. */
  readonly rows?: boolean | undefined;
}

export interface VerificationReport {
  readonly equal: boolean;
  readonly tables: number;
  readonly rows: number;
  readonly differences: number;
  readonly differing: readonly {
    readonly namespace: string;
    readonly table: string;
    readonly key: string;
    readonly side: DifferingKey['side'];
    readonly old?: unknown;
    readonly new?: unknown;
  }[];
  readonly byTable: readonly {
    readonly namespace: string;
    readonly table: string;
    readonly rows: { readonly old: number; readonly new: number };
    readonly differences: number;
  }[];
  /** Schemas, actions, roles that differ. */
  readonly structure: readonly StructureDifference[];
  /** What could not be compared, and why. */
  readonly notCompared: readonly string[];
  readonly durationMs: number;
}

export interface VerifyProgress {
  readonly text: string;
  readonly tablesDone: number;
  readonly tablesTotal: number | null;
}

/** Compares the tables of both networks by the public queries of their nodes. */
export interface Verifier {
  verify(
    scope: VerifyScope,
    progress: (progress: VerifyProgress) => void,
    signal: AbortSignal,
  ): Promise<VerificationReport>;
}

const DIFFERENCES_MAX = 10_000;
const SETTLE_MS = 15_000;
const PAUSE_MS = 100;

export function createVerifier(
  options: VerifierOptions,
  ports: Pick<ReplicationPorts, 'nodes' | 'clock' | 'metrics' | 'logger'>,
): Verifier {
  const { clock, metrics, nodes } = ports;
  const differencesMax = options.differencesMax ?? DIFFERENCES_MAX;
  const rounds = Math.max(1, Math.ceil((options.settleMs ?? SETTLE_MS) / PAUSE_MS));

  return {
    async verify(scope, progress, signal) {
      const startedAt = clock.monotonic();
      const [old, fresh] = [createReader(nodes, 'old', signal), createReader(nodes, 'new', signal)];
      const [before, after] = [await readTables(old), await readTables(fresh)];
      const wanted = ({ namespace, table }: TableSpec): boolean =>
        (scope.namespace === undefined || scope.namespace === namespace) &&
        (scope.table === undefined || scope.table === table);
      const whole = scope.namespace === undefined && scope.table === undefined;
      const { differences: structure, notCompared } = whole
        ? await compareStructure(old, fresh)
        : { differences: [], notCompared: [] };
      const specs = [...before.values()].filter(wanted);
      const differing: DifferingKey[] = [];
      const byTable: VerificationReport['byTable'][number][] = [];
      let rows = 0;
      for (const [index, spec] of specs.entries()) {
        const name = `${spec.namespace}.${spec.table}`;
        progress({ text: name, tablesDone: index, tablesTotal: specs.length });
        const twin = after.get(name);
        if (spec.key.length === 0 || twin === undefined || twin.columns.join() !== spec.columns.join()) {
          notCompared.push(
            `${name}: ${spec.key.length === 0 ? 'it has no primary key' : 'the new network has no such table with the same columns'}`,
          );
          continue;
        }
        try {
          const compared = await compareTable(spec, old, fresh, differencesMax - differing.length, signal);
          const pause = (): Promise<void> => sleep(clock, PAUSE_MS, signal);
          const open = await recheck(spec, compared.suspects, old, fresh, { count: rounds, pause }, signal);
          signal.throwIfAborted();
          differing.push(...open);
          if (compared.truncated)
            notCompared.push(`${name}: more than ${differencesMax} keys differ, the rest is not listed`);
          rows += compared.rowsOld;
          byTable.push({
            namespace: spec.namespace,
            table: spec.table,
            rows: { old: compared.rowsOld, new: compared.rowsNew },
            differences: open.length,
          });
        } catch (error) {
          if (signal.aborted) throw error;
          notCompared.push(`${name}: ${reasonOf(error)}`);
        }
      }
      for (const spec of after.values()) {
        if (wanted(spec) && !before.has(`${spec.namespace}.${spec.table}`))
          notCompared.push(`${spec.namespace}.${spec.table}: only the new network has it`);
      }
      progress({ text: 'done', tablesDone: specs.length, tablesTotal: specs.length });
      // One table that is equal says nothing about the others.
      if (whole) metrics.verificationDifferences.set(differing.length + structure.length);
      return {
        equal: differing.length === 0 && structure.length === 0 && notCompared.length === 0,
        tables: byTable.length,
        rows,
        differences: differing.length,
        differing: differing.map(({ namespace, table, key, side, old: oldRow, new: newRow }) => ({
          namespace,
          table,
          key,
          side,
          ...(scope.rows ? { old: oldRow, new: newRow } : {}),
        })),
        byTable,
        structure,
        notCompared,
        durationMs: Math.round(clock.monotonic() - startedAt),
      };
    },
  };
}
