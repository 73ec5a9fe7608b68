import type { Height, NodeRef } from '../model/index.js';
import { sleep } from '../platform/index.js';
import type { OfflineEvent, OfflineState } from '../strategies/index.js';
import { readFreeze, readStrangers } from './offline-facts.js';
import type { StrategyPorts } from './strategy-ports.js';
import {
  attempt,
  blockTimeOf,
  createNodeReads,
  refsOf,
  sentWrites,
  type NodeHealth,
  type NodeReads,
} from './strategy-reads.js';

export interface OfflineWorkOptions {
  /** Node with the leader's key; null: any node that is down will do, as long as the head stands. */
  readonly leader: string | null;
  readonly operatorMs: number;
}

interface WorkContext {
  readonly options: OfflineWorkOptions;
  readonly ports: StrategyPorts;
  readonly state: () => OfflineState;
  readonly epoch: () => number;
  readonly push: (event: OfflineEvent) => Promise<void>;
}

const LOOK_MS = 100;
const WATCH_MS = 500;
const DRAIN_WARN_MS = 30_000;
const OPERATOR_WARN_MS = 60_000;
const EMPTY_BLOCKS = 2;
const STAND_BLOCKS = 3;
const STAND_MIN_MS = 2000;
const NAMED_MAX = 5;

/** The work of each phase of an offline migration. Every wait ends: with its event, a text for a person, or giving up. */
export function offlineWork(context: WorkContext): (signal: AbortSignal) => Promise<void> {
  const { options, ports, push, state: current } = context;
  const { clock, nodes, ledger, proxy } = ports;
  const now = (): number => clock.now();

  const late = (text: string): Promise<void> => push({ kind: 'late', text, at: now() });
  const giveUp = (reason: string): Promise<void> => push({ kind: 'gave-up', reason, at: now() });

  /** Nothing of anybody's waits for a block: ours by the ledger, strangers' by the mempools, and two blocks came empty. */
  async function drain(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const since = clock.monotonic();
    await proxy.quiesced(context.epoch(), signal);
    let emptyFrom: Height | null = null;
    while (!signal.aborted) {
      const head = nodes.view('old')?.head ?? 0;
      const open = sentWrites(ledger);
      const full = await fullMempools(reads);
      if (open.length > 0 || full.length > 0) emptyFrom = null;
      else if (emptyFrom === null) emptyFrom = head;
      else if (head >= emptyFrom + EMPTY_BLOCKS) {
        if (await areEmpty(reads, emptyFrom + 1, head)) return push({ kind: 'drained', height: head, at: now() });
        emptyFrom = head;
      }
      const waited = clock.monotonic() - since;
      if (waited > DRAIN_WARN_MS) {
        const left = open.slice(0, NAMED_MAX).map(({ hash }) => hash);
        await late(
          `after 30 s still open: ${open.length} writes of ours${left.length > 0 ? ` (${left.join(', ')})` : ''}, transactions on ${full.join(', ') || 'no node'}`,
        );
      }
      if (waited > options.operatorMs) return giveUp('the old network did not run empty in time');
      await sleep(clock, LOOK_MS, signal);
    }
  }

  async function fullMempools(reads: NodeReads): Promise<readonly string[]> {
    const refs = refsOf(nodes, 'old');
    const empty = await Promise.all(refs.map(ref => attempt(reads.mempoolEmpty(ref))));
    return refs.filter((_, i) => empty[i] === false).map(({ name }) => name);
  }

  async function areEmpty(reads: NodeReads, from: Height, to: Height): Promise<boolean> {
    const best = bestOld();
    if (best === null) return false;
    for (let height = from; height <= to; height += 1) {
      const transactions = await attempt(reads.transactions(best, height));
      if (transactions === null || transactions.length > 0) return false;
    }
    return true;
  }

  function bestOld(): NodeRef | null {
    const [best] = [...(nodes.view('old')?.nodes ?? [])]
      .filter(({ state }) => state === 'up')
      .sort((a, b) => b.height - a.height);
    return best === undefined ? null : { network: 'old', name: best.name };
  }

  /** The leader is stopped: F is where every node that answers stands, for three block times. */
  async function awaitFreeze(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const since = clock.monotonic();
    let looked = nodes.view('old')?.head ?? 0;
    let standing = null as { readonly height: Height; readonly since: number } | null;
    while (!signal.aborted) {
      const refs = refsOf(nodes, 'old');
      const seen = await Promise.all(refs.map(ref => attempt(reads.health(ref))));
      if (signal.aborted) return;
      const answering = refs.flatMap((ref, i) => (seen[i] ? [{ ref, health: seen[i] }] : []));
      const down = refs.filter((_, i) => seen[i] === null).map(({ name }) => name);
      const height = Math.max(0, ...answering.map(({ health }) => health.height));
      if (height > looked) {
        const { head, strangers } = await readStrangers(ports, reads, looked);
        if (strangers.length > 0) return push({ kind: 'moved', head, strangers, at: now() });
        looked = Math.max(looked, head);
      }
      const isStopped = options.leader === null ? down.length > 0 : down.includes(options.leader);
      const isEven = answering.length > 0 && answering.every(({ health }) => health.height === height);
      if (!isStopped || !isEven || height !== standing?.height)
        standing = isStopped && isEven ? { height, since: clock.monotonic() } : null;
      else if (clock.monotonic() - standing.since > Math.max(STAND_MIN_MS, STAND_BLOCKS * blockTimeOf(nodes, 'old'))) {
        const difference = differing(answering);
        if (difference !== null) await late(difference);
        else {
          const freeze = await readFreeze(ports, reads, answering[0]!.ref, height, signal);
          if (!signal.aborted) await push({ kind: 'frozen', freeze, at: now() });
          return;
        }
      }
      const waited = clock.monotonic() - since;
      if (waited > OPERATOR_WARN_MS && !isStopped) await late('the leader still runs after a minute');
      if (waited > options.operatorMs) return giveUp('nobody stopped the leader in time');
      await sleep(clock, LOOK_MS, signal);
    }
  }

  function differing(answering: readonly { readonly ref: NodeRef; readonly health: NodeHealth }[]): string | null {
    const [first, ...others] = answering;
    const odd = others.find(
      ({ health }) => health.blockHash !== first!.health.blockHash || health.appHash !== first!.health.appHash,
    );
    return odd === undefined
      ? null
      : `${odd.ref.name} and ${first!.ref.name} have other hashes at height ${first!.health.height}: do not take a snapshot before you know which is right`;
  }

  /** For as long as any old node is up: a head above F is the alarm. */
  async function watchOld(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const since = clock.monotonic();
    let told = current().alarm?.head ?? 0;
    while (!signal.aborted) {
      const frozenAt = current().freeze?.height ?? 0;
      const head = nodes.view('old')?.head ?? 0;
      if (frozenAt > 0 && head > Math.max(frozenAt, told)) {
        const moved = await readStrangers(ports, reads, frozenAt);
        if (moved.head > frozenAt) {
          told = moved.head;
          await push({ kind: 'moved', ...moved, at: now() });
        }
      }
      const { phase } = current();
      if (phase !== 'switched' && clock.monotonic() - since > options.operatorMs)
        await giveUp(
          'this takes longer than planned; `switchyard offline abort` and starting the old leader again is the way back',
        );
      await sleep(clock, WATCH_MS, signal);
    }
  }

  return async signal => {
    switch (current().phase) {
      case 'draining':
        return drain(signal);
      case 'stopping':
        return awaitFreeze(signal);
      case 'frozen':
      case 'building':
      case 'verified':
      case 'switched':
        return watchOld(signal);
      case 'committed':
        await proxy.quiesced(context.epoch(), signal);
        return push({ kind: 'adopted', at: now() });
      case 'opening':
        while (!signal.aborted) {
          if (nodes.view('new')?.nodes.some(({ state }) => state === 'up')) return push({ kind: 'opened', at: now() });
          await sleep(clock, LOOK_MS, signal);
        }
        return;
      case 'idle':
        return;
    }
  };
}
