import type { NetworkName, NodeState, Phase } from '../../../src/model/index.js';
import {
  project,
  type Intent,
  type NetworkView,
  type NodeView,
  type ReadPolicy,
  type RoutingSnapshot,
  type WatermarkView,
} from '../../../src/routing/index.js';

export const nodeView = (network: NetworkName, name: string, change: Partial<NodeView> = {}): NodeView => ({
  id: `${network}/${name}`,
  network,
  name,
  state: 'up',
  reason: null,
  height: 100,
  heightMax: 101,
  blockHash: null,
  blockTimeMs: 1000,
  mode: 'open',
  version: null,
  migration: null,
  seenAt: 0,
  ...change,
});

export const networkView = (name: NetworkName, state: NodeState = 'up'): NetworkView => ({
  name,
  chainId: `kwil-${name}`,
  head: 100,
  nodes: [nodeView(name, `${name}-1`, { state })],
});

const send = (network: NetworkName): Intent['writes'] => ({ kind: 'send', network });
const hold = (network: NetworkName): Intent['writes'] => ({ kind: 'hold', network });
const before = (phase: Phase, writes: Intent['writes'] = send('old')): Intent => ({
  epoch: 1,
  phase,
  strategy: 'zero-downtime',
  writes,
  affine: 'old',
  reads: 'old',
  committed: false,
});
const after = (phase: Phase, writes: Intent['writes'] = send('new')): Intent => ({
  epoch: 9,
  phase,
  strategy: 'zero-downtime',
  writes,
  affine: 'new',
  reads: 'new',
  committed: true,
});

/** What each phase asks of routing. */
export const INTENTS: Readonly<Record<Phase, Intent>> = {
  standby: before('standby'),
  syncing: before('syncing'),
  ready: before('ready'),
  armed: before('armed'),
  holding: before('holding', hold('old')),
  draining: before('draining', hold('old')),
  verifying: before('verifying', hold('old')),
  committed: after('committed', hold('new')),
  opening: after('opening', hold('new')),
  switched: after('switched'),
  settled: after('settled'),
  aborting: before('aborting'),
  'at-halt': before('at-halt', { kind: 'refuse', reason: 'halted', retryAfterMs: 5000 }),
  blocked: before('blocked'),
};

export interface SnapshotChange {
  readonly phase?: Phase;
  readonly state?: NodeState;
  readonly oldState?: NodeState;
  readonly policy?: ReadPolicy;
  readonly watermark?: WatermarkView;
  readonly alone?: boolean;
}

export const snapshotOf = (change: SnapshotChange = {}): RoutingSnapshot =>
  project(
    INTENTS[change.phase ?? 'standby'],
    change.policy ?? { policy: 'auto', share: 0 },
    {
      old: networkView('old', change.oldState ?? change.state),
      new: change.alone === true ? null : networkView('new', change.state),
    },
    change.watermark ?? { applied: null, perNode: {}, lagBlocks: null },
    { blocks: null, ms: null },
  );
