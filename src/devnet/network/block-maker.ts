import {
  blockHash,
  encodeBlock,
  merkleRoot,
  paramsHash,
  validatorSetHash,
  ZERO_HASH,
  type BlockHeader,
} from '../../protocol/index.js';
import { sleep, type Clock } from '../../platform/index.js';
import { viewOf, type StoredBlock } from '../chain/block-store.js';
import type { ChangesetRecords } from '../chain/changeset-record.js';
import { executeBlock, type ExecutedBlock } from '../chain/executor.js';
import { FatalProposal, proposeTransactions } from '../chain/proposal.js';
import { packSnapshot } from '../chain/snapshot.js';
import { FatalPayload, type ChainTx } from '../chain/transactions.js';
import { EngineHalt } from '../engine/index.js';
import type { DevNode } from '../node/node.js';
import type { ResolvedOptions } from '../options.js';
import { isKnownResolution, viewOfNode, type NetworkState } from './state.js';
import { isOutvoted, votesFor } from './voting.js';

export interface BlockMakerPorts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly state: NetworkState;
  readonly nodes: readonly DevNode[];
  readonly changesets: ChangesetRecords;
  changed(): void;
}

/** Makes blocks, one at a time: proposal, dump at Start, execution, votes, commit. */
export function createBlockMaker(ports: BlockMakerPorts): (leader: DevNode) => Promise<boolean> {
  const { options, clock, state, nodes } = ports;

  return async function make(leader) {
    const chain = state.store!;
    const before = state.consensus!;
    const height = chain.head() + 1;
    const previous = chain.get(height - 1);
    const prevAppHash = previous?.appHash ?? state.genesis!.stateHash ?? ZERO_HASH;
    const leaderKey = { type: 'secp256k1', key: leader.key.publicKey } as const;
    const handOver = leaderKey.key !== before.params.leader.key;
    const ruled = handOver ? { ...before, params: { ...before.params, leader: leaderKey } } : before;

    const txs = await propose(leader);
    if (!txs) return false;
    if (needsDump(height)) await dumpGenesis(height);
    // From here on the engine moves; a leader that is gone by now has proposed nothing.
    if (!leader.alive()) return false;

    // Before the engine moves: a rejected block is nobody's, and its transactions stay in the others' mempools.
    if (isOutvoted(state, nodes, leader, before.validators)) {
      leader.crash('at least half the validators have rejected the block');
      return false;
    }

    const stampMs = Math.max(clock.now(), (previous?.header.stampMs ?? 0) + 1);
    const executed = await execute(() =>
      executeBlock(ruled, txs, viewOfNode(state, leader.index), {
        height,
        stampMs,
        leader: leaderKey,
        prevAppHash,
        defects: options.defects,
      }),
    );
    if (!executed) return false;

    const header: BlockHeader = {
      version: 0,
      height,
      txCount: txs.length,
      prevHash: previous?.hash ?? ZERO_HASH,
      prevAppHash,
      valsHash: validatorSetHash(before.validators.length),
      paramsHash: paramsHash(before.params),
      stampMs,
      merkleRoot: merkleRoot(txs.map(tx => tx.hash)),
      newLeader: handOver ? leaderKey : null,
    };
    const { appHash, outcome, end, work, changeset } = executed;
    const hash = blockHash({ header });
    const signature = leader.key.sign(Buffer.from(hash, 'hex'));
    // Readable from now on, before the block is committed (reference 6.6 rule 1).
    if (changeset) ports.changesets.put(height, changeset);
    const block: StoredBlock = {
      header,
      hash,
      appHash,
      signature,
      raw: encodeBlock({ header, signature, txs: txs.map(tx => tx.bytes) }),
      txs,
      results: outcome.results,
      votes: votesFor(state, nodes, leader, { hash, appHash, validators: before.validators }),
      updates: handOver ? { ...end.updates, leader: leaderKey } : end.updates,
      stateDigest: outcome.stateDigest,
      view: viewOf(end.state),
      work,
    };
    state.consensus = end.state;
    chain.append(block);
    if (handOver) state.nextLeader = null;
    for (const node of nodes) if (node.events.size > 0) node.events.delete(end.closed);
    ports.changed();
    if (nodes.length > 1) {
      clock.after(options.timing.followerDelay, () => {
        for (const node of nodes) if (node !== leader) void node.advance();
      });
    }
    await leader.advance();
    return true;
  };

  async function propose(leader: DevNode): Promise<ChainTx[] | null> {
    const { params } = state.consensus!;
    try {
      const account = await viewOfNode(state, leader.index).load(leader.key.publicKey, 'secp256k1');
      return proposeTransactions(leader, {
        chainId: options.chainId,
        maxBlockSize: Number(params.maxBlockSize),
        maxVotesPerTx: Number(params.maxVotesPerTx),
        leaderNonce: account.nonce,
        isKnown: id => isKnownResolution(state, id),
      });
    } catch (error) {
      if (!(error instanceof FatalProposal)) throw error;
      // A panic takes a moment to print: the 500 of the handler that brought it here is out by then.
      await sleep(clock, 20);
      leader.crash(error.message);
      return null;
    }
  }

  /** Every validator executes the same block and dies of what one dies of. */
  async function execute(run: () => Promise<ExecutedBlock>): Promise<ExecutedBlock | null> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof EngineHalt || error instanceof FatalPayload)) throw error;
      for (const node of nodes) if (node.alive()) node.crash(error.message);
      return null;
    }
  }

  function needsDump(height: number): boolean {
    const { params, migration } = state.consensus!;
    return params.migrationStatus === 'MigrationInProgress' && migration?.start === height && !state.snapshot;
  }

  /** The state after Start − 1, while block production waits. */
  async function dumpGenesis(height: number): Promise<void> {
    const work = (async () => {
      if (options.timing.dumpDelay > 0) await sleep(clock, options.timing.dumpDelay);
      state.snapshot = await packSnapshot(height, await state.views[0]!.engine.dump());
    })();
    state.dumping = work;
    ports.changed();
    try {
      await work;
    } finally {
      state.dumping = null;
      ports.changed();
    }
  }
}
