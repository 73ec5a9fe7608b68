import { setMaxListeners } from 'node:events';
import type { Height, NodeRef } from '../model/index.js';
import { createNotifier, sleep, waitFor } from '../platform/index.js';
import { blockTxs, bytesOfBase64, decodeBlock, hexOf, type Block } from '../protocol/index.js';
import { reasonOf } from './errors.js';
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
  /** Average over recent blocks; null until two were seen. */
  blockMs(): number | null;
  /** Looks back over recent blocks once, so that `blockMs` is known at once. */
  seed(): Promise<void>;
  readonly subscribe: (listener: () => void) => () => void;
}

const STAMPS = 100;
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
  let stamps: { height: Height; at: number }[] = [];
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
        if (node === undefined) continue;
        const head = nodes.view('old')?.nodes.find(({ name }) => name === node.name)?.height ?? next;
        const heights = Array.from({ length: Math.min(WINDOW, head - next + 1) }, (_, index) => next + index);
        for (const block of await Promise.all(heights.map(height => fetchBlock(node, height)))) count(block);
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
    return decodeBlock(bytesOfBase64(answer?.raw_block ?? ''));
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
    kept = { since: kept?.since ?? height, next: height + 1, total, bySender };
  }

  function addStamp({ header }: Block): void {
    stamps = [...stamps.filter(stamp => stamp.height !== header.height), { height: header.height, at: header.stampMs }]
      .sort((a, b) => a.height - b.height)
      .slice(-STAMPS);
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
      const [first, last] = [stamps[0], stamps.at(-1)];
      if (first !== undefined && last !== undefined && last.height > first.height && last.at > first.at) {
        return (last.at - first.at) / (last.height - first.height);
      }
      const seen = (nodes.view('old')?.nodes ?? []).flatMap(({ blockTimeMs }) =>
        blockTimeMs === null || blockTimeMs <= 0 ? [] : [blockTimeMs],
      );
      return seen.length === 0 ? null : Math.min(...seen);
    },
    async seed() {
      const head = nodes.view('old')?.head ?? 0;
      const node = reachable(head);
      if (node === undefined || head < 2) return;
      const back = Math.max(1, head - STAMPS + 1);
      for (const block of await Promise.all([fetchBlock(node, back), fetchBlock(node, head)])) addStamp(block);
    },
    subscribe: changes.subscribe,
  };
}
