import {
  decodePayload,
  encodeTx,
  sha256Hex,
  CodecError,
  type KeyType,
  type Payload,
  type Transaction,
} from '../../protocol/index.js';
import { goJson } from '../rpc/go-json.js';
import { judgeTransaction } from './signatures.js';

/** Who a transaction is from, once its signature was checked. */
export interface Sender {
  /** Compact identity, lower-case hex. */
  readonly key: string;
  readonly keyType: KeyType;
  /** Identity text for `@caller`. */
  readonly caller: string;
}

/** A transaction with what every node would compute again: its bytes, hash and, when valid, its sender. */
export interface ChainTx {
  readonly tx: Transaction;
  /** Lower-case hex of SHA-256 over `bytes`. */
  readonly hash: string;
  readonly bytes: Uint8Array;
}

export type SignatureCheck =
  { readonly ok: true; readonly sender: Sender } | { readonly ok: false; readonly reason: string };

export function chainTx(tx: Transaction): ChainTx {
  const bytes = encodeTx(tx);
  return { tx, bytes, hash: sha256Hex(bytes) };
}

/** Account name in maps: sender bytes and key type together. */
export const accountKey = (key: string, keyType: KeyType): string => `${keyType}:${key}`;

const CHECKS_MAX = 50_000;
const checks = new Map<string, SignatureCheck>();

/**
 * Signature check, remembered by hash: it costs some milliseconds, every node of every network in this process checks
 * the same bytes, and a hash covers the signature.
 */
export function checkSignature(tx: ChainTx): SignatureCheck {
  const known = checks.get(tx.hash);
  if (known) return known;
  const made = check(tx);
  if (checks.size >= CHECKS_MAX) for (const hash of [...checks.keys()].slice(0, CHECKS_MAX / 2)) checks.delete(hash);
  checks.set(tx.hash, made);
  return made;
}

function check({ tx }: ChainTx): SignatureCheck {
  const verdict = judgeTransaction(tx);
  if (!verdict.ok) return verdict;
  return { ok: true, sender: { key: verdict.key, keyType: verdict.keyType, caller: verdict.caller } };
}

/** Bytes that a node reads only when it executes the block, and dies of (reference 12.3 #3). */
export class FatalPayload extends Error {}

export type DecodedPayload =
  | { readonly ok: true; readonly payload: Payload }
  | { readonly ok: false; readonly code: number; readonly log: string };

/** Payload of a transaction in a block. Throws FatalPayload for a bool without its byte. */
export function payloadOf({ tx }: ChainTx): DecodedPayload {
  const body = tx.body!;
  let payload: Payload | null;
  try {
    payload = decodePayload(body.type, body.payload);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return { ok: false, code: 1, log: `ERROR: ${goDecodeError(body.payload, error)}` };
  }
  if (!payload) return { ok: false, code: 2, log: `ERROR: unknown payload type: ${body.type}` };
  const values =
    payload.kind === 'execute'
      ? payload.calls.flat()
      : payload.kind === 'raw_statement'
        ? payload.params.map(param => param.value)
        : [];
  for (const { type, elements } of values) {
    if (!/^bool(ean)?$/i.test(type.name)) continue;
    if (elements.some(element => element.length === 1 && element[0] === 1)) {
      throw new FatalPayload('runtime error: index out of range [0] with length 0');
    }
  }
  return { ok: true, payload };
}

/** The two texts a node gives for undecodable payloads: a version it does not know, or bytes that are not there. */
export function goDecodeError(payload: Uint8Array, error: CodecError): string {
  if (payload.length < 2) return payload.length === 0 ? 'EOF' : 'unexpected EOF';
  const version = payload[0]! | (payload[1]! << 8);
  return version !== 0 ? `unsupported version ${version}` : error.problem;
}

/** TX as nodes write it: absent parts are left out. */
export function txJson(tx: Transaction): string {
  const parts: string[] = [];
  if (tx.signature) {
    parts.push(`"signature":{"sig":"${base64(tx.signature.sig)}","type":${goJson(tx.signature.type)}}`);
  }
  if (tx.body) {
    const { desc, payload, type, fee, nonce, chainId } = tx.body;
    parts.push(
      `"body":{"desc":${goJson(desc)},"payload":"${base64(payload)}","type":${goJson(type)},` +
        `"fee":"${fee ?? 0n}","nonce":${nonce},"chain_id":${goJson(chainId)}}`,
    );
  }
  parts.push(`"serialization":${goJson(tx.serialization)}`, `"sender":"${Buffer.from(tx.sender).toString('hex')}"`);
  return `{${parts.join(',')}}`;
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
