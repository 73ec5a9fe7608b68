import { GatewayError, type NetworkName, type NodeRef } from '../model/index.js';
import { buildEnvelope, restoreId, rpcError, RPC_CODES } from '../protocol/index.js';
import {
  decide,
  judge,
  type CallFacts,
  type Decision,
  type Hints,
  type NodeView,
  type Outcome,
  type RequestClass,
} from '../routing/index.js';
import type { RequestContext } from './context.js';
import type { Reason } from './errors.js';
import { minedHeight, type Memory } from './memory.js';
import type { ProxyLimits, ProxyPorts, Upstream } from './ports.js';
import type { ReadGate } from './read-gate.js';
import {
  collected,
  isResultHead,
  outcomeOf,
  OWN_ID,
  refusalReply,
  restBytes,
  resultHead,
  resultOf,
  type Reply,
} from './reply.js';
import type { SessionHeights } from './sessions.js';

export interface Call {
  readonly method: string;
  readonly cls: RequestClass;
  readonly facts: CallFacts;
  /** The client's own params bytes; null when there were none. */
  readonly params: Uint8Array | null;
  /** Raw JSON of the caller's id. */
  readonly id: Uint8Array;
  /** Part of a batch, which is answered as a whole. */
  readonly inBatch: boolean;
}

/** Everything that is not a write: decide, pick, send, judge, relay. */
export interface Calls {
  answer(context: RequestContext, call: Call): Promise<Reply>;
  /** What the gateway knows beside the snapshot, for `explain`. */
  hints(cls: RequestClass, facts: CallFacts, params: Uint8Array | null): Hints;
}

export interface CallsPorts extends Pick<ProxyPorts, 'nodes' | 'ledger' | 'metrics' | 'clock'> {
  readonly gate: ReadGate;
  readonly memory: Memory;
}

/** Nodes tried for one call over both networks: a request that harms a handler must not go round. */
const ATTEMPTS_MAX = 4;
const UNUSABLE_MAX = 2;
const RETRY_MS = 1000;

interface Got {
  readonly answer: Upstream;
  readonly outcome: Outcome;
  readonly node: NodeView;
}

export function createCalls(limits: ProxyLimits, ports: CallsPorts): Calls {
  const { nodes, gate, memory, ledger, metrics, clock } = ports;

  const pinOf = ({ challenge }: CallFacts): NodeRef | null => (challenge === null ? null : memory.issuer(challenge));

  function hints(cls: RequestClass, facts: CallFacts, params: Uint8Array | null): Hints {
    const { hash } = facts;
    const found = hash === null || cls !== 'by-hash' ? null : (ledger.get(hash)?.network ?? memory.network(hash));
    return { network: pinOf(facts)?.network ?? found, bucket: bucketOf(params) };
  }

  async function answer(context: RequestContext, call: Call): Promise<Reply> {
    const { snapshot } = context;
    const { hash } = call.facts;
    const kept = call.cls === 'by-hash' && hash !== null ? memory.answer(call.method, hash) : null;
    if (kept !== null) {
      const body = restoreId(kept.body, OWN_ID, call.id);
      if (body !== null) return { body, status: 200, network: kept.network, outcome: 'ok', session: null };
    }
    const pinned = pinOf(call.facts);
    const decision = decide(call.cls, call.facts, snapshot, hints(call.cls, call.facts, call.params));
    metrics.routeDecisions.inc({ class: call.cls, network: networkOf(decision), reason: decision.reason });
    switch (decision.kind) {
      case 'refuse':
        return refusalReply(
          call.id,
          { reason: decision.reason, executed: 'no', retryAfterMs: decision.retryAfterMs },
          snapshot,
        );
      case 'answer':
        return challengeUnknown(call.id);
      case 'hold':
        throw new Error('only writes are held');
      case 'forward': {
        if (call.facts.challenge !== null) memory.used(call.facts.challenge);
        const got = await forward(context, call, decision.networks, pinned);
        if ('reason' in got) return refusalReply(call.id, { ...got, retryAfterMs: RETRY_MS }, snapshot);
        return relay(context, call, got);
      }
    }
  }

  async function forward(
    context: RequestContext,
    call: Call,
    networks: readonly NetworkName[],
    pinned: NodeRef | null,
  ): Promise<Got | { reason: Reason; executed: 'no' | 'unknown' }> {
    const body = buildEnvelope(OWN_ID, call.method, call.params);
    const tried = new Set<string>();
    let order = networks;
    let unusable = 0;
    let notFound: Got | null = null;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const node = await pick(context, call, order, tried, pinned);
      if (node === null) return notFound ?? { reason: 'no_node', executed: 'no' };
      tried.add(node.id);
      const left = context.deadline - clock.monotonic();
      if (left <= 0 || context.signal.aborted) return { reason: 'deadline', executed: 'unknown' };
      const { answer, outcome } = await sendOnce(node, body, Math.min(left, limits.readMs), {
        signal: context.signal,
        streams: !call.inBatch && STREAMED.has(call.cls),
      });
      if (outcome.kind === 'unusable') unusable++;
      const rest = order.slice(order.indexOf(node.network) + 1);
      const nodeLeft =
        unusable < UNUSABLE_MAX && pinned === null && gate.candidates(node.network).some(other => !tried.has(other.id));
      const verdict = judge(call.cls, outcome, { node: nodeLeft, network: rest.length > 0, resend: false });
      switch (verdict.kind) {
        case 'relay':
          return { answer: answer!, outcome, node };
        case 'another-node':
          continue;
        case 'another-network':
          // "Not found" is the answer when the other network does not know it either.
          if (answer !== null && outcome.kind === 'error') notFound = { answer, outcome, node };
          order = rest;
          continue;
        case 'look-up':
        case 'accepted':
        case 'give-up':
          if (notFound !== null) return notFound;
          return {
            reason: reasonOf(outcome, answer),
            executed: verdict.kind === 'give-up' ? verdict.executed : 'unknown',
          };
      }
    }
    return notFound ?? { reason: 'no_node', executed: 'unknown' };
  }

  /** Reads wait for a node that shows what the session has seen; everything else takes the best there is. */
  async function pick(
    context: RequestContext,
    call: Call,
    networks: readonly NetworkName[],
    tried: ReadonlySet<string>,
    pinned: NodeRef | null,
  ): Promise<NodeView | null> {
    if (pinned !== null)
      // Also on a node that is being taken out: nobody else knows its challenges.
      return (
        nodes
          .view(pinned.network)
          ?.nodes.find(node => node.name === pinned.name && node.state !== 'quarantined' && !tried.has(node.id)) ?? null
      );
    if (call.cls === 'read') {
      const node = gate.pick(context.reader, networks, context.snapshot, tried);
      return node ?? gate.await(context.reader, networks, context.snapshot, tried, context.signal);
    }
    for (const network of networks) {
      for (const node of gate.candidates(network)) if (!tried.has(node.id)) return node;
    }
    return null;
  }

  async function sendOnce(
    node: NodeView,
    body: Buffer,
    timeoutMs: number,
    { signal, streams }: { readonly signal: AbortSignal; readonly streams: boolean },
  ): Promise<{ answer: Upstream | null; outcome: Outcome }> {
    try {
      const got = await nodes.send({ network: node.network, name: node.name }, body, {
        timeoutMs,
        signal,
        kind: 'client',
        streamAbove: streams ? limits.bufferBytesMax : undefined,
      });
      // In any other form than a node's own, the whole of it is looked at.
      const answer =
        got.rest !== undefined && !(got.status === 200 && isResultHead(got.body)) ? await collected(got) : got;
      return { answer, outcome: outcomeOf(answer) };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return { answer: null, outcome: { kind: 'failed', sent: error.sent ?? 'maybe' } };
    }
  }

  function relay(context: RequestContext, call: Call, { answer, outcome, node }: Got): Reply {
    const { snapshot } = context;
    const { rest } = answer;
    const body = rest === undefined ? restoreId(answer.body, OWN_ID, call.id) : resultHead(answer.body, call.id);
    if (body === null) return refusalReply(call.id, { reason: 'bad_answer', executed: 'unknown' }, snapshot);
    if (outcome.kind === 'result') remember(call, answer, node);
    const session = sessionAfter(context, call, answer, node);
    return {
      body,
      ...(rest === undefined ? {} : { rest, restBytes: restBytes(answer) }),
      status: answer.status,
      network: node.network,
      outcome: outcome.kind === 'result' ? 'ok' : 'rpc_error',
      session,
    };
  }

  /** What the client knows now of a state (or a height) of that node's network, which no later read may undercut. */
  function sessionAfter(context: RequestContext, call: Call, answer: Upstream, node: NodeView): SessionHeights | null {
    switch (call.cls) {
      case 'node-status':
      case 'migration':
      case 'denied':
      case 'write':
        return null;
      case 'by-hash': {
        const height = TX_METHODS.has(call.method) ? minedHeight(answer.body) : null;
        return height === null ? null : gate.delivered(context.reader, node, height);
      }
      case 'read':
      case 'write-affine':
      case 'node-affine':
      case 'chain-data':
        return gate.delivered(context.reader, node);
    }
  }

  function remember(call: Call, answer: Upstream, node: NodeView): void {
    const { hash } = call.facts;
    if (TX_METHODS.has(call.method)) {
      if (hash !== null && minedHeight(answer.body) !== null) memory.keep(call.method, hash, node.network, answer.body);
    } else if (call.method === 'user.challenge') {
      const result = resultOf(answer) as { challenge?: unknown } | undefined;
      if (typeof result?.challenge === 'string')
        memory.issued(result.challenge.toLowerCase(), { network: node.network, name: node.name });
    }
  }

  return { answer, hints };
}

/** Classes whose results are only passed on: nothing is remembered of them, nothing read from them. */
const STREAMED: ReadonlySet<RequestClass> = new Set(['read', 'chain-data', 'migration', 'node-status']);

const TX_METHODS: ReadonlySet<string> = new Set(['user.tx_query', 'chain.tx']);

const networkOf = (decision: Decision): string => (decision.kind === 'forward' ? decision.networks[0] : 'none');

function reasonOf(outcome: Outcome, answer: Upstream | null): Reason {
  if (outcome.kind === 'unusable') return answer?.status === 503 ? 'deadline' : 'bad_answer';
  return outcome.kind === 'failed' && outcome.sent === 'maybe' ? 'bad_answer' : 'no_node';
}

/** A node's own answer to a challenge it does not know: the client asks for a new one. */
const challengeUnknown = (id: Uint8Array): Reply => ({
  body: rpcError(id, { code: RPC_CODES.callChallengeUnknown, message: 'invalid challenge' }),
  status: 200,
  network: 'none',
  outcome: 'rpc_error',
  session: null,
});

/** Same params, same share of reads: repeated reads of one client stay on one network. */
function bucketOf(params: Uint8Array | null): number {
  if (params === null) return 99;
  let hash = 2166136261;
  const step = Math.max(1, params.length >> 6);
  for (let i = 0; i < params.length; i += step) hash = Math.imul(hash ^ params[i]!, 16777619);
  return (hash >>> 0) % 100;
}
