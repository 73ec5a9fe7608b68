import type { Height, ReplicationStatus } from '../model/index.js';
import { createNotifier } from '../platform/index.js';
import { decodeElements } from '../protocol/index.js';
import type { WatermarkView } from '../routing/index.js';
import { createAnswerMaker, repairHeight } from './assemble.js';
import { integrityError } from './errors.js';
import { createFollower, type Follower } from './follower.js';
import { findingsOf, type Finding } from './findings.js';
import { createGenesis } from './genesis.js';
import type { Insight } from './insight.js';
import { createIdentities, type Identity } from './identities.js';
import { lagMsOf } from './lag.js';
import { createLossWatch, type ListedLoss } from './loss-watch.js';
import { createMarkStore } from './marks.js';
import { createOldBlocks, type Strangers } from './old-blocks.js';
import { chooseTerms, type PlanRecord, type Terms } from './plan.js';
import type { ReplicationPorts } from './ports.js';
import { createRelay, type Relay } from './relay.js';
import { REPAIR_NAMES, REPAIRS } from './repairs/index.js';
import { describeElements, type ReadableElement } from './show.js';
import { createStream } from './stream.js';
import { createTail, type Difference } from './tail.js';

export interface ReplicationOptions {
  readonly dataDir: string;
  /** Chain id of the old network, for the relay's health answer. */
  readonly oldChainId: string;
  readonly relay: {
    readonly listen: string;
    readonly validators: readonly string[];
    readonly merge: 'auto' | 'off';
    readonly ownEnd: 'auto' | 'off' | number;
    readonly timeline: 'keep' | number;
    readonly repairs: 'auto' | 'off' | Readonly<Record<string, 'auto' | 'off'>>;
    readonly listenerPaceMs: number;
  };
  /** One call to an old node; default 10 s. */
  readonly timeoutMs?: number;
}

/** The stream from the old network to the new one. */
export interface Replication {
  start(): Promise<{ readonly relayAddress: string | null }>;
  close(): Promise<void>;
  destroy(reason?: string): void;
  status(): ReplicationStatus;
  watermark(): WatermarkView;
  /** Anything of status() or watermark() may have changed. */
  subscribe(listener: () => void): () => void;
  /** During a switch: everything up to `height` leaves the moment it is archived; null ends that. */
  expedite(height: Height | null): void;
  /** Before a switch holds writes: resolves when the listeners wait for their next answer, or after little more than a pace. */
  rally(signal: AbortSignal): Promise<void>;
  relayUrls(): readonly { readonly validator: string; readonly url: string }[];
  show(height: Height): ShownHeight | null;
  repairs(): readonly ShownRepair[];
  plan(from: Height, to: Height): readonly PlanRecord[];
  terms(): Terms | null;
  strangers(): Strangers;
  /** Heights about which the recorders disagree, and the decision of an operator. */
  difference(): Difference | null;
  decide(height: Height, sha256: string): Promise<boolean>;
  /** Frees the bytes of old heights below `before`; infos and plan stay. */
  prune(before: Height): Promise<number>;
  /** Problems seen from outside with their cure, lost values, strangers, size of the archive. */
  insight(): Insight;
}

export interface ShownHeight {
  readonly height: Height;
  readonly bytes: number;
  readonly sha256: string;
  readonly source: string;
  readonly confirmedBy: string | null;
  readonly archivedAt: string;
  readonly repairs: Readonly<Record<string, number>>;
  readonly elements: readonly ReadableElement[];
  /** Values of this height that the recording lost, or may have lost. */
  readonly losses: readonly ListedLoss[];
}

export interface ShownRepair {
  readonly name: string;
  readonly state: 'auto' | 'off';
  readonly reason: string;
  readonly proof: string;
  readonly count: number;
}

const TIMEOUT_MS = 10_000;
/** Events that wait for votes: a few are normal, many mean different bytes. */
const OPEN_EVENTS_SUSPECT = 12;

export function createReplication(options: ReplicationOptions, ports: ReplicationPorts): Replication {
  const { archive, clock, logger, metrics, nodes } = ports;
  const changes = createNotifier();
  const off = switchedOff(options.relay.repairs);
  const tail = createTail({ timeoutMs: options.timeoutMs ?? TIMEOUT_MS, off, schema: () => genesis.schema() }, ports);
  const genesis = createGenesis(ports, tail);
  const oldBlocks = createOldBlocks(ports);
  const maker = createAnswerMaker({ off, schema: () => genesis.schema() }, archive);
  const stream = createStream({ paceMs: options.relay.listenerPaceMs }, { archive, maker, clock, restMs, onDecided });
  const follower: Follower = createFollower(ports, stream.terms, tail.bounds);
  const losses = createLossWatch(() => genesis.schema(), tail, ports);
  const marks = createMarkStore(archive);
  let relay: Relay | null = null;
  let identities: readonly Identity[] = [];
  let repairCounts: Record<string, number> = {};
  let choosing: Promise<Terms | null> | null = null;
  let archivedAt = 0;
  let mergedMax = 0;
  const unsubscribes: (() => void)[] = [];
  let closed = false;
  /** What was true when it closed: others may still ask while they end. */
  let last: { readonly status: ReplicationStatus; readonly watermark: WatermarkView } | null = null;

  async function start(): Promise<{ relayAddress: string | null }> {
    await archive.open();
    stream.start();
    repairCounts = (archive.record('repairs') as Record<string, number> | undefined) ?? {};
    identities = await createIdentities(options.dataDir, options.relay.validators);
    await welcome();
    relay = createRelay(
      { listen: options.relay.listen, identities },
      { stream, genesis, marks, terms: termsOnDemand, health, clock, logger, metrics },
    );
    unsubscribes.push(
      tail.subscribe(() => {
        archivedAt = clock.monotonic();
        stream.wake();
        changed();
      }),
      genesis.subscribe(changed),
      losses.subscribe(changed),
      stream.subscribe(changed),
      follower.subscribe(changed),
      oldBlocks.subscribe(() => {
        stream.wake();
        changed();
      }),
      nodes.subscribe(changed),
      relay.subscribe(changed),
    );
    const relayAddress = await relay.start();
    tail.start();
    genesis.start();
    follower.start();
    oldBlocks.start();
    losses.start();
    logger.info({ relay: relayAddress, validators: options.relay.validators.length }, 'relay listens');
    return { relayAddress };
  }

  /**
   * Marks of validators that never asked are made while nothing was served: later, a missing mark means that it was lost, and the
   * validator is treated with care (see marks.ts).
   */
  async function welcome(): Promise<void> {
    if (archive.lastPlanned() !== null) return;
    for (const { name } of identities) {
      await archive.createRecord(`mark/${name}`, { chunk0: null, two: null, chunk0AfterTwo: false });
    }
  }

  /** Chosen by the first new node that asks for the metadata, once for all of them. */
  function termsOnDemand(): Promise<Terms | null> {
    const known = stream.terms();
    if (known !== null) return Promise.resolve(known);
    choosing ??= choose().finally(() => (choosing = null));
    return choosing;
  }

  async function choose(): Promise<Terms | null> {
    const bounds = tail.bounds();
    if (bounds === null) return null;
    // Without it the choice is worse, not wrong.
    await oldBlocks.seed().catch(() => undefined);
    const head = Math.max(nodes.view('old')?.head ?? 0, archive.last() ?? bounds.start - 1);
    const { merge, ownEnd, timeline, listenerPaceMs: paceMs } = options.relay;
    const chosen = chooseTerms({
      ...bounds,
      head,
      blockMs: oldBlocks.blockMs(),
      merge,
      ownEnd,
      timeline,
      paceMs,
      expectedBytes: expectedBytes(bounds.start, bounds.end),
      now: clock.now(),
    });
    const terms = (await archive.createRecord('terms', chosen)) as Terms;
    stream.adopt(terms);
    logger.info(
      { start: terms.presentedStart, end: terms.presentedEnd, realEnd: terms.end },
      'announced to the new network',
    );
    changed();
    return terms;
  }

  function expectedBytes(start: Height, end: Height): number {
    const last = archive.last() ?? start - 1;
    if (last < start) return 0;
    let bytes = 0;
    for (let height = start; height <= last; height += 1) bytes += archive.info(height)?.effective ?? 0;
    return (bytes / (last - start + 1)) * (end - start + 1);
  }

  /** Expected time until the real End is archived: what is left to come, less the part of the next block that has passed. */
  function restMs(): number | null {
    const bounds = tail.bounds();
    const blockMs = oldBlocks.blockMs();
    if (bounds === null || blockMs === null) return null;
    const head = Math.max(nodes.view('old')?.head ?? 0, archive.last() ?? 0);
    const passed = Math.min(blockMs, clock.monotonic() - archivedAt);
    return Math.max(0, (bounds.end - head) * blockMs - passed);
  }

  function onDecided(record: PlanRecord): void {
    if (record.bytes > 0) mergedMax = Math.max(mergedMax, record.to - record.from + 1);
    for (const [name, count] of Object.entries(record.repairs)) {
      repairCounts = { ...repairCounts, [name]: (repairCounts[name] ?? 0) + count };
      metrics.replicationRepairs.inc({ repair: name }, count);
    }
    if (Object.keys(record.repairs).length > 0) void archive.setRecord('repairs', repairCounts).catch(() => undefined);
  }

  function health(): Record<string, unknown> {
    const view = nodes.view('old');
    const best = view?.nodes.find(node => node.height === view.head);
    const height = Math.max(view?.head ?? 0, archive.last() ?? 0);
    return {
      chain_id: options.oldChainId,
      block_height: height,
      block_hash: best?.blockHash ?? '0'.repeat(64),
      gas: false,
      healthy: true,
      version: '0.2.0',
      block_time: clock.now(),
      block_age: 0,
      syncing: false,
      height,
      app_hash: '0'.repeat(64),
      peer_count: 0,
      mode: 'open',
    };
  }

  function changed(): void {
    if (closed) return;
    const { archived, served, applied, lagBlocks, lagMs, blocksToEnd } = status();
    const head = nodes.view('old')?.head;
    for (const [stage, value] of Object.entries({ recorded: head ?? null, archived, served, applied })) {
      if (value !== null) metrics.replicationHeight.set({ stage }, value);
    }
    if (lagBlocks !== null) metrics.replicationLagBlocks.set(lagBlocks);
    if (lagMs !== null) metrics.replicationLagSeconds.set(lagMs / 1000);
    if (blocksToEnd !== null) metrics.migrationRemaining.set(blocksToEnd);
    const { lost, unknown } = losses.counts();
    metrics.replicationLosses.set({ state: 'lost' }, lost);
    metrics.replicationLosses.set({ state: 'unknown' }, unknown);
    metrics.archiveBytes.set(archive.sizeBytes());
    changes.notify();
  }

  function status(): ReplicationStatus {
    if (last !== null) return last.status;
    const bounds = tail.bounds();
    const { applied, lagBlocks } = follower.view();
    const archived = archive.last();
    const head = nodes.view('old')?.head ?? null;
    const stop = stream.stopped() ?? (tail.stopped() ? tail.reason() : null);
    const finished = bounds !== null && applied !== null && applied >= bounds.end;
    const waiting = bounds === null || archived === null;
    return {
      state: stop !== null ? 'stopped' : finished ? 'finished' : waiting ? 'waiting' : 'running',
      reason: finished ? null : (stop ?? tail.reason() ?? genesis.reason() ?? follower.reason() ?? stream.waitingFor()),
      startHeight: bounds?.start ?? null,
      endHeight: bounds?.end ?? null,
      archived,
      served: stream.covered(),
      applied,
      lagBlocks,
      lagMs:
        applied === null || archived === null
          ? null
          : lagMsOf({
              now: clock.now(),
              applied,
              archived,
              recorded: Math.min(head ?? 0, bounds?.end ?? 0),
              oldestAt: archive.info(applied + 1)?.at ?? null,
              blockMs: oldBlocks.blockMs(),
            }),
      blocksToEnd: bounds === null || head === null ? null : Math.max(0, bounds.end - head),
      msToEnd: restMs(),
      repairs: repairCounts,
      validators: relay?.validators() ?? [],
    };
  }

  function show(height: Height): ShownHeight | null {
    const info = archive.info(height);
    if (info === undefined) return null;
    const bytes = archive.bytes(height);
    return {
      height,
      bytes: info.bytes,
      sha256: info.sha256,
      source: info.source,
      confirmedBy: info.confirmedBy,
      archivedAt: new Date(info.at).toISOString(),
      repairs: bytes === undefined ? {} : repairHeight(bytes, off, null).counts,
      elements: bytes === undefined ? [] : describeElements(decodeElements(bytes)),
      losses: losses.losses().listed.filter(loss => loss.height === height),
    };
  }

  function findings(): readonly Finding[] {
    const found: Finding[] = [];
    const finished = status().state === 'finished';
    for (const validator of relay?.validators() ?? []) found.push(...findingsOf(validator, finished));
    if (follower.openEvents() > OPEN_EVENTS_SUSPECT) {
      found.push({
        id: 'split-vote',
        text: `${follower.openEvents()} changeset events on the new network have votes but no majority`,
        cure: 'validators were given different bytes, or too few of them run; give the lead to a validator that has the version of the majority',
      });
    }
    const disputed = tail.difference();
    if (disputed !== null) {
      found.push({
        id: 'recorders-differ',
        text: tail.reason() ?? 'recorders differ',
        cure: `compare both versions, then \`switchyard replication decide ${disputed.height} SHA256\`, or drain the node that is wrong`,
      });
    }
    return found;
  }

  return {
    start,
    async close() {
      if (closed) return;
      closed = true;
      if (relay !== null) last = { status: status(), watermark: follower.view() };
      for (const unsubscribe of unsubscribes) unsubscribe();
      stream.close();
      await relay?.close();
      await Promise.all([tail.close(), genesis.close(), follower.close(), oldBlocks.close(), losses.close()]);
      await archive.close();
    },
    destroy(reason) {
      logger.warn({ reason: reason ?? 'no reason given' }, 'replication is destroyed');
      // What matters is on disk already; nothing is drained.
      void this.close().catch(() => undefined);
    },
    status,
    watermark: () => last?.watermark ?? follower.view(),
    subscribe: changes.subscribe,
    expedite: stream.expedite,
    rally: signal =>
      stream.rally(() => relay?.validators().filter(({ health }) => health === 'asking').length ?? 0, signal),
    relayUrls() {
      const address = relay?.address() ?? options.relay.listen;
      return identities.map(({ name, secret }) => ({
        validator: name,
        url: secret === '' ? `http://${address}` : `http://${address}/${secret}`,
      }));
    },
    show,
    repairs: () =>
      REPAIRS.map(({ name, reason, proof }) => ({
        name,
        reason,
        proof,
        state: off.has(name) ? 'off' : 'auto',
        count: repairCounts[name] ?? 0,
      })),
    plan: (from, to) => [...archive.plans(from, to)] as PlanRecord[],
    terms: stream.terms,
    strangers: oldBlocks.strangers,
    difference: tail.difference,
    decide: tail.decide,
    prune: before => archive.prune(before),
    insight: () => ({
      findings: findings(),
      losses: losses.losses(),
      strangers: oldBlocks.strangers(),
      archive: { first: archive.first(), last: archive.last(), bytes: archive.sizeBytes() },
    }),
  };
}

function switchedOff(setting: ReplicationOptions['relay']['repairs']): ReadonlySet<string> {
  if (setting === 'auto') return new Set();
  if (setting === 'off') return new Set(REPAIR_NAMES);
  const unknown = Object.keys(setting).filter(name => !(REPAIR_NAMES as readonly string[]).includes(name));
  if (unknown.length > 0) {
    throw integrityError(
      'repair_unknown',
      `there is no repair named ${unknown.join(', ')}; the names are ${REPAIR_NAMES.join(', ')}`,
    );
  }
  return new Set(Object.keys(setting).filter(name => setting[name] === 'off'));
}
