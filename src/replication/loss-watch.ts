import type { Height } from '../model/index.js';
import { createNotifier } from '../platform/index.js';
import { createArchiveScan } from './archive-scan.js';
import { reasonOf } from './errors.js';
import { rowName, suspectsOf, truthOf, type Loss } from './losses.js';
import type { ReplicationPorts } from './ports.js';
import type { Schema } from './schema.js';
import { keyText, type RowKey } from './touched-rows.js';
import { createReader, quoted, type Cell, type Parameter, type Reader } from './verify/queries.js';

/** A value that the stream could not carry. */
export interface ListedLoss {
  readonly height: Height;
  readonly table: string;
  readonly column: string;
  readonly key: Readonly<Record<string, string>>;
  /** lost: the old network shows another value · unknown: nobody could be asked (yet), it may be what it looks like. */
  readonly state: 'lost' | 'unknown';
  /** What the old network shows, in words. */
  readonly text: string | null;
  /** For an operator who may write on the new network; never run by the gateway. */
  readonly statement: string | null;
}

export interface Losses {
  /** Lost ones first, then unknown ones, each by height. */
  readonly listed: readonly ListedLoss[];
  readonly lost: number;
  readonly unknown: number;
  /** Looked at and found to be what they look like, or changed again. */
  readonly fine: number;
  /** There were more than are kept: these were never looked at. */
  readonly unlisted: number;
}

/** Finds values that the stream loses, and asks the old network's public queries for what they are. */
export interface LossWatch {
  start(): void;
  close(): Promise<void>;
  readonly losses: () => Losses;
  readonly counts: () => { readonly lost: number; readonly unknown: number };
  readonly subscribe: (listener: () => void) => () => void;
}

interface Kept {
  readonly next: Height | null;
  readonly open: readonly Loss[];
  readonly lost: readonly Loss[];
  readonly found: Readonly<Record<string, { readonly text: string; readonly statement: string }>>;
  readonly fine: number;
  readonly unlisted: number;
}

const KEY = 'losses';
const KEPT_MAX = 5_000;
const KEYS_PER_QUERY = 50;
const ASKED_PER_REST = 500;
/** How long nobody is asked after a failure: nodes in private mode answer no free queries, halted ones may be gone. */
const ASK_AGAIN_MS = 15_000;

export function createLossWatch(
  schema: () => Schema | null,
  tail: { readonly subscribe: (listener: () => void) => () => void },
  ports: ReplicationPorts,
): LossWatch {
  const { archive, clock, logger, nodes } = ports;
  const changes = createNotifier();
  let next: Height | null = null;
  let open = new Map<string, Loss>();
  let lost = new Map<string, Loss>();
  let found: Record<string, { text: string; statement: string }> = {};
  let fine = 0;
  let unlisted = 0;
  let dirty = false;
  let restUntil = -Infinity;

  const scan = createArchiveScan(
    {
      name: 'lost values',
      next: () => (schema() === null ? null : (next ?? archive.first())),
      subscribe: tail.subscribe,
      take(height, elements) {
        const known = schema();
        next = height + 1;
        dirty = true;
        if (known === null || elements === null || elements.length === 0) return;
        const { suspects, touched } = suspectsOf(height, elements, known.tables);
        forgetRows(touched);
        for (const loss of suspects) {
          if (open.size + lost.size >= KEPT_MAX) unlisted += 1;
          else open.set(idOf(loss), loss);
        }
      },
      async rest(signal) {
        if (open.size > 0 && clock.monotonic() >= restUntil) await ask(signal);
        if (!dirty) return;
        const kept: Kept = { next, open: [...open.values()], lost: [...lost.values()], found, fine, unlisted };
        await archive.setRecord(KEY, kept);
        dirty = false;
        changes.notify();
      },
    },
    ports,
  );

  /** A later change of a row has the last word about it. */
  function forgetRows(rows: readonly string[]): void {
    if (open.size + lost.size === 0) return;
    const gone = new Set(rows);
    for (const map of [open, lost])
      for (const [id, loss] of map)
        if (gone.has(rowName(loss, loss.key))) {
          map.delete(id);
          delete found[id];
          fine += 1;
        }
  }

  async function ask(signal: AbortSignal): Promise<void> {
    const groups = new Map<string, Loss[]>();
    for (const loss of [...open.values()].slice(0, ASKED_PER_REST)) {
      if (loss.key.length === 0) continue;
      const name = `${loss.schema}.${loss.table}.${loss.column}`;
      groups.set(name, [...(groups.get(name) ?? []), loss]);
    }
    const reader = createReader(nodes, 'old', signal);
    try {
      for (const group of groups.values())
        for (let at = 0; at < group.length; at += KEYS_PER_QUERY)
          await askFor(group.slice(at, at + KEYS_PER_QUERY), reader);
    } catch (error) {
      restUntil = clock.monotonic() + ASK_AGAIN_MS;
      logger.debug(
        { reason: reasonOf(error) },
        'the old network cannot be asked for values that the stream may have lost',
      );
    }
  }

  async function askFor(group: readonly Loss[], reader: Reader): Promise<void> {
    const { schema: namespace, table, column, key } = group[0]!;
    const parameters: Parameter[] = [];
    const anyOf = group.map(loss => {
      const parts = loss.key.map(({ column: name, type, text }) => {
        parameters.push({ type, value: type.name === 'bool' ? text === 'true' : text });
        return `${quoted(name)} = $k${parameters.length - 1}`;
      });
      return `(${parts.join(' AND ')})`;
    });
    const columns = [...key.map(part => part.column), column].map(quoted).join(', ');
    const { values } = await reader.query(
      `SELECT ${columns} FROM ${namespace}.${quoted(table)} WHERE ${anyOf.join(' OR ')}`,
      parameters,
    );
    const shown = new Map<string, Cell>(
      values.map(row => [JSON.stringify(row.slice(0, key.length).map(String)), row[key.length] ?? null]),
    );
    for (const loss of group) {
      const id = idOf(loss);
      // A height that came meanwhile may have changed the row: that one is asked anew.
      if (open.get(id) !== loss) continue;
      const truth = truthOf(loss, shown.get(keyText(loss.key)));
      open.delete(id);
      dirty = true;
      if (truth.kind === 'fine') fine += 1;
      else {
        lost.set(id, loss);
        found = { ...found, [id]: { text: truth.text, statement: truth.statement } };
        logger.warn(
          { height: loss.height, table: `${loss.schema}.${loss.table}`, column: loss.column },
          'a value was lost in the old network’s recording: `switchyard replication repairs` has the statement',
        );
      }
    }
  }

  function load(): void {
    const kept = archive.record(KEY) as Kept | undefined;
    if (kept === undefined) return;
    next = kept.next;
    open = new Map(kept.open.map(loss => [idOf(loss), loss]));
    lost = new Map(kept.lost.map(loss => [idOf(loss), loss]));
    ({ fine, unlisted } = kept);
    found = { ...kept.found };
  }

  return {
    start() {
      load();
      scan.start();
    },
    close: () => scan.close(),
    counts: () => ({ lost: lost.size, unknown: open.size }),
    losses() {
      const view =
        (state: ListedLoss['state']) =>
        (loss: Loss): ListedLoss => ({
          height: loss.height,
          table: `${loss.schema}.${loss.table}`,
          column: loss.column,
          key: plainKey(loss.key),
          state,
          text: found[idOf(loss)]?.text ?? null,
          statement: found[idOf(loss)]?.statement ?? null,
        });
      const byHeight = (a: Loss, b: Loss): number => a.height - b.height;
      return {
        listed: [
          ...[...lost.values()].sort(byHeight).map(view('lost')),
          ...[...open.values()].sort(byHeight).map(view('unknown')),
        ],
        lost: lost.size,
        unknown: open.size,
        fine,
        unlisted,
      };
    },
    subscribe: changes.subscribe,
  };
}

const idOf = (loss: Loss): string => `${rowName(loss, loss.key)} ${loss.column}`;
const plainKey = (key: RowKey): Record<string, string> =>
  Object.fromEntries(key.map(({ column, text }) => [column, text]));
