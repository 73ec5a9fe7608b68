import { int8Value, type Transaction } from '../../../src/protocol/index.js';
import type { Devnet } from '../../../src/devnet/index.js';
import { executes, goKey, signed, states } from './keys.js';
import { RECORDED_RHYTHM } from './laboratory.js';
import { recording, resultOf, isObject, textOf } from './recordings.js';
import type { Outcome } from './replay.js';
import { seedTransactions, spread, together } from './schedule.js';
import { createSituation, type JumpingClock, type Situation } from './situation.js';
import { createTwins } from './twins.js';
import { until } from './until.js';

/*
 * The recorded network `kwil-roll` with three validators, height by height: node 2 in catch-up at 264, the leader killed
 * at 574, replaced at 709 and put back at 841, another row in node 2's database at 857, in the leader's at 936.
 */

const FILES = ['rolling-syncing', 'rolling-leader-down', 'rolling-replace-leader', 'rolling-fork'];
const CHAIN = 'kwil-roll';

/** Long enough for the requests of a stage, jumped over where the recorded network was left alone. */
const CATCH_UP_TICK = 50_000;
const UNHEALTHY = 60_000;
const JUMP = 90_000;

const COUNTER = 'e71ce9382ae669d57da002905c8ef6eff227489e';
const CLIENT = 'e53ad5215f1d8a7b1881970157662a7466cd97b9';
const BEFORE_FORK = '52df3be94e338282de0b92b5f953c85cbd1ff242';
const AFTER_FORK = '147a6d3081f50db177b6186218db4be2cbd9da4d';

export interface Rolling {
  syncing(): Promise<Outcome[]>;
  leaderDown(): Promise<Outcome[]>;
  replaceLeader(): Promise<Outcome[]>;
  fork(): Promise<Outcome[]>;
}

export async function startRolling(devnet: Devnet, clock: JumpingClock): Promise<Rolling> {
  const twins = createTwins(FILES);
  const network = devnet.createNetwork({
    ...RECORDED_RHYTHM,
    name: 'roll',
    chainId: CHAIN,
    nodes: 3,
    // The recorded leader that had been replaced was reset before it came back.
    defects: { handOverCrashes: false },
    timing: {
      ...RECORDED_RHYTHM.timing,
      catchUpTick: CATCH_UP_TICK,
      unhealthyAfter: UNHEALTHY,
      broadcastWait: 200,
      followerDelay: 0,
    },
  });
  await network.start();
  recordedKeys().forEach((key, index) => twins.words.set(key, network.nodes[index]!.publicKey));
  const at = createSituation(network, twins, schedule());
  const [leader, second] = [network.nodes[0]!, network.nodes[2]!];

  function schedule(): Map<number, Transaction[]> {
    const seeds = seedTransactions(CHAIN, 'state-old-seeded');
    const rows = [
      [570, 'UPDATE counter SET c = 179 WHERE id = 1'],
      [700, 'INSERT INTO counter (id, c) VALUES (7, 2)'],
      [701, 'INSERT INTO counter (id, c) VALUES (9, 6)'],
      [840, 'UPDATE counter SET c = 7 WHERE id = 9'],
      [850, 'UPDATE counter SET c = 8 WHERE id = 9'],
    ] as const;
    const owner = goKey(1);
    const counted = Array.from({ length: 9 }, (_, index) =>
      signed(twins.signerOf(COUNTER), CHAIN, index + 1, executes('lab', 'bump', int8Value(1n))),
    );
    return together(
      spread(seeds, 3, 30),
      spread(counted, 40, 50),
      new Map([[266, [twins.of(COUNTER, 10, CHAIN), twins.of(COUNTER, 11, CHAIN)]]]),
      new Map(
        rows.map(([height, sql], index) => [
          height,
          [signed(owner, CHAIN, seeds.length + 1 + index, states(`{lab}${sql}`))],
        ]),
      ),
      new Map([[859, [twins.of(BEFORE_FORK, 1, CHAIN)]]]),
    );
  }

  return {
    async syncing() {
      await at.advanceTo(264);
      await second.kill();
      await at.advanceTo(266);
      let lag = second.fault({ kind: 'lag', blocks: 2 });
      second.fault({ kind: 'catching-up' });
      await second.restart();
      await network.waitUntil(() => second.height() === 264, 'the old head');
      // For a moment after its start a node shows no block at all.
      clock.jump(100);
      const outcomes = await at.replay('rolling-syncing', 'node 2', 2, async shown => {
        const before = lag;
        lag = second.fault({ kind: 'lag', blocks: 266 - shown });
        second.clearFault(before);
        await network.waitUntil(() => second.height() === shown, `height ${shown} of the node that catches up`);
      });
      second.clearFaults();
      return outcomes;
    },
    async leaderDown() {
      const file = 'rolling-leader-down';
      await at.advanceTo(574);
      await leader.kill();
      for (const nonce of [1, 2]) await at.submit(1, twins.of(CLIENT, nonce, CHAIN));
      const admitted = await at.replay(file, 'leader killed', 1);
      await forget(at);
      await at.submit(1, twins.of(CLIENT, 3, CHAIN));
      const forgotten = await at.replay(file, 'leader down for 9 s', 1);
      await forget(at);
      await leader.restart();
      return [...admitted, ...forgotten, ...(await at.replay(file, 'leader back', 1))];
    },
    async replaceLeader() {
      const file = 'rolling-replace-leader';
      await at.advanceTo(708);
      await leader.kill();
      network.replaceLeader(1, 709);
      const replaced = await at.replay(file, 'leader 0 down', 1);
      await leader.restart();
      await at.advanceTo(840);
      network.replaceLeader(0, 841);
      return [...replaced, ...(await at.replay(file, 'leadership handed back', 1))];
    },
    async fork() {
      const file = 'rolling-fork';
      const outcomes = [];
      for (const node of [0, 1, 2]) outcomes.push(...(await at.replay(file, `node ${node}: row changed`, node)));
      await at.advanceTo(858);
      second.fault({ kind: 'diverge' });
      await at.advanceTo(859);
      await network.waitUntil(() => second.mode() === 'down', 'the end of the odd follower');
      for (const node of [0, 1]) outcomes.push(...(await at.replay(file, `node ${node}: node 2 has halted`, node)));
      second.clearFaults();
      await second.restart();
      await at.advanceTo(936);
      leader.fault({ kind: 'diverge' });
      await at.submit(1, twins.of(AFTER_FORK, 1, CHAIN));
      await until(() => network.nodes.every(node => node.mempoolSize() === 1), 'the write at every node');
      await network.makeBlocks().catch(() => undefined);
      await network.waitUntil(() => leader.mode() === 'down', 'the end of the odd leader');
      clock.jump(UNHEALTHY + 1);
      // The followers' own tick comes later than the requests: their mempools are as they were.
      for (const node of [0, 1, 2]) outcomes.push(...(await at.replay(file, `node ${node}: the leader`, node)));
      return outcomes;
    },
  };

  /** Longer than the tick after which followers of a dead leader forget their mempools. */
  async function forget({ network: { nodes } }: Situation): Promise<void> {
    clock.jump(JUMP);
    await until(() => nodes.every(node => node.mempoolSize() === 0), 'the followers to forget their mempools');
    // In that moment they are in catch-up and refuse.
    clock.jump(100);
  }
}

/** Node keys of the recorded network in the order of its nodes: the leader of 264, of 709, and the third. */
function recordedKeys(): string[] {
  const leaderIn = (file: string, stage: string): string => {
    const one = recording(file).find(each => each.stage.startsWith(stage) && each.name === 'chain.consensus_params')!;
    const leader = resultOf(one.answer)!.leader;
    return textOf(isObject(leader) ? (leader.key ?? null) : null);
  };
  const known = [leaderIn('rolling-syncing', 'node 2'), leaderIn('rolling-replace-leader', 'leader 0 down')];
  const set = recording('rolling-syncing').find(each => each.name === 'chain.validators')!;
  const validators = resultOf(set.answer)!.validators;
  const keys = (Array.isArray(validators) ? validators : []).filter(isObject).map(one => textOf(one.pubkey ?? null));
  return [...known, ...keys.filter(key => !known.includes(key))];
}
