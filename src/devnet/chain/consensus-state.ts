import { createHash } from 'node:crypto';
import {
  CodecError,
  decodeChangesetEvent,
  encodeParamUpdates,
  decodeMigrationProposal,
  hexOf,
  resolutionId,
  Writer,
  type KeyType,
  type NetworkParams,
  type ParamUpdates,
  type Payload,
} from '../../protocol/index.js';
import { decodeParamProposal, joinExpirySeconds, mergeParams } from './params.js';
import { addPiece, takeApplicable, type ApplicableHeight, type Received } from './pieces.js';
import {
  approvedPower,
  requiredPower,
  RESOLUTION_TYPES,
  voterOf,
  type Resolution,
  type Validator,
} from './resolutions.js';

/** Code and log of a transaction that consensus decides itself. */
export interface ControlResult {
  readonly code: number;
  readonly log: string;
}

export interface ControlContext {
  readonly height: number;
  /** Block time, Unix seconds. */
  readonly timestamp: number;
  /** Key of the block's proposer. */
  readonly proposer: string;
  readonly sender: { readonly key: string; readonly keyType: KeyType };
}

/** Payloads that consensus decides itself. */
export type ControlPayload = Extract<
  Payload,
  {
    kind:
      | 'validator_join'
      | 'validator_leave'
      | 'validator_approve'
      | 'validator_remove'
      | 'validator_vote_ids'
      | 'validator_vote_bodies'
      | 'create_resolution'
      | 'approve_resolution';
  }
>;

export interface MigrationWindow {
  readonly start: number;
  readonly end: number;
}

/** Everything consensus knows besides the tables. Values are replaced, never changed, so that old heights can be read. */
export interface ConsensusState {
  readonly params: NetworkParams;
  readonly validators: readonly Validator[];
  readonly resolutions: ReadonlyMap<string, Resolution>;
  /** Ids of resolutions that are over and may not come again. */
  readonly processed: ReadonlySet<string>;
  /** Old network: its decided migration. New network: the window of its genesis. */
  readonly migration: MigrationWindow | null;
  readonly received: Received;
}

export interface BlockEnd {
  readonly state: ConsensusState;
  readonly updates: ParamUpdates;
  readonly apply: readonly ApplicableHeight[];
  /** Ids that left the open set in this block, decided or expired. */
  readonly closed: readonly string[];
}

export const OK: ControlResult = { code: 0, log: '' };
const INVALID_SENDER = 9;
const refused = (code: number, text: string): ControlResult => ({ code, log: `ERROR: ${text}` });

const isActive = (status: string): boolean =>
  status === 'ActivationPeriod' || status === 'MigrationInProgress' || status === 'MigrationCompleted';
const isMoving = (status: string): boolean => status === 'MigrationInProgress' || status === 'MigrationCompleted';

/**
 * One block's work on the consensus state: `decide` per transaction, then `end` once. Works on a copy; the caller keeps
 * the result or drops it.
 */
export function createBlockDraft(before: ConsensusState) {
  const { params } = before;
  const resolutions = new Map(before.resolutions);
  const processed = new Set(before.processed);
  let validators = before.validators;

  const powerOf = (key: string, keyType: KeyType): number =>
    validators.find(validator => validator.key === key && validator.keyType === keyType)?.power ?? 0;

  function open(type: string, body: Uint8Array, proposer: string, expiresAt: number): ControlResult {
    const id = resolutionId(type, body);
    if (processed.has(id)) return refused(65535, 'resolution already processed (SQLSTATE P0001)');
    if (!resolutions.has(id)) resolutions.set(id, { id, type, body, proposer, expiresAt, votes: new Set() });
    return OK;
  }

  function approve(id: string, voter: string): ControlResult {
    const resolution = resolutions.get(id);
    if (!resolution) {
      const text =
        'insert or update on table "votes" violates foreign key constraint "votes_resolution_id_fkey" (SQLSTATE 23503)';
      return refused(65535, text);
    }
    resolutions.set(id, { ...resolution, votes: new Set(resolution.votes).add(voter) });
    return OK;
  }

  /** Outcome and effect of one transaction that the mempool let in. A refused one has no effect. */
  function decide(payload: ControlPayload, context: ControlContext): ControlResult {
    const { sender, timestamp } = context;
    const voter = voterOf(sender.key, sender.keyType);
    const power = powerOf(sender.key, sender.keyType);
    const status = params.migrationStatus;
    if (isMoving(status) && payload.kind !== 'approve_resolution') return refused(200, IN_MIGRATION[payload.kind]);
    switch (payload.kind) {
      case 'validator_join': {
        if (power > 0) return refused(INVALID_SENDER, 'caller is already a validator');
        if (pendingJoin(voter)) return refused(INVALID_SENDER, 'validator already has a pending join request');
        const body = powerRequest(sender.key, sender.keyType, Number(payload.power), context.height);
        return open('validator_join', body, voter, timestamp + joinExpirySeconds(params));
      }
      case 'validator_approve': {
        const candidate = hexOf(payload.publicKey);
        if (candidate === sender.key) return refused(INVALID_SENDER, 'cannot approve own join request');
        const pending = pendingJoin(voterOf(candidate, payload.keyType));
        if (!pending) return refused(INVALID_SENDER, 'validator does not have a pending join request');
        if (power === 0) return refused(INVALID_SENDER, 'caller is not a validator');
        return approve(pending.id, voter);
      }
      case 'validator_remove': {
        const target = hexOf(payload.publicKey);
        if (target === context.proposer) return refused(INVALID_SENDER, 'leader cannot be removed from validator set');
        if (power === 0) return refused(INVALID_SENDER, 'caller is not a validator');
        if (powerOf(target, payload.keyType) === 0) return refused(INVALID_SENDER, 'target is not a validator');
        const body = powerRequest(target, payload.keyType, 0, 0);
        open('validator_remove', body, voter, timestamp + joinExpirySeconds(params));
        return approve(resolutionId('validator_remove', body), voter);
      }
      case 'validator_leave': {
        if (sender.key === context.proposer) return refused(INVALID_SENDER, 'leader cannot leave validator set');
        if (power === 0) return refused(INVALID_SENDER, 'caller is not a validator');
        validators = validators.filter(one => one.key !== sender.key || one.keyType !== sender.keyType);
        return OK;
      }
      case 'validator_vote_ids': {
        if (power === 0) return refused(INVALID_SENDER, 'caller is not a validator');
        const wanted = payload.ids.filter(id => !processed.has(id));
        const unknown = wanted.find(id => !resolutions.has(id));
        if (unknown !== undefined) return approve(unknown, voter);
        for (const id of wanted) approve(id, voter);
        return OK;
      }
      case 'validator_vote_bodies': {
        if (sender.key !== context.proposer) return refused(INVALID_SENDER, 'caller is not the block proposer');
        for (const event of payload.events) {
          const type = RESOLUTION_TYPES.get(event.type);
          if (!type) return refused(65535, `resolution with name ${event.type} not found`);
          const opened = open(event.type, event.body, voter, timestamp + type.lifeSeconds);
          if (opened.code !== 0) return opened;
          approve(resolutionId(event.type, event.body), voter);
        }
        return OK;
      }
      case 'create_resolution': {
        const { type: name, body } = payload.event;
        if (isActive(status) && name === 'migration') {
          return refused(200, 'migration is about to start, cannot accept new migration proposals');
        }
        const type = RESOLUTION_TYPES.get(name);
        if (!type) return refused(130, `resolution with name ${name} not found`);
        if (power === 0) return refused(INVALID_SENDER, 'caller is not a validator');
        const id = resolutionId(name, body);
        if (resolutions.has(id)) return refused(65535, 'resolution already exists');
        const opened = open(name, body, voter, timestamp + type.lifeSeconds);
        return opened.code === 0 ? approve(id, voter) : opened;
      }
      case 'approve_resolution': {
        if (isMoving(status)) return refused(200, 'cannot approve resolution during migration');
        if (power === 0) return refused(INVALID_SENDER, 'caller is not a validator');
        return approve(payload.id, voter);
      }
    }
  }

  function pendingJoin(candidate: string): Resolution | undefined {
    for (const one of resolutions.values()) {
      if (one.type === 'validator_join' && one.proposer === candidate) return one;
    }
    return undefined;
  }

  /** Decides what has its votes, drops what is too old, moves the migration on, and says which old heights to apply. */
  function end(context: { readonly height: number; readonly timestamp: number }): BlockEnd {
    let updates: ParamUpdates = {};
    const closed: string[] = [];
    let migration = before.migration;
    let received = before.received;
    let status = params.migrationStatus;
    // Powers of before the block's own decisions count: a decision may change them for the ones that follow.
    const electorate = validators;
    const decided: Resolution[] = [];
    for (const type of RESOLUTION_TYPES.keys()) {
      const ofType = [...resolutions.values()].filter(one => one.type === type).sort((a, b) => (a.id < b.id ? -1 : 1));
      const needed = requiredPower(type, electorate);
      for (const one of ofType) {
        if (one.votes.size > 0 && approvedPower(one, electorate) >= needed) decided.push(one);
      }
    }
    for (const one of decided) {
      close(one);
      try {
        resolve(one);
      } catch (error) {
        // A decided resolution whose body cannot be used is logged and forgotten by a node (6.12 #19).
        if (!(error instanceof CodecError)) throw error;
      }
    }
    for (const one of [...resolutions.values()]) if (one.expiresAt <= context.timestamp) close(one);

    let apply: readonly ApplicableHeight[] = [];
    if (status === 'GenesisMigration' && migration) {
      ({ received, apply } = takeApplicable(received, migration));
      if (received.lastApplied === migration.end) status = 'NoActiveMigration';
    } else if (migration && isActive(status)) {
      if (context.height === migration.start - 1) updates = { ...updates, migrationStatus: 'MigrationInProgress' };
      if (context.height === migration.end) updates = { ...updates, migrationStatus: 'MigrationCompleted' };
    }
    const after = mergeParams({ ...params, migrationStatus: status }, updates);
    return {
      state: { params: after, validators, resolutions, processed, migration, received },
      updates,
      apply,
      closed,
    };

    function close(one: Resolution): void {
      resolutions.delete(one.id);
      closed.push(one.id);
      if (!RESOLUTION_TYPES.get(one.type)?.repeatable) processed.add(one.id);
    }

    function resolve(one: Resolution): void {
      switch (one.type) {
        case 'changeset_migration':
          received = addPiece(received, decodeChangesetEvent(one.body));
          return;
        case 'migration': {
          if (migration) return;
          const { activationPeriodBlocks, durationBlocks } = decodeMigrationProposal(one.body);
          const start = context.height + activationPeriodBlocks;
          migration = { start, end: start + durationBlocks };
          status = 'ActivationPeriod';
          for (const other of [...resolutions.values()]) if (other.type === 'migration') close(other);
          return;
        }
        case 'param_updates':
          updates = { ...updates, ...decodeParamProposal(one.body).updates };
          return;
        case 'validator_join':
        case 'validator_remove': {
          const request = readPowerRequest(one.body);
          validators = validators.filter(each => each.key !== request.key || each.keyType !== request.keyType);
          if (request.power > 0) validators = [...validators, request];
          return;
        }
        default:
      }
    }
  }

  return { decide, end };
}

const IN_MIGRATION: Record<Exclude<ControlPayload['kind'], 'approve_resolution'>, string> = {
  validator_join: 'cannot join validator during migration',
  validator_approve: 'cannot approve validator join during migration',
  validator_remove: 'cannot remove validator during migration',
  validator_leave: 'cannot leave validator during migration',
  validator_vote_ids: 'cannot vote during migration',
  validator_vote_bodies: 'cannot vote during migration',
  create_resolution: 'cannot create resolution during migration',
};

/** Body of join and remove resolutions; `nonce` keeps a second join of the same key apart from the first. */
function powerRequest(key: string, keyType: KeyType, power: number, nonce: number): Uint8Array {
  return Buffer.from(JSON.stringify({ key, keyType, power, nonce }));
}

function readPowerRequest(body: Uint8Array): Validator {
  const { key, keyType, power } = JSON.parse(Buffer.from(body).toString('utf8')) as Validator;
  return { key, keyType, power };
}

/** Digest of validators, parameters and open resolutions: the part of the app hash that is not in the tables. */
export function consensusDigest(state: ConsensusState, updates: ParamUpdates): Buffer {
  const out = new Writer(512);
  for (const { key, keyType, power } of state.validators) out.string(`${keyType}:${key}:${power}`);
  out.string(state.params.migrationStatus);
  for (const one of state.resolutions.values()) out.string(one.id).u32(one.votes.size);
  out.u64(state.received.lastApplied);
  return createHash('sha256').update(out.finish()).update(encodeParamUpdates(updates)).digest();
}
