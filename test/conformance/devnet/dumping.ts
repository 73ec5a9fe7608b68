import { encodeMigrationProposal, encodePayload, type Transaction } from '../../../src/protocol/index.js';
import { createChain } from './chain.js';
import { compareAnswers } from './compare.js';
import { executes, goKey, signed } from './keys.js';
import { RECORDED_RHYTHM, type Laboratory } from './laboratory.js';
import { recording, type Recorded } from './recordings.js';
import type { Outcome } from './replay.js';
import { spread } from './schedule.js';

/*
 * The recorded network `kwil-types` while its genesis dump took 26 s: Start − 1 committed, the status refused, then
 * blocked past the handler time limit of 20 s, then answered. Both times are shortened together.
 */

const START = 70;
const DURATION = 100;
const PROPOSED = 60;
/** The owner had used this nonce. */
const OWNER_NONCE = 59;
const RPC_TIMEOUT_MS = 1200;
const DUMP_MS = 2000;

export async function replayDumping(laboratory: Laboratory): Promise<Outcome[]> {
  const network = laboratory.devnet.createNetwork({
    ...RECORDED_RHYTHM,
    name: 'dumping',
    chainId: 'kwil-types',
    timing: { ...RECORDED_RHYTHM.timing, rpcTimeout: RPC_TIMEOUT_MS, dumpDelay: DUMP_MS },
  });
  await network.start();
  const chain = createChain(network, spread(ownerTransactions(), 2, 2));
  await chain.advanceTo(PROPOSED - 1);
  const body = encodeMigrationProposal({
    activationPeriodBlocks: START - PROPOSED,
    durationBlocks: DURATION,
    timestamp: 'dumping',
  });
  const payload = encodePayload({ kind: 'create_resolution', event: { type: 'migration', body } });
  await chain.whileMaking(network.sendAsValidator(0, 'create_resolution', payload));
  await chain.advanceTo(START - 1);

  const polls = recording('state-old-dumping');
  const answered = async (one: Recorded): Promise<Outcome> => {
    const ours = await chain.request(one.request);
    const identities = new Map<string, string>();
    return {
      recorded: one,
      ours,
      differences: compareAnswers(one.answer, ours, { method: one.call!.method, identities }),
    };
  };
  const outcomes: Outcome[] = [];
  // All but the last two polls came before the dump.
  for (const one of polls.slice(0, -2)) outcomes.push(await answered(one));
  const made = chain.advanceTo(START);
  await network.waitUntil(() => network.dumping(), 'the genesis dump');
  // The first of the two takes the time limit, the second comes in the rest of the dump.
  for (const one of polls.slice(-2)) outcomes.push(await answered(one));
  await made;
  return outcomes;
}

/** What they do does not matter here: an action that does not exist. */
function ownerTransactions(): Transaction[] {
  return Array.from({ length: OWNER_NONCE }, (_, index) =>
    signed(goKey(1), 'kwil-types', index + 1, executes('lab', 'none')),
  );
}
