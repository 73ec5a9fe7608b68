import { encodeAccountId, type AccountId } from './accounts.js';
import { utf8Bytes } from './bytes.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { keyFlag } from './accounts.js';
import { kwilUuid } from './hash.js';
import type { VotableEvent } from './payloads.js';

/** Event type names whose bodies we read (reference 4.10). */
export const EVENT_TYPES = { migration: 'migration', changeset: 'changeset_migration' } as const;

/** One piece of an old height's changeset, as validators of the new network vote it in (reference 6.10). */
export interface ChangesetEvent {
  /** Old-network height. */
  readonly height: number;
  /** Zero-based index of this piece. */
  readonly chunk: number;
  readonly total: number;
  /** null for an End height without content. */
  readonly piece: Uint8Array | null;
  /** The last non-empty height emitted before this one; 0 for the first. */
  readonly previous: number;
}

/** Body of a `migration` proposal. */
export interface MigrationProposal {
  /** Blocks from resolution to Start. */
  readonly activationPeriodBlocks: number;
  /** Blocks from Start to End. */
  readonly durationBlocks: number;
  /** Free text that makes the proposal unique. */
  readonly timestamp: string;
}

/** Throws CodecError. `piece` is a view into the input. */
export function decodeChangesetEvent(body: Uint8Array): ChangesetEvent {
  const reader = new Reader(body);
  reader.version('changeset event');
  const event = {
    height: reader.safeU64('height'),
    chunk: reader.safeU64('chunk index'),
    total: reader.safeU64('number of chunks'),
    piece: reader.bytesOrNil(),
    previous: reader.safeU64('previous height'),
  };
  reader.end('a changeset event');
  return event;
}

export const encodeChangesetEvent = (event: ChangesetEvent): Uint8Array =>
  new Writer((event.piece?.length ?? 0) + 64)
    .u16(0)
    .u64(event.height)
    .u64(event.chunk)
    .u64(event.total)
    .bytes(event.piece)
    .u64(event.previous)
    .finish();

/** Throws CodecError. */
export function decodeMigrationProposal(body: Uint8Array): MigrationProposal {
  const reader = new Reader(body);
  reader.version('migration proposal');
  const proposal = {
    activationPeriodBlocks: reader.safeU64('activation period'),
    durationBlocks: reader.safeU64('duration'),
    timestamp: reader.string(),
  };
  reader.end('a migration proposal');
  return proposal;
}

export const encodeMigrationProposal = (proposal: MigrationProposal): Uint8Array =>
  new Writer(64)
    .u16(0)
    .u64(proposal.activationPeriodBlocks)
    .u64(proposal.durationBlocks)
    .string(proposal.timestamp)
    .finish();

/** Id under which an event is voted on: canonical UUID text. */
export const resolutionId = (type: string, body: Uint8Array): string => kwilUuid(utf8Bytes(type), body);

export const eventId = (event: VotableEvent): string => resolutionId(event.type, event.body);

/** Id of a resolution type. */
export const resolutionTypeId = (type: string): string => kwilUuid(utf8Bytes(type));

/** Id of a voter. */
export const voterId = (voter: AccountId): string =>
  kwilUuid(new Writer(16).u32(keyFlag(voter.keyType)).finish(), voter.identifier);

/** A validator with its power, binary (reference 0.2). */
export const encodeValidator = (account: AccountId, power: bigint): Uint8Array =>
  new Writer(64).u16(0).bytes(encodeAccountId(account)).i64(power).finish();
