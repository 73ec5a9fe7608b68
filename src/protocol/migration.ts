import { base64Of, bytesOfBase64, hexOf } from './bytes.js';
import { CodecError } from './errors.js';
import { hashBytes } from './hash.js';
import { jsonString, membersOf, parseJson, safeMember, textMember, type JsonObject, type JsonValue } from './json.js';

/** Kwil's own migration status (reference 6.1), which is also part of the parameters hash. */
export const MIGRATION_STATUSES = [
  'NoActiveMigration',
  'ActivationPeriod',
  'MigrationInProgress',
  'MigrationCompleted',
  'GenesisMigration',
] as const;

export type MigrationStatusText = (typeof MIGRATION_STATUSES)[number];

export const isMigrationStatus = (text: string): text is MigrationStatusText =>
  (MIGRATION_STATUSES as readonly string[]).includes(text);

/** `status` of `user.migration_status`. Heights are null where the node omits them (zero). */
export interface MigrationState {
  readonly status: MigrationStatusText;
  /** Old-network heights, on both networks. */
  readonly startHeight: number | null;
  readonly endHeight: number | null;
  /** The answering network's own height; not in `migration_metadata`. */
  readonly currentHeight: number | null;
}

export interface ValidatorInfo {
  /** Hex. */
  readonly pubkey: string;
  readonly type: string;
  readonly power: number;
}

export interface GenesisInfo {
  readonly appHash: string;
  readonly validators: readonly ValidatorInfo[];
}

/** `metadata` of `user.migration_metadata`. */
export interface MigrationMetadata {
  readonly state: MigrationState;
  /** null before the snapshot exists and on the new network, together with `snapshot`. */
  readonly genesisInfo: GenesisInfo | null;
  /** Bytes of the snapshot's own JSON, kept as they came; `decodeSnapshotMetadata` reads them. */
  readonly snapshotBytes: Uint8Array | null;
  readonly version: number;
}

/** What `snapshot_metadata` holds. */
export interface SnapshotMetadata {
  /** Start. */
  readonly height: number;
  readonly format: number;
  /** SHA-256 of each chunk as served (compressed), hex. */
  readonly chunkHashes: readonly string[];
  readonly chunkCount: number;
  /** SHA-256 of the uncompressed SQL, hex; equals the genesis app hash. */
  readonly hash: string;
  /** Compressed bytes of all chunks. */
  readonly size: number;
}

/** Answer of `user.changeset_metadata`. */
export interface ChangesetMetadata {
  readonly height: number;
  /** 0: the block changed nothing. */
  readonly chunkCount: number;
  readonly chunkSizes: readonly number[];
}

/** One entry of `user.list_migrations`. */
export interface PendingMigration {
  readonly id: string;
  /** The wire calls it `activation_height`. */
  readonly activationPeriodBlocks: number;
  readonly durationBlocks: number;
  readonly timestamp: string;
}

/** Most bytes of one genesis chunk before base64. */
export const GENESIS_CHUNK_BYTES = 16_000_000 - 4_096;

type Json = string | Uint8Array | JsonObject;

const objectOf = (json: Json): JsonValue =>
  typeof json === 'string' || json instanceof Uint8Array ? parseJson(json) : json;

const listOf = (members: JsonObject, name: string): readonly JsonValue[] => {
  const value = members.get(name) ?? [];
  if (!Array.isArray(value)) throw new CodecError(`${name} is not an array`, 0);
  return value as readonly JsonValue[];
};

/** Result of `user.migration_status`. Throws CodecError, also for a status text that nobody knows. */
export function decodeMigrationStatus(json: Json): MigrationState {
  return stateOf(membersOf(objectOf(json), 'migration status', ['status']).get('status'));
}

function stateOf(value: JsonValue | undefined): MigrationState {
  const members = membersOf(value, 'status', ['status', 'start_height', 'end_height', 'chain_height']);
  const status = textMember(members, 'status');
  if (!isMigrationStatus(status)) throw new CodecError('unknown migration status', 0);
  return {
    status,
    startHeight: heightOrNull(members, 'start_height'),
    endHeight: heightOrNull(members, 'end_height'),
    currentHeight: heightOrNull(members, 'chain_height'),
  };
}

function heightOrNull(members: JsonObject, name: string): number | null {
  const height = safeMember(members, name);
  if (height < 0) throw new CodecError(`${name} is negative`, 0);
  return height === 0 ? null : height;
}

export const encodeMigrationStatus = (state: MigrationState): string => `{"status":${stateJson(state)}}`;

function stateJson(state: MigrationState): string {
  const heights = [
    ['start_height', state.startHeight],
    ['end_height', state.endHeight],
    ['chain_height', state.currentHeight],
  ] as const;
  const members = heights.filter(([, height]) => height !== null).map(([name, height]) => `,"${name}":${height}`);
  return `{"status":"${state.status}"${members.join('')}}`;
}

/** Result of `user.migration_metadata`. Throws CodecError. */
export function decodeMigrationMetadata(json: Json): MigrationMetadata {
  const outer = membersOf(objectOf(json), 'migration metadata', ['metadata']);
  const members = membersOf(outer.get('metadata'), 'metadata', [
    'migration_state',
    'genesis_info',
    'snapshot_metadata',
    'version',
  ]);
  const genesis = members.get('genesis_info') ?? null;
  const snapshot = members.get('snapshot_metadata') ?? null;
  if (snapshot !== null && typeof snapshot !== 'string')
    throw new CodecError('snapshot_metadata is not base64 text', 0);
  return {
    state: stateOf(members.get('migration_state')),
    genesisInfo: genesis === null ? null : genesisInfoOf(genesis),
    snapshotBytes: snapshot === null ? null : bytesOfBase64(snapshot, 'snapshot_metadata'),
    version: safeMember(members, 'version'),
  };
}

function genesisInfoOf(value: JsonValue): GenesisInfo {
  const members = membersOf(value, 'genesis_info', ['app_hash', 'validators']);
  return { appHash: textMember(members, 'app_hash'), validators: listOf(members, 'validators').map(validatorOf) };
}

/** One validator as nodes list them. */
export function validatorOf(value: JsonValue): ValidatorInfo {
  const members = membersOf(value, 'validator', ['pubkey', 'type', 'power']);
  return {
    pubkey: textMember(members, 'pubkey'),
    type: textMember(members, 'type'),
    power: safeMember(members, 'power'),
  };
}

export const validatorJson = (validator: ValidatorInfo): string =>
  `{"pubkey":${jsonString(validator.pubkey)},"type":${jsonString(validator.type)},"power":${validator.power}}`;

export function encodeMigrationMetadata({ state, genesisInfo, snapshotBytes, version }: MigrationMetadata): string {
  const genesis =
    genesisInfo === null
      ? 'null'
      : `{"app_hash":${jsonString(genesisInfo.appHash)},"validators":[${genesisInfo.validators.map(validatorJson).join(',')}]}`;
  const snapshot = snapshotBytes === null ? 'null' : `"${base64Of(snapshotBytes)}"`;
  return (
    `{"metadata":{"migration_state":${stateJson(state)},"genesis_info":${genesis},` +
    `"snapshot_metadata":${snapshot},"version":${version}}}`
  );
}

/** Bytes inside `snapshot_metadata`. Throws CodecError, also when count and hashes disagree. */
export function decodeSnapshotMetadata(json: Json): SnapshotMetadata {
  const members = membersOf(objectOf(json), 'snapshot metadata', [
    'height',
    'format',
    'chunk_hashes',
    'chunk_count',
    'hash',
    'size',
  ]);
  const chunkHashes = listOf(members, 'chunk_hashes').map(hashOfNumbers);
  const chunkCount = safeMember(members, 'chunk_count');
  if (chunkHashes.length !== chunkCount) throw new CodecError('chunk_count and chunk_hashes disagree', 0);
  return {
    height: safeMember(members, 'height'),
    format: safeMember(members, 'format'),
    chunkHashes,
    chunkCount,
    hash: hexOf(bytesOfBase64(textMember(members, 'hash'), 'hash')),
    size: safeMember(members, 'size'),
  };
}

function hashOfNumbers(value: JsonValue): string {
  if (!Array.isArray(value) || value.length !== 32) throw new CodecError('a chunk hash does not have 32 numbers', 0);
  const bytes = (value as readonly JsonValue[]).map(item => safeMember(new Map([['byte', item]]), 'byte'));
  if (bytes.some(byte => byte < 0 || byte > 255)) throw new CodecError('a chunk hash has a number out of range', 0);
  return hexOf(Uint8Array.from(bytes));
}

/** JSON as nodes write it, hashes of chunks as arrays of numbers. */
export function encodeSnapshotMetadata(snapshot: SnapshotMetadata): string {
  const hashes = snapshot.chunkHashes.map(hash => `[${Array.from(hashBytes(hash)).join(',')}]`);
  return (
    `{"height":${snapshot.height},"format":${snapshot.format},"chunk_hashes":[${hashes.join(',')}],` +
    `"chunk_count":${snapshot.chunkCount},"hash":"${base64Of(hashBytes(snapshot.hash))}","size":${snapshot.size}}`
  );
}

/** Result of `user.changeset_metadata`. Throws CodecError, also when count and sizes disagree. */
export function decodeChangesetMetadata(json: Json): ChangesetMetadata {
  const members = membersOf(objectOf(json), 'changeset metadata', ['height', 'changesets', 'chunk_sizes']);
  const chunkSizes = listOf(members, 'chunk_sizes').map(size => safeMember(new Map([['size', size]]), 'size'));
  const chunkCount = safeMember(members, 'changesets');
  if (chunkSizes.length !== chunkCount || chunkSizes.some(size => size < 0))
    throw new CodecError('changesets and chunk_sizes disagree', 0);
  return { height: safeMember(members, 'height'), chunkCount, chunkSizes };
}

export const encodeChangesetMetadata = ({ height, chunkCount, chunkSizes }: ChangesetMetadata): string =>
  `{"height":${height},"changesets":${chunkCount},"chunk_sizes":${chunkCount === 0 ? 'null' : `[${chunkSizes.join(',')}]`}}`;

/** Result of `user.list_migrations`. Throws CodecError. */
export function decodePendingMigrations(json: Json): PendingMigration[] {
  const outer = membersOf(objectOf(json), 'migrations', ['migrations']);
  return listOf(outer, 'migrations').map(value => {
    const members = membersOf(value, 'migration', ['id', 'activation_height', 'migration_duration', 'timestamp']);
    return {
      id: textMember(members, 'id'),
      activationPeriodBlocks: safeMember(members, 'activation_height'),
      durationBlocks: safeMember(members, 'migration_duration'),
      timestamp: textMember(members, 'timestamp'),
    };
  });
}

export function encodePendingMigrations(migrations: readonly PendingMigration[]): string {
  const items = migrations.map(
    m =>
      `{"id":"${m.id}","activation_height":${m.activationPeriodBlocks},` +
      `"migration_duration":${m.durationBlocks},"timestamp":${jsonString(m.timestamp)}}`,
  );
  return `{"migrations":${items.length === 0 ? 'null' : `[${items.join(',')}]`}}`;
}
