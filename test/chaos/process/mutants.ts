import type { GatewaySeams } from '../../../src/gateway.js';
import type { LedgerPort, LedgerRecord, ProxyPorts } from '../../../src/proxy/index.js';

/**
 * Known-broken gateways. Each breaks one rule of SPEC.md the way a mistake in the program would, by lying between two rooms; a
 * checker that does not catch every one of them proves nothing about the program that is not broken.
 */
export const MUTANTS = {
  /** I2: the drain height is the one of a moment ago, and writes to the old network are still open. */
  'drain-height-too-early': {
    control: ports => ({
      ...ports,
      ledger: {
        ...ports.ledger,
        unresolved: network => (network === 'old' ? [] : ports.ledger.unresolved(network)),
        lastMined: network => Math.max(1, (ports.ledger.lastMined(network) ?? 1) - EARLY_BLOCKS),
      },
      nodes: { ...ports.nodes, call: emptyMempools(ports.nodes) },
    }),
  },
  /** I1: writes go on to the old network while they should be held. */
  'no-hold': {
    control: ports => ({
      ...ports,
      ledger: { ...ports.ledger, unresolved: network => (network === 'old' ? [] : ports.ledger.unresolved(network)) },
    }),
    proxy: ports => ({ ...ports, snapshot: () => withoutHold(ports.snapshot()) }),
  },
  /** I1: requests go by the intent from before the switch although the new one is in force, and nobody waits for such requests. */
  'stale-epoch': {
    control: ports => ({ ...ports, proxy: { ...ports.proxy, quiesced: () => Promise.resolve() } }),
    proxy: ports => ({ ...ports, snapshot: stale(ports) }),
  },
  /** I4: a restart does not know of the commit any more. */
  'abort-after-commit': {
    journal(journal) {
      const known = journal.records().length;
      const commit = journal.records().findIndex(({ data }) => phaseOf(data) === 'committed');
      if (commit < 0) return journal;
      return { ...journal, records: () => [...journal.records().slice(0, commit), ...journal.records().slice(known)] };
    },
  },
  /** I2: a write is noted down only after it has been sent; a kill in between leaves nobody who knows of it. */
  'ledger-after-sending': {
    proxy: ports => ({ ...ports, ledger: lateLedger(ports.ledger) }),
  },
} as const satisfies Readonly<Record<string, GatewaySeams>>;

export type MutantName = keyof typeof MUTANTS;
export const MUTANT_NAMES = Object.keys(MUTANTS) as readonly MutantName[];

/** Writes come several a second, so there are some in the blocks that are left out. */
const EARLY_BLOCKS = 20;

/** Nobody looks whether something still waits in a mempool. */
const emptyMempools =
  (nodes: ControlNodes): ControlNodes['call'] =>
  (node, method, params, options) =>
    method === 'chain.unconfirmed_txs'
      ? Promise.resolve({ txs: [] } as never)
      : nodes.call(node, method, params, options);

type ControlNodes = Parameters<NonNullable<GatewaySeams['control']>>[0]['nodes'];
type Snapshot = ReturnType<ProxyPorts['snapshot']>;

const phaseOf = (data: unknown): string | undefined => (data as { phase?: string }).phase;

const withoutHold = (snapshot: Snapshot): Snapshot =>
  snapshot.intent.writes.kind === 'hold'
    ? { ...snapshot, intent: { ...snapshot.intent, writes: { kind: 'send', network: 'old' } } }
    : snapshot;

/** After the decision; longer than a story sends writes for the old network. */
const STALE_MS = 4000;

function stale(ports: ProxyPorts): () => Snapshot {
  let before: Snapshot['intent'] | null = null;
  let changedAt: number | null = null;
  return () => {
    const current = ports.snapshot();
    const { writes } = current.intent;
    if (writes.kind === 'send' && writes.network === 'old') before = current.intent;
    if (writes.kind === 'send' && writes.network === 'new') changedAt ??= performance.now();
    const isStale = before !== null && changedAt !== null && performance.now() - changedAt < STALE_MS;
    return isStale ? { ...current, intent: before! } : current;
  };
}

const LATE_MS = 2000;

function lateLedger(ledger: LedgerPort): LedgerPort {
  const late = new Map<string, { entry: LedgerRecord; written: Promise<void> }>();
  return {
    ...ledger,
    async admit(entry) {
      const written = new Promise(resolve => setTimeout(resolve, LATE_MS)).then(() => ledger.admit(entry));
      late.set(entry.hash, { entry, written });
      void written.finally(() => late.delete(entry.hash));
      return Promise.resolve();
    },
    async settle(hash, change) {
      await late.get(hash)?.written;
      return ledger.settle(hash, change);
    },
    get: hash => late.get(hash)?.entry ?? ledger.get(hash),
  };
}
