import { randomBytes } from 'node:crypto';
import type { Explanation } from '../admin/contract.js';
import type { Config } from '../config/index.js';
import type { NetworkName } from '../model/index.js';
import { systemClock } from '../platform/index.js';
import { proxyOptions } from './proxy.js';
import { createProxy } from '../proxy/index.js';
import { project, type Intent, type NetworkView, type RoutingSnapshot } from '../routing/index.js';
import { createMetrics, silentLogger } from '../telemetry/index.js';

/**
 * Explains a request without a running gateway, by the functions that route it: as in the hours before a migration, with
 * every configured node up. Nothing is started and nothing is sent.
 */
export function explainOffline(config: Config, request: Uint8Array): Explanation {
  const snapshot = quietSnapshot(config);
  const none = (): (() => void) => () => undefined;
  const never = (): Promise<never> => Promise.reject(new Error('nothing is sent while explaining'));
  const proxy = createProxy(proxyOptions(config), {
    snapshot: () => snapshot,
    onSnapshot: none,
    nodes: {
      view: network => snapshot.networks[network],
      rank: network => snapshot.networks[network]?.nodes ?? [],
      subscribe: none,
      subscribeProbes: none,
      send: never,
      get: never,
      call: never,
      url: () => null,
      probeNow: never,
    },
    ledger: {
      admit: never,
      settle: never,
      get: () => undefined,
      unresolved: () => [],
      counts: () => ({ old: 0, new: 0 }),
      subscribe: none,
    },
    migrationValue: () => {
      throw new Error('nobody asks while explaining');
    },
    clock: systemClock,
    logger: silentLogger,
    metrics: createMetrics({ version: '', commit: '' }),
    secret: randomBytes(32),
  });
  return proxy.explain(request);
}

function quietSnapshot(config: Config): RoutingSnapshot {
  const intent: Intent = {
    epoch: 0,
    phase: 'standby',
    strategy: config.migration.strategy,
    writes: { kind: 'send', network: 'old' },
    affine: 'old',
    reads: 'old',
    committed: false,
  };
  const networks = { old: viewOf('old', config)!, new: viewOf('new', config) };
  return project(
    intent,
    config.reads,
    networks,
    { applied: null, perNode: {}, lagBlocks: null },
    { blocks: null, ms: null },
  );
}

function viewOf(network: NetworkName, { networks }: Config): NetworkView | null {
  const found = networks[network];
  if (!found) return null;
  return {
    name: network,
    chainId: found.chainId,
    head: 0,
    nodes: found.nodes.map(({ name }) => ({
      id: `${network}/${name}`,
      network,
      name,
      state: 'up',
      reason: null,
      height: 0,
      heightMax: 0,
      blockHash: null,
      blockTimeMs: null,
      mode: null,
      version: null,
      migration: null,
      seenAt: 0,
    })),
  };
}
