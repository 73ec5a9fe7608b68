import { setMaxListeners } from 'node:events';
import type { Height, NetworkName } from '../../model/index.js';
import { sleep } from '../../platform/index.js';
import { reasonOf } from '../errors.js';
import type { ArchivePort, ReplicationPorts } from '../ports.js';
import { readTables, type TableSpec } from './catalogue.js';
import { changesOf, nameOfKey, type ChangedKey } from './changes.js';
import { createReader, quoted, type Parameter, type Reader, type Row } from './queries.js';

export interface RecentComparison {
  /** Keys whose rows were compared now; what was found equal before the switch is not looked at again. */
  readonly compared: number;
  readonly differences: number;
  /** Changed keys, and rows without a key, that could not be compared in time; 0 when everything was. */
  readonly leftOut: number;
  /** Heights of which nothing was looked at. */
  readonly heightsLeftOut: number;
  /** Table and key of some that differ. */
  readonly examples: readonly string[];
  /** Why nothing could be compared at all; null otherwise. */
  readonly impossible: string | null;
}

/** How far the continuous comparison of changed rows is. */
export interface RecentState {
  /** Every row that was changed up to this old height has been equal on both networks since. */
  readonly settledTo: Height | null;
  /** Changed keys that were not equal yet, or not looked at yet. */
  readonly open: number;
}

/**
 * Compares the rows that changesets changed, key by key, on both networks: continuously, as heights become applied, so that
 * the check inside a switch has only the last few heights to look at. What was equal once needs no second look before it
 * changes again, and then it is in a later height.
 */
export interface RecentVerifier {
  /** Begins after the last settled height of an earlier process. `applied`: the watermark. `resting`: writes are held. */
  start(follow: { readonly applied: () => Height | null; readonly resting: () => boolean }): void;
  close(): Promise<void>;
  state(): RecentState;
  /**
   * Looks at what is open up to `upTo`, which the new network must show, within 500 ms; what does not fit in is counted. Throws
   * when a network does not answer. Where no old node is left, or nodes answer no free queries (private mode), nothing can be
   * compared, and it says so.
   */
  verifyRecent(upTo: Height, signal: AbortSignal): Promise<RecentComparison>;
}

const KEYS_PER_QUERY = 50;
/** Queries at once and network: in the background the nodes have other work. */
const BACKGROUND_QUERIES = 2;
const HELD_QUERIES = 8;
/** All of it happens while writes are held. */
const BUDGET_MS = 500;
/** A row that somebody else is changing on the old network may be ahead for a moment. */
const ROUNDS = 3;
const PAUSE_MS = 60;
const TICK_MS = 500;
/** Keys in memory; further heights wait for these to become equal. */
const OPEN_MAX = 50_000;
const EXAMPLES = 5;
/** Keys settled last, looked at again inside the switch: others may have written to the new network meanwhile. */
const AGAIN_MAX = 200;
const RECORD = 'verify/settled';

export function createRecentVerifier(
  ports: Pick<ReplicationPorts, 'nodes' | 'clock' | 'logger'> & {
    readonly archive: Pick<ArchivePort, 'first' | 'last' | 'bytes' | 'record' | 'setRecord'>;
  },
): RecentVerifier {
  const { nodes, clock, logger, archive } = ports;
  const stop = new AbortController();
  // Tables of the old network do not change between Start and End, so that one look is enough.
  let tables: ReadonlyMap<string, TableSpec> | null = null;
  const open = new Map<string, ChangedKey>();
  /** The newest last. */
  const settled = new Map<string, ChangedKey>();
  /** Rows that no key can ask for. */
  let keyless = 0;
  /** Last height whose keys are in `open`, or were. */
  let taken: Height | null = null;
  let saved: Height | null = null;
  let running: Promise<void> | null = null;
  let said: string | null = null;

  function takenOf(): Height {
    if (taken === null) {
      const record = archive.record(RECORD) as { readonly height: Height } | undefined;
      taken = Math.max(record?.height ?? 0, (archive.first() ?? 1) - 1);
    }
    return taken;
  }

  /** Adds the keys of the next heights, as many as fit in. */
  function take(upTo: Height, specs: ReadonlyMap<string, TableSpec>, isLate = () => false): void {
    const last = Math.min(upTo, archive.last() ?? 0);
    for (let height = takenOf() + 1; height <= last && open.size < OPEN_MAX && !isLate(); height += 1) {
      const bytes = archive.bytes(height);
      if (bytes === undefined) logger.warn({ height }, 'a pruned height cannot be compared row by row');
      else if (bytes.length > 0) {
        const changes = changesOf(bytes, height, specs);
        for (const [name, key] of changes.keys) open.set(name, key);
        keyless += changes.keyless;
      }
      taken = height;
    }
  }

  function settledTo(): Height | null {
    if (taken === null) return null;
    let height = taken;
    for (const key of open.values()) height = Math.min(height, key.height - 1);
    return height;
  }

  function settle(name: string, key: ChangedKey): void {
    open.delete(name);
    settled.delete(name);
    settled.set(name, key);
    if (settled.size > AGAIN_MAX) settled.delete(settled.keys().next().value!);
  }

  /** Looks at these keys on both networks, and closes those that are equal. */
  async function look(
    keys: readonly ChangedKey[],
    networks: Readonly<Record<NetworkName, Reader>>,
    specs: ReadonlyMap<string, TableSpec>,
    queries: number,
    shown: Map<string, Set<string>>,
    onLooked: (keys: readonly ChangedKey[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const chunks = chunksByTable(keys);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < chunks.length && !signal.aborted) {
        const chunk = chunks[next]!;
        next += 1;
        const spec = specs.get(chunk[0]!.table)!;
        const [before, now] = await Promise.all([rowsOf(spec, chunk, networks.old), rowsOf(spec, chunk, networks.new)]);
        for (const key of chunk) {
          const [name, id] = [nameOfKey(key), JSON.stringify(key.values)];
          const row = before.get(id) ?? null;
          const texts = shown.get(name) ?? new Set<string>();
          shown.set(name, texts.add(JSON.stringify(row)));
          const seen = now.get(id) ?? null;
          // No row on either side is right only if the last change was a delete: else the key was not understood.
          const isEqual = texts.has(JSON.stringify(seen)) && (seen !== null || row !== null || !key.present);
          if (isEqual && open.get(name) === key) settle(name, key);
        }
        onLooked(chunk);
      }
    };
    await Promise.all(Array.from({ length: queries }, worker));
  }

  const readersOf = (signal: AbortSignal): Record<NetworkName, Reader> => ({
    old: createReader(nodes, 'old', signal),
    new: createReader(nodes, 'new', signal),
  });

  /** Why rows cannot be compared, by nobody's fault; null when they can. */
  function impossible(): string | null {
    const up = (network: NetworkName) =>
      (nodes.view(network)?.nodes ?? []).filter(({ state }) => ['up', 'lagging', 'syncing'].includes(state));
    if (up('old').length === 0) return 'no node of the old network is left';
    const isPrivate = (['old', 'new'] as const).find(
      network => up(network).length > 0 && up(network).every(({ mode }) => mode === 'private'),
    );
    return isPrivate === undefined ? null : `the ${isPrivate} network answers no free queries (private mode)`;
  }

  async function follow(applied: () => Height | null, resting: () => boolean): Promise<void> {
    while (!stop.signal.aborted) {
      const upTo = applied();
      if (upTo !== null && !resting() && impossible() === null) {
        try {
          const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(30_000)]);
          const networks = readersOf(signal);
          tables ??= await readTables(networks.old);
          take(upTo, tables);
          // Few at a time, so that a hold finds this pass at its end.
          const keys = [...open.values()];
          const page = KEYS_PER_QUERY * BACKGROUND_QUERIES;
          for (let at = 0; at < keys.length && !resting() && !signal.aborted; at += page) {
            const some = keys.slice(at, at + page);
            await look(some, networks, tables, BACKGROUND_QUERIES, new Map(), () => undefined, signal);
          }
          const height = settledTo();
          if (height !== null && height !== saved) await archive.setRecord(RECORD, { height });
          saved = height;
          said = null;
        } catch (error) {
          const reason = reasonOf(error);
          if (!stop.signal.aborted && reason !== said)
            logger.warn({ reason }, 'changed rows are not compared at the moment');
          said = reason;
        }
      }
      await sleep(clock, TICK_MS, stop.signal);
    }
  }

  return {
    start({ applied, resting }) {
      running ??= follow(applied, resting);
    },
    async close() {
      stop.abort();
      await running;
    },
    state: () => ({ settledTo: settledTo(), open: open.size + keyless }),
    async verifyRecent(upTo, outer) {
      const reason = impossible();
      if (reason !== null) {
        logger.warn({ reason }, 'rows are not compared before the switch');
        return { compared: 0, differences: 0, leftOut: 0, heightsLeftOut: 0, examples: [], impossible: reason };
      }
      const budget = AbortSignal.timeout(BUDGET_MS);
      const signal = AbortSignal.any([outer, budget]);
      // Every query listens to it.
      setMaxListeners(4 * HELD_QUERIES, signal);
      const networks = readersOf(signal);
      const begun = clock.monotonic();
      tables ??= await readTables(networks.old);
      take(upTo, tables, () => clock.monotonic() - begun > BUDGET_MS / 2);
      const again = new Set<ChangedKey>();
      for (const [name, key] of settled) {
        if (open.has(name)) continue;
        open.set(name, key);
        again.add(key);
      }
      const inFlight = changedAfter(upTo, tables);
      const keys = [...open.values()].filter(key => key.height <= upTo && !inFlight.has(nameOfKey(key)));
      const looked = new Set<string>();
      const shown = new Map<string, Set<string>>();
      const isOpen = (key: ChangedKey): boolean => open.get(nameOfKey(key)) === key;
      try {
        for (let round = 0; round < ROUNDS && keys.some(isOpen); round += 1) {
          if (round > 0) await sleep(clock, PAUSE_MS, signal);
          signal.throwIfAborted();
          const note = (chunk: readonly ChangedKey[]): void => chunk.forEach(key => looked.add(nameOfKey(key)));
          await look(keys.filter(isOpen), networks, tables, HELD_QUERIES, shown, note, signal);
        }
      } catch (error) {
        // Time is up: what was not looked at is counted below.
        if (outer.aborted || !budget.aborted) throw error;
      }
      outer.throwIfAborted();
      for (const key of again) if (isOpen(key) && !looked.has(nameOfKey(key))) settle(nameOfKey(key), key);
      const left = keys.filter(isOpen);
      const differing = left.map(nameOfKey).filter(name => looked.has(name));
      const differences = differing.length;
      return {
        compared: looked.size,
        differences,
        leftOut: left.length - differences + keyless,
        heightsLeftOut: Math.max(0, Math.min(upTo, archive.last() ?? 0) - takenOf()),
        examples: differing.slice(0, EXAMPLES),
        impossible: null,
      };
    },
  };

  /** Rows that were changed again after `upTo`: those may be on their way. */
  function changedAfter(upTo: Height, specs: ReadonlyMap<string, TableSpec>): ReadonlySet<string> {
    const names = new Set<string>();
    for (let height = upTo + 1; height <= (archive.last() ?? 0); height += 1) {
      const bytes = archive.bytes(height);
      if (bytes === undefined || bytes.length === 0) continue;
      for (const name of changesOf(bytes, height, specs).keys.keys()) names.add(name);
    }
    return names;
  }
}

function chunksByTable(keys: readonly ChangedKey[]): readonly (readonly ChangedKey[])[] {
  const chunks: ChangedKey[][] = [];
  const last = new Map<string, ChangedKey[]>();
  for (const key of keys) {
    let chunk = last.get(key.table);
    if (chunk === undefined || chunk.length >= KEYS_PER_QUERY) {
      chunk = [];
      chunks.push(chunk);
      last.set(key.table, chunk);
    }
    chunk.push(key);
  }
  return chunks;
}

/** Rows that have one of these keys, by their keys. `keys`: of one table, at most KEYS_PER_QUERY. */
async function rowsOf(spec: TableSpec, keys: readonly ChangedKey[], reader: Reader): Promise<ReadonlyMap<string, Row>> {
  const columns = spec.columns.map(quoted).join(', ');
  const parameters: Parameter[] = [];
  const anyOf = keys.map(({ values, types }) => {
    const parts = spec.key.map((name, index) => {
      parameters.push({ type: types[index]!, value: values[index]! });
      return `${quoted(name)} = $k${parameters.length - 1}`;
    });
    return `(${parts.join(' AND ')})`;
  });
  const sql = `SELECT ${columns} FROM ${spec.namespace}.${quoted(spec.table)} WHERE ${anyOf.join(' OR ')}`;
  const { values: rows } = await reader.query(sql, parameters);
  const places = spec.key.map(name => spec.columns.indexOf(name));
  return new Map(rows.map(row => [JSON.stringify(places.map(place => row[place]!)), row]));
}
