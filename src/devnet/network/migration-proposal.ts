import { decodePayload, encodeMigrationProposal, encodePayload, resolutionId } from '../../protocol/index.js';
import { priceOf } from '../chain/pricing.js';
import { signedByNode } from '../chain/proposal.js';
import { accountKey } from '../chain/transactions.js';
import type { DevNode } from '../node/node.js';
import type { NetworkCore } from './network.js';

export interface MigrationProposalOptions {
  /** Blocks from the decision to Start; at least 1. */
  readonly activationPeriod: number;
  /** Blocks from Start to End; at least 1. */
  readonly duration: number;
  /** Makes the proposal unique; default: the present time. */
  readonly timestamp?: string;
}

/** A node's transaction with its next nonce, sent and waited for until it is in a block. Throws on refusal or failure. */
export async function sendAsValidator(
  network: NetworkCore,
  node: DevNode,
  type: string,
  payload: Uint8Array,
): Promise<{ readonly hash: string }> {
  const { publicKey } = node.key;
  const account = await network.state(node).load(publicKey, 'secp256k1');
  const before = node.mempool.pending(accountKey(publicKey, 'secp256k1')) ?? account;
  const tx = signedByNode(
    node,
    network.options.chainId,
    type,
    payload,
    before.nonce + 1n,
    'direct',
    feeOf(network, type, payload),
  );
  const outcome = await node.broadcast(tx, true);
  if (outcome && outcome.code !== 0) throw new Error(`${type} failed with code ${outcome.code}: ${outcome.log}`);
  return { hash: tx.hash };
}

function feeOf({ options }: NetworkCore, type: string, payload: Uint8Array): bigint {
  const decoded = options.gas ? decodePayload(type, payload) : null;
  return decoded === null ? 0n : priceOf(decoded);
}

/**
 * Proposes a migration as the leader and approves it as the other validators, all as transactions, until it is decided.
 * Gives the window that the chain fixed.
 */
export async function proposeMigration(
  network: NetworkCore,
  options: MigrationProposalOptions,
): Promise<{ readonly id: string; readonly start: number; readonly end: number }> {
  const body = encodeMigrationProposal({
    activationPeriodBlocks: options.activationPeriod,
    durationBlocks: options.duration,
    timestamp: options.timestamp ?? new Date().toISOString(),
  });
  const id = resolutionId('migration', body);
  const proposer = network.nodes.find(node => node.alive())!;
  await sendAsValidator(
    network,
    proposer,
    'create_resolution',
    encodePayload({ kind: 'create_resolution', event: { type: 'migration', body } }),
  );
  for (const node of network.nodes) {
    if (network.consensus().migration) break;
    if (node === proposer || !node.alive()) continue;
    // Only as many as it takes: what comes after the decision is refused.
    await sendAsValidator(network, node, 'approve_resolution', encodePayload({ kind: 'approve_resolution', id })).catch(
      (error: unknown) => {
        if (!network.consensus().migration) throw error;
      },
    );
  }
  const { migration } = network.consensus();
  if (!migration) throw new Error('not enough validators approved the migration');
  return { id, ...migration };
}
