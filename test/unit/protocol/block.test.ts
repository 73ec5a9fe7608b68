import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blockHash,
  blockTxs,
  CodecError,
  decodeBlock,
  decodeParamUpdates,
  decodeParamUpdatesJson,
  durationNs,
  durationText,
  encodeBlock,
  encodeBlockHeader,
  encodeParamUpdates,
  encodeParamUpdatesJson,
  hexOf,
  merkleRoot,
  paramsHash,
  parseJson,
  sha256Hex,
  validatorSetHash,
  ZERO_HASH,
  type Block,
  type ParamUpdates,
} from '../../../src/protocol/index.js';
import { bytes, check, i64, safeHeight } from './property.js';

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(hexOf);
const key = fc.record({
  type: fc.constantFrom('secp256k1' as const, 'ed25519' as const),
  key: fc.uint8Array({ minLength: 32, maxLength: 33 }).map(hexOf),
});

const block: fc.Arbitrary<Block> = fc
  .record({
    header: fc.record({
      version: fc.constant(0),
      height: safeHeight,
      prevHash: hash,
      prevAppHash: hash,
      valsHash: hash,
      paramsHash: hash,
      stampMs: safeHeight,
      merkleRoot: hash,
      newLeader: fc.option(key, { nil: null }),
    }),
    signature: bytes(65),
    txs: fc.array(bytes(80), { maxLength: 5 }),
  })
  .map(({ header, signature, txs }) => ({ header: { ...header, txCount: txs.length }, signature, txs }));

describe('blocks', () => {
  it('come back as they were written, and nothing shorter or longer is taken', () => {
    check(block, value => {
      const encoded = encodeBlock(value);
      const read = decodeBlock(encoded);
      expect(read.header).toEqual(value.header);
      expect(hexOf(encodeBlock(read))).toBe(hexOf(encoded));
      expect(blockHash(read)).toBe(sha256Hex(encodeBlockHeader(value.header)));
      expect(() => decodeBlock(encoded.subarray(0, encoded.length - 1))).toThrow(CodecError);
      expect(() => decodeBlock(Buffer.concat([encoded, Buffer.of(0)]))).toThrow(CodecError);
    });
  });

  it('keep a transaction that cannot be read beside the others', () => {
    const [tx] = blockTxs({ header: {} as Block['header'], signature: Buffer.alloc(0), txs: [Buffer.of(1, 2, 3)] });
    expect(tx).toEqual({ hash: sha256Hex(Buffer.of(1, 2, 3)), tx: null });
  });

  it('that claim more transactions than they have are refused', () => {
    check(
      block,
      value => {
        const encoded = Buffer.from(encodeBlock(value));
        encoded.writeUInt32LE(0xffffffff, 10);
        expect(() => decodeBlock(encoded)).toThrow(CodecError);
      },
      50,
    );
    check(
      block,
      value => {
        expect(() => encodeBlock({ ...value, header: { ...value.header, txCount: value.txs.length + 1 } })).toThrow(
          CodecError,
        );
      },
      20,
    );
  });

  it('have a merkle root in which an odd one is paired with itself', () => {
    const [a, b, c] = ['aa', 'bb', 'cc'].map(byte => byte.repeat(32)) as [string, string, string];
    const pair = (left: string, right: string): string => sha256Hex(Buffer.from(left + right, 'hex'));
    expect(merkleRoot([])).toBe(ZERO_HASH);
    expect(merkleRoot([a])).toBe(a);
    expect(merkleRoot([a, b])).toBe(pair(a, b));
    expect(merkleRoot([a, b, c])).toBe(pair(pair(a, b), pair(c, c)));
  });
});

describe('parameters', () => {
  it('have the hashes of the reference', () => {
    const params = {
      leader: { type: 'secp256k1' as const, key: '02e09d7932def11d8272dd3b589df8b1cf7affb04150194fc228f817aebab2c9da' },
      maxBlockSize: 6291456n,
      joinExpiryNs: durationNs('168h'),
      disabledGasCosts: true,
      maxVotesPerTx: 200n,
      migrationStatus: 'NoActiveMigration',
      maaActivationHeight: null,
    };
    expect(paramsHash(params)).toBe('72018aca345b2a1e6aed6469c70e077230e45065314c905025d2308194b94ea8');
    expect(paramsHash({ ...params, maaActivationHeight: 0n })).not.toBe(paramsHash(params));
    expect([1, 2, 3].map(validatorSetHash)).toEqual([
      'af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc',
      '374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb',
      '9d908ecfb6b256def8b49a7c504e6c889c4b0e41fe6ce3e01863dd7b61a20aa0',
    ]);
  });

  it('changes come back as they were written, in binary and in JSON', () => {
    const updates = fc.record(
      {
        leader: key,
        maxBlockSize: i64,
        joinExpiryNs: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }),
        disabledGasCosts: fc.boolean(),
        maxVotesPerTx: i64,
        migrationStatus: fc.constantFrom('MigrationInProgress', 'NoActiveMigration'),
        maaActivationHeight: i64,
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<ParamUpdates>;
    check(updates, value => {
      expect(decodeParamUpdates(encodeParamUpdates(value))).toEqual(value);
      expect(decodeParamUpdatesJson(parseJson(encodeParamUpdatesJson(value)))).toEqual(value);
    });
  });

  it('changes in another order, of unknown names or of the wrong type are refused', () => {
    const swapped = Buffer.concat([
      Buffer.from([0, 0, 2, 0]),
      ...['max_votes_per_tx', 'max_block_size'].map(name =>
        Buffer.concat([Buffer.of(name.length, 0), Buffer.from(name), Buffer.alloc(8)]),
      ),
    ]);
    expect(() => decodeParamUpdates(swapped)).toThrow('order');
    expect(() => decodeParamUpdatesJson(parseJson('{"toString":1}'))).toThrow(CodecError);
    expect(() => decodeParamUpdatesJson(parseJson('{"max_block_size":"1"}'))).toThrow(CodecError);
  });

  it.each([
    ['168h0m0s', 604_800_000_000_000n],
    ['1h30m0.5s', 5_400_500_000_000n],
    ['1.5s', 1_500_000_000n],
    ['10ms', 10_000_000n],
    ['1.000001ms', 1_000_001n],
    ['2.5µs', 2_500n],
    ['7ns', 7n],
    ['-1m0s', -60_000_000_000n],
    ['0s', 0n],
  ])('a duration %s reads and writes as Go does', (text, ns) => {
    expect(durationNs(text)).toBe(ns);
    expect(durationText(ns)).toBe(text);
  });

  it.each(['', '1', 'h', '1d', '1h 2m', '--1s'])('%j is no duration', text => {
    expect(() => durationNs(text)).toThrow(CodecError);
  });
});
