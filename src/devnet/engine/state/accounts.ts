import { KEY_TYPES, keyFlag, type AccountId, type Spend } from '../../../protocol/index.js';
import type { PgSession } from '../pg/session.js';
import type { Account, EngineOp } from '../types.js';

/** What a transaction costs by payload type when gas is on; per unit where the text says so (reference 4.9). */
export const GAS_PRICES = {
  raw_statement: 10_000_000_000_000n,
  execute: 2_000_000_000_000_000n,
  maa_exec: 2_000_000_000_000_000n,
  transfer: 210_000n,
  validator_join: 10_000_000_000_000n,
  validator_approve: 10_000_000_000_000n,
  validator_leave: 10_000_000_000_000n,
  validator_remove: 100_000n,
  approve_resolution: 16_000n,
  /** Per id. */
  validator_vote_ids: 16_000n,
  /** Per byte of the bodies. */
  validator_vote_bodies: 1_000n,
  /** Per byte of the body. */
  create_resolution: 1_000n,
} as const;

export interface Charge {
  readonly code: number;
  readonly log: string;
  /** Fee taken. */
  readonly gas: bigint;
}

const CODE_NONCE = 4;
const CODE_BALANCE = 6;
const CODE_FEE = 7;

const keyOf = (id: AccountId): string => `${Buffer.from(id.identifier).toString('hex')}#${keyFlag(id.keyType)}`;

/** Balances and nonces, in memory; a block's changes are written when it commits and forgotten when it does not. */
export class Accounts {
  private readonly committed = new Map<string, Account>();
  private readonly changed = new Map<string, Account>();
  private spends: Spend[] = [];

  constructor(private readonly session: PgSession) {}

  get count(): number {
    return this.committed.size;
  }

  load(): void {
    this.committed.clear();
    for (const [identifier, type, balance, nonce] of this.session.once(
      `SELECT encode(identifier, 'hex'), id_type, balance, nonce FROM kwild_accts.accounts`,
    )) {
      const id: AccountId = { identifier: Buffer.from(identifier!, 'hex'), keyType: KEY_TYPES[Number(type)]! };
      this.committed.set(keyOf(id), { ...id, balance: BigInt(balance!), nonce: BigInt(nonce!) });
    }
  }

  /** As of the last committed block. */
  get(id: AccountId): Account | null {
    return this.committed.get(keyOf(id)) ?? null;
  }

  private current(id: AccountId): Account | null {
    const key = keyOf(id);
    return this.changed.get(key) ?? this.committed.get(key) ?? null;
  }

  private set(account: Account): void {
    this.changed.set(keyOf(account), account);
  }

  /** Debits fee and nonce of a transaction (reference 4.8). Anything but code 0 ends the transaction here. */
  charge(op: EngineOp, gas: boolean): Charge {
    const id: AccountId = { identifier: op.sender, keyType: op.keyType };
    const price = gas ? op.price : 0n;
    const account = this.current(id);
    if (account === null && (price > 0n || op.nonce !== 1n || op.fee < price))
      return { code: CODE_BALANCE, log: 'account has zero balance', gas: 0n };
    const expected = (account?.nonce ?? 0n) + 1n;
    if (op.nonce !== expected)
      return { code: CODE_NONCE, log: `invalid nonce: expected nonce ${expected}, got ${op.nonce}`, gas: 0n };
    const balance = account?.balance ?? 0n;
    const wanted = op.fee < price ? op.fee : price;
    const taken = wanted > balance ? balance : wanted;
    // the first transaction of an account creates it, and is not recorded as a spend
    if (account !== null) this.spends.push({ account: id, amount: taken, nonce: op.nonce });
    this.set({ ...id, balance: balance - taken, nonce: op.nonce });
    if (taken < wanted)
      return {
        code: CODE_BALANCE,
        log: `transaction tries to spend ${price} tokens, but account has ${balance} tokens`,
        gas: taken,
      };
    if (op.fee < price)
      return {
        code: CODE_FEE,
        log: `transaction does not consent to spending enough tokens. transaction fee: ${op.fee}, required fee: ${price}`,
        gas: taken,
      };
    return { code: 0, log: '', gas: taken };
  }

  /** Moves balance; null when done, otherwise why not. */
  transfer(from: AccountId, to: AccountId, amount: bigint): { code: number; log: string } | null {
    if (amount < 0n) return { code: 8, log: `invalid transfer amount: ${amount}` };
    const source = this.current(from);
    if (source === null) return { code: 65535, log: 'account not found' };
    if (source.balance < amount)
      return {
        code: CODE_BALANCE,
        log: `insufficient funds: account ${Buffer.from(from.identifier).toString('hex')} tried to use ${amount}, but only has balance ${source.balance}`,
      };
    this.set({ ...source, balance: source.balance - amount });
    this.credit(to, amount);
    return null;
  }

  credit(id: AccountId, amount: bigint): void {
    const account = this.current(id) ?? { ...id, balance: 0n, nonce: 0n };
    this.set({ ...account, balance: account.balance + amount });
  }

  /** A spend that happened on the old network: the balance falls, at most to 0; the nonce stays. False = no such account. */
  applySpend(id: AccountId, amount: bigint): boolean {
    const account = this.current(id);
    if (account === null) return false;
    this.set({ ...account, balance: account.balance > amount ? account.balance - amount : 0n });
    return true;
  }

  /** Debits of the block, in its order. */
  blockSpends(): readonly Spend[] {
    return this.spends;
  }

  blockChanges(): readonly Account[] {
    return [...this.changed.values()];
  }

  /** Writes the block's changes into its transaction. */
  flush(): void {
    if (this.changed.size === 0) return;
    const rows = [...this.changed.values()].map(
      ({ identifier, keyType, balance, nonce }) =>
        `('\\x${Buffer.from(identifier).toString('hex')}', ${keyFlag(keyType)}, '${balance}', ${nonce})`,
    );
    this.session.script(
      `INSERT INTO kwild_accts.accounts VALUES ${rows.join(', ')}
       ON CONFLICT (identifier, id_type) DO UPDATE SET balance = excluded.balance, nonce = excluded.nonce`,
    );
  }

  commit(): void {
    for (const [key, account] of this.changed) this.committed.set(key, account);
    this.rollback();
  }

  rollback(): void {
    this.changed.clear();
    this.spends = [];
  }
}
