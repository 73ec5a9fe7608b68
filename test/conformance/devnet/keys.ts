import {
  createSigner,
  encodePayload,
  signTx,
  type EncodedValue,
  type Payload,
  type Signer,
  type Transaction,
} from '../../../src/protocol/index.js';

/** Public test keys of the recordings: K1 is the byte 11 × 32 (owner of every network), K2 is 22 × 32, and so on. */
export const testKey = (number: number): Signer =>
  createSigner({ type: 'secp256k1_ep', privateKey: `${number}${number}`.repeat(32) });

/** The same key in Kwil's Go client, which writes the recovery byte as 0 or 1. */
export function goKey(number: number): Signer {
  const wallet = testKey(number);
  return {
    ...wallet,
    sign(message) {
      const signature = Uint8Array.from(wallet.sign(message));
      signature[64]! -= 27;
      return signature;
    },
  };
}

export function signed(signer: Signer, chainId: string, nonce: number, payload: Payload, fee = 0n): Transaction {
  const body = { desc: '', payload: encodePayload(payload), type: payload.kind, fee, nonce: BigInt(nonce), chainId };
  return signTx(body, signer);
}

export const executes = (namespace: string, action: string, ...args: readonly EncodedValue[]): Payload => ({
  kind: 'execute',
  namespace,
  action,
  calls: [args],
});

export const states = (statement: string): Payload => ({ kind: 'raw_statement', statement, params: [] });
