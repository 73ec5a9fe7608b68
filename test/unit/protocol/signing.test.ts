import { computeAddress, verifyMessage as ethersVerify, Wallet } from 'ethers';
import { describe, expect, it } from 'vitest';
import {
  AUTH_TYPES,
  callerText,
  CodecError,
  createSigner,
  decodeTx,
  encodeTx,
  hexOf,
  keyTypeOfAuth,
  signedText,
  signTx,
  utf8Bytes,
  verifyMessage,
  verifyTx,
  type TxBody,
} from '../../../src/protocol/index.js';

/** K1 of the recordings: public on purpose. */
const K1 = '11'.repeat(32);
const body: TxBody = {
  desc: 'hello',
  payload: Buffer.from('0000', 'hex'),
  type: 'execute',
  fee: 0n,
  nonce: 7n,
  chainId: 'old-net',
};

describe('signatures', () => {
  it('of a wallet are those of ethers, bit for bit', async () => {
    const wallet = new Wallet(`0x${K1}`);
    const signer = createSigner({ type: 'secp256k1_ep', privateKey: K1 });
    expect(signer.caller).toBe(computeAddress(`0x${K1}`));
    expect(hexOf(signer.sender)).toBe('19e7e376e7c213b7e7e7e46cc70a5dd086daff2a');
    for (const text of ['', 'x', 'ß'.repeat(300)]) {
      const signature = `0x${hexOf(signer.sign(utf8Bytes(text)))}`;
      expect(signature).toBe(await wallet.signMessage(text));
      expect(ethersVerify(text, signature)).toBe(signer.caller);
    }
  });

  it.each(AUTH_TYPES)('%s: a signed transaction verifies, in both serializations and after a round trip', type => {
    const signer = createSigner({ type, privateKey: K1 });
    for (const serialization of ['concat', 'direct'] as const) {
      const tx = signTx(body, signer, serialization);
      expect(tx).toEqual(signTx(body, signer, serialization));
      const verdict = verifyTx(decodeTx(encodeTx(tx)));
      expect(verdict).toMatchObject({ ok: true, caller: signer.caller });
      expect(verdict.ok && hexOf(verdict.account.identifier)).toBe(hexOf(signer.sender));
      expect(verdict.ok && verdict.account.keyType).toBe(keyTypeOfAuth(type));
    }
  });

  it.each(AUTH_TYPES)('%s: any change makes it invalid, without an exception', type => {
    const signer = createSigner({ type, privateKey: K1 });
    const tx = signTx(body, signer);
    const sig = tx.signature!.sig;
    const flipped = Buffer.from(sig);
    flipped[5]! ^= 1;
    const changed = [
      { ...tx, body: { ...body, nonce: 8n } },
      { ...tx, body: { ...body, chainId: 'new-net' } },
      { ...tx, body: { ...body, desc: 'x'.repeat(201) } },
      { ...tx, serialization: 'direct' },
      { ...tx, serialization: '' },
      { ...tx, sender: createSigner({ type, privateKey: '22'.repeat(32) }).sender },
      { ...tx, sender: Buffer.alloc(0) },
      { ...tx, signature: null },
      { ...tx, body: null },
      { ...tx, signature: { type, sig: flipped } },
      { ...tx, signature: { type, sig: sig.subarray(1) } },
      { ...tx, signature: { type, sig: Buffer.alloc(sig.length) } },
      { ...tx, signature: { type, sig: Buffer.alloc(sig.length, 0xff) } },
      { ...tx, signature: { type, sig: Buffer.alloc(0) } },
      { ...tx, signature: { type: 'nope', sig } },
    ];
    for (const bad of changed) expect(verifyTx(bad).ok).toBe(false);
  });

  it('of wallets may carry 0 and 1 or 27 and 28 as recovery byte', () => {
    const signer = createSigner({ type: 'secp256k1_ep', privateKey: K1 });
    const message = utf8Bytes(signedText({ body }));
    const sig = Buffer.from(signer.sign(message));
    sig[64]! -= 27;
    expect(verifyMessage('secp256k1_ep', signer.sender, message, sig).ok).toBe(true);
  });

  it('callers are shown as networks show them', () => {
    expect(callerText('secp256k1_ep', Buffer.from('19e7e376e7c213b7e7e7e46cc70a5dd086daff2a', 'hex'))).toBe(
      '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A',
    );
    expect(callerText('secp256k1_ep', Buffer.alloc(33))).toBeNull();
    expect(callerText('ed25519_nr', Buffer.alloc(32))).toBeNull();
  });

  it('need a possible key', () => {
    for (const privateKey of ['', '00'.repeat(32), 'ff'.repeat(32), 'zz', '11'.repeat(31)])
      expect(() => createSigner({ type: 'secp256k1', privateKey })).toThrow(CodecError);
  });
});
