import type { BlockStore } from '../chain/block-store.js';
import type { ConsensusState } from '../chain/consensus-state.js';
import type { GenesisSnapshot } from '../chain/snapshot.js';
import type { StateView } from '../chain/state-view.js';
import type { Genesis } from '../migration/genesis.js';
import type { DevNode } from '../node/node.js';

/** What the parts of one network share. One writer per field: genesis and store adoption, the rest the block maker. */
export interface NetworkState {
  genesis: Genesis | null;
  /** With `consensus` from the moment the genesis is known. */
  store: BlockStore | null;
  /** At the head of the chain. */
  consensus: ConsensusState | null;
  /** Old network, from its dump on. */
  snapshot: GenesisSnapshot | null;
  /** While the dump runs. */
  dumping: Promise<void> | null;
  /** A hand-over that every node was told of. */
  nextLeader: { readonly index: number; readonly height: number } | null;
  /** One, or one per node. */
  views: readonly StateView[];
  closed: boolean;
}

export const createNetworkState = (): NetworkState => ({
  genesis: null,
  store: null,
  consensus: null,
  snapshot: null,
  dumping: null,
  nextLeader: null,
  views: [],
  closed: false,
});

export const viewOfNode = (state: NetworkState, index: number): StateView => state.views[index] ?? state.views[0]!;

/** Open or over: its body is not proposed again. */
export const isKnownResolution = (state: NetworkState, id: string): boolean =>
  state.consensus!.resolutions.has(id) || state.consensus!.processed.has(id);

/** The node that proposes this height; null when it is none of ours. */
export function leaderFor(state: NetworkState, nodes: readonly DevNode[], height: number): DevNode | null {
  const next = state.nextLeader;
  if (next && height >= next.height) return nodes[next.index] ?? null;
  return nodes.find(node => node.key.publicKey === state.consensus!.params.leader.key) ?? null;
}

/** Validators among the nodes that can vote now. */
export function voters(state: NetworkState, nodes: readonly DevNode[]): DevNode[] {
  const keys = new Set(state.consensus!.validators.map(one => one.key));
  return nodes.filter(node => keys.has(node.key.publicKey) && node.alive());
}
