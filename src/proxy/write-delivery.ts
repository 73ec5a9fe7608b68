import { GatewayError, type NetworkName, type NodeRef, type TxHash } from '../model/index.js';
import { sleep, waitFor } from '../platform/index.js';
import { buildEnvelope } from '../protocol/index.js';
import { isAlreadyThere, judge, type NodeView, type Outcome, type RoutingSnapshot } from '../routing/index.js';
import type { Flight, Flights } from './flights.js';
import type { LedgerRecord, ProxyLimits, ProxyPorts, Upstream } from './ports.js';
import type { ReadGate } from './read-gate.js';
import { outcomeOf, OWN_ID } from './reply.js';
import type { Broadcast } from './transaction.js';
import type { TxLookup } from './tx-lookup.js';
import { RETRY_MS, unknownRefusal, type Ending } from './write-ending.js';

/** The sending of a write that is recorded: at most one node has it, or its outcome is asked for by its hash. */
export interface Delivery {
  /**
   * Sends to one node after the other until one has it for certain or perhaps. Begins with no `await` before the send.
   *
   * @param resend a copy may have gone out before
   * @param letNextGo the account's next write may follow
   * @returns `unsent`: no node has it and the decision must be made again
   */
  deliver(
    broadcast: Broadcast,
    network: NetworkName,
    snapshot: RoutingSnapshot,
    resend: boolean,
    letNextGo: () => void,
  ): Promise<Ending | 'unsent'>;
  /** Records an outcome; what the disk misses is found out again from the chain. */
  settle(hash: TxHash, change: Settlement): Promise<void>;
}

export interface Settlement {
  readonly state: LedgerRecord['state'];
  readonly node?: string;
  readonly height?: number;
  readonly code?: number;
}

export interface DeliveryPorts extends Pick<ProxyPorts, 'snapshot' | 'nodes' | 'ledger' | 'clock' | 'logger'> {
  readonly gate: ReadGate;
  readonly lookup: TxLookup;
  readonly flights: Flights;
}

/** For a network whose nodes all refuse the connection: a restart takes about this long, and nothing was sent. */
const PATIENCE_MS = 2000;
const REFUSED_PAUSE_MS = 100;
/** For finding out by hash what became of a write, beyond the call's own time. */
const LEARN_MS = 2500;
const LEARN_PAUSE_MS = 200;
/** A sync broadcast occupies its node until the block; the account's next one need not wait for that. */
const SYNC_HEAD_START_MS = 50;

export function createDelivery(limits: Pick<ProxyLimits, 'writeMs' | 'syncWriteMs'>, ports: DeliveryPorts): Delivery {
  const { clock, ledger, nodes, gate, lookup, flights } = ports;

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
    const timeoutMs = broadcast.sync ? limits.syncWriteMs : limits.writeMs;
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

  function settle(hash: TxHash, change: Settlement): Promise<void> {
    return ledger
      .settle(hash, change)
      .catch((error: unknown) =>
        ports.logger.error({ err: error, hash }, 'the outcome of a write could not be recorded'),
      );
  }

  return { deliver, settle };
}
