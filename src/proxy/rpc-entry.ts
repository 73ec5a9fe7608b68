import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import type { Clock } from '../platform/index.js';
import { rpcError } from '../protocol/index.js';
import type { RoutingSnapshot } from '../routing/index.js';
import type { Metrics } from '../telemetry/index.js';
import type { Clients } from './clients.js';
import { errorOf, type Refusal } from './errors.js';
import { readBody, sessionToken, writeJson } from './http.js';
import type { Limits } from './limits.js';
import type { ProxyLimits } from './ports.js';
import type { Rpc, RpcAnswer } from './rpc.js';
import type { SessionTokens } from './sessions.js';

/** `POST /rpc/v1`: from the head of a request to the bytes of its answer. */
export interface RpcEntry {
  answer(request: IncomingMessage, response: ServerResponse, headers: Record<string, string>): Promise<void>;
}

export interface RpcEntryPorts {
  readonly snapshot: () => RoutingSnapshot;
  readonly rpc: Rpc;
  readonly admission: Limits;
  readonly clients: Clients;
  readonly tokens: SessionTokens;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The listener closes: every answer is the last one of its connection. */
  readonly isClosing: () => boolean;
}

type EntryLimits = Pick<ProxyLimits, 'bodyBytesMax' | 'bodyMs' | 'bodyBytesPerSecond' | 'totalMs'>;

/** One reason for all: making an error with its stack per hang-up is dear. */
const GONE = new Error('the client hung up');
/** A declared body up to this size is let run out, so that a client that is turned away keeps its connection. */
const RUN_OUT_BYTES = 65_536;

export function createRpcEntry(limits: EntryLimits, ports: RpcEntryPorts): RpcEntry {
  const { rpc, admission, clients, tokens, clock, metrics } = ports;
  const requestPrefix = randomBytes(5).toString('hex');
  let requests = 0;

  /** An answer of our own to a request whose body was not read to its end, so that its id is not known. */
  function turnAway(
    response: ServerResponse,
    headers: Record<string, string>,
    refusal: Refusal,
    snapshot: RoutingSnapshot,
    closes: boolean,
  ): void {
    headers['x-switchyard-network'] = 'none';
    if (closes) headers['connection'] = 'close';
    writeJson(response, 200, rpcError(null, errorOf(refusal, snapshot)), headers);
  }

  function writeAnswer(response: ServerResponse, answer: RpcAnswer, headers: Record<string, string>): void {
    headers['x-switchyard-network'] = answer.network;
    if (answer.session !== null) headers['x-switchyard-session'] = tokens.sign(answer.session);
    if (ports.isClosing()) headers['connection'] = 'close';
    if (answer.body === null) {
      response.writeHead(204, headers);
      response.end();
    } else if (answer.rest !== undefined) {
      headers['content-type'] = 'application/json; charset=utf-8';
      const { restBytes: more } = answer;
      if (typeof more === 'number') headers['content-length'] = String(answer.body.length + more);
      response.writeHead(answer.status, headers);
      response.write(answer.body);
      // An answer that breaks off ends the connection: it never looks complete.
      pipeline(answer.rest, response, () => undefined);
    } else writeJson(response, answer.status, answer.body, headers);
  }

  return {
    async answer(request, response, headers) {
      headers['x-switchyard-request'] = `${requestPrefix}-${(requests++).toString(36)}`;
      const client = clients.of(request);
      // Whoever would be turned away anyway is so before the body costs anything.
      const turned = admission.look(client);
      if (turned !== null) {
        const snapshot = ports.snapshot();
        headers['x-switchyard-epoch'] = String(snapshot.intent.epoch);
        metrics.rejections.inc({ reason: turned.reason });
        const declared = Number(request.headers['content-length'] ?? Infinity);
        return turnAway(response, headers, { ...turned, executed: 'no' }, snapshot, !(declared <= RUN_OUT_BYTES));
      }
      const gone = new AbortController();
      // After the answer was written nobody is waiting any more; an abort would only cost.
      response.once('close', () => response.writableFinished || gone.abort(GONE));
      const reading = await readBody(request, limits, clock);
      // The one look at the snapshot that this request, batch or not, is decided by.
      const snapshot = ports.snapshot();
      headers['x-switchyard-epoch'] = String(snapshot.intent.epoch);
      if (!reading.ok) {
        if (reading.reason === 'gone') return;
        metrics.rejections.inc({ reason: reading.reason });
        const refusal: Refusal =
          reading.reason === 'too_large'
            ? { reason: 'too_large', executed: 'no' }
            : { reason: 'deadline', executed: 'no', message: 'the body of the request came too slowly' };
        // The rest of the body is not read: the connection cannot be used again.
        return turnAway(response, headers, refusal, snapshot, true);
      }
      const token = sessionToken(request);
      const context = {
        snapshot,
        client,
        signal: gone.signal,
        deadline: clock.monotonic() + limits.totalMs,
        reader: { token: token === null ? null : tokens.verify(token) },
      };
      const answer = await rpc.handle(context, reading.body);
      if (response.destroyed) return void answer.rest?.destroy();
      writeAnswer(response, answer, headers);
    },
  };
}
