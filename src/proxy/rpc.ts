import { setMaxListeners } from 'node:events';
import {
  bufferOf,
  isBatch,
  rpcBatch,
  rpcError,
  RPC_CODES,
  scanBatch,
  scanEnvelope,
  sliceOf,
  type Envelope,
} from '../protocol/index.js';
import { classify, methodLabel, NO_FACTS, type RequestClass } from '../routing/index.js';
import type { Clock } from '../platform/index.js';
import type { Metrics } from '../telemetry/index.js';
import type { Calls } from './calls.js';
import type { RequestContext } from './context.js';
import { readFacts } from './facts.js';
import type { Limits } from './limits.js';
import type { ProxyLimits } from './ports.js';
import { refusalReply, type Reply } from './reply.js';
import { mergeSessions, type SessionHeights } from './sessions.js';
import type { Shield } from './shield.js';
import type { Writes } from './writes.js';

/** Bytes of a body in, answer out. `body` null: nothing to answer (a batch of notifications). */
export interface RpcAnswer extends Omit<Reply, 'body'> {
  readonly body: Buffer | null;
}

export interface Rpc {
  handle(context: RequestContext, body: Buffer): Promise<RpcAnswer>;
}

export interface RpcPorts {
  readonly calls: Calls;
  readonly writes: Writes;
  readonly shield: Shield;
  /** Shared by everything that is a call. */
  readonly admission: Limits;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

const NOTIFICATION_ID = Buffer.from('null');

type RpcLimits = Pick<ProxyLimits, 'batchMax' | 'batchConcurrency'>;

export function createRpc(limits: RpcLimits, { calls, writes, shield, admission, clock, metrics }: RpcPorts): Rpc {
  async function single(context: RequestContext, body: Uint8Array, inBatch: boolean): Promise<RpcAnswer> {
    const scan = scanEnvelope(body);
    if (!scan.ok) {
      metrics.rejections.inc({ reason: 'bad_envelope' });
      // What a node would refuse itself is answered in its words and with its status; ours say why.
      if (scan.reason === 'bad_envelope') {
        return refusalReply(
          scan.id,
          { reason: 'bad_envelope', executed: 'no', message: scan.message },
          context.snapshot,
        );
      }
      return refused(rpcError(scan.id, { code: scan.code, message: scan.message }), scan.httpStatus);
    }
    if (scan.id === null && !inBatch) {
      return refused(
        rpcError(null, { code: RPC_CODES.invalidRequest, message: 'invalid json-rpc request object' }),
        400,
      );
    }
    const answer = await call(context, body, scan, inBatch);
    return scan.id === null ? { ...answer, body: null } : answer;
  }

  async function call(context: RequestContext, body: Uint8Array, scan: Envelope, inBatch: boolean): Promise<Reply> {
    const started = clock.monotonic();
    const id = scan.id === null ? NOTIFICATION_ID : sliceOf(body, scan.id);
    const params = scan.params === null ? null : sliceOf(body, scan.params);
    const facts = scan.method === 'user.broadcast' ? NO_FACTS : readFacts(scan.method, params);
    const cls = classify(scan.method, facts);
    let reply: Reply;
    const turned = admission.charge(context.client, scan.method) ?? admission.enter(cls);
    if (turned !== null) {
      reply = refusalReply(id, { ...turned, executed: 'no' }, context.snapshot);
    } else {
      let leaveLater = false;
      try {
        reply =
          cls === 'write'
            ? await writes.broadcast(context, id, body, scan.params)
            : (shielded(context, id, scan.method, params) ??
              (await calls.answer(context, { method: scan.method, cls, facts, params, id, inBatch })));
        // An answer that still arrives keeps its place.
        if (reply.rest !== undefined) {
          leaveLater = true;
          reply.rest.once('close', () => admission.leave(cls));
        }
      } finally {
        if (!leaveLater) admission.leave(cls);
      }
    }
    observe(scan.method, cls, reply, started);
    return reply;
  }

  /** The refusal of a request that would end a node's handler; null when it may go on. */
  function shielded(context: RequestContext, id: Uint8Array, method: string, params: Uint8Array | null): Reply | null {
    for (const { name, action, text } of shield.checkCall(method, params)) {
      metrics.rejections.inc({ reason: `shield_${name}${action === 'warn' ? '_warned' : ''}` });
      if (action === 'refuse')
        return refusalReply(id, { reason: 'shielded', executed: 'no', message: text }, context.snapshot);
    }
    return null;
  }

  function observe(method: string, cls: RequestClass, reply: Reply, started: number): void {
    const { network, outcome } = reply;
    metrics.rpcRequests.inc({ method: methodLabel(method), class: cls, network, outcome });
    metrics.rpcDuration.observe({ class: cls, network, outcome }, (clock.monotonic() - started) / 1000);
    if (outcome !== 'ok' && outcome !== 'rpc_error') metrics.rejections.inc({ reason: outcome });
  }

  /** All items share the snapshot; writes run one after the other in their order, the rest side by side up to a cap. */
  async function batch(context: RequestContext, body: Buffer): Promise<RpcAnswer> {
    const split = scanBatch(body, limits.batchMax);
    if (!split.ok) {
      metrics.rejections.inc({ reason: 'bad_envelope' });
      if (split.reason === 'node')
        return refused(rpcError(split.id, { code: split.code, message: split.message }), split.httpStatus);
      return refusalReply(null, { reason: 'bad_envelope', executed: 'no', message: split.message }, context.snapshot);
    }
    // Every item under way listens for the client to hang up; batchMax bounds them.
    setMaxListeners(0, context.signal);
    const items = split.items.map(slice => bufferOf(sliceOf(body, slice)));
    const answers = new Array<RpcAnswer>(items.length);
    const writesInOrder: number[] = [];
    const others: number[] = [];
    items.forEach((item, index) => (mayBroadcast(item) ? writesInOrder : others).push(index));
    const run = async (index: number): Promise<void> => {
      answers[index] = await single(context, items[index]!, true);
    };
    const lane = async (queue: number[]): Promise<void> => {
      for (let index = queue.shift(); index !== undefined; index = queue.shift()) await run(index);
    };
    const lanes = Math.min(limits.batchConcurrency, others.length);
    await Promise.all([lane(writesInOrder), ...Array.from({ length: lanes }, () => lane(others))]);
    return join(answers);
  }

  return {
    handle: (context, body) => (isBatch(body) ? batch(context, body) : single(context, body, false)),
  };
}

const refused = (body: Buffer, status: number): RpcAnswer => ({
  body,
  status,
  network: 'none',
  outcome: 'bad_envelope',
  session: null,
});

/** A look at the bytes, good enough to keep writes in order: an escape in the name counts as a write, too. */
const mayBroadcast = (item: Buffer): boolean => item.includes('user.broadcast') || item.includes('\\u');

function join(answers: readonly RpcAnswer[]): RpcAnswer {
  const bodies = answers.flatMap(({ body }) => (body === null ? [] : [body]));
  const networks = new Set(answers.map(({ network }) => network).filter(network => network !== 'none'));
  return {
    body: bodies.length === 0 ? null : rpcBatch(bodies),
    status: 200,
    network: networks.size === 1 ? [...networks][0]! : 'none',
    outcome: 'ok',
    session: answers.reduce<SessionHeights | null>(
      (all, { session }) => (all === null || session === null ? (all ?? session) : mergeSessions(all, session)),
      null,
    ),
  };
}
