import { createHash } from 'node:crypto';
import { encodeElements, keyTypeOfAuth, type TypedKey } from '../../protocol/index.js';
import {
  ReplicationHalt,
  type BlockOutcome,
  type BlockWork,
  type DefectSwitches,
  type EngineOp,
} from '../engine/index.js';
import {
  consensusDigest,
  createBlockDraft,
  type BlockEnd,
  type ConsensusState,
  type ControlPayload,
} from './consensus-state.js';
import { readableStream } from './pieces.js';
import { priceOf } from './pricing.js';
import type { AccountState, StateView } from './state-view.js';
import { accountKey, checkSignature, payloadOf, type ChainTx } from './transactions.js';

export interface ExecutionContext {
  readonly height: number;
  readonly stampMs: number;
  readonly leader: TypedKey;
  readonly prevAppHash: string;
  readonly defects: DefectSwitches;
}

export interface ExecutedBlock {
  readonly work: BlockWork;
  readonly outcome: BlockOutcome;
  readonly end: BlockEnd;
  /** State hash after the block. */
  readonly appHash: string;
  /** Changeset bytes, null unless the block lies in the old network's window. */
  readonly changeset: Uint8Array | null;
}

/**
 * Executes one block on one engine. Consensus decides validators, votes and resolutions first, because what they decide
 * says which old heights the engine has to apply in the same block. Throws EngineHalt and FatalPayload: nothing is kept.
 */
export async function executeBlock(
  before: ConsensusState,
  txs: readonly ChainTx[],
  view: StateView,
  context: ExecutionContext,
): Promise<ExecutedBlock> {
  const draft = createBlockDraft(before);
  const gas = !before.params.disabledGasCosts;
  const timestamp = Math.floor(context.stampMs / 1000);
  const accounts = new Map<string, AccountState>();
  const ops: EngineOp[] = [];

  for (const tx of txs) {
    const checked = checkSignature(tx);
    if (!checked.ok) throw new Error(`block with an unverified transaction ${tx.hash}`);
    const { sender } = checked;
    const body = tx.tx.body!;
    const decoded = payloadOf(tx);
    const price = decoded.ok ? priceOf(decoded.payload) : 0n;
    const name = accountKey(sender.key, sender.keyType);
    const account = accounts.get(name) ?? (await view.load(sender.key, sender.keyType));
    const fee = body.fee ?? 0n;
    const inOrder = body.nonce === account.nonce + 1n;
    const payable = !gas || (fee >= price && account.balance >= price);
    if (inOrder) {
      const left = account.balance - (gas ? (payable ? price : fee) : 0n);
      accounts.set(name, { nonce: body.nonce, balance: left < 0n ? 0n : left });
    }
    const work = ((): EngineOp['work'] => {
      if (!decoded.ok) return { kind: 'none', code: decoded.code, log: decoded.log };
      const { payload } = decoded;
      switch (payload.kind) {
        case 'raw_statement':
          return { kind: 'raw', statement: payload.statement, params: payload.params };
        case 'execute':
          return payload;
        case 'transfer':
          return { kind: 'transfer', to: payload.to, amount: payload.amount ?? 0n };
        case 'maa_exec':
        case 'delete_resolution':
          return { kind: 'none', code: 2, log: `ERROR: unknown payload type: ${body.type}` };
        default: {
          if (!inOrder || !payable) return { kind: 'none', code: 0, log: '' };
          const decided = draft.decide(payload satisfies ControlPayload, {
            height: context.height,
            timestamp,
            proposer: context.leader.key,
            sender,
          });
          return { kind: 'none', ...decided };
        }
      }
    })();
    ops.push({
      hash: tx.hash,
      sender: tx.tx.sender,
      keyType: keyTypeOfAuth(tx.tx.signature!.type) ?? sender.keyType,
      authType: tx.tx.signature!.type,
      caller: sender.caller,
      nonce: body.nonce,
      fee,
      price,
      work,
    });
  }

  const end = draft.end({ height: context.height, timestamp });
  const record = before.params.migrationStatus === 'MigrationInProgress';
  const work: BlockWork = {
    height: context.height,
    timestampMs: context.stampMs,
    leader: { publicKey: Buffer.from(context.leader.key, 'hex'), keyType: context.leader.type },
    gas,
    ops,
    record,
    apply: end.apply.map(({ height, bytes }) => ({ height, bytes: bytes && readable(height, bytes) })),
    defects: context.defects,
  };
  const outcome = await view.engine.executeBlock(work);
  view.committed(outcome.accounts);
  const appHash = createHash('sha256')
    .update(Buffer.from(context.prevAppHash, 'hex'))
    .update(outcome.stateDigest)
    .update(consensusDigest(end.state, end.updates))
    .digest('hex');
  return { work, outcome, end, appHash, changeset: record ? encodeElements(outcome.changes) : null };
}

/** The part of a stream that the node's reader takes; it dies of one that ends inside an element. */
function readable(height: number, bytes: Uint8Array): Uint8Array {
  const stream = readableStream(bytes);
  if (stream.halts !== null) throw new ReplicationHalt(stream.halts, height);
  return stream.bytes;
}
