import type { Height } from '../model/index.js';
import {
  blockHash,
  blockTxs,
  CodecError,
  decodeChangesetEvent,
  decodePayload,
  eventId,
  EVENT_TYPES,
  hexOf,
  type Block,
  type Transaction,
} from '../protocol/index.js';

/**
 * What the new network's public blocks say about applied heights (reference 6.11): votes on `changeset_migration` events are
 * counted as the nodes count them, resolved pieces are chained as the nodes chain them. Pure; plain data, so that it can be
 * kept and taken up again after a restart.
 */

/** Validators that may be the set in force: one while it never changed, several while a change is not settled. */
export type ValidatorSet = Readonly<Record<string, number>>;

export interface TallyState {
  /** Start as the new network sees it. */
  readonly start: Height;
  /** Blocks of the new network up to this one are in. */
  readonly block: Height;
  readonly sets: readonly ValidatorSet[];
  /** Hash of that block; null before the first. Another chain in its place must not inherit what is known here. */
  readonly blockHash: string | null;
  /** Header's validator hash of the last block: shows a change of their number. */
  readonly valsHash: string | null;
  /** Votes on events that are not resolved yet, by event id. */
  readonly open: Readonly<Record<string, OpenEvent>>;
  /** Pieces that are in but not applied yet, by asked height. */
  readonly received: Readonly<Record<string, Received>>;
  /** Last applied asked height; null before the first. */
  readonly applied: Height | null;
  /** Which asked height each block of the new network applied, oldest first; bounded. */
  readonly history: readonly (readonly [block: Height, asked: Height])[];
}

export interface OpenEvent {
  readonly height: Height;
  readonly chunk: number;
  readonly total: number;
  readonly previous: Height;
  readonly voters: readonly string[];
}

export interface Received {
  readonly total: number;
  readonly previous: Height;
  readonly chunks: readonly number[];
}

/** One block of the new network, as far as it matters here. */
export interface BlockFacts {
  readonly height: Height;
  readonly hash: string;
  readonly prevHash: string;
  readonly valsHash: string;
  readonly votes: readonly Vote[];
  /** A successful transaction that asks for another validator set. */
  readonly setChanges: boolean;
}

export type Vote =
  | { readonly kind: 'body'; readonly voter: string; readonly id: string; readonly event: Omit<OpenEvent, 'voters'> }
  | { readonly kind: 'id'; readonly voter: string; readonly id: string };

/** Blocks are kept this far back for nodes that lag. */
const HISTORY_MAX = 1_024;
/** Open events beyond this are not followed: a network that leaves so many unresolved is stuck, which shows as lag. */
const OPEN_MAX = 20_000;

export const createTally = (start: Height, block: Height, set: ValidatorSet): TallyState => ({
  start,
  block,
  sets: [set],
  blockHash: null,
  valsHash: null,
  open: {},
  received: {},
  applied: null,
  history: [],
});

/** Whether the block continues what was seen: the chain may be another one after its nodes were set up anew. */
export const continues = (state: TallyState, block: BlockFacts): boolean =>
  state.blockHash === null || block.prevHash === state.blockHash;

/** State after one more block; blocks come in order. */
export function addBlock(state: TallyState, block: BlockFacts): TallyState {
  if (block.height !== state.block + 1) throw new Error(`block ${block.height} does not follow ${state.block}`);
  const next = { ...state, block: block.height, blockHash: block.hash, valsHash: block.valsHash };
  if (block.votes.length === 0 && Object.keys(state.received).length === 0) return next;

  const open: Record<string, OpenEvent> = { ...state.open };
  const received: Record<string, Received> = { ...state.received };
  for (const vote of block.votes) {
    const known = open[vote.id];
    if (known === undefined) {
      if (vote.kind === 'body' && Object.keys(open).length < OPEN_MAX)
        open[vote.id] = { ...vote.event, voters: [vote.voter] };
    } else if (!known.voters.includes(vote.voter)) open[vote.id] = { ...known, voters: [...known.voters, vote.voter] };
  }
  for (const [id, event] of Object.entries(open)) {
    if (!isResolved(event.voters, state.sets)) continue;
    delete open[id];
    const had = received[event.height];
    // Several bodies for one piece can be resolved: the first counts.
    if (had === undefined)
      received[event.height] = { total: event.total, previous: event.previous, chunks: [event.chunk] };
    else if (!had.chunks.includes(event.chunk))
      received[event.height] = { ...had, chunks: [...had.chunks, event.chunk] };
  }
  let applied = state.applied;
  for (;;) {
    const lowest = Object.keys(received).reduce<number | null>(
      (least, key) => (least === null || Number(key) < least ? Number(key) : least),
      null,
    );
    if (lowest === null) break;
    const { total, previous, chunks } = received[lowest]!;
    if ((lowest !== state.start && previous !== (applied ?? 0)) || chunks.length !== total) break;
    delete received[lowest];
    applied = lowest;
  }
  const moved = applied !== null && applied !== state.applied;
  const history = moved ? [...state.history, [block.height, applied!] as const].slice(-HISTORY_MAX) : state.history;
  return { ...next, open, received, applied, history };
}

/** ⅔ of the power, rounded up, in every set that may be in force. */
function isResolved(voters: readonly string[], sets: readonly ValidatorSet[]): boolean {
  const [first, ...others] = sets;
  if (first === undefined) return false;
  const needed = Math.max(...sets.map(set => Math.ceil((2 * totalOf(set)) / 3)));
  let power = 0;
  for (const voter of voters) {
    const inAll = others.reduce((least, set) => Math.min(least, set[voter] ?? 0), first[voter] ?? 0);
    power += inAll;
  }
  return needed > 0 && power >= needed;
}

const totalOf = (set: ValidatorSet): number => Object.values(set).reduce((sum, power) => sum + power, 0);

/** Another set may be in force from now on: both count until `settle`. */
export const addSet = (state: TallyState, set: ValidatorSet): TallyState =>
  state.sets.some(known => sameSet(known, set)) ? state : { ...state, sets: [...state.sets, set].slice(-4) };

/** Only this set is in force. */
export const settle = (state: TallyState, set: ValidatorSet): TallyState => ({ ...state, sets: [set] });

export const sameSet = (a: ValidatorSet, b: ValidatorSet): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every(key => a[key] === b[key]);
};

/** Asked height that a node at this height of the new network has applied; null before the first. */
export function appliedAt(state: TallyState, height: Height): Height | null {
  let low = 0;
  let high = state.history.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (state.history[middle]![0] <= height) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : state.history[low - 1]![1];
}

const SET_CHANGES = new Set(['validator_join', 'validator_approve', 'validator_remove', 'validator_leave']);

/** What a block and the result codes of its transactions say. Transactions that failed, or cannot be read, say nothing. */
export function factsOf(block: Block, codes: readonly number[]): BlockFacts {
  const votes: Vote[] = [];
  let setChanges = false;
  blockTxs(block).forEach(({ tx }, index) => {
    const body = tx?.body;
    if (!tx || !body || codes[index] !== 0) return;
    if (SET_CHANGES.has(body.type)) setChanges = true;
    else if (body.type === 'validator_vote_bodies' || body.type === 'validator_vote_ids')
      votes.push(...votesOf(tx, body.type, body.payload));
  });
  const { height, prevHash, valsHash } = block.header;
  return { height, hash: blockHash(block), prevHash, valsHash, votes, setChanges };
}

function votesOf(tx: Transaction, type: string, bytes: Uint8Array): Vote[] {
  const voter = validatorKey(tx.signature?.type ?? '', hexOf(tx.sender));
  try {
    const payload = decodePayload(type, bytes);
    if (payload?.kind === 'validator_vote_ids') return payload.ids.map(id => ({ kind: 'id', voter, id }));
    if (payload?.kind !== 'validator_vote_bodies') return [];
    return payload.events
      .filter(event => event.type === EVENT_TYPES.changeset)
      .map(event => {
        const { height, chunk, total, previous } = decodeChangesetEvent(event.body);
        return { kind: 'body', voter, id: eventId(event), event: { height, chunk, total, previous } };
      });
  } catch (error) {
    if (error instanceof CodecError) return [];
    throw error;
  }
}

/** Key of a validator in our sets: type and public key. */
export const validatorKey = (type: string, publicKeyHex: string): string => `${type}:${publicKeyHex.toLowerCase()}`;

export const validatorSetOf = (
  validators: readonly { readonly pubkey: string; readonly type: string; readonly power: number }[],
): ValidatorSet => Object.fromEntries(validators.map(({ pubkey, type, power }) => [validatorKey(type, pubkey), power]));
