import { base64Of, bytesOfBase64, bytesOfHex, hexOf } from './bytes.js';
import { membersOf, parseJson, jsonString, textMember, type JsonObject } from './json.js';
import { encodePayload, type CallPayload, type NamedValue } from './payloads.js';
import { shortDigest } from './tx.js';

/** Message of `user.call` (reference 4.11). */
export interface CallMessage {
  /** Binary `CallPayload`. */
  readonly payload: Uint8Array;
  /** 32 bytes in private mode; null without one. */
  readonly challenge: Uint8Array | null;
  readonly authType: string;
  /** Empty for an anonymous call. */
  readonly sender: Uint8Array;
  /** Empty in open mode. */
  readonly signature: Uint8Array;
}

/** Bytes in a challenge. */
export const CHALLENGE_BYTES = 32;

/** `params` of `user.call`. A missing `body` ends in a crash of the node's handler and is refused. Throws CodecError. */
export function decodeCallMessage(json: string | Uint8Array | JsonObject): CallMessage {
  const parsed = typeof json === 'string' || json instanceof Uint8Array ? parseJson(json) : json;
  const params = membersOf(parsed, 'call', ['body', 'auth_type', 'sender', 'signature']);
  const body = membersOf(params.get('body'), 'body', ['payload', 'challenge']);
  const challenge = textMember(body, 'challenge');
  return {
    payload: bytesOfBase64(textMember(body, 'payload'), 'payload'),
    challenge: challenge === '' ? null : bytesOfBase64(challenge, 'challenge'),
    authType: textMember(params, 'auth_type'),
    sender: bytesOfHex(textMember(params, 'sender'), 'sender'),
    signature: bytesOfBase64(textMember(params, 'signature'), 'signature'),
  };
}

export function encodeCallMessage(message: CallMessage): string {
  const challenge = message.challenge === null ? '' : `,"challenge":"${base64Of(message.challenge)}"`;
  return (
    `{"body":{"payload":"${base64Of(message.payload)}"${challenge}},"auth_type":${jsonString(message.authType)},` +
    `"sender":"${hexOf(message.sender)}","signature":"${base64Of(message.signature)}"}`
  );
}

/** Text that a caller signs in private mode. `payload` is the binary form of `call`. */
export const signedCallText = (call: CallPayload, payload: Uint8Array, challenge: Uint8Array): string =>
  [
    'Kwil view call.',
    '',
    `Namespace: ${call.namespace}`,
    `Method: ${call.action}`,
    `Digest: ${shortDigest(payload)}`,
    `Challenge: ${hexOf(challenge)}`,
    '',
  ].join('\n');

/** Text that is signed for `user.authenticated_query`. */
export const signedQueryText = (statement: string, params: readonly NamedValue[], challenge: Uint8Array): string =>
  [
    'Kwil SQL statement.',
    '',
    `Statement: ${statement}`,
    `Digest: ${shortDigest(encodePayload({ kind: 'raw_statement', statement, params }))}`,
    `Challenge: ${hexOf(challenge)}`,
    '',
  ].join('\n');
