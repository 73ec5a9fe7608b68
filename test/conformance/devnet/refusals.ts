import { deriveNodeKey } from '../../../src/devnet/keys.js';
import {
  decodeTxJson,
  encodePayload,
  encodeMigrationProposal,
  encodeTxJson,
  hexOf,
  signTx,
  txHash,
  type Transaction,
} from '../../../src/protocol/index.js';
import { createChain, type Chain } from './chain.js';
import { goKey, signed, states } from './keys.js';
import { RECORDED_RHYTHM, type Laboratory } from './laboratory.js';
import { isObject, type Recorded } from './recordings.js';
import { replay, type Outcome } from './replay.js';
import { spread } from './schedule.js';

/*
 * The recorded network `kwil-ref`: gas on, every payload type tried without a migration, in activation, in progress and
 * after End. What its validator signed is signed again by ours, with the same nonces and fees.
 */

const CHAIN = 'kwil-ref';
const NAME = 'refusals';
const FUNDS = 10n ** 24n;
const SQL_FEE = 10_000_000_000_000n;
const OWNER = '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A';
const VALIDATOR = '035d9a6090cff4368f8aca7846a2750f362f813a20344136a31fe69ad477db6a69';
/** The node's own transaction between the stages: it has this nonce, and Start is 44, End 74. */
const PROPOSAL = { nonce: 6n, activationPeriodBlocks: 30, durationBlocks: 30, timestamp: 'refusals' };
const END = 74;
/** Heads before the first request of a stage. */
const IN_PROGRESS = 45;

export async function replayRefusals(laboratory: Laboratory): Promise<Outcome[]> {
  const key = deriveNodeKey('1', NAME, 0);
  const network = laboratory.devnet.createNetwork({
    ...RECORDED_RHYTHM,
    name: NAME,
    chainId: CHAIN,
    gas: true,
    alloc: { [OWNER]: FUNDS, [key.publicKey]: FUNDS },
  });
  await network.start();
  const chain = createChain(network, spread([seed()], 2, 2));
  const stage = (name: string): Promise<Outcome[]> =>
    replay(chain, 'refusals', { only: one => one.stage === name, rewrite: one => resigned(one, key) });

  await chain.advanceTo(2);
  const outcomes = [...(await stage('no migration')), ...(await stage('gas on'))];
  await propose(chain, key);
  outcomes.push(...(await stage('ActivationPeriod')));
  await chain.advanceTo(IN_PROGRESS);
  outcomes.push(...(await stage('MigrationInProgress')));
  await chain.advanceTo(END);
  outcomes.push(...(await stage('MigrationCompleted')));
  return outcomes;
}

function seed(): Transaction {
  const statements = [
    'CREATE NAMESPACE lab',
    '{lab}CREATE TABLE counter (id int8 PRIMARY KEY, c int8 NOT NULL)',
    '{lab}CREATE ACTION bump($id int8) PUBLIC { INSERT INTO counter (id, c) VALUES ($id, 1) ON CONFLICT (id) DO UPDATE SET c = counter.c + 1; }',
  ];
  return signed(goKey(1), CHAIN, 1, states(statements.join('; ')), SQL_FEE);
}

type NodeKey = ReturnType<typeof deriveNodeKey>;

async function propose(chain: Chain, key: NodeKey): Promise<void> {
  const event = { type: 'migration', body: encodeMigrationProposal(PROPOSAL) };
  const body = {
    desc: '',
    payload: encodePayload({ kind: 'create_resolution', event }),
    type: 'create_resolution',
    fee: 1000n * BigInt(event.body.length),
    nonce: PROPOSAL.nonce,
    chainId: CHAIN,
  };
  await chain.submit(signTx(body, key.signer));
  await chain.advanceTo(chain.head() + 1);
}

/** A request with a transaction of the recorded validator, made our validator's; the answer then names its hash. */
function resigned(one: Recorded, key: NodeKey): Recorded {
  const json = one.call?.params.tx;
  if (!isObject(json) || json.sender !== VALIDATOR) return one;
  const tx = decodeTxJson(JSON.stringify(json));
  const { body, serialization } = tx;
  if (!body || (serialization !== 'concat' && serialization !== 'direct')) return one;
  const ours = signTx(body, key.signer, serialization);
  const before = one.request.body.toString('utf8');
  const text = before.replace(JSON.stringify(json), encodeTxJson(ours));
  if (text === before) throw new Error(`refusals:${one.line}: the transaction is not where it should be`);
  return {
    ...one,
    request: { ...one.request, body: Buffer.from(text) },
    call: {
      method: one.call!.method,
      params: { ...one.call!.params, tx: JSON.parse(encodeTxJson(ours)) as typeof json },
    },
    answer: {
      ...one.answer,
      body: one.answer.body.replaceAll(txHash(tx), txHash(ours)).replaceAll(VALIDATOR, hexOf(key.signer.sender)),
    },
  };
}
