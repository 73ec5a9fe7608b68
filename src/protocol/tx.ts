import { base64Of, bytesOfBase64, bytesOfHex, hexOf, utf8Bytes } from './bytes.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';
import { CodecError } from './errors.js';
import { sha256, sha256Hex } from './hash.js';
import { integerMember, jsonString, membersOf, parseJson, textMember, type JsonObject } from './json.js';

/** How the signed message is built: lines of text, or the hash of the binary body. */
export type Serialization = 'concat' | 'direct';

export interface TxSignature {
  readonly sig: Uint8Array;
  /** Auth type: `secp256k1_ep`, `ed25519`, `secp256k1`, or one that an extension brings. */
  readonly type: string;
}

export interface TxBody {
  readonly desc: string;
  readonly payload: Uint8Array;
  /** Payload type such as `execute`; unknown ones travel as well. */
  readonly type: string;
  /** null only in binary form; JSON without a fee means 0. */
  readonly fee: bigint | null;
  /** Unsigned 64 bit. */
  readonly nonce: bigint;
  /** Chain that the transaction is for; empty is accepted by every chain. */
  readonly chainId: string;
}

/** A transaction (reference 4.1, 4.3). Signature and body can be missing: such a one ends a real node. */
export interface Transaction {
  readonly signature: TxSignature | null;
  readonly body: TxBody | null;
  /** Kept as received: a node looks at it when it verifies, not when it admits. */
  readonly serialization: string;
  /** Compact identity of the auth type. */
  readonly sender: Uint8Array;
}

/** Most bytes of a description that nodes sign and verify. */
export const DESCRIPTION_BYTES_MAX = 200;
/** Most digits a fee can have in JSON. */
const FEE_DIGITS_MAX = 200;
const U64_MAX = 2n ** 64n - 1n;

/** Binary transaction; slices are views into the input. Accepts only what `encodeTx` would write. Throws CodecError. */
export function decodeTx(bytes: Uint8Array): Transaction {
  const reader = new Reader(bytes);
  reader.version('transaction');
  const signature = reader.compactNested();
  const body = reader.compactNested();
  const tx: Transaction = {
    signature: signature.remaining === 0 ? null : readSignature(signature),
    body: body.remaining === 0 ? null : readBody(body),
    serialization: reader.compactString(),
    sender: reader.compactBytes(),
  };
  reader.end('a transaction');
  return tx;
}

function readSignature(reader: Reader): TxSignature {
  const signature = { sig: reader.lengthPrefixed(), type: reader.compactString() };
  reader.end('a signature');
  return signature;
}

function readBody(reader: Reader): TxBody {
  const body: TxBody = {
    desc: reader.compactString(),
    payload: reader.compactBytes(),
    type: reader.compactString(),
    fee: reader.bigInt(),
    nonce: reader.u64(),
    chainId: reader.compactString(),
  };
  reader.end('a transaction body');
  return body;
}

/** The bytes that are hashed and kept in blocks. */
export function encodeTx(tx: Transaction): Uint8Array {
  const signature = tx.signature === null ? NOTHING : encodeSignature(tx.signature);
  const body = tx.body === null ? NOTHING : encodeTxBody(tx.body);
  return new Writer(signature.length + body.length + tx.sender.length + 64)
    .u16(0)
    .compactBytes(signature)
    .compactBytes(body)
    .compactString(tx.serialization)
    .compactBytes(tx.sender)
    .finish();
}

const NOTHING = new Uint8Array(0);

const encodeSignature = (signature: TxSignature): Uint8Array =>
  new Writer(128).lengthPrefixed(signature.sig).compactString(signature.type).finish();

export const encodeTxBody = (body: TxBody): Uint8Array =>
  new Writer(body.payload.length + 128)
    .compactString(body.desc)
    .compactBytes(body.payload)
    .compactString(body.type)
    .bigInt(body.fee)
    .u64(body.nonce)
    .compactString(body.chainId)
    .finish();

/** SHA-256 of the binary form, signature included: 64 hex digits. */
export const txHash = (tx: Transaction): string => sha256Hex(encodeTx(tx));

/**
 * What the signer signs (reference 4.4): for `concat` the UTF-8 lines, for `direct` the 32-byte hash of the binary body.
 * Throws CodecError for a transaction without body or with another serialization.
 */
export function signedMessage(tx: Pick<Transaction, 'body' | 'serialization'>): Uint8Array {
  if (tx.body === null) throw new CodecError('a transaction without body cannot be signed', 0);
  if (tx.serialization === 'concat') return utf8Bytes(signedText(tx));
  if (tx.serialization === 'direct') return sha256(encodeTxBody(tx.body));
  throw new CodecError('unknown serialization', 0);
}

/** The text of the `concat` form. */
export function signedText(tx: Pick<Transaction, 'body'>): string {
  if (tx.body === null) throw new CodecError('a transaction without body cannot be signed', 0);
  const { desc, type, payload, fee, nonce, chainId } = tx.body;
  const lines = [
    desc,
    '',
    `PayloadType: ${type}`,
    `PayloadDigest: ${shortDigest(payload)}`,
    `Fee: ${fee ?? 0n}`,
    `Nonce: ${nonce}`,
    '',
    `Kwil Chain ID: ${chainId}`,
  ];
  return lines.join('\n') + '\n';
}

/** First 20 bytes of SHA-256 in hex, as signed texts show payloads. */
export const shortDigest = (bytes: Uint8Array): string => sha256Hex(bytes).slice(0, 40);

/**
 * A transaction from its JSON form (text, bytes or an already parsed object), read exactly as a node reads it or refused:
 * doubled members and unusual spellings of known ones are errors, unknown members are ignored. Throws CodecError.
 */
export function decodeTxJson(json: string | Uint8Array | JsonObject): Transaction {
  const parsed = typeof json === 'string' || json instanceof Uint8Array ? parseJson(json) : json;
  const tx = membersOf(parsed, 'transaction', ['signature', 'body', 'serialization', 'sender']);
  const signature = tx.get('signature') ?? null;
  const body = tx.get('body') ?? null;
  return {
    signature: signature === null ? null : signatureOfJson(membersOf(signature, 'signature', ['sig', 'type'])),
    body: body === null ? null : bodyOfJson(membersOf(body, 'body', BODY_MEMBERS)),
    serialization: textMember(tx, 'serialization'),
    sender: bytesOfHex(textMember(tx, 'sender'), 'sender'),
  };
}

const BODY_MEMBERS = ['desc', 'payload', 'type', 'fee', 'nonce', 'chain_id'];

const signatureOfJson = (members: JsonObject): TxSignature => ({
  sig: bytesOfBase64(textMember(members, 'sig'), 'signature'),
  type: textMember(members, 'type'),
});

function bodyOfJson(members: JsonObject): TxBody {
  const nonce = integerMember(members, 'nonce');
  if (nonce < 0n || nonce > U64_MAX) throw new CodecError('nonce is out of range', 0);
  return {
    desc: textMember(members, 'desc'),
    payload: bytesOfBase64(textMember(members, 'payload'), 'payload'),
    type: textMember(members, 'type'),
    fee: feeOfText(textMember(members, 'fee')),
    nonce,
    chainId: textMember(members, 'chain_id'),
  };
}

function feeOfText(text: string): bigint {
  if (text === '') return 0n;
  if (text.length > FEE_DIGITS_MAX || !/^[+-]?[0-9]+$/.test(text))
    throw new CodecError('fee is not a decimal integer', 0);
  return BigInt(text.replace(/^\+/, ''));
}

/** JSON form with members in the order in which nodes write them. */
export function encodeTxJson(tx: Transaction): string {
  const { signature, body } = tx;
  const signatureJson =
    signature === null ? 'null' : `{"sig":"${base64Of(signature.sig)}","type":${jsonString(signature.type)}}`;
  const bodyJson =
    body === null
      ? 'null'
      : `{"desc":${jsonString(body.desc)},"payload":"${base64Of(body.payload)}","type":${jsonString(body.type)},` +
        `"fee":"${body.fee ?? 0n}","nonce":${body.nonce},"chain_id":${jsonString(body.chainId)}}`;
  return (
    `{"signature":${signatureJson},"body":${bodyJson},` +
    `"serialization":${jsonString(tx.serialization)},"sender":"${hexOf(tx.sender)}"}`
  );
}
