import type { AccountId, Element, EncodedValue, KeyType, NamedValue, QueryResult } from '../../protocol/index.js';

export type { AccountId, KeyType, NamedValue };

export interface Account extends AccountId {
  readonly balance: bigint;
  /** Last used nonce. */
  readonly nonce: bigint;
}

/**
 * What one transaction asks of the state. `none` stands for every payload that the node half decides itself (validators,
 * votes, resolutions, undecodable bytes): it moves nonce and fee and ends with the given code.
 */
export type EngineWork =
  | { readonly kind: 'raw'; readonly statement: string; readonly params: readonly NamedValue[] }
  | {
      readonly kind: 'execute';
      readonly namespace: string;
      readonly action: string;
      readonly calls: readonly (readonly EncodedValue[])[];
    }
  | { readonly kind: 'transfer'; readonly to: AccountId; readonly amount: bigint }
  | { readonly kind: 'none'; readonly code: number; readonly log: string };

export interface EngineOp {
  /** 64 hex digits; becomes `@txid`. */
  readonly hash: string;
  readonly sender: Uint8Array;
  readonly keyType: KeyType;
  /** Becomes `@authenticator`. */
  readonly authType: string;
  /** Identity text of the sender (`0x…` checksummed, or hex of the key); becomes `@caller`. */
  readonly caller: string;
  readonly nonce: bigint;
  /** Fee offered in the transaction. */
  readonly fee: bigint;
  /** Price of this payload when gas is on (`GAS_PRICES`); ignored otherwise. */
  readonly price: bigint;
  readonly work: EngineWork;
}

/**
 * The real node's defects that lie in recording and applying (reference 6.12, 6.8, 12.3), one switch each.
 * `true` = behave like the real node.
 */
export interface DefectSwitches {
  /** #7: a height stored as SQL NULL (End without content) halts the network that applies it. */
  readonly emptyEndHalts: boolean;
  /** #8: a delete as the last thing in its element cannot be decoded. */
  readonly deleteHalts: boolean;
  /** #9: an update in which no column changes becomes an UPDATE without SET list. */
  readonly unchangedUpdateHalts: boolean;
  /** #10: large values that an update did not touch are applied as NULL. */
  readonly largeValueBecomesNull: boolean;
  /** #12, recording: text `NULL` is recorded as empty text, in `text[]` as a null item. */
  readonly textNullLost: boolean;
  /** #13: numerics in scientific form are read back with only the decimals of their mantissa. */
  readonly tinyNumericRounded: boolean;
  /** #15: a spend of an account that this network does not know halts it. */
  readonly unknownSpenderHalts: boolean;
  /** #20: a null item in `numeric[]` or `uuid[]` ends the node that applies it. */
  readonly nullItemHalts: boolean;
  /** #21, recording: an empty `int8[]`, `bool[]`, `uuid[]`, `numeric[]` ends the node; an empty `text[]` is recorded as `{""}`. */
  readonly emptyArrayEndsNode: boolean;
  /** #23: names from relation elements go into SQL unquoted. */
  readonly namesUnquoted: boolean;
}

export interface BlockLeader {
  readonly publicKey: Uint8Array;
  readonly keyType: KeyType;
}

/** Everything one block does to the state, applied as one Postgres transaction. */
export interface BlockWork {
  readonly height: number;
  /** Block time, Unix milliseconds. */
  readonly timestampMs: number;
  readonly leader: BlockLeader | null;
  /** Gas on: fees are charged. */
  readonly gas: boolean;
  readonly ops: readonly EngineOp[];
  /** Give the block's changes back as changeset elements. */
  readonly record: boolean;
  /** New network: old heights to apply at the end of this block, in order. `bytes` null = stored as SQL NULL (empty End). */
  readonly apply: readonly { readonly height: number; readonly bytes: Uint8Array | null }[];
  readonly defects: DefectSwitches;
}

export interface OpResult {
  /** Transaction code (reference 3.2). */
  readonly code: number;
  readonly log: string;
  /** Fee taken. */
  readonly gas: bigint;
}

export interface BlockOutcome {
  readonly results: readonly OpResult[];
  /** Reference 6.8: relations before their rows, numbered per height, spends last. Empty unless `record`. */
  readonly changes: readonly Element[];
  /** SHA-256 over everything the block changed: results, rows, accounts. Same work on same state gives same digest. */
  readonly stateDigest: Uint8Array;
  /** Accounts the block touched, as they are after it. */
  readonly accounts: readonly Account[];
}

/** Who asks in a call, and what the chain looks like to the node that answers. */
export interface CallContext {
  /** Identity text of the sender, `''` for nobody. */
  readonly caller: string;
  readonly signer: Uint8Array;
  readonly authType: string;
  /** Head of the answering node, −1 while it is catching up. */
  readonly height: number;
  /** Time of the head block, Unix milliseconds, −1 while catching up. */
  readonly timestampMs: number;
  readonly leader: BlockLeader | null;
  /** Name of the node whose plan cache answers; nodes share one engine but not their plans. */
  readonly node?: string;
}

export interface CallOutcome {
  readonly result: QueryResult | null;
  /** NOTICE lines, numbered, joined by newlines. */
  readonly logs: string;
  /** What the action raised; the call itself then still succeeds. */
  readonly error: string | null;
}

export interface QueryOptions {
  /** Name of the node whose plan cache answers (reference 2.5); absent = no plan cache. */
  readonly node?: string;
}

export interface GenesisOptions {
  /** Identity text of the database owner. */
  readonly owner: string;
  /** Added to the balances that are there. */
  readonly alloc?: readonly (AccountId & { readonly amount: bigint })[];
}

/**
 * State of one embedded network. Methods may be called at once; they run one after another. Every method may throw
 * `EngineError`; `executeBlock` also `EngineHalt`, after which nothing of the block is kept.
 */
export interface Engine {
  /** Empty state. Exactly one of `init` and `restore`, once, before anything else. */
  init(options: GenesisOptions): Promise<void>;
  /** State of a genesis snapshot, as `dump` wrote it. */
  restore(sql: Uint8Array, options: GenesisOptions): Promise<void>;
  /** The whole state as SQL text; same state, same bytes. */
  dump(): Promise<Uint8Array>;
  /** Memoised by height, so that several nodes of a network may share the engine: a repeat gives the same outcome. */
  executeBlock(work: BlockWork): Promise<BlockOutcome>;
  query(sql: string, params: readonly NamedValue[], options?: QueryOptions): Promise<QueryResult>;
  call(namespace: string, action: string, args: readonly EncodedValue[], context: CallContext): Promise<CallOutcome>;
  account(id: AccountId): Promise<Account | null>;
  numAccounts(): Promise<number>;
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Where the prepared empty cluster is kept between runs; made on first use. */
  readonly templateFolder: string;
}
