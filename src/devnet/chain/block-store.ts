import type { BlockHeader, KeyType, NetworkParams, ParamUpdates } from '../../protocol/index.js';
import type { BlockWork } from '../engine/index.js';
import type { ConsensusState, MigrationWindow } from './consensus-state.js';
import type { Resolution, Validator } from './resolutions.js';
import type { ChainTx } from './transactions.js';

export interface Vote {
  readonly key: string;
  readonly keyType: KeyType;
  readonly signature: Uint8Array;
  readonly ack: 0 | 1 | 2;
}

export interface TxOutcome {
  readonly code: number;
  readonly log: string;
  readonly gas: bigint;
}

/** What the chain looks like after a height, as far as RPC shows it. */
export interface ChainView {
  readonly params: NetworkParams;
  readonly validators: readonly Validator[];
  readonly migration: MigrationWindow | null;
  readonly openMigrations: readonly Resolution[];
  readonly openProposals: readonly Resolution[];
}

export interface StoredBlock {
  readonly header: BlockHeader;
  readonly hash: string;
  readonly appHash: string;
  /** Leader's signature over the hash. */
  readonly signature: Uint8Array;
  /** Block bytes of reference 4.12. */
  readonly raw: Uint8Array;
  readonly txs: readonly ChainTx[];
  readonly results: readonly TxOutcome[];
  readonly votes: readonly Vote[];
  readonly updates: ParamUpdates;
  /** Of the engine that executed it first; another digest is a fork. */
  readonly stateDigest: Uint8Array;
  /** After the block. */
  readonly view: ChainView;
  /** For the engines of nodes that follow later. */
  readonly work: BlockWork;
}

export interface BlockStore {
  readonly initialHeight: number;
  /** Greatest height, the initial height before the first block. */
  head(): number;
  get(height: number): StoredBlock | undefined;
  byHash(hash: string): StoredBlock | undefined;
  findTx(hash: string): { readonly height: number; readonly index: number } | undefined;
  append(block: StoredBlock): void;
  viewAt(height: number): ChainView;
}

/** Blocks of one network, shared by its nodes; each node decides how much of it it shows. */
export function createBlockStore(initialHeight: number, genesis: ConsensusState): BlockStore {
  const blocks = new Map<number, StoredBlock>();
  const heights = new Map<string, number>();
  const txs = new Map<string, { height: number; index: number }>();
  const genesisView = viewOf(genesis);
  let head = initialHeight;
  return {
    initialHeight,
    head: () => head,
    get: height => blocks.get(height),
    byHash(hash) {
      const height = heights.get(hash);
      return height === undefined ? undefined : blocks.get(height);
    },
    findTx: hash => txs.get(hash),
    append(block) {
      const { height } = block.header;
      if (height !== head + 1) throw new Error(`block ${height} does not follow ${head}`);
      head = height;
      blocks.set(height, block);
      heights.set(block.hash, height);
      block.txs.forEach((tx, index) => txs.set(tx.hash, { height, index }));
    },
    viewAt: height => blocks.get(height)?.view ?? genesisView,
  };
}

export function viewOf(state: ConsensusState): ChainView {
  const open = [...state.resolutions.values()];
  return {
    params: state.params,
    validators: state.validators,
    migration: state.migration,
    openMigrations: open.filter(one => one.type === 'migration'),
    openProposals: open.filter(one => one.type === 'param_updates'),
  };
}
