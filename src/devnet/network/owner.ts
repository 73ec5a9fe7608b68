import { createSigner, type Signer } from '../../protocol/index.js';

/** Wallet signer of a private key in hex: how applications sign. */
export const walletSigner = (privateKey: string): Signer => createSigner({ type: 'secp256k1_ep', privateKey });

/** Identity text of the key's Ethereum account: `db_owner`. */
export const ownerIdentity = (privateKey: string): string => walletSigner(privateKey).caller;
