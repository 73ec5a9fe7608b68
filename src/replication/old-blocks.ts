import { setMaxListeners } from 'node:events';
import type { Height, NodeRef } from '../model/index.js';
import { createNotifier, sleep, waitFor } from '../platform/index.js';
import { blockHash, blockTxs, bytesOfBase64, decodeBlock, hexOf, type Block } from '../protocol/index.js';
import { blockPace, withStamp, type Stamp } from './block-pace.js';
import { reasonOf, SourceError } from './errors.js';
import type { ReplicationPorts } from './ports.js';

/** Transactions on the old network that did not come through us (I9), by sender. */
export interface Strangers {
  readonly total: number;
  /** Hex of the sender's bytes; the busiest ones when there are many. */
  readonly bySender: Readonly<Record<string, number>>;
  /** First old block that was looked at; null before. */
  readonly since: Height | null;
}

/** Follows the old network's blocks from the gateway's start: who writes, and how long a block takes. */
export interface OldBlocks {
  start(): void;
  close(): Promise<void>;
  readonly strangers: () => Strangers;
  /** Mean of the present pace; null until two blocks were seen. */
  blockMs(): number | null;
  /** Looks back over recent blocks once, so that `blockMs` is known at once. */
  seed(): Promise<void>;
  readonly subscribe: (listener: () => void) => () => void;
}

/** How far back the pace is looked at once, before blocks are followed. */
const SEED_BLOCKS = 100;
const SENDERS_MAX = 1_000;
const IDLE_MS = 2_000;
const RETRY_MS = 1_000;
const TIMEOUT_MS = 10_000;
const WINDOW = 4;
const KEY = 'strangers';
/** What validators write by themselves. */
const OWN_TYPES = new Set(['validator_vote_ids', 'validator_vote_bodies']);

interface Kept {
  readonly since: Height;
  /** Hashes of the first and the last block that were looked at: another chain in their place is begun anew. */
  readonly sinceHash?: string;
  readonly lastHash?: string;
  readonly next: Height;
  readonly total: number;
  readonly bySender: Readonly<Record<string, number>>;
}

export function createOldBlocks(ports: ReplicationPorts): OldBlocks {
  const { archive, clock, logger, metrics, nodes } = ports;
  const changes = createNotifier();
  const stop = new AbortController();
  // Many calls listen at once; they are bounded by their own windows.
  setMaxListeners(0, stop.signal);
  let stamps: readonly Stamp[] = [];
  let pace: number | null = null;
  let kept: Kept | null = null;
  let running: Promise<void> | null = null;

  const reachable = (height: Height): NodeRef | undefined => {
    const node = nodes
      .view('old')
      ?.nodes.find(({ state, height: at }) => at >= height && state !== 'down' && state !== 'quarantined');
    return node === undefined ? undefined : { network: 'old', name: node.name };
  };

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        kept ??= (archive.record(KEY) as Kept | undefined) ?? null;
        const next = kept?.next ?? nodes.view('old')?.head ?? 0;
        const node = await waitFor(nodes.subscribe, () => (next > 0 ? reachable(next) : undefined), {
          timeoutMs: IDLE_MS,
          signal: stop.signal,
          clock,
        });
        if (node === undefined) {
          if (await isAnotherChain(next)) await forget();
          continue;
        }
        const head = nodes.view('old')?.nodes.find(({ name }) => name === node.name)?.height ?? next;
        const heights = Array.from({ length: Math.min(WINDOW, head - next + 1) }, (_, index) => next + index);
        for (const block of await Promise.all(heights.map(height => fetchBlock(node, height)))) {
          if (
            kept?.lastHash !== undefined &&
            kept.next === block.header.height &&
            block.header.prevHash !== kept.lastHash
          ) {
            await forget();
            break;
          }
          count(block);
        }
        if (kept !== null) await archive.setRecord(KEY, kept);
        changes.notify();
      } catch (error) {
        if (stop.signal.aborted) return;
        logger.debug({ reason: reasonOf(error) }, 'old blocks cannot be read');
        await sleep(clock, RETRY_MS, stop.signal);
      }
    }
  }

  async function fetchBlock(node: NodeRef, height: Height): Promise<Block> {
    const answer = await nodes.call<{ raw_block?: string }>(
      node,
      'chain.block',
      { height, raw: true },
      { timeoutMs: TIMEOUT_MS, signal: stop.signal },
    );
    const block = decodeBlock(bytesOfBase64(answer?.raw_block ?? ''));
    if (block.header.height !== height) throw new SourceError(`block ${height} is block ${block.header.height}`);
    return block;
  }

  /**
   * No node has the next block: either it is not made yet, or the chain was set up anew and is shorter now. Every healthy node is below
   * then, and the block we began with is another one or not there.
   */
  async function isAnotherChain(next: Height): Promise<boolean> {
    const up = (nodes.view('old')?.nodes ?? []).filter(({ state, height }) => state === 'up' && height > 0);
    const best = up.reduce<(typeof up)[number] | null>((a, b) => (a !== null && a.height >= b.height ? a : b), null);
    if (kept === null || kept.sinceHash === undefined || best === null || best.height >= next - 1) return false;
    if (best.height < kept.since) return true;
    return blockHash(await fetchBlock({ network: 'old', name: best.name }, kept.since)) !== kept.sinceHash;
  }

  /** Counts stay: those transactions were there. */
  async function forget(): Promise<void> {
    logger.warn('the old network is another chain than before: strangers are looked for from its head on');
    stamps = [];
    pace = null;
    const { total = 0, bySender = {} } = kept ?? {};
    const next = Math.max(1, nodes.view('old')?.head ?? 1);
    kept = { since: next, next, total, bySender };
    await archive.setRecord(KEY, kept);
  }

  function count(block: Block): void {
    addStamp(block);
    const { height } = block.header;
    const bySender: Record<string, number> = { ...kept?.bySender };
    let total = kept?.total ?? 0;
    for (const { hash, tx } of ports.isOurs === undefined ? [] : blockTxs(block)) {
      if (ports.isOurs!(hash) || (tx?.body && OWN_TYPES.has(tx.body.type))) continue;
      total += 1;
      metrics.bypassTransactions.inc();
      const sender = tx === null ? 'unreadable' : hexOf(tx.sender);
      if (sender in bySender || Object.keys(bySender).length < SENDERS_MAX)
        bySender[sender] = (bySender[sender] ?? 0) + 1;
    }
    const lastHash = blockHash(block);
    const begins = kept === null || (kept.sinceHash === undefined && kept.since === height);
    const sinceHash = begins ? lastHash : kept?.sinceHash;
    kept = {
      since: kept?.since ?? height,
      ...(sinceHash === undefined ? {} : { sinceHash }),
      lastHash,
      next: height + 1,
      total,
      bySender,
    };
  }

  function addStamp({ header }: Block): void {
    stamps = withStamp(stamps, { height: header.height, at: header.stampMs });
    pace = blockPace(stamps);
  }

  return {
    start() {
      running ??= run();
    },
    async close() {
      stop.abort();
      await running;
    },
    strangers: () => ({ total: kept?.total ?? 0, bySender: kept?.bySender ?? {}, since: kept?.since ?? null }),
    blockMs() {
      if (pace !== null) return pace;
      const seen = (nodes.view('old')?.nodes ?? []).flatMap(({ blockTimeMs }) =>
        blockTimeMs === null || blockTimeMs <= 0 ? [] : [blockTimeMs],
      );
      return seen.length === 0 ? null : Math.min(...seen);
    },
    async seed() {
      const head = nodes.view('old')?.head ?? 0;
      const node = reachable(head);
      if (node === undefined || head < 2) return;
      const back = Math.max(1, head - SEED_BLOCKS + 1);
      for (const block of await Promise.all([fetchBlock(node, back), fetchBlock(node, head)])) addStamp(block);
    },
    subscribe: changes.subscribe,
  };
}
