import { encodePayload } from '../../protocol/index.js';
import type { StoredBlock, Vote } from '../chain/block-store.js';
import { signedByNode } from '../chain/proposal.js';
import { voterOf, type Validator } from '../chain/resolutions.js';
import { accountKey } from '../chain/transactions.js';
import type { DevNode } from '../node/node.js';
import { viewOfNode, voters, type NetworkState } from './state.js';

/** Majority counts validators, not power. */
export const majorityOf = (validators: readonly Validator[]): number => Math.floor(validators.length / 2) + 1;

/** Half or more of the validators have another state than the leader. */
export function isOutvoted(
  state: NetworkState,
  nodes: readonly DevNode[],
  leader: DevNode,
  validators: readonly Validator[],
): boolean {
  if (!leader.faults.find('diverge')) return false;
  const rejecting = voters(state, nodes).filter(node => node !== leader && !node.faults.find('diverge')).length;
  return rejecting >= Math.ceil(validators.length / 2);
}

/** The first majority of votes on a block, leader first, as commit infos carry them. */
export function votesFor(
  state: NetworkState,
  nodes: readonly DevNode[],
  leader: DevNode,
  block: { readonly hash: string; readonly appHash: string; readonly validators: readonly Validator[] },
): Vote[] {
  const agreeing = voters(state, nodes).filter(node => node !== leader && !node.faults.find('diverge'));
  const message = Buffer.concat([Buffer.from(block.hash, 'hex'), Buffer.from([1]), Buffer.from(block.appHash, 'hex')]);
  return [leader, ...agreeing].slice(0, majorityOf(block.validators)).map(node => ({
    key: node.key.publicKey,
    keyType: 'secp256k1',
    signature: node.key.sign(message),
    ack: 1,
  }));
}

/**
 * A validator that is not the leader votes by id for what it has witnessed itself, once the body is on the chain. A vote
 * that does not get into a block is no loss: the next block asks again.
 */
export async function voteForBodies(
  state: NetworkState,
  node: DevNode,
  block: StoredBlock,
  chainId: string,
): Promise<void> {
  if (node.events.size === 0 || !node.alive() || block.view.params.leader.key === node.key.publicKey) return;
  const { publicKey } = node.key;
  if (!block.view.validators.some(one => one.key === publicKey)) return;
  for (const { tx, sender } of node.mempool.entries()) {
    if (sender?.key === publicKey && tx.tx.body?.type === 'validator_vote_ids') return;
  }
  const me = voterOf(publicKey, 'secp256k1');
  const ids: string[] = [];
  for (const { id } of node.events.list()) {
    const open = state.consensus!.resolutions.get(id);
    if (open && !open.votes.has(me)) ids.push(id);
    if (ids.length >= Number(block.view.params.maxVotesPerTx)) break;
  }
  if (ids.length === 0) return;
  const account = await viewOfNode(state, node.index).load(publicKey, 'secp256k1');
  const before = node.mempool.pending(accountKey(publicKey, 'secp256k1')) ?? account;
  const payload = encodePayload({ kind: 'validator_vote_ids', ids });
  const tx = signedByNode(node, chainId, 'validator_vote_ids', payload, before.nonce + 1n);
  await node.broadcast(tx, false).catch(() => undefined);
}
