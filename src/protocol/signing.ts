import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1';
import { keccak_256 } from '@noble/hashes/sha3';
import type { AccountId, KeyType } from './accounts.js';
import { equalBytes, hexOf, utf8Bytes } from './bytes.js';
import { CodecError } from './errors.js';
import { sha256 } from './hash.js';
import { signedMessage, type Serialization, type Transaction, type TxBody } from './tx.js';

/** Auth types that nodes know out of the box (reference 4.5); extensions may bring others. */
export const AUTH_TYPES = ['secp256k1_ep', 'ed25519', 'secp256k1'] as const;
export type AuthType = (typeof AUTH_TYPES)[number];

/** A private key in use for one auth type. Signatures are deterministic (RFC 6979, RFC 8032). */
export interface Signer {
  readonly type: AuthType;
  /** Compact identity: address, or public key. */
  readonly sender: Uint8Array;
  readonly keyType: KeyType;
  /** Identity text that the network shows as `@caller`. */
  readonly caller: string;
  sign(message: Uint8Array): Uint8Array;
}

export type Verification =
  | { readonly ok: true; readonly caller: string; readonly account: AccountId }
  | { readonly ok: false; readonly reason: string };

const isAuthType = (type: string): type is AuthType => (AUTH_TYPES as readonly string[]).includes(type);

/** Key type of the account that an auth type signs for; null for one that we do not know. */
export const keyTypeOfAuth = (type: string): KeyType | null =>
  isAuthType(type) ? (type === 'ed25519' ? 'ed25519' : 'secp256k1') : null;

/** `privateKey`: 32 bytes, or 64 hex digits. Throws CodecError for an impossible key. */
export function createSigner(options: { readonly type: AuthType; readonly privateKey: Uint8Array | string }): Signer {
  const { type } = options;
  const key = typeof options.privateKey === 'string' ? Buffer.from(options.privateKey, 'hex') : options.privateKey;
  if (key.length !== 32 || (type !== 'ed25519' && !secp256k1.utils.isValidPrivateKey(key)))
    throw new CodecError('private key must have 32 bytes and be in range', 0);
  const curve = type === 'ed25519' ? ed25519Signer(key) : secp256k1Signer(type, key);
  return {
    type,
    sender: curve.sender,
    keyType: type === 'ed25519' ? 'ed25519' : 'secp256k1',
    caller: callerText(type, curve.sender) ?? '',
    sign: curve.sign,
  };
}

/** DER before the 32 bytes of an Ed25519 private and public key (RFC 8410): Node's own, native curve takes no raw ones. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

function ed25519Signer(seed: Uint8Array): Pick<Signer, 'sender' | 'sign'> {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const sender = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
  return { sender, sign: message => sign(null, message, key) };
}

const ed25519PublicKey = (sender: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, sender]), format: 'der', type: 'spki' });

function secp256k1Signer(type: Exclude<AuthType, 'ed25519'>, key: Uint8Array): Pick<Signer, 'sender' | 'sign'> {
  return {
    sender: type === 'secp256k1' ? secp256k1.getPublicKey(key, true) : addressOf(secp256k1.getPublicKey(key, false)),
    sign(message) {
      const signature = secp256k1.sign(digestOf(type, message), key, { lowS: true });
      // Ethereum wallets write the recovery byte as 27 or 28, Kwil's own keys as 0 or 1; nodes take both.
      const recovery = signature.recovery + (type === 'secp256k1_ep' ? 27 : 0);
      return Buffer.concat([signature.toCompactRawBytes(), Buffer.from([recovery])]);
    },
  };
}

/** What the curve signs: EIP-191 Keccak for wallets, SHA-256 otherwise. */
const digestOf = (type: Exclude<AuthType, 'ed25519'>, message: Uint8Array): Uint8Array =>
  type === 'secp256k1'
    ? sha256(message)
    : keccak_256(Buffer.concat([utf8Bytes(`\x19Ethereum Signed Message:\n${message.length}`), message]));

/** Ethereum address of an uncompressed public key (65 bytes). */
const addressOf = (publicKey: Uint8Array): Uint8Array => keccak_256(publicKey.subarray(1)).subarray(12);

/** Address text with EIP-55 check-sum capitals. */
export function checksumAddress(address: Uint8Array): string {
  const hex = hexOf(address);
  const digest = hexOf(keccak_256(utf8Bytes(hex)));
  return `0x${Array.from(hex, (char, i) => (Number.parseInt(digest[i]!, 16) >= 8 ? char.toUpperCase() : char)).join('')}`;
}

/** Identity text of a sender; null when the bytes cannot belong to that auth type. */
export function callerText(type: string, sender: Uint8Array): string | null {
  switch (type) {
    case 'secp256k1_ep':
      return sender.length === 20 ? checksumAddress(sender) : null;
    case 'ed25519':
      return sender.length === 32 ? hexOf(sender) : null;
    case 'secp256k1':
      return sender.length === 33 ? hexOf(sender) : null;
    default:
      return null;
  }
}

/** Whether `signature` over `message` is the sender's. Never throws: whatever is wrong comes back as a reason. */
export function verifyMessage(
  type: string,
  sender: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Verification {
  if (!isAuthType(type)) return { ok: false, reason: 'unknown auth type' };
  const caller = callerText(type, sender);
  if (caller === null) return { ok: false, reason: 'sender does not fit the auth type' };
  try {
    if (!isSignedBy(type, sender, message, signature)) return { ok: false, reason: 'signature is not the sender’s' };
  } catch {
    return { ok: false, reason: 'signature is malformed' };
  }
  return { ok: true, caller, account: { identifier: sender, keyType: type === 'ed25519' ? 'ed25519' : 'secp256k1' } };
}

function isSignedBy(type: AuthType, sender: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (type === 'ed25519') return signature.length === 64 && verify(null, message, ed25519PublicKey(sender), signature);
  if (signature.length !== 65) return false;
  const digest = digestOf(type, message);
  if (type === 'secp256k1') return secp256k1.verify(signature.subarray(0, 64), digest, sender, { lowS: true });
  const last = signature[64]!;
  const recovery = last >= 27 ? last - 27 : last;
  if (recovery > 1) return false;
  const point = secp256k1.Signature.fromCompact(signature.subarray(0, 64))
    .addRecoveryBit(recovery)
    .recoverPublicKey(digest);
  return equalBytes(addressOf(point.toRawBytes(false)), sender);
}

/** A signed transaction from its body. `concat` is what all clients use. */
export function signTx(body: TxBody, signer: Signer, serialization: Serialization = 'concat'): Transaction {
  const unsigned: Transaction = { signature: null, body, serialization, sender: signer.sender };
  return { ...unsigned, signature: { sig: signer.sign(signedMessage(unsigned)), type: signer.type } };
}

/** Whether a transaction is signed by its sender. Never throws. */
export function verifyTx(tx: Transaction): Verification {
  if (tx.signature === null || tx.body === null) return { ok: false, reason: 'no signature or no body' };
  if (tx.serialization !== 'concat' && tx.serialization !== 'direct')
    return { ok: false, reason: 'unknown serialization' };
  if (utf8Bytes(tx.body.desc).length > 200) return { ok: false, reason: 'description is too long' };
  return verifyMessage(tx.signature.type, tx.sender, signedMessage(tx), tx.signature.sig);
}
