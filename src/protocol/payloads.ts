import type { KeyType, AccountId } from './accounts.js';
import { encodeAccountId, keyFlag, readAccountId, readKeyType } from './accounts.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { CodecError } from './errors.js';
import { uuidBytes, uuidText } from './hash.js';
import { decodeEncodedValue, encodeEncodedValue, type EncodedValue } from './values.js';

/** A parameter with its name as the client wrote it, with or without the `$`. */
export interface NamedValue {
  readonly name: string;
  readonly value: EncodedValue;
}

/** What validators vote on: its type and an opaque body (see events.ts for the ones we read). */
export interface VotableEvent {
  readonly type: string;
  readonly body: Uint8Array;
}

/** Payloads of reference 4.7 and 4.10, told apart by the transaction's own payload type. */
export type Payload =
  | { readonly kind: 'raw_statement'; readonly statement: string; readonly params: readonly NamedValue[] }
  | {
      readonly kind: 'execute';
      readonly namespace: string;
      readonly action: string;
      /** One argument list per call; none means: run once without arguments. */
      readonly calls: readonly (readonly EncodedValue[])[];
    }
  | { readonly kind: 'transfer'; readonly to: AccountId; readonly amount: bigint | null }
  | {
      readonly kind: 'maa_exec';
      /** Address of the agent, 20 bytes. */
      readonly agent: Uint8Array;
      readonly namespace: string;
      readonly action: string;
      readonly args: readonly EncodedValue[];
    }
  | { readonly kind: 'validator_join'; readonly power: bigint }
  | { readonly kind: 'validator_leave' }
  | KeyPayload<'validator_approve'>
  | KeyPayload<'validator_remove'>
  /** UUIDs in canonical text. */
  | { readonly kind: 'validator_vote_ids'; readonly ids: readonly string[] }
  | { readonly kind: 'validator_vote_bodies'; readonly events: readonly VotableEvent[] }
  | { readonly kind: 'create_resolution'; readonly event: VotableEvent }
  | IdPayload<'approve_resolution'>
  | IdPayload<'delete_resolution'>;

interface KeyPayload<K extends string> {
  readonly kind: K;
  readonly publicKey: Uint8Array;
  readonly keyType: KeyType;
}

interface IdPayload<K extends string> {
  readonly kind: K;
  /** Canonical UUID text. */
  readonly id: string;
}

export type PayloadKind = Payload['kind'];

/** Argument list of `user.call` (reference 4.11). */
export interface CallPayload {
  readonly namespace: string;
  readonly action: string;
  readonly args: readonly EncodedValue[];
}

const U16_MAX = 0xffff;

type Codecs = { readonly [K in PayloadKind]: Codec<Extract<Payload, { kind: K }>> };

interface Codec<P> {
  read(reader: Reader): P;
  write(writer: Writer, payload: P): void;
}

const CODECS: Codecs = {
  raw_statement: {
    read: reader => {
      const statement = reader.string();
      const params = repeat(reader.u16(), () => ({
        name: reader.string(),
        value: decodeEncodedValue(reader.nested()),
      }));
      return { kind: 'raw_statement', statement, params };
    },
    write: (writer, { statement, params }) => {
      writer.string(statement).u16(count(params, U16_MAX));
      for (const { name, value } of params) writer.string(name).bytes(encodeEncodedValue(value));
    },
  },
  execute: {
    read: reader => {
      const namespace = reader.string();
      const action = reader.string();
      return { kind: 'execute', namespace, action, calls: repeat(reader.u16(), () => readArguments(reader)) };
    },
    write: (writer, { namespace, action, calls }) => {
      writer.string(namespace).string(action).u16(count(calls, U16_MAX));
      for (const args of calls) writeArguments(writer, args);
    },
  },
  transfer: {
    read: reader => {
      const account = reader.nested();
      const to = readAccountId(account);
      account.end('an account');
      return { kind: 'transfer', to, amount: reader.bigInt() };
    },
    write: (writer, { to, amount }) => {
      writer.bytes(encodeAccountId(to)).bigInt(amount);
    },
  },
  maa_exec: {
    read: reader => ({
      kind: 'maa_exec',
      agent: reader.bytes(),
      namespace: reader.string(),
      action: reader.string(),
      args: readArguments(reader),
    }),
    write: (writer, { agent, namespace, action, args }) => {
      writer.bytes(agent).string(namespace).string(action);
      writeArguments(writer, args);
    },
  },
  validator_join: {
    read: reader => ({ kind: 'validator_join', power: reader.u64() }),
    write: (writer, { power }) => {
      writer.u64(power);
    },
  },
  validator_leave: { read: () => ({ kind: 'validator_leave' }), write: () => {} },
  validator_approve: validatorKey('validator_approve'),
  validator_remove: validatorKey('validator_remove'),
  validator_vote_ids: {
    read: reader => ({
      kind: 'validator_vote_ids',
      ids: repeat(reader.u32(), () => {
        const id = reader.nested();
        const text = uuidText(id.take(16));
        id.end('a resolution id');
        return text;
      }),
    }),
    write: (writer, { ids }) => {
      writer.u32(ids.length);
      for (const id of ids) writer.bytes(uuidBytes(id));
    },
  },
  validator_vote_bodies: {
    read: reader => ({
      kind: 'validator_vote_bodies',
      events: repeat(reader.u32(), () => {
        const inner = reader.nested();
        const event = readEvent(inner);
        inner.end('an event');
        return event;
      }),
    }),
    write: (writer, { events }) => {
      writer.u32(events.length);
      for (const event of events) writer.bytes(encodeVotableEvent(event));
    },
  },
  create_resolution: {
    read: reader => ({ kind: 'create_resolution', event: readEvent(reader) }),
    write: (writer, { event }) => {
      writer.raw(encodeVotableEvent(event));
    },
  },
  approve_resolution: resolutionId('approve_resolution'),
  delete_resolution: resolutionId('delete_resolution'),
};

export const isPayloadKind = (type: string): type is PayloadKind => Object.hasOwn(CODECS, type);

/** The payload of a transaction of that type; null when we have no layout for the type. Throws CodecError. */
export function decodePayload(type: string, bytes: Uint8Array): Payload | null {
  if (!isPayloadKind(type)) return null;
  const reader = new Reader(bytes);
  reader.version(`a ${type} payload`);
  const payload = CODECS[type].read(reader);
  reader.end(`a ${type} payload`);
  return payload;
}

export function encodePayload(payload: Payload): Uint8Array {
  const writer = new Writer().u16(0);
  // The kind of the payload picks the codec made for it, which the compiler cannot follow through the index.
  (CODECS[payload.kind] as Codec<Payload>).write(writer, payload);
  return writer.finish();
}

/** Payload of `user.call`. Throws CodecError. */
export function decodeCall(bytes: Uint8Array): CallPayload {
  const reader = new Reader(bytes);
  reader.version('a call');
  const call = { namespace: reader.string(), action: reader.string(), args: readArguments(reader) };
  reader.end('a call');
  return call;
}

export function encodeCall(call: CallPayload): Uint8Array {
  const writer = new Writer().u16(0).string(call.namespace).string(call.action);
  writeArguments(writer, call.args);
  return writer.finish();
}

function readArguments(reader: Reader): EncodedValue[] {
  return repeat(reader.u16(), () => decodeEncodedValue(reader.nested()));
}

function writeArguments(writer: Writer, args: readonly EncodedValue[]): void {
  writer.u16(count(args, U16_MAX));
  for (const value of args) writer.bytes(encodeEncodedValue(value));
}

function readEvent(reader: Reader): VotableEvent {
  reader.version('event');
  return { type: reader.string(), body: reader.bytes() };
}

/** Event in the layout that vote bodies and `create_resolution` carry. */
export const encodeVotableEvent = (event: VotableEvent): Uint8Array =>
  new Writer(event.body.length + event.type.length + 16).u16(0).string(event.type).bytes(event.body).finish();

function validatorKey<K extends string>(kind: K): Codec<KeyPayload<K>> {
  return {
    read: reader => ({ kind, publicKey: reader.bytes(), keyType: readKeyType(reader) }),
    write: (writer, { publicKey, keyType }) => {
      writer.bytes(publicKey).u32(keyFlag(keyType));
    },
  };
}

function resolutionId<K extends string>(kind: K): Codec<IdPayload<K>> {
  return {
    read: reader => ({ kind, id: uuidText(reader.take(16)) }),
    write: (writer, { id }) => {
      writer.raw(uuidBytes(id));
    },
  };
}

/**
 * Reads a counted list. The list grows as its items turn up, so a lying count costs one failed read; every item takes
 * at least two bytes of input.
 */
function repeat<T>(times: number, read: () => T): T[] {
  const items: T[] = [];
  for (let i = 0; i < times; i++) items.push(read());
  return items;
}

function count(items: readonly unknown[], max: number): number {
  if (items.length > max) throw new CodecError(`${items.length} items, at most ${max} can be written`, 0);
  return items.length;
}
