import type { Chain } from './chain.js';
import { compareAnswers, type Difference } from './compare.js';
import {
  isBroadcast,
  isObject,
  recording,
  resultOf,
  type Answer,
  type JsonObject,
  type Recorded,
} from './recordings.js';
import { decodeTxJson, txHash } from '../../../src/protocol/index.js';

export interface Outcome {
  readonly recorded: Recorded;
  readonly ours: Answer;
  readonly differences: readonly Difference[];
}

export interface ReplayOptions {
  /** Only these exchanges of the file. */
  readonly only?: (recorded: Recorded) => boolean;
  /** Recorded node keys and ids, and what stands for them here. */
  readonly identities?: ReadonlyMap<string, string>;
  /** Heights of transactions on the recorded network, by hash. */
  readonly heights?: ReadonlyMap<string, number>;
  /** Changes a request that cannot be sent as it was, such as one that is signed by a node's key. */
  readonly rewrite?: (recorded: Recorded) => Recorded;
}

/**
 * Sends the requests of a recording in their order to the chain's first node and compares the answers. The chain is
 * brought to the recorded head before each request that shows it, and a transaction gets into the block that carried it.
 */
export async function replay(chain: Chain, file: string, options: ReplayOptions = {}): Promise<Outcome[]> {
  const all = recording(file).filter(options.only ?? (() => true));
  const outcomes: Outcome[] = [];
  for (const original of all) outcomes.push(await replayOne(chain, options.rewrite?.(original) ?? original, options));
  return outcomes;
}

/** One request of a recording, in its turn. */
export async function replayOne(chain: Chain, one: Recorded, options: ReplayOptions = {}): Promise<Outcome> {
  if (one.head !== null) await chain.advanceTo(one.head);
  for (const tx of pendingIn(one)) await chain.submit(decodeTxJson(JSON.stringify(tx)));
  await settleNonce(chain, one);
  const ours = await answerOf(chain, one, options.heights);
  const differences = compareAnswers(one.answer, ours, {
    method: one.call?.method ?? '',
    identities: options.identities ?? new Map(),
  });
  return { recorded: one, ours, differences };
}

async function answerOf(chain: Chain, one: Recorded, heights: ReplayOptions['heights']): Promise<Answer> {
  if (!isBroadcast(one)) return chain.request(one.request);
  const height = heights?.get(hashOf(one) ?? '');
  if (height !== undefined) await chain.advanceTo(height - 1);
  const sent = chain.request(one.request);
  return one.call!.params.sync === 1 ? chain.whileMaking(sent) : sent;
}

/** An account answer that counts a transaction which still waits here: the recorded client had waited for its block. */
async function settleNonce(chain: Chain, one: Recorded): Promise<void> {
  if (one.call?.method !== 'user.account') return;
  const recorded = Number(resultOf(one.answer)?.nonce ?? 0);
  const ours = Number(resultOf(await chain.request(one.request))?.nonce ?? 0);
  if (recorded > ours && chain.network.nodes[0]!.mempoolSize() > 0) await chain.advanceTo(chain.head() + 1);
}

/** Hash of the transaction in a broadcast; undefined for one that cannot be decoded. */
function hashOf(one: Recorded): string | undefined {
  try {
    return txHash(decodeTxJson(JSON.stringify(one.call!.params.tx)));
  } catch {
    return undefined;
  }
}

/** Transactions that the recorded node had in its mempool. */
function pendingIn(one: Recorded): JsonObject[] {
  if (one.call?.method !== 'chain.unconfirmed_txs') return [];
  const txs = resultOf(one.answer)?.txs;
  return (Array.isArray(txs) ? txs : []).flatMap(entry => (isObject(entry) && isObject(entry.tx) ? [entry.tx] : []));
}
