import { encodePayload, int8Value, type Transaction } from '../../../src/protocol/index.js';
import { encodeParamProposal } from '../../../src/devnet/chain/params.js';
import type { Devnet, NetworkHandle, NetworkOptions } from '../../../src/devnet/index.js';
import { recordedValidators } from './identities.js';
import { executes, goKey, signed, states } from './keys.js';
import { RECORDED_RHYTHM } from './laboratory.js';
import { recording, resultOf, textOf } from './recordings.js';
import type { Outcome } from './replay.js';
import { seedTransactions, spread, together } from './schedule.js';
import { createSituation, type JumpingClock, type Situation } from './situation.js';
import { createTwins } from './twins.js';
import { until } from './until.js';

/*
 * The recorded network `kwil-off` with three validators and gas, frozen at 423, and the networks that were started from
 * its snapshot: `kwil-off2` as it should be, and others that show a trap each.
 */

const OLD = 'kwil-off';
const CLIENT = '7b9092b7d41d062b1f76985a6d21112d2c1e4733';
const CLIENT_TEXT = '0x7B9092b7d41D062b1F76985a6D21112D2C1E4733';
const FEE = 2_000_000_000_000_000n;
const TOKENS = 10n ** 18n;
const NODES = [0, 1, 2];
const TIMING = { ...RECORDED_RHYTHM.timing, catchUpTick: 50_000, unhealthyAfter: 60_000, followerDelay: 0 };
const JUMP = 90_000;

export interface Offline {
  old(): Promise<Outcome[]>;
  noMajority(): Promise<Outcome[]>;
  fresh(): Promise<Outcome[]>;
}

export async function startOffline(devnet: Devnet, clock: JumpingClock): Promise<Offline> {
  const twins = createTwins(['offline-old', 'offline-new', 'rolling-no-majority']);
  const client = twins.signerOf(CLIENT);
  const owner = goKey(1);
  // Node keys come from seed, name and place: a network that is only asked for them.
  const keys = devnet
    .createNetwork({ ...RECORDED_RHYTHM, name: 'off', chainId: OLD, nodes: 3 })
    .nodes.map(node => node.publicKey);
  const network = devnet.createNetwork({
    ...RECORDED_RHYTHM,
    name: 'off-old',
    keysOf: 'off',
    chainId: OLD,
    nodes: 3,
    gas: true,
    timing: TIMING,
    alloc: Object.fromEntries([hex(owner.sender), ...keys].map(id => [id, 1_000_000n * TOKENS])),
  });
  await network.start();
  recordedValidators('offline-old').forEach((key, index) => twins.words.set(key, keys[index]!));
  const account = `0x${hex(client.sender)}`;
  twins.words.set(recordedOwner(), network.owner);
  twins.words.set(recordedOwner().slice(2).toLowerCase(), hex(owner.sender));
  // As it was written when the role was granted.
  twins.words.set(CLIENT_TEXT, account);
  const at = createSituation(network, twins, schedule());

  function schedule(): Map<number, Transaction[]> {
    const seeds = seedTransactions(OLD, 'state-old-seeded', FEE);
    const more = [
      states('CREATE ROLE auditor'),
      states(`GRANT auditor TO '${account}'`),
      { kind: 'transfer', to: { identifier: client.sender, keyType: 'secp256k1' }, amount: 5000n * TOKENS } as const,
    ].map((payload, index) => signed(owner, OLD, seeds.length + 1 + index, payload, FEE));
    const bumps = [1, 2, 3].map(nonce => signed(client, OLD, nonce, executes('lab', 'bump', int8Value(5n)), FEE));
    return together(
      spread([...seeds, ...more], 3, 40),
      spread(bumps, 50, 52),
      new Map([[425, [twins.of(CLIENT, 4, OLD)]]]),
    );
  }

  let exported: Awaited<ReturnType<NetworkHandle['exportState']>>;

  return {
    async old() {
      const file = 'offline-old';
      await at.advanceTo(100);
      const body = encodeParamProposal('more', { maxVotesPerTx: 150n });
      const proposal = encodePayload({ kind: 'create_resolution', event: { type: 'param_updates', body } });
      const sent = network.sendAsValidator(0, 'create_resolution', proposal);
      await until(() => network.nodes[0]!.mempoolSize() === 1, 'the proposal');
      await at.advanceTo(101);
      await sent;
      const outcomes = [];
      for (const node of NODES)
        outcomes.push(...(await at.replay(file, `old network before the stop, node ${node}`, node)));
      await at.advanceTo(423);
      exported = await network.exportState();
      await network.nodes[0]!.stop();
      await at.submit(1, twins.of(CLIENT, 4, OLD));
      outcomes.push(...(await at.replay(file, 'leader stopped, a stranger', 1)));
      clock.jump(JUMP);
      await until(() => network.nodes[1]!.mempoolSize() === 0, 'the follower to forget its mempool');
      clock.jump(100);
      outcomes.push(...(await at.replay(file, 'leader stopped for 8 s', 1)));
      await network.nodes[0]!.restart();
      // For a moment after its start a node shows no block at all.
      clock.jump(100);
      outcomes.push(...(await at.replay(file, 'old leader came back', 0)));
      return outcomes;
    },
    async noMajority() {
      await network.nodes[1]!.kill();
      await network.nodes[2]!.kill();
      await at.submit(0, twins.of(CLIENT, 5, OLD));
      clock.jump(JUMP);
      return at.replay('rolling-no-majority', 'leader alone', 0);
    },
    async fresh() {
      const file = 'offline-new';
      const outcomes = [];
      const whole = await startFrom('kwil-off2', { nodes: 3 }, new Map([[45, [twins.of(CLIENT, 4, 'kwil-off2')]]]));
      for (const node of NODES)
        outcomes.push(...(await whole.replay(file, `new network from the snapshot, node ${node}`, node)));
      const far = await startFrom('kwil-off4', { initialHeight: 423 });
      outcomes.push(...(await far.replay(file, 'new network with initial_height 423', 0)));
      // Its first start ended over this hash; the second asks no more.
      const unverified = await startFrom('kwil-off7', { stateHash: 'cd'.repeat(32) });
      outcomes.push(...(await unverified.replay(file, 'a node that had refused', 0)));
      const other = Buffer.concat([exported.sql, Buffer.from('\n')]);
      const odd = await startFrom('kwil-off8', { nodes: 3, genesisStateOf: { 1: other } });
      for (const node of NODES) outcomes.push(...(await odd.replay(file, `node ${node}: node 1 was given`, node)));
      return outcomes;
    },
  };

  async function startFrom(
    chainId: string,
    options: Partial<NetworkOptions>,
    schedule: ReadonlyMap<number, readonly Transaction[]> = new Map(),
  ): Promise<Situation> {
    const started = devnet.createNetwork({
      ...RECORDED_RHYTHM,
      name: chainId,
      keysOf: 'off',
      chainId,
      gas: true,
      timing: TIMING,
      genesisState: exported.sql,
      genesisProposals: exported.proposals,
      ...options,
    });
    await started.start();
    return createSituation(started, twins, schedule);
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function recordedOwner(): string {
  const genesis = recording('offline-old').find(({ call }) => call?.method === 'chain.genesis')!;
  return textOf(resultOf(genesis.answer)!.db_owner ?? null);
}
