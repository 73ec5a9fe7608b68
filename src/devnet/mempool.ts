import { accountKey, type ChainTx, type Sender } from './chain/transactions.js';
import type { AccountState, StateView } from './chain/state-view.js';

/** A refusal at admission: the `-201` answer's inner code and message (reference 3.3). */
export class Rejection extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'Rejection';
    this.code = code;
  }
}

export interface PoolEntry {
  readonly tx: ChainTx;
  /** Null for a transaction without body or signature: it ends the leader that proposes it. */
  readonly sender: Sender | null;
}

/** Transactions one node waits to see in a block, and the account states that they would lead to. Memory only. */
export interface Mempool {
  has(hash: string): boolean;
  get(hash: string): PoolEntry | undefined;
  /** In order of arrival. */
  entries(): Iterable<PoolEntry>;
  readonly size: number;
  readonly bytes: number;
  /** Account as it will be when everything here is in blocks; undefined when nothing here is from it. */
  pending(key: string): AccountState | undefined;
  /** Adds an admitted transaction; `after` is its account afterwards. */
  add(entry: PoolEntry, after: AccountState | null): void;
  /** Takes out what a block carries and checks the rest again, as after each commit. */
  committed(hashes: Iterable<string>, state: StateView, status: string): void;
  /** Forgets the transactions but not the nonces, as a follower in catch-up does (rolling 1.4). */
  forgetTransactions(): void;
  clear(): void;
}

/** Whole mempool of a node. */
export const MEMPOOL_BYTES_MAX = 200 * 1024 * 1024;

export function createMempool(): Mempool {
  const entries = new Map<string, PoolEntry>();
  const accounts = new Map<string, AccountState>();
  let bytes = 0;

  function drop(hash: string): void {
    const entry = entries.get(hash);
    if (!entry) return;
    entries.delete(hash);
    bytes -= entry.tx.bytes.length;
  }

  return {
    has: hash => entries.has(hash),
    get: hash => entries.get(hash),
    entries: () => entries.values(),
    get size() {
      return entries.size;
    },
    get bytes() {
      return bytes;
    },
    pending: key => accounts.get(key),
    add(entry, after) {
      entries.set(entry.tx.hash, entry);
      bytes += entry.tx.bytes.length;
      if (entry.sender && after) accounts.set(accountKey(entry.sender.key, entry.sender.keyType), after);
    },
    committed(hashes, state, status) {
      for (const hash of hashes) drop(hash);
      accounts.clear();
      for (const { tx, sender } of [...entries.values()]) {
        if (!sender) continue;
        const name = accountKey(sender.key, sender.keyType);
        const before = accounts.get(name) ?? state.peek(sender.key, sender.keyType);
        const body = tx.tx.body!;
        if (status === 'MigrationCompleted' || refusedInMigration(body.type, status) !== null) drop(tx.hash);
        else if (before && body.nonce !== before.nonce + 1n) drop(tx.hash);
        else accounts.set(name, { nonce: body.nonce, balance: before?.balance ?? 0n });
      }
    },
    forgetTransactions() {
      entries.clear();
      bytes = 0;
    },
    clear() {
      entries.clear();
      accounts.clear();
      bytes = 0;
    },
  };
}

const REFUSED_IN_MIGRATION: Readonly<Record<string, string>> = {
  validator_join: 'validator join',
  validator_leave: 'validator leave',
  validator_approve: 'validator approve',
  validator_remove: 'validator remove',
  validator_vote_ids: 'validator vote ids',
  validator_vote_bodies: 'validator vote bodies',
  raw_statement: 'raw statement',
  transfer: 'transfer',
};

/** What the old network calls a payload type that it refuses during its migration; null when it takes it. */
export function refusedInMigration(type: string, status: string): string | null {
  if (status !== 'MigrationInProgress' && status !== 'MigrationCompleted') return null;
  return REFUSED_IN_MIGRATION[type] ?? null;
}
