import { Reader } from './reader.js';
import { Writer } from './writer.js';

/** Key types that Kwil's binary forms know, in the order of their flags. */
export const KEY_TYPES = ['secp256k1', 'ed25519'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** An account: sender bytes and key type together (reference 4.5). Address and public key of one key are two accounts. */
export interface AccountId {
  readonly identifier: Uint8Array;
  readonly keyType: KeyType;
}

/** The u32 that stands for a key type. Throws CodecError for one that we do not know. */
export function readKeyType(reader: Reader): KeyType {
  const at = reader.offset;
  const flag = reader.u32();
  return KEY_TYPES[flag] ?? reader.fail(`unknown key type ${flag}`, at);
}

export const keyFlag = (keyType: KeyType): number => KEY_TYPES.indexOf(keyType);

export function readAccountId(reader: Reader): AccountId {
  reader.version('account');
  const identifier = reader.bytes();
  return { identifier, keyType: readKeyType(reader) };
}

export function encodeAccountId(account: AccountId): Uint8Array {
  return new Writer(48).u16(0).bytes(account.identifier).u32(keyFlag(account.keyType)).finish();
}

export function decodeAccountId(bytes: Uint8Array): AccountId {
  const reader = new Reader(bytes);
  const account = readAccountId(reader);
  reader.end('an account');
  return account;
}
