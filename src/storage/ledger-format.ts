import { GatewayError, type Epoch, type Height, type NetworkName, type TxHash } from '../model/index.js';

export const LEDGER_STATES = ['sending', 'accepted', 'unknown', 'mined', 'rejected', 'dead'] as const;

/**
 * sending: durable, the outcome of the call is not known · accepted: a node took it · unknown: it may have reached a node ·
 * mined: in a block · rejected: refused by a node, or never sent · dead: can never be in a block any more.
 * The last three are final.
 */
export type LedgerState = (typeof LEDGER_STATES)[number];

export interface LedgerEntry {
  readonly hash: TxHash;
  readonly network: NetworkName;
  /** Name of the node it was last offered to; null before. */
  readonly node: string | null;
  /** `<auth type>:<sender hex>`: whose nonces it counts in. */
  readonly account: string;
  /** Unsigned 64 bit, decimal. */
  readonly nonce: string;
  /** Binary transaction as it can be offered again; empty once the outcome is final. */
  readonly tx: Uint8Array;
  /** Wall clock, ms, of the admission. */
  readonly at: number;
  readonly epoch: Epoch;
  readonly state: LedgerState;
  /** Of the block, once mined. */
  readonly height?: Height;
  /** Transaction code: of the block once mined, of the refusal once rejected. */
  readonly code?: number;
}

export const isFinal = (state: LedgerState): boolean => state === 'mined' || state === 'rejected' || state === 'dead';

/** `u32` length of a JSON text, the text, then the transaction's bytes. */
export function encodeEntry(entry: LedgerEntry): Buffer {
  const { tx, hash: _hash, ...meta } = entry;
  const text = Buffer.from(JSON.stringify(meta));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(text.length);
  return Buffer.concat([head, text, tx]);
}

/** Checks what was written: a damaged entry stops the start, it is never guessed at. */
export function decodeEntry(hash: TxHash, bytes: Buffer): LedgerEntry {
  try {
    const length = bytes.readUInt32LE(0);
    const meta = JSON.parse(bytes.toString('utf8', 4, 4 + length)) as Omit<LedgerEntry, 'hash' | 'tx'>;
    if (!LEDGER_STATES.includes(meta.state) || (meta.network !== 'old' && meta.network !== 'new'))
      throw new Error('unknown member');
    return { ...meta, hash, tx: new Uint8Array(bytes.subarray(4 + length)) };
  } catch (cause) {
    throw new GatewayError('ledger_damaged', 'integrity', `the ledger entry of transaction ${hash} cannot be read`, {
      cause,
    });
  }
}
