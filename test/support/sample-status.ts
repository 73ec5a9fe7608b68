import type { GatewayStatus } from '../../src/model/index.js';

/** A status in the middle of a migration; tests change what they are about. */
export const sampleStatus = (change: Partial<GatewayStatus> = {}): GatewayStatus => ({
  phase: 'ready',
  strategy: 'zero-downtime',
  epoch: 3,
  writeNetwork: 'old',
  listeners: { public: '127.0.0.1:8480', relay: '127.0.0.1:8481', admin: '127.0.0.1:8482' },
  networks: {
    old: {
      chainId: 'kwil-old',
      head: 12_345,
      migrationStatus: 'MigrationInProgress',
      startHeight: 12_000,
      endHeight: 13_000,
      blockTimeMs: 1004,
      nodes: [
        { name: 'old-1', state: 'up', height: 12_345, version: '0.10.2', reason: null },
        { name: 'old-2', state: 'lagging', height: 12_300, version: '0.10.2', reason: '45 blocks behind old-1' },
      ],
    },
    new: {
      chainId: 'kwil-new',
      head: 1234,
      migrationStatus: 'GenesisMigration',
      startHeight: null,
      endHeight: null,
      blockTimeMs: 1000,
      nodes: [{ name: 'new-1', state: 'up', height: 1234, version: '0.10.2', reason: null }],
    },
  },
  replication: {
    state: 'running',
    reason: null,
    startHeight: 12_000,
    endHeight: 13_000,
    archived: 12_345,
    served: 12_344,
    applied: 12_344,
    lagBlocks: 1,
    lagMs: 870,
    blocksToEnd: 655,
    msToEnd: 657_620,
    repairs: { 'pad-deletes': 12 },
    validators: [
      { name: 'v1', lastRequestAt: '2026-01-01T00:00:00.000Z', askedHeight: 12_345, health: 'asking' },
      { name: 'v2', lastRequestAt: null, askedHeight: null, health: 'unseen' },
    ],
  },
  writes: { inFlight: 3, held: 0, heldBytes: 0, unresolved: { old: 2, new: 0 }, strangers: 0 },
  cutover: {
    attempt: null,
    waitingFor: null,
    drainHeight: null,
    phaseSince: '2026-01-01T00:00:00.000Z',
    deadline: null,
    notReady: [],
    lastOutcome: null,
  },
  version: '0.1.0',
  startedAt: '2025-12-31T23:00:00.000Z',
  ...change,
});
