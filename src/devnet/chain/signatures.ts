import { secp256k1 } from '@noble/curves/secp256k1';
import { keccak_256 } from '@noble/hashes/sha3';
import {
  hexOf,
  keyTypeOfAuth,
  signedMessage,
  verifyMessage,
  verifyTx,
  type Transaction,
} from '../../protocol/index.js';

export type SignatureVerdict =
  | { readonly ok: true; readonly caller: string; readonly key: string; readonly keyType: 'secp256k1' | 'ed25519' }
  | { readonly ok: false; readonly reason: string };

/** Checks a transaction's signature; a refusal is in the node's own words. */
export function judgeTransaction(tx: Transaction): SignatureVerdict {
  if (tx.body !== null && Buffer.byteLength(tx.body.desc) > 200)
    return { ok: false, reason: 'description is too long' };
  const verified = verifyTx(tx);
  if (verified.ok) return accepted(verified);
  if (tx.signature === null || tx.body === null) return { ok: false, reason: verified.reason };
  if (tx.serialization !== 'concat' && tx.serialization !== 'direct') {
    return { ok: false, reason: `invalid serialization type: ${tx.serialization}` };
  }
  return { ok: false, reason: nodeReason(tx.signature.type, tx.sender, signedMessage(tx), tx.signature.sig) };
}

/** The same for any message. */
export function judgeMessage(
  type: string,
  sender: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): SignatureVerdict {
  const verified = verifyMessage(type, sender, message, signature);
  return verified.ok ? accepted(verified) : { ok: false, reason: nodeReason(type, sender, message, signature) };
}

function accepted(verified: {
  caller: string;
  account: { identifier: Uint8Array; keyType: 'secp256k1' | 'ed25519' };
}): SignatureVerdict {
  const { caller, account } = verified;
  return { ok: true, caller, key: hexOf(account.identifier), keyType: account.keyType };
}

function nodeReason(type: string, sender: Uint8Array, message: Uint8Array, signature: Uint8Array): string {
  if (keyTypeOfAuth(type) === null) return `authenticator not found: ${type}`;
  const length = type === 'ed25519' ? 64 : 65;
  if (signature.length !== length) return `invalid signature length: expected ${length}, received ${signature.length}`;
  if (type !== 'secp256k1_ep') return 'invalid signature';
  const received = recoveredAddress(message, signature);
  return received === null
    ? 'invalid signature: recovery failed'
    : `invalid signature: expected address ${hexOf(sender)}, received ${received}`;
}

function recoveredAddress(message: Uint8Array, signature: Uint8Array): string | null {
  try {
    const prefix = Buffer.from(`\x19Ethereum Signed Message:\n${message.length}`);
    const last = signature[64]!;
    const point = secp256k1.Signature.fromCompact(signature.subarray(0, 64))
      .addRecoveryBit(last >= 27 ? last - 27 : last)
      .recoverPublicKey(keccak_256(Buffer.concat([prefix, message])));
    return hexOf(keccak_256(point.toRawBytes(false).subarray(1)).subarray(12));
  } catch {
    return null;
  }
}
