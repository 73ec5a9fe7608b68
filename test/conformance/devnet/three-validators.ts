import { encodePayload } from '../../../src/protocol/index.js';
import { createChain, type Chain } from './chain.js';
import { identitiesOf } from './identities.js';
import { RECORDED_RHYTHM, type Laboratory } from './laboratory.js';
import { recordedApproval, recordedProposal } from './proposal.js';
import { replay, type Outcome } from './replay.js';
import { shownTransactions } from './schedule.js';
import { until } from './until.js';

/*
 * The recorded networks `kwil-old3` and `kwil-new3` with three validators each: proposed in 8, approved in 9 by both
 * others, Start 23; on the new side one node up and two not, so that it never makes a block.
 */

const PROPOSED = 8;
const APPROVED = 9;
const START = 23;

export interface ThreeValidators {
  replayActivation(): Promise<Outcome[]>;
  replayBeforeFirstBlock(): Promise<Outcome[]>;
}

export async function startThreeValidators(laboratory: Laboratory): Promise<ThreeValidators> {
  const network = laboratory.devnet.createNetwork({ ...RECORDED_RHYTHM, name: 'old3', chainId: 'kwil-old3', nodes: 3 });
  await network.start();
  const schedule = shownTransactions('kwil-old3', ['blocks/old']);
  const old = createChain(network, schedule);

  return {
    async replayActivation() {
      await old.advanceTo(PROPOSED - 1);
      const proposal = recordedProposal('blocks/old');
      await old.whileMaking(network.sendAsValidator(0, 'create_resolution', proposal));
      await approve(old, schedule.get(APPROVED) ?? []);
      return replay(old, 'state-old3-activation', { identities: identitiesOf('state-old3-activation', network) });
    },
    async replayBeforeFirstBlock() {
      await old.advanceTo(START);
      const made = laboratory.devnet.createNetwork({
        ...RECORDED_RHYTHM,
        name: 'new3',
        chainId: 'kwil-new3',
        nodes: 3,
        migrateFrom: old.url(),
      });
      await made.start();
      await made.waitUntil(() => made.nodes.every(node => node.mode() === 'running'), 'the genesis state');
      await Promise.all([made.nodes[1]!.kill(), made.nodes[2]!.kill()]);
      const identities = identitiesOf('state-new-before-first-block', made);
      return replay(createChain(made), 'state-new-before-first-block', { identities });
    },
  };
}

/** Both approvals in one block, behind the counter's transaction. */
async function approve(old: Chain, before: Parameters<Chain['submit']>[0][]): Promise<void> {
  const { network } = old;
  for (const tx of before) await old.submit(tx);
  const id = recordedApproval('blocks/old');
  const sent = [];
  for (const node of [1, 2]) {
    sent.push(network.sendAsValidator(node, 'approve_resolution', encodePayload({ kind: 'approve_resolution', id })));
    await until(() => network.nodes[0]!.mempoolSize() === before.length + sent.length, `approval of node ${node}`);
  }
  await old.advanceTo(APPROVED);
  await Promise.all(sent);
}
