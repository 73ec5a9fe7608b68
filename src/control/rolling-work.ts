import type { NodeRef } from '../model/index.js';
import { sleep } from '../platform/index.js';
import { buildEnvelope, decodeTx, encodeTxJson } from '../protocol/index.js';
import type { RollingEvent, RollingState } from '../strategies/index.js';
import type { OpenWrite, StrategyPorts } from './strategy-ports.js';
import {
  attempt,
  blockTimeOf,
  createNodeReads,
  refsOf,
  sentWrites,
  settle,
  type NodeHealth,
  type NodeReads,
} from './strategy-reads.js';

export interface RollingWorkOptions {
  /** Build that a node must have when it is back; null: any. */
  readonly wantedBuild: string | null;
  /** Longest wait for a person. */
  readonly operatorMs: number;
}

interface WorkContext {
  readonly options: RollingWorkOptions;
  readonly ports: StrategyPorts;
  readonly state: () => RollingState;
  readonly epoch: () => number;
  readonly push: (event: RollingEvent) => Promise<void>;
}

/** Reference 1.7: calls in progress, sync waits and challenges all end within this. */
const DRAIN_MS = 30_000;
const SECURE_MS = 30_000;
const QUIET_MS = 60_000;
const OPERATOR_WARN_MS = 60_000;
const LOOK_MS = 50;
const HEALTH_EVERY = 10;
const BLOCKS_MORE = 3;
const CATCH_UP_PER_SECOND = 50;
const RETURN_MS = 30_000;
const COMPARE_TABLES = 3;
const COMPARE_MS = 60_000;
const OWN_ID = Buffer.from('1');

/** What a node that ended by itself has written last (reference 1.5, 1.6). */
const LOG_LINES =
  'look in its log for "Incorrect AppHash, halting the node" or "AppHash mismatch" (its data or its build differ), or ' +
  '"assignment to entry in nil map" (its first block is a hand-over block); both need `kwild setup reset --all` and a new sync';

/** The work of each phase of a node's turn. Every wait ends: with its event, with a doubt, or when the phase is over. */
export function rollingWork(context: WorkContext): (signal: AbortSignal) => Promise<void> {
  const { options, ports, push, state: current } = context;
  const { clock, nodes, ledger, proxy, tables } = ports;
  const state = current();
  const node = state.node ?? '';
  const ref: NodeRef = { network: 'old', name: node };
  const others = (): readonly NodeRef[] => refsOf(nodes, 'old').filter(({ name }) => name !== node);
  const now = (): number => clock.now();

  const doubt = (evidence: string, about: string | null = node): Promise<void> =>
    push({ kind: 'doubt', node: about, evidence, at: now() });

  async function drain(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const until = clock.monotonic() + DRAIN_MS;
    let left = 0;
    for (let look = 1; !signal.aborted; look += 1) {
      left = nodes.load(ref) + proxy.challenges(ref);
      if (left === 0 || clock.monotonic() > until) break;
      if (look % HEALTH_EVERY === 0 && (await isGone(reads))) return push({ kind: 'gone', node, at: now() });
      await sleep(clock, LOOK_MS, signal);
    }
    if (!signal.aborted) await push({ kind: 'drained', node, left, at: now() });
  }

  const isGone = async (reads: NodeReads): Promise<boolean> => {
    const seen = await settle(reads.health(ref));
    return 'refused' in seen && seen.refused;
  };

  async function secure(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const until = clock.monotonic() + SECURE_MS;
    const safe = new Set<string>();
    const offered = new Set<string>();
    while (!signal.aborted) {
      const open = ledger.unresolved('old').filter(write => write.node === node && !safe.has(write.hash));
      if (open.length === 0) {
        const build = await attempt(reads.build(ref));
        return push({ kind: 'secured', node, offered: offered.size, build, at: now() });
      }
      for (const write of [...open].sort(byNonce)) {
        if (signal.aborted) return;
        if (await someoneKnows(reads, write)) safe.add(write.hash);
        else if (await offer(write, signal)) offered.add(write.hash);
      }
      if (clock.monotonic() > until)
        return doubt(
          `${open.length} writes that ${node} accepted are in no block, and no other node takes them: ${open[0]!.hash} and others`,
        );
      await sleep(clock, LOOK_MS, signal);
    }
  }

  async function someoneKnows(reads: NodeReads, { hash }: OpenWrite): Promise<boolean> {
    for (const other of others()) if ((await attempt(reads.knows(other, hash))) === true) return true;
    return false;
  }

  /** The same bytes on another node: harmless when the network has them. */
  async function offer({ tx }: OpenWrite, signal: AbortSignal): Promise<boolean> {
    const body = buildEnvelope(OWN_ID, 'user.broadcast', Buffer.from(`{"tx":${encodeTxJson(decodeTx(tx))}}`));
    for (const other of others()) {
      const answer = await attempt(nodes.send(other, body, { timeoutMs: 5000, signal, kind: 'control' }));
      if (answer !== null && answer.body.includes('"tx_hash"')) return true;
    }
    return false;
  }

  /** The leader's turn: nothing may wait for a block when it goes. */
  async function quiet(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const until = clock.monotonic() + QUIET_MS;
    await proxy.quiesced(context.epoch(), signal);
    let emptyAt: number | null = null;
    while (!signal.aborted) {
      const head = nodes.view('old')?.head ?? 0;
      const isEmpty = sentWrites(ledger).length === 0 && (await mempoolsEmpty(reads));
      if (!isEmpty) emptyAt = null;
      else if (emptyAt === null) emptyAt = head;
      else if (head > emptyAt) return push({ kind: 'quiet', node, height: head, at: now() });
      if (clock.monotonic() > until)
        return doubt(`${sentWrites(ledger).length} writes did not get into a block in ${QUIET_MS / 1000} s`, null);
      await sleep(clock, LOOK_MS, signal);
    }
  }

  async function mempoolsEmpty(reads: NodeReads): Promise<boolean> {
    const empty = await Promise.all(refsOf(nodes, 'old').map(one => attempt(reads.mempoolEmpty(one))));
    return empty.every(one => one !== false);
  }

  /**
   * Announced: waits for the operator. A restart too short to be refused shows as a lower height, another build, or hashes of
   * its own.
   */
  async function awaitGone(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const since = clock.monotonic();
    let failures = 0;
    let height = 0;
    for (let look = 1; !signal.aborted; look += 1) {
      const seen = await settle(reads.health(ref));
      if ('value' in seen) {
        failures = 0;
        const isOther = look % HEALTH_EVERY === 1 && (await isAnotherProcess(reads, seen.value));
        if (seen.value.height < height || isOther) return push({ kind: 'gone', node, at: now() });
        height = seen.value.height;
      } else if (seen.refused || ++failures >= 3) return push({ kind: 'gone', node, at: now() });
      await tellLate(since, `${node} still runs`);
      if (clock.monotonic() - since > options.operatorMs)
        return doubt(`${node} was announced and nobody stopped it in ${seconds(options.operatorMs)}`, null);
      await sleep(clock, LOOK_MS, signal);
    }
  }

  async function isAnotherProcess(reads: NodeReads, health: NodeHealth): Promise<boolean> {
    const build = await attempt(reads.build(ref));
    const { buildBefore } = state;
    return (buildBefore !== null && build !== null && build !== buildBefore) || (await oddity(reads, health)) !== null;
  }

  async function tellLate(since: number, text: string): Promise<void> {
    if (clock.monotonic() - since > OPERATOR_WARN_MS)
      await push({ kind: 'late', text: `${text} after a minute`, at: now() });
  }

  async function awaitBack(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const since = clock.monotonic();
    while (!signal.aborted) {
      if ('value' in (await settle(reads.health(ref)))) return push({ kind: 'answered', node, at: now() });
      await tellLate(since, `${node} does not answer`);
      if (clock.monotonic() - since > options.operatorMs)
        return doubt(`${node} did not come back in ${seconds(options.operatorMs)}; ${LOG_LINES}`);
      await sleep(clock, LOOK_MS, signal);
    }
  }

  /** The test of reference 1.2: chain, build, not catching up, at the head, same hashes, and three more blocks. */
  async function awaitAgreement(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const begun = clock.monotonic();
    let until: number | null = null;
    let refusals = 0;
    let wanted: number | null = null;
    let build: string | null = null;
    while (!signal.aborted) {
      const seen = await settle(reads.health(ref));
      if (signal.aborted) return;
      if (!('value' in seen)) {
        if (++refusals >= 2) return doubt(`${node} answered and ended again: ${LOG_LINES}`);
      } else {
        refusals = 0;
        const health = seen.value;
        const odd = await oddity(reads, health);
        if (odd !== null) return doubt(odd);
        build ??= await attempt(reads.build(ref));
        if (build !== null && options.wantedBuild !== null && build !== options.wantedBuild)
          return doubt(`${node} is back with build ${build}, wanted is ${options.wantedBuild}`);
        const best = bestOther();
        const head = Math.max(best?.height ?? 0, health.height);
        until ??=
          begun + RETURN_MS + ((head - health.height) / CATCH_UP_PER_SECOND) * 1000 + 4 * blockTimeOf(nodes, 'old');
        const isThere = !health.syncing && health.height > 0 && head - health.height <= 1 && build !== null;
        if (!isThere) wanted = null;
        else if (wanted === null) wanted = health.height + BLOCKS_MORE;
        else if (health.height >= wanted && best !== null) {
          const height = Math.min(health.height, best.height);
          const difference = await differAt(reads, best.ref, height);
          if (difference !== null) return doubt(difference);
          return push({ kind: 'agreed', node, height, build, at: now() });
        }
      }
      if (until !== null && clock.monotonic() > until)
        return doubt(
          `${node} answers but does not get to the head with three more blocks (${describe(seen)}); ${LOG_LINES}`,
        );
      await sleep(clock, LOOK_MS, signal);
    }
  }

  /** What is wrong for certain, at any height. */
  async function oddity(reads: NodeReads, health: NodeHealth): Promise<string | null> {
    const chainId = nodes.view('old')?.chainId ?? '';
    if (health.chainId !== chainId)
      return `${node} is back on chain ${health.chainId.slice(0, 64)} instead of ${chainId}`;
    const best = bestOther();
    if (best === null || health.height === 0) return null;
    return differAt(reads, best.ref, Math.min(health.height, best.height));
  }

  async function differAt(reads: NodeReads, other: NodeRef, height: number): Promise<string | null> {
    if (height === 0) return null;
    const [mine, theirs] = await Promise.all([attempt(reads.block(ref, height)), attempt(reads.block(other, height))]);
    if (mine === null || theirs === null) return null;
    if (mine.hash !== theirs.hash)
      return `${node} has block ${mine.hash} at height ${height}, ${other.name} has ${theirs.hash}: another chain of blocks`;
    if (mine.appHash !== theirs.appHash)
      return `${node} has app hash ${mine.appHash} at height ${height}, ${other.name} has ${theirs.appHash}: it computed other results`;
    return null;
  }

  function bestOther(): { readonly ref: NodeRef; readonly height: number } | null {
    const up = (nodes.view('old')?.nodes ?? []).filter(view => view.name !== node && view.state === 'up');
    const [best] = [...up].sort((a, b) => b.height - a.height);
    return best === undefined ? null : { ref: { network: 'old', name: best.name }, height: best.height };
  }

  async function compare(signal: AbortSignal): Promise<void> {
    const reads = createNodeReads(nodes, signal);
    const best = bestOther();
    if (best === null) throw new Error('no other node to compare with');
    const budget = AbortSignal.any([signal, AbortSignal.timeout(COMPARE_MS)]);
    const compared = await tables.compare(best.ref, ref, { tables: COMPARE_TABLES }, budget);
    if (signal.aborted) return;
    if (compared.differences.length > 0)
      return doubt(
        `${node} shows other rows than ${best.ref.name}: ${compared.differences.slice(0, 3).join('; ')}. Equal app hashes do not prove equal data: reset it and sync anew`,
      );
    const health = await reads.health(ref);
    const build = await attempt(reads.build(ref));
    const { tables: count, rows } = compared;
    await push({ kind: 'compared', node, height: health.height, build, tables: count, rows, at: now() });
  }

  return async signal => {
    switch (state.phase) {
      case 'draining':
        return drain(signal);
      case 'securing':
        return secure(signal);
      case 'quieting':
        return quiet(signal);
      case 'ready':
        return awaitGone(signal);
      case 'away':
        return awaitBack(signal);
      case 'returning':
        return awaitAgreement(signal);
      case 'comparing':
        return compare(signal);
      case 'idle':
      case 'stopped':
      case 'finished':
        return;
    }
  };
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

const describe = (seen: { readonly value: NodeHealth } | { readonly error: string }): string =>
  'value' in seen ? `height ${seen.value.height}${seen.value.syncing ? ', catching up' : ''}` : seen.error;

const byNonce = (a: OpenWrite, b: OpenWrite): number =>
  a.account === b.account ? Number(BigInt(a.nonce) - BigInt(b.nonce)) : a.account < b.account ? -1 : 1;
