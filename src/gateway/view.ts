import type { Config } from '../config/index.js';
import type { Control } from '../control/index.js';
import { NETWORK_NAMES, type GatewayStatus, type NetworkName, type NetworkStatus } from '../model/index.js';
import type { Nodes } from '../nodes/index.js';
import { createNotifier, type Clock } from '../platform/index.js';
import type { MigrationPublic } from '../proxy/index.js';
import type { Replication } from '../replication/index.js';
import { project, type NetworkView, type RoutingSnapshot } from '../routing/index.js';
import type { Metrics } from '../telemetry/index.js';
import { watermarkAfter } from './strategies.js';
import type { Rooms } from '../gateway.js';

/** Keeps the one routing snapshot true: rebuilt when a fact changes, swapped as one reference, then announced. */
export interface SnapshotSource {
  start(): void;
  close(): void;
  /** The configuration changed: build again. */
  refresh(): void;
  current(): RoutingSnapshot;
  /** Called after the swap. */
  subscribe(listener: () => void): () => void;
}

export interface SnapshotInputs {
  readonly config: () => Config;
  readonly control: Control;
  readonly nodes: Nodes;
  readonly replication: Replication;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** When refused writes are expected to be taken again, wall clock ms; null while they are taken. */
  readonly eta?: () => number | null;
}

export function createSnapshotSource(inputs: SnapshotInputs): SnapshotSource {
  const { config, control, nodes, replication, metrics } = inputs;
  const changes = createNotifier();
  const stops: (() => void)[] = [];
  let current = build();
  let isScheduled = false;

  function build(): RoutingSnapshot {
    const replicated = replication.status();
    return project(
      control.intent(),
      config().reads,
      { old: nodes.view('old') ?? emptyView('old', config()), new: nodes.view('new') },
      watermarkAfter(control, nodes, replication.watermark()),
      { blocks: replicated.blocksToEnd, ms: closedMs() ?? replicated.msToEnd },
    );
  }

  /** Offline: how long writes are expected to stay closed. */
  function closedMs(): number | null {
    const eta = inputs.eta?.() ?? null;
    return eta === null ? null : Math.max(0, eta - inputs.clock.now());
  }

  function swap(): void {
    isScheduled = false;
    current = build();
    observe(current, metrics);
    changes.notify();
  }

  return {
    start() {
      // An intent is adopted by routing before control runs the effects of the step (publish before effects), so this one
      // is not delayed; facts come in bursts and share one rebuild.
      stops.push(control.subscribe(swap));
      const later = (): void => {
        if (isScheduled) return;
        isScheduled = true;
        queueMicrotask(() => isScheduled && swap());
      };
      stops.push(nodes.subscribe(later), replication.subscribe(later));
      swap();
    },
    close() {
      for (const stop of stops.splice(0)) stop();
    },
    refresh: swap,
    current: () => current,
    subscribe: changes.subscribe,
  };
}

const emptyView = (name: NetworkName, config: Config): NetworkView => ({
  name,
  chainId: config.networks[name]?.chainId ?? '',
  head: 0,
  nodes: [],
});

/** Kwil's five status texts: the closed label set of `migration_status`. */
const STATUS_TEXTS = [
  'NoActiveMigration',
  'ActivationPeriod',
  'MigrationInProgress',
  'MigrationCompleted',
  'GenesisMigration',
];

function observe(snapshot: RoutingSnapshot, metrics: Metrics): void {
  for (const name of NETWORK_NAMES) {
    const network = snapshot.networks[name];
    if (network === null) continue;
    metrics.networkHeight.set({ network: name }, network.head);
    const { status } = migrationOf(network);
    for (const text of STATUS_TEXTS)
      metrics.migrationStatus.set({ network: name, status: text }, text === status ? 1 : 0);
  }
  if (snapshot.blocksToEnd !== null) metrics.migrationRemaining.set(snapshot.blocksToEnd);
}

/** What a network says of its own migration: the word of its furthest usable node. */
function migrationOf(network: NetworkView): {
  status: string | null;
  startHeight: number | null;
  endHeight: number | null;
} {
  const told = network.nodes.filter(node => node.migration !== null && node.state !== 'quarantined');
  const best = told.toSorted((a, b) => b.height - a.height)[0]?.migration;
  return { status: best?.status ?? null, startHeight: best?.startHeight ?? null, endHeight: best?.endHeight ?? null };
}

/** Value of GET /migration/v1 (contract, section 3). */
export function migrationPublic(snapshot: RoutingSnapshot, config: Config): MigrationPublic {
  const { intent } = snapshot;
  const signFor = intent.committed ? config.networks.new?.chainId : config.networks.old.chainId;
  return {
    phase: intent.phase,
    strategy: intent.strategy,
    writeNetwork: intent.writes.kind === 'send' ? intent.writes.network : 'none',
    chainId: signFor ?? config.networks.old.chainId,
    oldChainId: config.networks.old.chainId,
    newChainId: config.networks.new?.chainId ?? null,
    epoch: intent.epoch,
    lagBlocks: snapshot.watermark.lagBlocks,
    endHeight: migrationOf(snapshot.networks.old).endHeight,
    etaSeconds: snapshot.msToEnd === null ? null : Math.round(snapshot.msToEnd / 1000),
  };
}

interface StatusInputs {
  readonly config: Config;
  readonly addresses: GatewayStatus['listeners'];
  readonly startedAt: string;
  readonly version: string;
}

/** The one status value behind CLI, admin API and screens. */
export function gatewayStatus(rooms: Rooms, { config, addresses, startedAt, version }: StatusInputs): GatewayStatus {
  const { control, nodes, proxy, ledger, replication } = rooms;
  const { phase, epoch, writeNetwork, ...cutover } = control.status();
  const held = proxy.held();
  return {
    phase,
    strategy: config.migration.strategy,
    epoch,
    writeNetwork,
    listeners: addresses,
    networks: {
      old: networkStatus(nodes.view('old') ?? emptyView('old', config)),
      new: nodes.view('new') === null ? null : networkStatus(nodes.view('new')!),
    },
    replication: replication.status(),
    writes: {
      inFlight: proxy.inFlightWrites(),
      held: held.count,
      heldBytes: held.bytes,
      unresolved: ledger.counts(),
      strangers: replication.strangers().total,
    },
    cutover,
    version,
    startedAt,
  };
}

function networkStatus(network: NetworkView): NetworkStatus {
  const { status, startHeight, endHeight } = migrationOf(network);
  return {
    chainId: network.chainId,
    head: network.head,
    migrationStatus: status,
    startHeight,
    endHeight,
    blockTimeMs:
      network.nodes.find(({ state, blockTimeMs }) => state === 'up' && blockTimeMs !== null)?.blockTimeMs ?? null,
    nodes: network.nodes.map(({ name, state, height, version, reason }) => ({ name, state, height, version, reason })),
  };
}
