import { describe, expect, it } from 'vitest';
import {
  blockTxs,
  CodecError,
  createChangesetReader,
  decodeBlock,
  decodeCall,
  decodeCallResult,
  decodeColumnData,
  decodeElements,
  decodeMigrationMetadata,
  decodePayload,
  decodeQueryResult,
  decodeTx,
  decodeTxJson,
  decodeValue,
  encodeBlock,
  encodeElements,
  encodePayload,
  encodeTx,
  restoreId,
  scanBatch,
  scanBroadcast,
  scanEnvelope,
  verifyTx,
} from '../../src/protocol/index.js';
import { bodyBytes, changesetFiles, exchangeFiles, exchanges, goldenBytes, txVectors } from '../support/golden.js';
import { dice, SEED, type Dice } from '../unit/protocol/property.js';

/*
 * The recordings, cut short and with bytes changed: every decoder answers with a value that encodes to the same bytes or
 * with a CodecError, never with anything else, and reads nothing beyond its input.
 */

const REPEAT = `repeat with PROTOCOL_SEED=${SEED}`;

/** The input cut at `cuts` places and changed `flips` times. */
function* variants(d: Dice, bytes: Buffer, cuts: number, flips: number): Generator<Buffer> {
  for (let i = 0; i < cuts; i++) yield bytes.subarray(0, d.next(bytes.length));
  for (let i = 0; i < flips; i++) {
    const changed = Buffer.from(bytes);
    for (let n = 1 + d.next(3); n > 0; n--) {
      const at = d.next(changed.length);
      switch (d.next(4)) {
        case 0:
          changed[at] = changed[at]! ^ (1 << d.next(8));
          break;
        case 1:
          changed[at] = d.pick([0, 1, 0x7f, 0x80, 0xff]);
          break;
        case 2:
          changed.fill(0xff, at, Math.min(changed.length, at + 4));
          break;
        default:
          changed.copyWithin(at, d.next(changed.length));
      }
    }
    yield changed;
  }
}

/** Runs a decoder; a refusal must be a CodecError whose offset lies within the input. */
function tolerates<T>(input: Uint8Array, decode: (input: Uint8Array) => T): T | null {
  let refusal: CodecError;
  try {
    return decode(input);
  } catch (error) {
    if (!(error instanceof CodecError)) throw new Error(`${REPEAT}: ${String(error)}`, { cause: error });
    refusal = error;
  }
  expect(refusal.offset >= 0 && refusal.offset <= input.length, `${REPEAT}: offset ${refusal.offset}`).toBe(true);
  return null;
}

const same = (a: Uint8Array, b: Uint8Array, what: string): void => {
  if (!Buffer.from(a).equals(b)) throw new Error(`${REPEAT}: ${what} is accepted but encodes differently`);
};

describe(`damaged recordings (seed ${SEED})`, () => {
  it('transactions and payloads', () => {
    const d = dice(SEED);
    let refused = 0;
    for (const vector of txVectors())
      for (const input of variants(d, Buffer.from(vector.raw_hex, 'hex'), 20, 40)) {
        const tx = tolerates(input, decodeTx);
        if (tx === null) {
          refused++;
          continue;
        }
        same(encodeTx(tx), input, 'a transaction');
        if (tx.body === null) continue;
        const { type, payload } = tx.body;
        const decoded = tolerates(payload, bytes => decodePayload(type, bytes));
        if (decoded === null) continue;
        same(encodePayload(decoded), payload, 'a payload');
        if (decoded.kind === 'execute')
          for (const value of decoded.calls.flat()) tolerates(input, () => decodeValue(value));
      }
    expect(refused).toBeGreaterThan(1_000);
  });

  it('signatures that were damaged are refused, not thrown at', () => {
    const d = dice(SEED + 1);
    for (const vector of txVectors().slice(0, 20))
      for (const input of variants(d, Buffer.from(vector.raw_hex, 'hex'), 0, 5)) {
        const tx = tolerates(input, decodeTx);
        if (tx !== null) verifyTx(tx);
      }
  });

  it('blocks', () => {
    const d = dice(SEED + 2);
    for (const file of ['blocks/old.jsonl', 'blocks/new.jsonl', 'blocks/validators.jsonl'])
      for (const line of exchanges(file)) {
        if (line.name !== 'chain.block raw' || line.response.status !== 200) continue;
        const { result } = JSON.parse(line.response.body!) as { result: { raw_block: string } };
        for (const input of variants(d, Buffer.from(result.raw_block, 'base64'), 5, 10)) {
          const block = tolerates(input, decodeBlock);
          if (block === null) continue;
          same(encodeBlock(block), input, 'a block');
          blockTxs(block);
        }
      }
  });

  it('changesets, whole and in pieces', () => {
    const d = dice(SEED + 3);
    for (const file of changesetFiles()) {
      const bytes = goldenBytes(file);
      const few = bytes.length > 50_000;
      for (const input of variants(d, bytes, few ? 2 : 8, few ? 2 : 16)) {
        const elements = tolerates(input, decodeElements);
        if (elements === null) continue;
        same(encodeElements(elements), input, 'a changeset');
        const relations = elements.filter(element => element.kind === 'relation');
        for (const element of elements) {
          if (element.kind !== 'row') continue;
          for (const [i, value] of element.new.entries()) {
            const type = relations[element.relation]?.columns?.[i]?.type;
            if (type !== undefined && value.kind === 2) tolerates(value.data!, data => decodeColumnData(type, data));
          }
        }
      }
      const reader = createChangesetReader({ elementBytesMax: 2_000_000 });
      tolerates(bytes, () => {
        for (let at = 0; at < bytes.length; at += 4_099) {
          reader.push(Buffer.from(bytes.subarray(at, at + 4_099)).fill(d.next(256), d.next(4_099) % 4_000, d.next(4)));
          expect(reader.pending).toBeLessThanOrEqual(2_000_005);
        }
      });
    }
  });

  it('requests and answers', () => {
    const d = dice(SEED + 4);
    const decoders: ((input: Uint8Array) => unknown)[] = [
      decodeQueryResult,
      decodeCallResult,
      decodeTxJson,
      decodeMigrationMetadata,
      decodeCall,
    ];
    for (const file of exchangeFiles().filter(name => name.startsWith('rpc/')))
      for (const line of exchanges(file)) {
        const request = bodyBytes(line.request);
        const answer = bodyBytes(line.response);
        if (request !== null && request.length > 0 && request.length < 20_000)
          for (const input of variants(d, request, 2, 4)) {
            const scan = scanEnvelope(input);
            scanBatch(input);
            if (scan.ok) scanBroadcast(input, scan.params);
          }
        if (answer !== null && answer.length > 0 && answer.length < 20_000)
          for (const input of variants(d, answer, 1, 2)) {
            restoreId(input, 1, Buffer.from('7'));
            tolerates(input, d.pick(decoders));
          }
      }
  });
});
