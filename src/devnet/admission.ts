import { decodePayload, CodecError, type Payload } from '../protocol/index.js';
import { accountKey, checkSignature, goDecodeError, type ChainTx } from './chain/transactions.js';
import type { ChainView } from './chain/block-store.js';
import type { AccountState, StateView } from './chain/state-view.js';
import { voterOf } from './chain/resolutions.js';
import { MEMPOOL_BYTES_MAX, refusedInMigration, Rejection, type Mempool, type PoolEntry } from './mempool.js';

export interface AdmissionPorts {
  readonly chainId: string;
  readonly mempool: Mempool;
  readonly state: StateView;
  view(): ChainView;
  isKnownInChain(hash: string): boolean;
  readonly isResolutionOpen: (id: string) => { readonly type: string } | undefined;
  syncing(): boolean;
  mempoolFull(): boolean;
}

const TX_BYTES_MAX = 4 * 1024 * 1024;
const UNKNOWN = 65535;
const ADMITTED_TYPES = new Set([
  'raw_statement',
  'execute',
  'transfer',
  'validator_join',
  'validator_leave',
  'validator_approve',
  'validator_remove',
  'validator_vote_ids',
  'validator_vote_bodies',
  'create_resolution',
  'approve_resolution',
]);

/**
 * Lets a transaction into a node's mempool or throws the node's Rejection. Order of checks (reference 3.3): catching up,
 * known, size, halted, chain id, signature, type, migration, nonce, balance.
 */
export async function admit(tx: ChainTx, ports: AdmissionPorts): Promise<PoolEntry> {
  const { mempool, state } = ports;
  if (ports.syncing()) throw new Rejection(UNKNOWN, 'node is catching up, cannot process transactions right now');
  requireUnknown();
  const { params } = ports.view();
  if (tx.bytes.length > Math.min(TX_BYTES_MAX, Number(params.maxBlockSize))) {
    throw new Rejection(UNKNOWN, 'transaction size limit exceeded');
  }
  if (ports.mempoolFull() || mempool.bytes + tx.bytes.length > MEMPOOL_BYTES_MAX)
    throw new Rejection(11, 'mempool is full');
  if (params.migrationStatus === 'MigrationCompleted')
    throw new Rejection(201, 'network is halted following migration');
  const body = tx.tx.body!;
  if (body.chainId !== '' && body.chainId !== ports.chainId) throw new Rejection(5, `wrong chain ID: ${body.chainId}`);
  const checked = checkSignature(tx);
  if (!checked.ok) throw new Rejection(UNKNOWN, `failed to verify the transaction: ${checked.reason}`);
  const { sender } = checked;
  if (body.type === 'maa_exec')
    throw new Rejection(2, 'unknown payload type: maa_exec is not activated on this network');
  if (!ADMITTED_TYPES.has(body.type)) throw new Rejection(2, `unknown payload type: ${body.type}`);

  // Everything that waits comes before the checks on accounts: between those and the insertion nothing may change.
  await state.load(sender.key, sender.keyType);
  requireUnknown();
  const view = ports.view();
  const status = view.params.migrationStatus;
  if (status === 'MigrationCompleted') throw new Rejection(201, 'network is halted following migration');
  const refused = refusedInMigration(body.type, status);
  if (refused !== null) throw new Rejection(200, `transaction type not allowed during migration: ${refused}`);
  checkResolution(body.type, body.payload, view);
  if (body.type === 'validator_vote_bodies') {
    const text = 'validator vote bodies can not enter the mempool, and can only be submitted during block proposal';
    throw new Rejection(UNKNOWN, text);
  }
  if (body.type === 'validator_vote_ids') {
    const voter = voterOf(sender.key, sender.keyType);
    if (!view.validators.some(one => voterOf(one.key, one.keyType) === voter)) {
      throw new Rejection(UNKNOWN, 'only validators can submit validator vote transactions');
    }
  }

  const name = accountKey(sender.key, sender.keyType);
  const before = mempool.pending(name) ?? state.peek(sender.key, sender.keyType) ?? { nonce: 0n, balance: 0n };
  if (!view.params.disabledGasCosts && before.balance === 0n) {
    throw new Rejection(6, 'insufficient balance for fee or transfer');
  }
  if (body.nonce !== before.nonce + 1n) {
    const text = `invalid nonce for account ${sender.key}: got ${body.nonce}, expected ${before.nonce + 1n}`;
    throw new Rejection(4, text);
  }
  const entry: PoolEntry = { tx, sender };
  mempool.add(entry, afterwards(body.type, body.payload, body.fee ?? 0n, before, view));
  return entry;

  function requireUnknown(): void {
    if (mempool.has(tx.hash) || ports.isKnownInChain(tx.hash))
      throw new Rejection(UNKNOWN, 'transaction already exists');
  }

  function checkResolution(type: string, payload: Uint8Array, { params }: ChainView): void {
    if (type !== 'create_resolution' && type !== 'approve_resolution') return;
    const decoded = decodeOrReject(type, payload);
    const migrating = params.migrationStatus !== 'NoActiveMigration';
    if (decoded.kind === 'create_resolution' && migrating && decoded.event.type === 'migration') {
      throw new Rejection(200, 'transaction type not allowed during migration: migration resolutions');
    }
    if (decoded.kind === 'approve_resolution') {
      const open = ports.isResolutionOpen(decoded.id);
      if (!open) throw new Rejection(UNKNOWN, 'migration proposal not found');
      if (migrating && open.type === 'migration') {
        throw new Rejection(UNKNOWN, 'approving migration resolutions are not allowed during migration');
      }
    }
  }
}

/** The sender's account once this transaction is in a block, as far as a mempool tracks it. */
function afterwards(
  type: string,
  payload: Uint8Array,
  fee: bigint,
  before: AccountState,
  view: ChainView,
): AccountState {
  let spend = view.params.disabledGasCosts ? 0n : fee;
  if (type === 'transfer') {
    const decoded = decodeOrReject(type, payload);
    const amount = decoded.kind === 'transfer' ? (decoded.amount ?? 0n) : 0n;
    if (amount < 0n) throw new Rejection(8, 'invalid amount\nnegative transfer not permitted');
    if (amount > before.balance) throw new Rejection(6, 'insufficient balance for fee or transfer');
    spend += amount;
  }
  return { nonce: before.nonce + 1n, balance: spend > before.balance ? 0n : before.balance - spend };
}

function decodeOrReject(type: string, bytes: Uint8Array): Payload {
  try {
    return decodePayload(type, bytes)!;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    const account = /^unknown version (\d+) of account/.exec(error.problem);
    const text = account ? `invalid version: ${account[1]!}` : goDecodeError(bytes, error);
    throw new Rejection(UNKNOWN, text.replace('unsupported version', 'invalid version'));
  }
}
