import type { Resolution } from './chain/resolutions.js';
import type { DefectSwitches } from './engine/index.js';
import type { NetworkParams } from '../protocol/index.js';

/** Defects that lie outside the engine (reference 6.12, 6.13). `true` = behave like the real node. */
export interface NodeDefects {
  /** #1: about ten failed downloads of a chunk end the process. */
  readonly chunkDownloadGivesUp: boolean;
  /** #2: a chunk that is already stored makes its worker count down twice: panic, at each start again. */
  readonly storedChunkPanics: boolean;
  /** #5: pieces are read from as many source chunks as there are pieces. */
  readonly piecesMiscounted: boolean;
  /** 6.13 #3: with several validators and Start of 100 or more the new network never makes a block. */
  readonly farStartStalls: boolean;
  /** Rolling 1.5: a node whose first block after a start is a hand-over block ends, at every start. */
  readonly handOverCrashes: boolean;
  /** 1.4: a broadcast without body or signature ends the leader, a `bool` without its byte ends every node. */
  readonly badTransactionsKill: boolean;
}

export type Defects = DefectSwitches & NodeDefects;

export const REAL_DEFECTS: Defects = {
  emptyEndHalts: true,
  deleteHalts: true,
  unchangedUpdateHalts: true,
  largeValueBecomesNull: true,
  textNullLost: true,
  tinyNumericRounded: true,
  unknownSpenderHalts: true,
  nullItemHalts: true,
  emptyArrayEndsNode: true,
  namesUnquoted: true,
  chunkDownloadGivesUp: true,
  storedChunkPanics: true,
  piecesMiscounted: true,
  farStartStalls: true,
  handOverCrashes: true,
  badTransactionsKill: true,
};

export const NO_DEFECTS = Object.fromEntries(
  Object.keys(REAL_DEFECTS).map(name => [name, false]),
) as unknown as Defects;

export interface NetworkOptions {
  /** Unique in the devnet; names its nodes (`<name>-1` …). */
  readonly name: string;
  readonly chainId: string;
  /** 1 to 7; node 0 is the leader. Default 1. */
  readonly nodes?: number;
  /** Time from one block with transactions to the next, from 50. Default 1000. */
  readonly blockMs?: number;
  /** true: every `blockMs`. A number: at least every so many ms. false: only blocks with transactions. Default true. */
  readonly emptyBlocks?: boolean | number;
  /** Blocks only when `makeBlocks` asks for them, with whatever is in the mempool then. Default false. */
  readonly manualBlocks?: boolean;
  /** Fees are charged. Default false. */
  readonly gas?: boolean;
  /** 32 bytes in hex; the Ethereum account of this key owns the database. Default `11` × 32. */
  readonly ownerKey?: string;
  /** Balances at genesis: account (hex or 0x address) to amount. */
  readonly alloc?: Readonly<Record<string, bigint>>;
  readonly mode?: 'open' | 'private';
  /** One engine per node (true follower states, real divergence) instead of one for all. Default false. */
  readonly enginePerNode?: boolean;
  /** New network: the URL each node takes its genesis and changesets from; one for all or one per node. */
  readonly migrateFrom?: string | readonly string[];
  /** First block is this + 1. Default 0; with `migrateFrom` it is Start. */
  readonly initialHeight?: number;
  /** Start from this state instead of an empty one (offline migration). */
  readonly genesisState?: Uint8Array;
  /** Nodes that were given another snapshot than `genesisState`: each ends as soon as it meets the others. */
  readonly genesisStateOf?: Readonly<Record<number, Uint8Array>>;
  /** Pending parameter proposals that came with `genesisState`, as `exportState` gives them. */
  readonly genesisProposals?: readonly Resolution[];
  /** State hash of the genesis file; default: the hash of `genesisState`. */
  readonly stateHash?: string;
  /** What the listener waits between two heights. Default 1000, as real nodes do. */
  readonly listenerPaceMs?: number;
  /** Shortest and longest pause of its retries. Default 1000 and 10000. */
  readonly listenerBackoffMs?: readonly [number, number];
  /** Pause between two looks for the old network's snapshot. Default 30000. */
  readonly metadataPollMs?: number;
  /** `real`, `none`, or single switches over `real`. Default `real`. */
  readonly defects?: 'real' | 'none' | Partial<Defects>;
  /** Node keys come from it. Default 1. */
  readonly seed?: number | string;
  /** The nodes have the keys of this network's nodes (offline migration: the same operators). Default: keys of their own. */
  readonly keysOf?: string;
  /** One per node; 0 or absent takes a free one. */
  readonly ports?: readonly number[];
  readonly params?: Partial<Pick<NetworkParams, 'maxBlockSize' | 'joinExpiryNs' | 'maxVotesPerTx'>>;
  readonly timing?: Partial<Timing>;
}

/** Time constants of a node, in ms unless said otherwise. */
export interface Timing {
  /** A transaction reaches the other nodes after this. */
  readonly gossip: number;
  /** A committed block reaches the followers after this. */
  readonly followerDelay: number;
  /** Between two steps in which a node shows a block (reference 2.1). */
  readonly visibilityGap: number;
  /** Sync broadcasts wait so long. */
  readonly broadcastWait: number;
  readonly rpcTimeout: number;
  readonly challengeLife: number;
  /** From start of the process to an open port. */
  readonly restart: number;
  /** Blocks per second while catching up. */
  readonly catchUpRate: number;
  /** C of rolling upgrades: a follower that hears nothing so long forgets its mempool. */
  readonly catchUpTick: number;
  /** U: `healthy` turns false when the head is older. */
  readonly unhealthyAfter: number;
  readonly reannounce: number;
  /** Makes the genesis dump slower. */
  readonly dumpDelay: number;
}

export interface ResolvedOptions {
  readonly name: string;
  readonly chainId: string;
  readonly nodes: number;
  readonly blockMs: number;
  /** Null: no empty blocks. */
  readonly emptyBlockMs: number | null;
  readonly manualBlocks: boolean;
  readonly gas: boolean;
  readonly ownerKey: string;
  readonly alloc: Readonly<Record<string, bigint>>;
  readonly privateMode: boolean;
  readonly enginePerNode: boolean;
  /** By node index; null without migration. */
  readonly migrateFrom: readonly string[] | null;
  readonly initialHeight: number;
  readonly genesisState: Uint8Array | null;
  readonly genesisStateOf: Readonly<Record<number, Uint8Array>>;
  readonly genesisProposals: readonly Resolution[];
  readonly stateHash: string | null;
  readonly listenerPaceMs: number;
  readonly listenerBackoffMs: readonly [number, number];
  readonly metadataPollMs: number;
  readonly defects: Defects;
  readonly seed: string;
  readonly keysOf: string;
  readonly ports: readonly number[];
  readonly params: NonNullable<NetworkOptions['params']>;
  readonly timing: Timing;
}

export const OWNER_KEY = '11'.repeat(32);

export function resolveOptions(options: NetworkOptions): ResolvedOptions {
  const nodes = options.nodes ?? 1;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 7) throw new RangeError(`nodes must be 1 to 7, not ${nodes}`);
  const blockMs = options.blockMs ?? 1000;
  if (!(blockMs >= 50)) throw new RangeError(`blockMs must be at least 50, not ${blockMs}`);
  const empty = options.emptyBlocks ?? true;
  const emptyBlockMs = empty === true ? blockMs : empty === false ? null : Math.max(blockMs, empty);
  const from = options.migrateFrom;
  const migrateFrom = from === undefined ? null : typeof from === 'string' ? Array<string>(nodes).fill(from) : from;
  if (migrateFrom && migrateFrom.length !== nodes) throw new RangeError('migrateFrom needs one URL per node');
  const chosen = options.defects ?? 'real';
  return {
    name: options.name,
    chainId: options.chainId,
    nodes,
    blockMs,
    emptyBlockMs,
    manualBlocks: options.manualBlocks ?? false,
    gas: options.gas ?? false,
    ownerKey: options.ownerKey ?? OWNER_KEY,
    alloc: options.alloc ?? {},
    privateMode: options.mode === 'private',
    enginePerNode: options.enginePerNode ?? false,
    migrateFrom,
    initialHeight: options.initialHeight ?? 0,
    genesisState: options.genesisState ?? null,
    genesisStateOf: options.genesisStateOf ?? {},
    genesisProposals: options.genesisProposals ?? [],
    stateHash: options.stateHash ?? null,
    listenerPaceMs: options.listenerPaceMs ?? 1000,
    listenerBackoffMs: options.listenerBackoffMs ?? [1000, 10_000],
    metadataPollMs: options.metadataPollMs ?? 30_000,
    defects: chosen === 'real' ? REAL_DEFECTS : chosen === 'none' ? NO_DEFECTS : { ...REAL_DEFECTS, ...chosen },
    seed: String(options.seed ?? 1),
    keysOf: options.keysOf ?? options.name,
    ports: options.ports ?? [],
    params: options.params ?? {},
    timing: {
      gossip: 3,
      followerDelay: 2,
      visibilityGap: 1,
      broadcastWait: 15_000,
      rpcTimeout: 20_000,
      challengeLife: 30_000,
      restart: 500,
      catchUpRate: 60,
      catchUpTick: Math.max(5000, (emptyBlockMs ?? 0) + blockMs),
      unhealthyAfter: 6 * Math.max(emptyBlockMs ?? 0, blockMs, 500),
      reannounce: 30_000,
      dumpDelay: 0,
      ...options.timing,
    },
  };
}
