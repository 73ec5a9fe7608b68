import { LRUCache } from 'lru-cache';
import type { NetworkName, NodeRef, TxHash } from '../model/index.js';
import { bufferOf } from '../protocol/index.js';
import type { AnswersPort } from './ports.js';

/** What the request path remembers beside the ledger; all of it bounded, none of it needed for correctness. */
export interface Memory {
  /** Node that issued a challenge (64 hex digits), within the challenge's life. */
  issuer(challenge: string): NodeRef | null;
  issued(challenge: string, node: NodeRef): void;
  /** Challenges of a node that a client may still come back with. */
  outstanding(node: NodeRef): number;
  /** A challenge works once, also when the call fails. */
  used(challenge: string): void;
  /** Final answer about a hash, as the node gave it: outlives the network it came from. */
  answer(method: string, hash: TxHash): { readonly network: NetworkName; readonly body: Buffer } | null;
  keep(method: string, hash: TxHash, network: NetworkName, body: Buffer): void;
  /** Network where a hash was found. */
  network(hash: TxHash): NetworkName | null;
}

const CHALLENGES_MAX = 50_000;
/** Longer than the node's default of 30 s: it knows best what has expired. */
const CHALLENGE_MS = 60_000;
const ANSWERS_BYTES_MAX = 64 * 1024 * 1024;
const ANSWER_BYTES_MAX = 1024 * 1024;

/** @param store what outlives a restart; asked when memory does not know. */
export function createMemory(store?: AnswersPort): Memory {
  const challenges = new LRUCache<string, NodeRef>({ max: CHALLENGES_MAX, ttl: CHALLENGE_MS });
  const answers = new LRUCache<string, { network: NetworkName; body: Buffer }>({
    maxSize: ANSWERS_BYTES_MAX,
    sizeCalculation: ({ body }) => body.length + 256,
  });
  function answer(method: string, hash: TxHash): { network: NetworkName; body: Buffer } | null {
    const known = answers.get(`${method} ${hash}`);
    if (known !== undefined) return known;
    const stored = store?.get(method, hash) ?? null;
    if (stored !== null) answers.set(`${method} ${hash}`, stored);
    return stored;
  }

  return {
    issuer: challenge => challenges.get(challenge) ?? null,
    issued: (challenge, node) => void challenges.set(challenge, node),
    outstanding: ({ network, name }) =>
      [...challenges.values()].filter(node => node.network === network && node.name === name).length,
    used: challenge => void challenges.delete(challenge),
    answer,
    keep(method, hash, network, body) {
      if (body.length > ANSWER_BYTES_MAX) return;
      answers.set(`${method} ${hash}`, { network, body });
      store?.keep(method, hash, { network, body });
    },
    network: hash => (answer('user.tx_query', hash) ?? answer('chain.tx', hash))?.network ?? null,
  };
}

/** Both answers give the height near the front: `"height":121`. A transaction in the mempool has −1. */
const HEIGHT = Buffer.from('"height":');
const FRONT_BYTES = 512;

/** Height of the block that a transaction's answer tells; null while it is in none, or its result is not there yet. */
export function minedHeight(body: Uint8Array): number | null {
  const bytes = bufferOf(body);
  const front = bytes.subarray(0, FRONT_BYTES);
  const at = front.indexOf(HEIGHT);
  if (at < 0) return null;
  let height = 0;
  for (let i = at + HEIGHT.length; i < front.length; i++) {
    const digit = front[i]! - 0x30;
    if (digit < 0 || digit > 9) break;
    height = height * 10 + digit;
  }
  // In the block store a moment before its result is there.
  return height < 1 || !Number.isSafeInteger(height) || bytes.includes('"tx_result":null') ? null : height;
}
