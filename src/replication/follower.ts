import { setMaxListeners } from 'node:events';
import type { Height, NodeRef } from '../model/index.js';
import { createNotifier, sleep, waitFor } from '../platform/index.js';
import { bytesOfBase64, decodeBlock } from '../protocol/index.js';
import type { WatermarkView } from '../routing/index.js';
import { isIntegrity, reasonOf, SourceError } from './errors.js';
import type { ReplicationPorts } from './ports.js';
import type { PlanRecord, Terms } from './plan.js';
import type { Bounds } from './tail.js';
import {
  addBlock,
  continues,
  addSet,
  appliedAt,
  createTally,
  factsOf,
  sameSet,
  settle,
  validatorSetOf,
  type BlockFacts,
  type TallyState,
} from './tally.js';
import { createOldHeights } from './watermark.js';

/** Reads the new network's blocks as they come and knows how much of the old network each of its nodes shows. */
export interface Follower {
  start(): void;
  close(): Promise<void>;
  readonly view: () => WatermarkView;
  /** Block of the new network up to which votes are counted. */
  block(): Height | null;
  /** Events with votes but no resolution: more than a few mean that validators voted for different bytes. */
  openEvents(): number;
  reason(): string | null;
  readonly subscribe: (listener: () => void) => () => void;
}

const WINDOW = 8;
const IDLE_MS = 1_000;
const RETRY_MS = 500;
const TIMEOUT_MS = 15_000;
/** Blocks after which a changed validator set counts as the only one. */
const SETTLE_BLOCKS = 20;
/** Blocks without news are written this often: they are read again after a restart, nothing is lost. */
const SAVE_EVERY = 50;
const KEY = 'watermark';

interface Genesis {
  readonly initial_height?: number;
  readonly validators?: readonly { pubkey: string; type: string; power: number }[];
}

export function createFollower(
  ports: ReplicationPorts,
  terms: () => Terms | null,
  bounds: () => Bounds | null,
): Follower {
  const { archive, clock, logger, nodes } = ports;
  const oldHeights = createOldHeights(archive, terms, bounds);
  const changes = createNotifier();
  const stop = new AbortController();
  // Many calls listen at once; they are bounded by their own windows.
  setMaxListeners(0, stop.signal);
  let state: TallyState | null = null;
  let changedAt: Height | null = null;
  let savedBlock = 0;
  let reason: string | null = null;
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        state ??= await begin();
        if (state !== null) await advance();
        reason = null;
      } catch (error) {
        if (stop.signal.aborted) return;
        reason = `new network's blocks: ${reasonOf(error)}`;
        if (isIntegrity(error)) logger.error({ reason }, 'the watermark stopped');
        await sleep(clock, RETRY_MS, stop.signal);
      }
    }
  }

  const reachable = (height: Height): NodeRef | undefined => {
    const node = nodes
      .view('new')
      ?.nodes.find(({ state: health, height: at }) => at >= height && health !== 'down' && health !== 'quarantined');
    return node === undefined ? undefined : { network: 'new', name: node.name };
  };

  /** State as kept, or a fresh one once the new network has its first block. */
  async function begin(): Promise<TallyState | null> {
    const kept = (archive.record(KEY) as TallyState | null | undefined) ?? null;
    if (kept !== null) return takeUp(kept);
    const node = await waitFor(nodes.subscribe, () => (bounds() === null ? undefined : reachable(1)), {
      timeoutMs: IDLE_MS,
      signal: stop.signal,
      clock,
    });
    const range = terms();
    const start = range?.presentedStart ?? bounds()?.start;
    if (node === undefined || start === undefined) return null;
    const call = <T>(method: string): Promise<T> =>
      nodes.call<T>(node, method, {}, { timeoutMs: TIMEOUT_MS, signal: stop.signal });
    const [genesis, current] = [
      await call<Genesis>('chain.genesis'),
      await call<{ validators?: Genesis['validators'] }>('chain.validators'),
    ];
    if (genesis.initial_height !== start) {
      throw new SourceError(
        `it began at height ${genesis.initial_height ?? 'unknown'}, not at ${start}: it does not continue this migration`,
      );
    }
    const tally = createTally(start, start, validatorSetOf(genesis.validators ?? current.validators ?? []));
    return addSet(tally, validatorSetOf(current.validators ?? genesis.validators ?? []));
  }

  /** What was kept counts once a node has shown the very block it ended with. */
  async function takeUp(kept: TallyState): Promise<TallyState | null> {
    const node = await waitFor(nodes.subscribe, () => reachable(kept.block), {
      timeoutMs: IDLE_MS,
      signal: stop.signal,
      clock,
    });
    if (node === undefined) return null;
    if (kept.blockHash === null || (await fetchBlock(node, kept.block)).hash === kept.blockHash) return kept;
    return forget();
  }

  async function forget(): Promise<null> {
    logger.warn('the new network is another chain than before: its blocks are read from the first one');
    state = null;
    await archive.setRecord(KEY, null);
    return null;
  }

  async function advance(): Promise<void> {
    const next = state!.block + 1;
    const node = await waitFor(nodes.subscribe, () => reachable(next), {
      timeoutMs: IDLE_MS,
      signal: stop.signal,
      clock,
    });
    if (node === undefined) return;
    const head = nodes.view('new')?.nodes.find(({ name }) => name === node.name)?.height ?? next;
    const last = Math.min(head, next + WINDOW - 1);
    const wanted = Array.from({ length: last - next + 1 }, (_, index) => fetchBlock(node, next + index));
    for (const facts of await Promise.all(wanted)) await add(node, facts);
    changes.notify();
  }

  async function fetchBlock(node: NodeRef, height: Height): Promise<BlockFacts> {
    const options = { timeoutMs: TIMEOUT_MS, signal: stop.signal };
    const answer = await nodes.call<{ raw_block?: string }>(node, 'chain.block', { height, raw: true }, options);
    if (typeof answer?.raw_block !== 'string') throw new SourceError(`block ${height} is missing`);
    const block = decodeBlock(bytesOfBase64(answer.raw_block));
    if (block.header.height !== height) throw new SourceError(`block ${height} is block ${block.header.height}`);
    if (block.txs.length === 0) return factsOf(block, []);
    const results = await nodes.call<{ tx_results?: readonly { code?: number }[] }>(
      node,
      'chain.block_result',
      { height },
      options,
    );
    return factsOf(
      block,
      (results?.tx_results ?? []).map(result => result.code ?? 0),
    );
  }

  async function add(node: NodeRef, facts: BlockFacts): Promise<void> {
    const before = state;
    if (before === null) return;
    if (!continues(before, facts)) return void (await forget());
    let after = addBlock(before, facts);
    if (facts.setChanges || (before.valsHash !== null && before.valsHash !== facts.valsHash)) changedAt = facts.height;
    if (after.sets.length > 1 || changedAt !== null) after = await followSet(node, after);
    state = after;
    const news = after.applied !== before.applied || facts.votes.length > 0 || after.sets !== before.sets;
    if (news || after.block - savedBlock >= SAVE_EVERY) {
      await archive.setRecord(KEY, after);
      savedBlock = after.block;
    }
  }

  /** Late is safe, early is not: while it is not sure who votes, a piece counts only if every possible set has voted it in. */
  async function followSet(node: NodeRef, tally: TallyState): Promise<TallyState> {
    const answer = await nodes.call<{ height?: number; validators?: Genesis['validators'] }>(
      node,
      'chain.validators',
      {},
      { timeoutMs: TIMEOUT_MS, signal: stop.signal },
    );
    const current = validatorSetOf(answer.validators ?? []);
    changedAt ??= tally.block;
    if (!sameSet(tally.sets.at(-1)!, current)) changedAt = tally.block;
    if (tally.block - changedAt < SETTLE_BLOCKS) return addSet(tally, current);
    changedAt = null;
    return settle(tally, current);
  }

  function view(): WatermarkView {
    const perNode: Record<string, Height> = {};
    const known = terms();
    const range = known ?? bounds();
    if (range === null) return { applied: null, perNode, lagBlocks: null };
    const network = nodes.view('new');
    for (const node of network?.nodes ?? []) {
      const finished =
        node.migration?.status === 'NoActiveMigration' &&
        node.migration.startHeight === (known?.presentedStart ?? range.start) &&
        node.migration.endHeight !== null;
      if (finished && endWasServed(known)) perNode[node.name] = range.end;
      else if (state !== null && node.height > 0) {
        const height = oldHeights.through(appliedAt(state, node.height));
        if (height !== null) perNode[node.name] = height;
      }
    }
    const heights = Object.values(perNode);
    const counted = state === null ? null : oldHeights.through(state.applied);
    const applied = heights.length === 0 && counted === null ? null : Math.max(counted ?? 0, ...heights);
    const head = nodes.view('old')?.head ?? 0;
    return { applied, perNode, lagBlocks: applied === null ? null : Math.max(0, Math.min(head, range.end) - applied) };
  }

  /** The new network ends with its own End, which our relay gives only with everything before it; without a relay it is the real one. */
  const endWasServed = (known: Terms | null): boolean =>
    known === null || (archive.plan(known.presentedEnd) as PlanRecord | undefined)?.end === true;

  return {
    start() {
      running ??= run();
    },
    async close() {
      stop.abort();
      await running;
      if (state !== null && state.block !== savedBlock) await archive.setRecord(KEY, state);
    },
    view,
    block: () => state?.block ?? null,
    openEvents: () => (state === null ? 0 : Object.keys(state.open).length),
    reason: () => reason,
    subscribe: changes.subscribe,
  };
}
