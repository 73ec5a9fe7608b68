import { createHash } from 'node:crypto';
import type { AttemptRecord, Outcome } from '../../../src/devnet/demo/load/records.js';
import { NAMESPACE } from '../../../src/devnet/demo/schema.js';
import type { Operation } from '../../../src/devnet/demo/workload.js';
import {
  createSigner,
  encodePayload,
  encodeTxJson,
  int8Value,
  signTx,
  textValue,
} from '../../../src/protocol/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import type { Pair } from '../../support/pair.js';

/**
 * Writes at moments that a story chooses: signed for the old network, never signed again, each by an account of its own, so that
 * none waits for another one's nonce. What the load does is luck; these are there when a broken gateway would let them through.
 */
export interface DirectedWrites {
  /** Answered or cut off when it resolves; never rejects. */
  send(): Promise<AttemptRecord>;
  /** One write each `everyMs` until the returned function is called, whatever becomes of the ones before. */
  keepSending(everyMs: number): () => void;
  /** Every attempt so far, once all of them have an answer. */
  attempts(): Promise<readonly AttemptRecord[]>;
}

/** Writer numbers of the load are small; keys of rows are made of them. */
const OWNER = 90_000;
const ANSWER_MS = 20_000;

export function createDirectedWrites(pair: Pair, seed: number): DirectedWrites {
  const all: Promise<AttemptRecord>[] = [];
  const send = (): Promise<AttemptRecord> => {
    const attempt = sendOne(pair, seed, all.length + 1);
    all.push(attempt);
    return attempt;
  };
  return {
    send,
    keepSending(everyMs) {
      let isOver = false;
      void (async () => {
        while (!isOver) {
          void send();
          await sleep(systemClock, everyMs);
        }
      })();
      return () => void (isOver = true);
    },
    attempts: () => Promise.all(all),
  };
}

interface Answer {
  readonly result?: { readonly tx_hash: string };
  readonly error?: {
    readonly data?: { readonly executed?: string; readonly reason?: string; readonly txHash?: string };
  };
}

async function sendOne(pair: Pair, seed: number, number: number): Promise<AttemptRecord> {
  const operation: Operation = { action: 'same_item', op: `w${OWNER}-${number}`, id: 0, owner: OWNER };
  const privateKey = createHash('sha256').update(`switchyard torture writer ${seed} ${number}`).digest();
  const tx = signTx(
    {
      desc: '',
      payload: encodePayload({
        kind: 'execute',
        namespace: NAMESPACE,
        action: operation.action,
        calls: [[textValue(operation.op), int8Value(0n), int8Value(BigInt(OWNER))]],
      }),
      type: 'execute',
      fee: 0n,
      nonce: 1n,
      chainId: pair.oldChainId,
    },
    createSigner({ type: 'secp256k1', privateKey }),
  );
  const sentAt = Date.now();
  const noted = (outcome: Outcome, hash: string | null, reason: string | null): AttemptRecord => ({
    operation,
    outcome,
    chainId: pair.oldChainId,
    hash,
    // Without waiting for a block: acknowledged means that it must be on a chain in the end, not how it ended.
    acknowledged: reason === null,
    sentAt,
    answeredAt: Date.now(),
    reason,
  });
  try {
    const response = await fetch(`${pair.gateway.url}/rpc/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"jsonrpc":"2.0","id":${number},"method":"user.broadcast","params":{"tx":${encodeTxJson(tx)},"sync":0}}`,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const { result, error } = (await response.json()) as Answer;
    if (result !== undefined) return noted('unknown', result.tx_hash, null);
    const data = error?.data;
    return noted(data?.executed === 'no' ? 'refused' : 'unknown', data?.txHash ?? null, data?.reason ?? 'an error');
  } catch (error) {
    const isRefused = (error as { cause?: { code?: string } }).cause?.code === 'ECONNREFUSED';
    return noted(isRefused ? 'refused' : 'unknown', null, 'no answer');
  }
}
