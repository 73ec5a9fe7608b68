import type { NetworkHandle } from '../../../src/devnet/index.js';
import { systemClock, type Clock } from '../../../src/platform/index.js';
import { encodeTxJson, txHash, type Transaction } from '../../../src/protocol/index.js';
import { rpcRequest, type Schedule } from './chain.js';
import { compareAnswers } from './compare.js';
import { send } from './http.js';
import { isObject, jsonOf, recording, resultOf, type Answer, type Recorded } from './recordings.js';
import type { Outcome } from './replay.js';
import type { Twins } from './twins.js';

/*
 * Recordings of networks that come and go: each stage was one situation (the leader down, a node in catch-up …) that a
 * test brings about on the devnet, and its requests went to one node of several.
 */

/** A clock that a test can set forward: waits that were recorded need not be sat out. */
export interface JumpingClock extends Clock {
  jump(ms: number): void;
}

export function createJumpingClock(): JumpingClock {
  let ahead = 0;
  return {
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic() + ahead,
    after: (delayMs, fn) => systemClock.after(delayMs, fn),
    jump: ms => void (ahead += ms),
  };
}

export interface Situation {
  readonly network: NetworkHandle;
  readonly twins: Twins;
  /** Makes the blocks up to this height, each with its transactions of the schedule. */
  advanceTo(height: number): Promise<void>;
  submit(node: number, tx: Transaction): Promise<void>;
  /** Sends the recorded requests of a stage (its beginning is enough) to a node and compares the answers. */
  replay(file: string, stage: string, node: number, before?: (shown: number) => Promise<void>): Promise<Outcome[]>;
}

export function createSituation(network: NetworkHandle, twins: Twins, schedule: Schedule = new Map()): Situation {
  const situation: Situation = {
    network,
    twins,
    async advanceTo(height) {
      while (network.height() < height) {
        for (const tx of schedule.get(network.height() + 1) ?? []) await situation.submit(leader(), tx);
        await network.makeBlocks();
      }
    },
    async submit(node, tx) {
      const answer = await send(network.urls[node]!, rpcRequest('user.broadcast', `{"tx":${encodeTxJson(tx)}}`));
      const parsed = jsonOf(answer.body);
      if (isObject(parsed) && isObject(parsed.result)) return;
      throw new Error(`${network.nodes[node]!.name} refused ${tx.body?.type} ${txHash(tx)}: ${answer.body}`);
    },
    async replay(file, stage, node, before) {
      const outcomes: Outcome[] = [];
      for (const one of recording(file).filter(each => each.stage.startsWith(stage))) {
        const shown = shownBy(one);
        if (shown !== null) await (before ? before(shown) : situation.advanceTo(shown));
        const ours = await answerOf(network.urls[node]!, twins.rewrite(one).request);
        const options = { method: one.call?.method ?? '', identities: twins.words };
        outcomes.push({ recorded: one, ours, differences: compareAnswers(withoutPort(one.answer), ours, options) });
      }
      if (outcomes.length === 0) throw new Error(`${file} has no stage ${stage}`);
      return outcomes;
    },
  };
  return situation;

  function leader(): number {
    const key = network.block(network.height())?.view.params.leader.key;
    return Math.max(
      0,
      network.nodes.findIndex(({ publicKey }) => publicKey === key),
    );
  }
}

/** Head that an answer shows, where heads of the other recordings are not looked for as well. */
function shownBy(one: Recorded): number | null {
  if (one.head !== null) return one.head;
  const result = resultOf(one.answer);
  if (one.call?.method === 'chain.validators') return Number(result?.height);
  if (one.call?.method !== 'chain.block' || one.call.params.height !== undefined) return null;
  const block = result?.block;
  return isObject(block) && isObject(block.header) ? Number(block.header.height) : null;
}

/** The recorder wrote what it saw when there was no answer. */
async function answerOf(url: string, request: Recorded['request']): Promise<Answer> {
  try {
    return await send(url, request);
  } catch (error) {
    return withoutPort({ status: 0, headers: {}, body: String(error) });
  }
}

const withoutPort = (answer: Answer): Answer =>
  answer.status === 0 ? { ...answer, body: answer.body.replace(/127\.0\.0\.1(:\d+)?/, 'the node') } : answer;
