import { encodePayload, signTx, type Serialization, type VotableEvent } from '../../protocol/index.js';
import type { DevNode } from '../node/node.js';
import type { PoolEntry } from '../mempool.js';
import { chainTx, type ChainTx } from './transactions.js';

export interface ProposalContext {
  readonly chainId: string;
  readonly maxBlockSize: number;
  readonly maxVotesPerTx: number;
  /** Last nonce of the leader's account in the state. */
  readonly leaderNonce: bigint;
  /** Resolutions that are open or over: their bodies are not proposed again. */
  readonly isKnown: (id: string) => boolean;
}

/** A transaction that ends the process when the block is put together. */
export class FatalProposal extends Error {}

/** What the leader still wants to put on the chain by its own. */
export function unproposedEvents(leader: DevNode, isKnown: (id: string) => boolean): readonly VotableEvent[] {
  const events: VotableEvent[] = [];
  for (const event of leader.events.list()) if (!isKnown(event.id)) events.push(event);
  return events;
}

/**
 * Transactions of the next block in the leader's order: its own, its vote bodies, then the others by arrival with each
 * sender's nonces in order, as many as fit.
 */
export function proposeTransactions(leader: DevNode, context: ProposalContext): ChainTx[] {
  const entries = [...leader.mempool.entries()];
  if (entries.some(entry => entry.sender === null)) {
    throw new FatalProposal('panic: runtime error: invalid memory address or nil pointer dereference');
  }
  const ordered = byNonceWithinSender(entries);
  const own = ordered.filter(entry => entry.sender!.key === leader.key.publicKey);
  const others = ordered.filter(entry => entry.sender!.key !== leader.key.publicKey);
  const chosen: ChainTx[] = [];
  let room = context.maxBlockSize;
  let nonce = context.leaderNonce;
  for (const { tx } of own) {
    if (tx.bytes.length > room) break;
    room -= tx.bytes.length;
    nonce = tx.tx.body!.nonce;
    chosen.push(tx);
  }
  const bodies = voteBodies(leader, context, nonce, room);
  if (bodies) {
    room -= bodies.bytes.length;
    chosen.push(bodies);
  }
  const full = new Set<string>();
  for (const { tx, sender } of others) {
    if (full.has(sender!.key)) continue;
    if (tx.bytes.length > room) {
      full.add(sender!.key);
      continue;
    }
    room -= tx.bytes.length;
    chosen.push(tx);
  }
  return chosen;
}

/** Bytes of a vote-bodies transaction besides its events. */
const EMPTY_BODIES_BYTES = 250;

function voteBodies(leader: DevNode, context: ProposalContext, nonce: bigint, room: number): ChainTx | null {
  const events: VotableEvent[] = [];
  let left = room - EMPTY_BODIES_BYTES;
  for (const event of unproposedEvents(leader, context.isKnown).slice(0, context.maxVotesPerTx)) {
    const size = 8 + event.type.length + event.body.length;
    if (size > left) break;
    left -= size;
    events.push({ type: event.type, body: event.body });
  }
  if (events.length === 0) return null;
  const payload = encodePayload({ kind: 'validator_vote_bodies', events });
  return signedByNode(leader, context.chainId, 'validator_vote_bodies', payload, nonce + 1n);
}

/** A transaction of a node itself, signed with its key. */
export function signedByNode(
  node: Pick<DevNode, 'key'>,
  chainId: string,
  type: string,
  payload: Uint8Array,
  nonce: bigint,
  serialization: Serialization = 'concat',
  fee = 0n,
): ChainTx {
  return chainTx(signTx({ desc: '', payload, type, fee, nonce, chainId }, node.key.signer, serialization));
}

/** Arrival order, but within one sender by nonce. */
function byNonceWithinSender(entries: readonly PoolEntry[]): PoolEntry[] {
  const bySender = new Map<string, PoolEntry[]>();
  for (const entry of entries) {
    const known = bySender.get(entry.sender!.key);
    if (known) known.push(entry);
    else bySender.set(entry.sender!.key, [entry]);
  }
  for (const group of bySender.values()) {
    if (group.length > 1) group.sort((a, b) => Number(a.tx.tx.body!.nonce - b.tx.tx.body!.nonce));
  }
  const taken = new Map<string, number>();
  return entries.map(({ sender }) => {
    const at = taken.get(sender!.key) ?? 0;
    taken.set(sender!.key, at + 1);
    return bySender.get(sender!.key)![at]!;
  });
}
