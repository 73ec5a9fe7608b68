import { setTimeout as pause } from 'node:timers/promises';
import { encodeTxJson, txHash, type Transaction } from '../../../src/protocol/index.js';
import type { NetworkHandle } from '../../../src/devnet/index.js';
import { send } from './http.js';
import { jsonOf, isObject, type Answer, type Recorded } from './recordings.js';

/**
 * A devnet network whose blocks are made one by one, so that every height carries what it carried on the recorded
 * network and heights of the recording are heights of ours.
 */
export interface Chain {
  readonly network: NetworkHandle;
  head(): number;
  url(): string;
  /** Makes the blocks up to this height, each with its transactions of the schedule. */
  advanceTo(height: number): Promise<void>;
  /** Puts a transaction into the mempool; one that is known already is fine, any other refusal throws. */
  submit(tx: Transaction): Promise<void>;
  /**
   * Runs something that waits for a block: makes one whenever a new transaction has come into the mempool meanwhile.
   */
  whileMaking<T>(work: Promise<T>): Promise<T>;
  request(request: Recorded['request']): Promise<Answer>;
}

/** Transactions by the height that carries them. */
export type Schedule = ReadonlyMap<number, readonly Transaction[]>;

export function createChain(network: NetworkHandle, schedule: Schedule = new Map()): Chain {
  const leader = (): (typeof network.nodes)[number] => network.nodes[0]!;

  async function makeNext(): Promise<void> {
    for (const tx of schedule.get(chain.head() + 1) ?? []) await chain.submit(tx);
    await network.makeBlocks();
  }

  const chain: Chain = {
    network,
    head: () => leader().height(),
    url: () => leader().url,
    async advanceTo(height) {
      while (chain.head() < height) await makeNext();
    },
    async submit(tx) {
      const answer = await chain.request(rpcRequest('user.broadcast', `{"tx":${encodeTxJson(tx)}}`));
      const parsed = jsonOf(answer.body);
      if (isObject(parsed) && isObject(parsed.result)) return;
      if (answer.body.includes('transaction already exists')) return;
      throw new Error(`${network.name} refused ${tx.body?.type} ${txHash(tx)}: ${answer.body}`);
    },
    async whileMaking(work) {
      let over = false;
      const settled = work.finally(() => (over = true));
      // A failure is for the caller, who awaits it below.
      settled.catch(() => undefined);
      let waiting = leader().mempoolSize();
      while (!over) {
        if (network.nodes.some(node => node.mempoolSize() > waiting)) {
          await makeNext();
          waiting = leader().mempoolSize();
        }
        await pause(1);
      }
      return settled;
    },
    request: request => send(chain.url(), request),
  };
  return chain;
}

let lastId = 0;

export function rpcRequest(method: string, params = '{}'): Recorded['request'] {
  const body = `{"jsonrpc":"2.0","id":${++lastId},"method":"${method}","params":${params}}`;
  return { method: 'POST', path: '/rpc/v1', headers: { 'content-type': 'application/json' }, body: Buffer.from(body) };
}
