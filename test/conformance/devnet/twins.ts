import {
  decodeTxJson,
  encodeTxJson,
  signTx,
  txHash,
  type Signer,
  type Transaction,
} from '../../../src/protocol/index.js';
import { testKey } from './keys.js';
import { isObject, jsonOf, recording, textOf, type Json, type JsonObject, type Recorded } from './recordings.js';

/*
 * The accounts of some recordings have keys that were not kept. Accounts of ours sign the same bodies instead, and every
 * hash, sender and signature of ours stands for the recorded one, in requests and in answers.
 */

export interface Twins {
  /** Recorded text and ours in its place; node keys are added to it by whoever starts the network. */
  readonly words: Map<string, string>;
  /** Our transaction with the body of the recorded one. */
  of(sender: string, nonce: number, chainId: string): Transaction;
  signerOf(sender: string): Signer;
  /** A recorded request in our words. */
  rewrite(one: Recorded): Recorded;
}

/** Twins of every transaction in these recordings; keys are test keys from 2 on, in the order of appearance. */
export function createTwins(files: readonly string[]): Twins {
  const signers = new Map<string, Signer>();
  const twins = new Map<string, Transaction>();
  const words = new Map<string, string>();
  for (const file of files) {
    for (const { request, answer } of recording(file)) {
      for (const text of [request.body.toString('utf8'), answer.body]) collect(jsonOf(text), add);
    }
  }

  function add(found: JsonObject): void {
    const recorded = decodeTxJson(JSON.stringify(found));
    const sender = textOf(found.sender ?? null);
    const name = nameOf(sender, Number(recorded.body!.nonce), recorded.body!.chainId);
    if (twins.has(name)) return;
    const signer = signers.get(sender) ?? testKey(signers.size + 2);
    signers.set(sender, signer);
    const twin = signTx(recorded.body!, signer);
    twins.set(name, twin);
    words.set(sender, hex(signer.sender));
    words.set(txHash(recorded), txHash(twin));
    words.set(signatureIn(found), signatureIn(jsonOf(encodeTxJson(twin)) as JsonObject));
  }

  return {
    words,
    of(sender, nonce, chainId) {
      const twin = twins.get(nameOf(sender, nonce, chainId));
      if (!twin) throw new Error(`no recorded transaction ${nonce} of ${sender} for ${chainId}`);
      return twin;
    },
    signerOf: sender => signers.get(sender)!,
    rewrite(one) {
      let text = one.request.body.toString('utf8');
      for (const [recorded, ours] of words) text = text.replaceAll(recorded, ours);
      return { ...one, request: { ...one.request, body: Buffer.from(text) } };
    },
  };
}

const nameOf = (sender: string, nonce: number, chainId: string): string => `${sender} ${nonce} ${chainId}`;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const signatureIn = ({ signature }: JsonObject): string => textOf((signature as JsonObject).sig ?? null);

function collect(value: Json | undefined, found: (tx: JsonObject) => void): void {
  if (Array.isArray(value)) value.forEach(one => collect(one, found));
  if (!isObject(value)) return;
  if (isObject(value.signature) && isObject(value.body) && typeof value.sender === 'string') return found(value);
  for (const member of Object.values(value)) collect(member, found);
}
