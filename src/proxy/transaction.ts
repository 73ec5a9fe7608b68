import {
  bufferOf,
  CodecError,
  decodeTxJson,
  encodeTx,
  hexOf,
  scanBroadcast,
  sha256Hex,
  sliceOf,
  type Slice,
  type Transaction,
} from '../protocol/index.js';

/** A broadcast as read before it is sent anywhere. */
export interface Broadcast {
  readonly tx: Transaction;
  /** The client's own bytes: what is sent. Signed content is not ours to write again. */
  readonly params: Uint8Array;
  /** Binary form: what is hashed, kept and could be offered again. */
  readonly bytes: Uint8Array;
  readonly hash: string;
  readonly chainId: string;
  /** The client waits for the block. */
  readonly sync: boolean;
  /** `<key type>:<sender hex>`: whose nonces it counts in. */
  readonly account: string;
  readonly nonce: string;
}

export type BroadcastReading =
  { readonly ok: true; readonly broadcast: Broadcast } | { readonly ok: false; readonly message: string };

/**
 * Reads the transaction exactly as a node does, or refuses it: what a node could take for another transaction than we
 * do must not pass. A missing body or signature is not refused here but by the shield, which has a name for it.
 */
export function readBroadcast(body: Uint8Array, params: Slice | null): BroadcastReading {
  const scan = scanBroadcast(body, params);
  if (!scan.ok) return { ok: false, message: scan.message };
  if (scan.tx === null) return { ok: false, message: 'tx is missing' };
  try {
    const tx = decodeTxJson(bufferOf(sliceOf(body, scan.tx)));
    const bytes = encodeTx(tx);
    const broadcast: Broadcast = {
      tx,
      params: sliceOf(body, params!),
      bytes,
      hash: sha256Hex(bytes),
      chainId: tx.body?.chainId ?? '',
      sync: scan.sync === 1,
      account: `${keyTypeOf(tx.signature?.type ?? '')}:${hexOf(tx.sender)}`,
      nonce: String(tx.body?.nonce ?? 0n),
    };
    return { ok: true, broadcast };
  } catch (error) {
    if (error instanceof CodecError) return { ok: false, message: error.problem };
    throw error;
  }
}

/** Accounts go by key, not by how it signs. Extensions bring auth types of their own. */
const keyTypeOf = (authType: string): string => (authType === 'secp256k1_ep' ? 'secp256k1' : authType);
