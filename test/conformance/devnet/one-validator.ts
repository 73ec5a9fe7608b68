import { int8Value, type Transaction } from '../../../src/protocol/index.js';
import { createChain, type Chain } from './chain.js';
import { compareAnswers } from './compare.js';
import { identitiesOf } from './identities.js';
import { executes, goKey, signed } from './keys.js';
import { RECORDED_RHYTHM, type Laboratory } from './laboratory.js';
import { recordedProposal } from './proposal.js';
import { recording, recordedHeights, type Recorded } from './recordings.js';
import { replay, type Outcome, type ReplayOptions } from './replay.js';
import { seedTransactions, shownTransactions, spread, together, windowTransactions } from './schedule.js';
import { until } from './until.js';

/*
 * The journey of the two recorded networks `kwil-old` and `kwil-new` with one validator each, height by height: fresh at
 * 1, seeded in 3 to 27, two clients at work, migration proposed in 56, Start 71, End 171, and the new network beside it.
 */

const OLD_STATES = ['fresh', 'seeded', 'activation', 'in-progress', 'near-end', 'completed'].map(
  name => `state-old-${name}`,
);
const OLD_FLOWS = [
  'kwil-js-normal',
  'kwil-cli-normal',
  'kwil-cli-activation',
  'kwil-js-migration',
  'kwil-cli-migration',
  'kwil-js-halted',
  'kwil-cli-halted',
];
const NEW_FLOWS = ['kwil-js-new-network', 'kwil-cli-new-network', 'kwil-cli-account'];

const PROPOSED = 56;
const START = 71;
const END = 171;
/** The new network had no event in its blocks up to here. */
const NEW_QUIET = 74;
/** After the flows, before the account requests. */
const NEW_IDLE = 200;

export interface Journey {
  readonly old: Chain;
  /** From `attach` on. */
  readonly fresh: () => Chain;
  replay(file: string): Promise<Outcome[]>;
  /** What the replay of a file goes by, for those who send its requests themselves. */
  plan(file: string): { readonly chain: Chain; readonly options: ReplayOptions };
  /** The owner's proposal in the block that carried it. */
  propose(): Promise<void>;
  /** The polls of `state-old-start` across the commit of Start − 1, the dump and the commit of Start. */
  replayStart(): Promise<Outcome[]>;
  /** Starts the new network, whose listener gets nothing yet, and makes its first blocks. */
  attach(): Promise<void>;
  /** From here on the listener of the new network gets changesets. */
  listen(): void;
  /** Lets the old network end and the new one apply everything, End in its block 171. */
  finish(): Promise<void>;
}

export async function startJourney(laboratory: Laboratory): Promise<Journey> {
  const network = laboratory.devnet.createNetwork({
    ...RECORDED_RHYTHM,
    name: 'old',
    chainId: 'kwil-old',
    // Long enough for two polls between the beginning of the dump and its end.
    timing: { ...RECORDED_RHYTHM.timing, dumpDelay: 800 },
  });
  await network.start();
  const old = createChain(network, oldSchedule());
  let fresh: Chain | null = null;
  const identities = identitiesOf('state-old-fresh', network);
  const heights = { old: recordedHeights([...OLD_FLOWS, ...OLD_STATES]), fresh: recordedHeights(NEW_FLOWS) };

  const plan: Journey['plan'] = file =>
    file.includes('new') || file === 'kwil-cli-account'
      ? { chain: fresh!, options: { identities, heights: heights.fresh } }
      : { chain: old, options: { identities, heights: heights.old } };

  return {
    old,
    fresh: () => fresh!,
    replay(file) {
      const { chain, options } = plan(file);
      return replay(chain, file, options);
    },
    plan,
    async propose() {
      await old.advanceTo(PROPOSED - 1);
      await old.whileMaking(network.sendAsValidator(0, 'create_resolution', recordedProposal('state-old-activation')));
    },
    async replayStart() {
      const polls = recording('state-old-start');
      const answered = async (one: Recorded): Promise<Outcome> => {
        const ours = await old.request(one.request);
        return {
          recorded: one,
          ours,
          differences: compareAnswers(one.answer, ours, { method: one.call!.method, identities }),
        };
      };
      const outcomes: Outcome[] = [];
      // Health after a poll shows the head that the poll saw; two polls fell between the dump and the commit of Start.
      for (let at = 0; at < polls.length; at += 2) {
        const [poll, health] = [polls[at]!, polls[at + 1]!];
        if (health.head === START - 1 && poll.answer.body.includes('MigrationInProgress')) {
          const made = old.advanceTo(START);
          await network.waitUntil(() => network.dumping(), 'the genesis dump');
          outcomes.push(...(await Promise.all([answered(poll), answered(health)])));
          await made;
        } else {
          await old.advanceTo(health.head!);
          outcomes.push(await answered(poll), await answered(health));
        }
      }
      return outcomes;
    },
    async attach() {
      network.nodes[0]!.fault({ kind: 'empty-500', method: 'user.changeset_metadata' });
      const made = laboratory.devnet.createNetwork({
        ...RECORDED_RHYTHM,
        name: 'new',
        chainId: 'kwil-new',
        migrateFrom: old.url(),
      });
      await made.start();
      await made.waitUntil(() => made.nodes[0]!.mode() === 'running', 'the genesis state');
      fresh = createChain(made, newSchedule());
      for (const [recorded, ours] of identitiesOf('state-new-genesis-migration', made)) identities.set(recorded, ours);
      await fresh.advanceTo(NEW_QUIET);
    },
    listen: () => network.nodes[0]!.clearFaults('empty-500'),
    async finish() {
      const target = fresh!;
      // The last blocks of the recording carry events: the heights before the last two come earlier, then one by one.
      for (const height of [END - 2, END - 1, END]) {
        await old.advanceTo(height);
        await until(
          () => target.network.nodes[0]!.listenerAsks() === height + 1,
          `old height ${height} at the listener`,
        );
        await target.advanceTo(height);
      }
    },
  };
}

/** Seeds in the blocks 3 to 25, the way a client that waits for every block leaves them. */
function oldSchedule(): Map<number, readonly Transaction[]> {
  const seeds = spread(seedTransactions('kwil-old', 'state-old-seeded'), 3, 25);
  return together(seeds, shownTransactions('kwil-old', OLD_STATES), windowTransactions('small', 'kwil-old'));
}

/** Two transactions of the owner between the last flows were not recorded; its nonce says that they were there. */
function newSchedule(): Map<number, readonly Transaction[]> {
  const txs = [78, 79].map(nonce => signed(goKey(1), 'kwil-new', nonce, executes('lab', 'bump', int8Value(1n))));
  return spread(txs, NEW_IDLE, NEW_IDLE);
}
