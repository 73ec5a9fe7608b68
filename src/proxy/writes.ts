import { GatewayError, type NetworkName, type NodeRef, type TxHash } from '../model/index.js';
import { sleep, waitFor } from '../platform/index.js';
import { buildEnvelope, restoreId, rpcResult, type Slice } from '../protocol/index.js';
import {
  decide,
  isAlreadyThere,
  judge,
  NO_FACTS,
  type CallFacts,
  type Decision,
  type NodeView,
  type Outcome,
  type RoutingSnapshot,
} from '../routing/index.js';
import { createAccountOrder } from './account-order.js';
import type { RequestContext } from './context.js';
import type { Refusal } from './errors.js';
import { createFlights, type Flight, type Flights } from './flights.js';
import { createHeldLog, endingWord, type HeldFate, type HeldLog } from './held-log.js';
import { createHold, type Hold, type HoldLimits } from './hold.js';
import type { LedgerRecord, ProxyLimits, ProxyPorts, Upstream } from './ports.js';
import type { ReadGate } from './read-gate.js';
import { outcomeOf, OWN_ID, refusalReply, type Reply } from './reply.js';
import type { Shield } from './shield.js';
import { readBroadcast, type Broadcast } from './transaction.js';
import type { TxLookup } from './tx-lookup.js';
import {
  entryOf,
  holdRefusal,
  ledgerRefusal,
  networkOf,
  resultMember,
  RETRY_MS,
  unknownRefusal,
  type Ending,
} from './write-ending.js';

export interface Writes {
  broadcast(context: RequestContext, id: Uint8Array, body: Uint8Array, params: Slice | null): Promise<Reply>;
  readonly hold: Hold;
  /** What became of the writes that were held. */
  readonly held: HeldLog;
  readonly flights: Flights;
  /** What the decision about a transaction rests on, for `explain`. */
  factsOf(broadcast: Broadcast, snapshot: RoutingSnapshot): CallFacts;
  /** Still on its way in this process. */
  isRunning(hash: TxHash): boolean;
}

export interface WritesOptions {
  readonly hold: HoldLimits;
  readonly limits: ProxyLimits;
}

export interface WritesPorts extends Pick<
  ProxyPorts,
  'snapshot' | 'nodes' | 'ledger' | 'clock' | 'logger' | 'metrics'
> {
  readonly gate: ReadGate;
  readonly lookup: TxLookup;
  readonly shield: Shield;
  /** The network's head stands while accepted writes wait. */
  readonly stalled: (network: NetworkName) => boolean;
}

/** Rounds of hold and release one write can go through before it is given up: two switches would be many. */
const ROUNDS_MAX = 8;
/** For a network whose nodes all refuse the connection: a restart takes about this long, and nothing was sent. */
const PATIENCE_MS = 2000;
const REFUSED_PAUSE_MS = 100;
/** For finding out by hash what became of a write, beyond the call's own time. */
const LEARN_MS = 2500;
const LEARN_PAUSE_MS = 200;
/** A sync broadcast occupies its node until the block; the account's next one need not wait for that. */
const SYNC_HEAD_START_MS = 50;

/**
 * The path of a write: read, decide, (hold), order by account, record durably, look again, send once, learn the outcome.
 *
 * Two rules carry everything. The entry is on the disk before the first byte leaves. And between the last look at the
 * snapshot and the send there is no `await`: whoever publishes an epoch and then asks `quiesced` misses nothing.
 */
export function createWrites(options: WritesOptions, ports: WritesPorts): Writes {
  const { clock, ledger, nodes, gate, lookup, metrics } = ports;
  const hold = createHold(options.hold, ports);
  const heldLog = createHeldLog();
  const flights = createFlights(clock);
  const order = createAccountOrder(clock);
  const running = new Map<TxHash, Promise<Ending>>();
  let arrivals = 0;

  function factsOf(broadcast: Broadcast, { intent }: RoutingSnapshot): CallFacts {
    const stalled = ports.stalled(intent.writes.kind === 'refuse' ? intent.affine : intent.writes.network);
    return { ...NO_FACTS, write: { chainId: broadcast.chainId, stalled } };
  }

  function decideFor(broadcast: Broadcast, snapshot: RoutingSnapshot): Decision {
    const decision = decide('write', factsOf(broadcast, snapshot), snapshot);
    // Somebody waits for the older epoch to end while this snapshot has not arrived yet.
    if (decision.kind === 'forward' && snapshot.intent.epoch < flights.fence()) {
      return { kind: 'hold', reason: 'switching', network: decision.networks[0] };
    }
    return decision;
  }

  async function run(broadcast: Broadcast, context: RequestContext): Promise<Ending> {
    const waits: Pick<HeldFate, 'at' | 'heldMs' | 'wait'>[] = [];
    let ending: Ending | null = null;
    try {
      ending = await attempt(broadcast, context, waits);
      return ending;
    } finally {
      const fate = ending === null ? ({ ending: null, network: 'none' } as const) : endingWord(ending);
      for (const wait of waits) heldLog.add({ hash: broadcast.hash, ...wait, ...fate });
    }
  }

  async function attempt(
    broadcast: Broadcast,
    context: RequestContext,
    waits: Pick<HeldFate, 'at' | 'heldMs' | 'wait'>[],
  ): Promise<Ending> {
    const seq = arrivals++;
    const earlier = ledger.get(broadcast.hash);
    let leave: (() => void) | null = null;
    let admitted = false;
    let snapshot = context.snapshot;
    /** Takes the record back as long as no node can have the bytes: a switch waits for every open record. */
    const withdraw = async (): Promise<void> => {
      if (admitted && (earlier === undefined || earlier.state === 'rejected')) {
        admitted = false;
        await settle(broadcast.hash, { state: 'rejected' });
      }
    };
    const refused = (refusal: Refusal): Ending => {
      void withdraw();
      return { kind: 'refused', refusal: { txHash: broadcast.hash, ...refusal }, network: 'none' };
    };
    try {
      for (let round = 0; round < ROUNDS_MAX; round++) {
        const decision = decideFor(broadcast, snapshot);
        record(decision);
        if (decision.kind === 'refuse') return refused(decision);
        if (decision.kind === 'answer') throw new Error('a write is never answered from memory');
        if (decision.kind === 'hold') {
          await withdraw();
          const at = clock.now();
          const since = clock.monotonic();
          const held = await hold.wait({
            seq,
            client: context.client,
            bytes: broadcast.bytes.length,
            signal: context.signal,
            again: () => {
              const next = ports.snapshot();
              return decideFor(broadcast, next).kind === 'hold' ? undefined : next;
            },
          });
          waits.push({ at, heldMs: Math.round(clock.monotonic() - since), wait: held.kind });
          if (held.kind !== 'released') return refused(holdRefusal(held.kind, decision.reason));
          snapshot = held.value;
          continue;
        }
        const network = decision.networks[0];
        leave ??= await order.enter(broadcast.account);
        if (!admitted) {
          try {
            await ledger.admit(entryOf(broadcast, network, snapshot, clock.now()));
          } catch (error) {
            return refused(ledgerRefusal(error));
          }
          admitted = true;
        }
        // The flush took time: the decision is made again, and from here to the send nothing waits.
        const now = ports.snapshot();
        const again = decideFor(broadcast, now);
        if (again.kind !== 'forward' || again.networks[0] !== network) {
          snapshot = now;
          continue;
        }
        const ending = await deliver(
          broadcast,
          network,
          now,
          earlier !== undefined && earlier.state !== 'rejected',
          leave,
        );
        if (ending !== 'unsent') return ending;
        snapshot = ports.snapshot();
      }
      return refused({ reason: 'overloaded', executed: 'no', retryAfterMs: RETRY_MS });
    } finally {
      leave?.();
    }
  }

  /** Sends to one node after the other until one has it for certain or perhaps. `unsent`: the decision must be made again. */
  async function deliver(
    broadcast: Broadcast,
    network: NetworkName,
    snapshot: RoutingSnapshot,
    resend: boolean,
    letNextGo: () => void,
  ): Promise<Ending | 'unsent'> {
    const flight = flights.begin(snapshot.intent.epoch, network);
    const tried = new Set<string>();
    const patience = clock.monotonic() + PATIENCE_MS;
    const body = buildEnvelope(OWN_ID, 'user.broadcast', broadcast.params);
    const headStart = broadcast.sync ? clock.after(SYNC_HEAD_START_MS, letNextGo) : null;
    try {
      for (;;) {
        const node = gate.candidates(network).find(candidate => !tried.has(candidate.id));
        if (node === undefined) {
          // Every node refused the connection, so nothing has left: wait for one, within the same epoch only.
          await sleep(clock, REFUSED_PAUSE_MS);
          const left = patience - clock.monotonic();
          if (left > 0)
            await waitFor(
              listener => nodes.subscribe(listener),
              () => (hasLife(network) ? true : undefined),
              { timeoutMs: left, clock },
            );
          if (left <= 0) return refusedNoNode(broadcast, resend);
          tried.clear();
          if (ports.snapshot().intent.epoch !== flight.epoch) return 'unsent';
          continue;
        }
        tried.add(node.id);
        const { answer, outcome } = await sendOnce(node, body, broadcast, flight);
        const room = { node: true, network: false, resend };
        const verdict = judge('write', outcome, room);
        switch (verdict.kind) {
          case 'relay':
            settleAnswer(broadcast, outcome, node, resend);
            return { kind: 'answer', answer: answer!, outcome, node };
          case 'accepted':
            void settle(broadcast.hash, { state: 'accepted', node: node.name });
            return { kind: 'accepted', network, node, mined: null };
          case 'look-up':
            letNextGo();
            return await learn(broadcast, network, answer, outcome, node);
          case 'another-node':
            // A write begun in one epoch is not tried again in the next.
            if (ports.snapshot().intent.epoch !== flight.epoch) return 'unsent';
            continue;
          case 'another-network':
          case 'give-up':
            return refusedNoNode(broadcast, resend);
        }
      }
    } finally {
      headStart?.cancel();
      flights.end(flight);
    }
  }

  const hasLife = (network: NetworkName): boolean => gate.candidates(network).some(node => node.state !== 'down');

  async function sendOnce(
    node: NodeView,
    body: Buffer,
    broadcast: Broadcast,
    flight: Flight,
  ): Promise<{ answer: Upstream | null; outcome: Outcome }> {
    const ref: NodeRef = { network: node.network, name: node.name };
    const timeoutMs = broadcast.sync ? options.limits.syncWriteMs : options.limits.writeMs;
    try {
      const answer = await nodes.send(ref, body, { timeoutMs, signal: flight.abort.signal, kind: 'client' });
      return { answer, outcome: outcomeOf(answer) };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return { answer: null, outcome: { kind: 'failed', sent: error.sent ?? 'maybe' } };
    }
  }

  /** The bytes may have arrived: ask by hash, for a bounded time; after it the resolver goes on and the client is told. */
  async function learn(
    broadcast: Broadcast,
    network: NetworkName,
    answer: Upstream | null,
    outcome: Outcome,
    node: NodeView,
  ): Promise<Ending> {
    void settle(broadcast.hash, { state: 'unknown', node: node.name });
    const until = clock.monotonic() + LEARN_MS;
    for (;;) {
      const known = ledger.get(broadcast.hash);
      if (known?.state === 'rejected' || known?.state === 'dead') break;
      const sighting = await lookup.find(network, broadcast.hash);
      if (sighting.kind === 'mined') {
        void settle(broadcast.hash, { state: 'mined', height: sighting.height, code: sighting.code });
        return { kind: 'accepted', network, node, mined: sighting };
      }
      if (sighting.kind === 'pooled') {
        void settle(broadcast.hash, { state: 'accepted', node: sighting.node.name });
        if (!broadcast.sync) return { kind: 'accepted', network, node, mined: null };
      }
      const left = until - clock.monotonic();
      if (left <= 0) break;
      const final = (): true | undefined => (ledger.get(broadcast.hash)?.state === 'mined' ? true : undefined);
      await waitFor(listener => ledger.subscribe(listener), final, {
        timeoutMs: Math.min(left, LEARN_PAUSE_MS),
        clock,
      });
    }
    // A node's own "timed out waiting" says the same in its own words.
    if (answer !== null && outcome.kind === 'error')
      return { kind: 'refused', network, refusal: unknownRefusal(broadcast, outcome.message) };
    return { kind: 'refused', network, refusal: unknownRefusal(broadcast) };
  }

  function settleAnswer(broadcast: Broadcast, outcome: Outcome, node: NodeView, resend: boolean): void {
    if (outcome.kind === 'result' || isAlreadyThere(outcome))
      void settle(broadcast.hash, { state: 'accepted', node: node.name });
    // A copy that went out before may still be there: this refusal is about the second one.
    else if (outcome.kind === 'error' && !resend) {
      void settle(broadcast.hash, {
        state: 'rejected',
        node: node.name,
        ...(outcome.inner === null ? {} : { code: outcome.inner }),
      });
    }
  }

  function refusedNoNode(broadcast: Broadcast, resend: boolean): Ending {
    if (!resend) void settle(broadcast.hash, { state: 'rejected' });
    const executed = resend ? 'unknown' : 'no';
    return {
      kind: 'refused',
      network: 'none',
      refusal: { reason: 'no_node', executed, txHash: broadcast.hash, retryAfterMs: RETRY_MS },
    };
  }

  function settle(
    hash: TxHash,
    change: { state: LedgerRecord['state']; node?: string; height?: number; code?: number },
  ): Promise<void> {
    // What the disk misses here is found out again from the chain.
    return ledger
      .settle(hash, change)
      .catch((error: unknown) =>
        ports.logger.error({ err: error, hash }, 'the outcome of a write could not be recorded'),
      );
  }

  function record(decision: Decision): void {
    const network =
      decision.kind === 'forward' ? decision.networks[0] : decision.kind === 'hold' ? decision.network : 'none';
    metrics.routeDecisions.inc({ class: 'write', network, reason: decision.reason });
    if (decision.kind === 'refuse' && (decision.reason === 'chain_switched' || decision.reason === 'chain_not_open'))
      metrics.misroutedWrites.inc();
  }

  function render(ending: Ending, context: RequestContext, id: Uint8Array, broadcast: Broadcast): Reply {
    const snapshot = ports.snapshot();
    switch (ending.kind) {
      case 'refused':
        return { ...refusalReply(id, ending.refusal, snapshot), network: ending.network };
      case 'accepted': {
        const { mined } = ending;
        const result = mined === null || !broadcast.sync ? '' : `,"result":${JSON.stringify(resultMember(mined))}`;
        const session = mined === null ? null : gate.delivered(context.reader, ending.node, snapshot, mined.height);
        return {
          body: rpcResult(id, `{"tx_hash":"${broadcast.hash}"${result}}`),
          status: 200,
          network: ending.network,
          outcome: 'ok',
          session,
        };
      }
      case 'answer': {
        const body = restoreId(ending.answer.body, OWN_ID, id);
        if (body === null) return refusalReply(id, unknownRefusal(broadcast), snapshot);
        // Only a sync answer shows a state: the one after its block, on that node.
        const shows = broadcast.sync && ending.outcome.kind === 'result';
        const session = shows ? gate.delivered(context.reader, ending.node, snapshot) : null;
        const outcome = ending.outcome.kind === 'result' ? 'ok' : 'rpc_error';
        return { body, status: ending.answer.status, network: ending.node.network, outcome, session };
      }
    }
  }

  return {
    hold,
    held: heldLog,
    flights,
    factsOf,
    isRunning: hash => running.has(hash),
    async broadcast(context, id, body, params) {
      const reading = readBroadcast(body, params);
      if (!reading.ok)
        return refusalReply(
          id,
          { reason: 'bad_envelope', executed: 'no', code: -32602, message: reading.message },
          context.snapshot,
        );
      const { broadcast } = reading;
      for (const hit of ports.shield.check(broadcast.tx)) {
        metrics.rejections.inc({ reason: `shield_${hit.name}${hit.action === 'warn' ? '_warned' : ''}` });
        if (hit.action === 'refuse')
          return refusalReply(
            id,
            { reason: 'shielded', executed: 'no', txHash: broadcast.hash, message: hit.text },
            context.snapshot,
          );
      }
      // The same bytes under way already: one transaction, one outcome (I7).
      let ending = running.get(broadcast.hash);
      if (ending === undefined) {
        ending = run(broadcast, context).finally(() => running.delete(broadcast.hash));
        running.set(broadcast.hash, ending);
      }
      const result = await ending;
      metrics.writes.inc({
        network: networkOf(result),
        outcome:
          result.kind === 'refused'
            ? result.refusal.reason
            : result.kind === 'answer'
              ? result.outcome.kind
              : 'accepted',
      });
      return render(result, context, id, broadcast);
    },
  };
}
