import type { Account, Engine } from '../engine/index.js';
import { accountKey } from './transactions.js';
import type { KeyType } from '../../protocol/index.js';

export interface AccountState {
  readonly nonce: bigint;
  readonly balance: bigint;
}

/**
 * Accounts of one engine, kept in memory so that admission needs no query. Blocks name every account that they touch, so
 * a kept one is never older than the state.
 */
export interface StateView {
  readonly engine: Engine;
  peek(key: string, keyType: KeyType): AccountState | undefined;
  load(key: string, keyType: KeyType): Promise<AccountState>;
  /** Takes over the accounts that a block touched. */
  committed(accounts: readonly Account[]): void;
}

const KEPT_MAX = 200_000;
const NOBODY: AccountState = { nonce: 0n, balance: 0n };

export function createStateView(engine: Engine): StateView {
  const kept = new Map<string, AccountState>();
  const keep = (name: string, account: AccountState): void => {
    if (kept.size >= KEPT_MAX) kept.clear();
    kept.set(name, account);
  };
  return {
    engine,
    peek: (key, keyType) => kept.get(accountKey(key, keyType)),
    async load(key, keyType) {
      const name = accountKey(key, keyType);
      const known = kept.get(name);
      if (known) return known;
      const found = await engine.account({ identifier: Buffer.from(key, 'hex'), keyType });
      // A block that touched the account meanwhile has put it here; one that did not leaves what was found true.
      const newer = kept.get(name);
      if (newer) return newer;
      const account = found ? { nonce: found.nonce, balance: found.balance } : NOBODY;
      keep(name, account);
      return account;
    },
    committed(accounts) {
      for (const { identifier, keyType, nonce, balance } of accounts) {
        keep(accountKey(Buffer.from(identifier).toString('hex'), keyType), { nonce, balance });
      }
    },
  };
}
