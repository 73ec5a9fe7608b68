import type { NetworkName, TxHash } from '../model/index.js';
import { restoreId, rpcResult, type Slice } from '../protocol/index.js';
import { decide, NO_FACTS, type CallFacts, type Decision, type RoutingSnapshot } from '../routing/index.js';
import { createAccountOrder } from './account-order.js';
import type { Congestion, Standing } from './congestion.js';
import type { RequestContext } from './context.js';
import type { Refusal } from './errors.js';
import { createFlights, type Flights } from './flights.js';
import { createHeldLog, endingWord, type HeldFate, type HeldLog } from './held-log.js';
import { createHold, type Hold, type HoldLimits } from './hold.js';
import type { LedgerRecord, ProxyLimits, ProxyPorts } from './ports.js';
import type { ReadGate } from './read-gate.js';
import { OWN_ID, refusalReply, type Reply } from './reply.js';
import type { Shield } from './shield.js';
import { readBroadcast, type Broadcast } from './transaction.js';
import type { TxLookup } from './tx-lookup.js';
import { createDelivery } from './write-delivery.js';
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
  readonly congestion: Congestion;
}

/** Rounds of hold and release one write can go through before it is given up: two switches would be many. */
const ROUNDS_MAX = 8;

const isOver = (state: LedgerRecord['state']): boolean => state === 'rejected' || state === 'dead';

/**
 * The path of a write: read, decide, (hold), order by account, record durably, look again, send once, learn the outcome.
 *
 * Two rules carry everything. The entry is on the disk before the first byte leaves. And between the last look at the
 * snapshot and the send there is no `await`: whoever publishes an epoch and then asks `quiesced` misses nothing.
 */
export function createWrites(options: WritesOptions, ports: WritesPorts): Writes {
  const { clock, ledger, gate, metrics, congestion } = ports;
  const hold = createHold(options.hold, ports);
  const heldLog = createHeldLog();
  const flights = createFlights(clock);
  const order = createAccountOrder(clock);
  const delivery = createDelivery(options.limits, { ...ports, flights });
  const running = new Map<TxHash, Promise<Ending>>();
  let arrivals = 0;

  function factsOf(broadcast: Broadcast, { intent }: RoutingSnapshot, standing: Standing = 'new'): CallFacts {
    const network = intent.writes.kind === 'refuse' ? intent.affine : intent.writes.network;
    const write = {
      chainId: broadcast.chainId,
      stalled: ports.stalled(network),
      congested: congestion.isFull(network, standing),
    };
    return { ...NO_FACTS, write };
  }

  function decideFor(broadcast: Broadcast, snapshot: RoutingSnapshot, standing: Standing): Decision {
    const decision = decide('write', factsOf(broadcast, snapshot, standing), snapshot);
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
    // Sent again by its client while the first copy waits for a block: the ledger counts it already.
    let standing: Standing = earlier === undefined || isOver(earlier.state) ? 'new' : 'placed';
    let giveBack: (() => void) | null = null;
    let heldMs = 0;
    const place = (network: NetworkName): void => {
      if (standing === 'placed') return;
      standing = 'placed';
      giveBack = congestion.take(network);
    };
    const release = (): void => giveBack?.();
    /** Takes the record back as long as no node can have the bytes: a switch waits for every open record. */
    const withdraw = async (): Promise<void> => {
      if (admitted && (earlier === undefined || earlier.state === 'rejected')) {
        admitted = false;
        await delivery.settle(broadcast.hash, { state: 'rejected' });
      }
    };
    const refused = (refusal: Refusal): Ending => {
      void withdraw();
      return { kind: 'refused', refusal: { txHash: broadcast.hash, ...refusal }, network: 'none' };
    };
    try {
      for (let round = 0; round < ROUNDS_MAX; round++) {
        const decision = decideFor(broadcast, snapshot, standing);
        record(decision);
        if (decision.kind === 'refuse') return refused(decision);
        if (decision.kind === 'answer') throw new Error('a write is never answered from memory');
        if (decision.kind === 'hold') {
          const queued = decision.reason === 'congested' ? congestion.queue(decision.network) : null;
          if (standing === 'new') standing = 'queued';
          await withdraw();
          const at = clock.now();
          const since = clock.monotonic();
          const held = await hold.wait({
            seq,
            client: context.client,
            bytes: broadcast.bytes.length,
            signal: context.signal,
            spentMs: heldMs,
            again: () => {
              const next = ports.snapshot();
              const then = decideFor(broadcast, next, standing);
              // At once: the next one that waits must see that the place is taken.
              if (then.kind === 'forward') place(then.networks[0]);
              return then.kind === 'hold' ? undefined : next;
            },
          });
          queued?.();
          const spent = clock.monotonic() - since;
          heldMs += spent;
          waits.push({ at, heldMs: Math.round(spent), wait: held.kind });
          if (held.kind !== 'released')
            return refused(holdRefusal(held.kind, decision.reason, congestion.retryAfterMs(decision.network)));
          snapshot = held.value;
          continue;
        }
        const network = decision.networks[0];
        place(network);
        leave ??= await order.enter(broadcast.account);
        if (!admitted) {
          try {
            const recorded = ledger.admit(entryOf(broadcast, network, snapshot, clock.now()));
            // From here on the ledger counts it.
            release();
            await recorded;
          } catch (error) {
            return refused(ledgerRefusal(error));
          }
          admitted = true;
        }
        // The flush took time: the decision is made again, and from here to the send nothing waits.
        const now = ports.snapshot();
        const again = decideFor(broadcast, now, standing);
        if (again.kind !== 'forward' || again.networks[0] !== network) {
          snapshot = now;
          continue;
        }
        const ending = await delivery.deliver(
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
      release();
      leave?.();
    }
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
        const session = mined === null ? null : gate.delivered(context.reader, ending.node, mined.height);
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
        const session = shows ? gate.delivered(context.reader, ending.node) : null;
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
