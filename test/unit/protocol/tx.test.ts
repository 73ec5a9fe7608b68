import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodecError,
  decodePayload,
  decodeTx,
  decodeTxJson,
  encodePayload,
  encodeTx,
  encodeTxBody,
  encodeTxJson,
  hexOf,
  sha256Hex,
  signedText,
  txHash,
  verifyTx,
  type Transaction,
} from '../../../src/protocol/index.js';
import { amount, bytes, check, text, u64 } from './property.js';

/** The transaction of reference 4.1 and 11.1. */
const EXAMPLE =
  '{"signature":{"sig":"tyq2Z25lwgO4vfSTdzdEzt+WQ398DsxZeJEwy9XhlmlROE+pd0Pu3P26k4uWA686lUF6l/1Z6zGJnhtiIK/brBw=","type":"secp256k1_ep"},' +
  '"body":{"desc":"","payload":"AAAEAAAAbWFpbgMAAABhY3QBAAEAJAAAAAAADwAAAAAAAAAABGludDgAAAEAAAEACQAAAAEAAAAAAAAAAQ==","type":"execute","fee":"0","nonce":1,"chain_id":"c1"},' +
  '"serialization":"concat","sender":"19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"}';

export const transaction: fc.Arbitrary<Transaction> = fc.record({
  signature: fc.option(fc.record({ sig: bytes(70), type: text(16) }), { nil: null }),
  body: fc.option(
    fc.record({
      desc: text(),
      payload: bytes(200),
      type: text(16),
      fee: fc.option(amount, { nil: null }),
      nonce: u64,
      chainId: text(16),
    }),
    { nil: null },
  ),
  serialization: fc.constantFrom('concat', 'direct', ''),
  sender: bytes(33),
});

describe('the example transaction of the reference', () => {
  const tx = decodeTxJson(EXAMPLE);

  it('has its signed text, sizes and hashes', () => {
    expect(signedText(tx)).toBe(
      '\n\nPayloadType: execute\nPayloadDigest: 4663c32226ae1cddb6170d4be268f28dc313ce28\nFee: 0\nNonce: 1\n\nKwil Chain ID: c1\n',
    );
    expect(tx.body!.payload).toHaveLength(61);
    expect(encodeTxBody(tx.body!)).toHaveLength(85);
    expect(sha256Hex(encodeTxBody(tx.body!))).toBe('bafaa092d78af1a135bcf8431a66ec788f0cb9d3b793985499967bfb7f89f326');
    expect(encodeTx(tx)).toHaveLength(198);
    expect(txHash(tx)).toBe('bd957bec1cde48cf35906546527ff081aa9fafd1110b1080d943b3bb20038a24');
  });

  it('is signed by its sender and written back to the same text', () => {
    expect(verifyTx(tx)).toMatchObject({ ok: true, caller: '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A' });
    expect(encodeTxJson(tx)).toBe(EXAMPLE);
  });

  it('calls main.act(1)', () => {
    const payload = decodePayload('execute', tx.body!.payload)!;
    expect(payload).toMatchObject({ kind: 'execute', namespace: 'main', action: 'act' });
    expect(hexOf(encodePayload(payload))).toBe(hexOf(tx.body!.payload));
  });
});

describe('transactions', () => {
  it('survive binary and JSON', () => {
    check(transaction, tx => {
      // An empty signature or body has no form of its own: nodes read it as absent.
      const binary = encodeTx(tx);
      expect(hexOf(encodeTx(decodeTx(binary)))).toBe(hexOf(binary));
      const json = encodeTxJson(tx);
      expect(encodeTxJson(decodeTxJson(json))).toBe(json);
      if (tx.body?.fee !== null) expect(txHash(decodeTxJson(json))).toBe(sha256Hex(binary));
    });
  });

  it('are accepted in binary only in the form in which they are written', () => {
    check(
      fc.tuple(transaction, fc.nat(), fc.integer({ min: 0, max: 255 })),
      ([tx, at, byte]) => {
        const changed = Buffer.from(encodeTx(tx));
        changed[at % changed.length] = byte;
        try {
          expect(hexOf(encodeTx(decodeTx(changed)))).toBe(hexOf(changed));
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      },
      2_000,
    );
  });

  it('keep nonces and fees beyond 2^53', () => {
    const json = EXAMPLE.replace('"nonce":1', '"nonce":18446744073709551615').replace(
      '"fee":"0"',
      '"fee":"123456789012345678901234567890"',
    );
    const { body } = decodeTxJson(json);
    expect(body).toMatchObject({ nonce: 18446744073709551615n, fee: 123456789012345678901234567890n });
  });

  it.each([
    ['a fraction as nonce', '"nonce":1', '"nonce":1.0'],
    ['a nonce beyond 64 bits', '"nonce":1', '"nonce":18446744073709551616'],
    ['a negative nonce', '"nonce":1', '"nonce":-1'],
    ['a quoted nonce', '"nonce":1', '"nonce":"1"'],
    ['a number as fee', '"fee":"0"', '"fee":0'],
    ['a fraction as fee', '"fee":"0"', '"fee":"0.5"'],
    ['a doubled member', '"nonce":1', '"nonce":1,"nonce":1'],
    ['a member in another spelling', '"nonce":1', '"nonce":1,"Nonce":2'],
    ['bad base64', '"payload":"AAAE', '"payload":"A*AE'],
    ['a 0x sender', '"sender":"19', '"sender":"0x'],
    ['an array as body', '"desc":""', '"desc":[]'],
  ])('with %s are refused', (_name, from, to) => {
    expect(EXAMPLE).toContain(from);
    expect(() => decodeTxJson(EXAMPLE.replace(from, to))).toThrow(CodecError);
  });

  it('take null, absence and the empty text as nothing, as nodes do', () => {
    expect(decodeTxJson('{}')).toEqual({ signature: null, body: null, serialization: '', sender: Buffer.alloc(0) });
    expect(decodeTxJson(EXAMPLE.replace('"fee":"0"', '"fee":""')).body!.fee).toBe(0n);
    expect(decodeTxJson(EXAMPLE.replace('"fee":"0",', '')).body!.fee).toBe(0n);
    expect(txHash(decodeTxJson(EXAMPLE.replace('"fee":"0"', '"fee":null,"unknown":[1]')))).toBe(
      txHash(decodeTxJson(EXAMPLE)),
    );
  });
});
