import { createHash } from 'node:crypto';
import { createSigner, hexOf, type Signer } from '../protocol/index.js';

/** The key of a node: it signs blocks, votes and its own transactions. */
export interface NodeKey {
  /** Compressed public key, lower-case hex. */
  readonly publicKey: string;
  readonly privateKey: Uint8Array;
  readonly signer: Signer;
  /** 65 bytes R‖S‖V over SHA-256 of the message, as `secp256k1` signatures are on Kwil's wire. Deterministic. */
  sign(message: Uint8Array): Uint8Array;
}

/** Same seed, network and index: same key. */
export function deriveNodeKey(seed: string, network: string, index: number): NodeKey {
  const privateKey = createHash('sha256').update(`switchyard devnet node key\n${seed}\n${network}\n${index}`).digest();
  return nodeKeyOf(privateKey);
}

export function nodeKeyOf(privateKey: Uint8Array): NodeKey {
  const signer = createSigner({ type: 'secp256k1', privateKey });
  return {
    publicKey: hexOf(signer.sender),
    privateKey,
    signer,
    sign: message => signer.sign(message),
  };
}
