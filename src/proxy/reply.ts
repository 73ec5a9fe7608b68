import type { Readable } from 'node:stream';
import type { NetworkName } from '../model/index.js';
import { bufferOf, rpcError, scanAnswer, sliceOf } from '../protocol/index.js';
import type { Outcome, RoutingSnapshot } from '../routing/index.js';
import { errorOf, type Refusal } from './errors.js';
import type { Upstream } from './ports.js';
import type { SessionHeights } from './sessions.js';

/** Id of every call the gateway sends; the caller's own comes back on the answer. */
export const OWN_ID = 1;
const OWN_ID_TEXT = String(OWN_ID);

/** Answer to one call, ready to be written. */
export interface Reply {
  readonly body: Buffer;
  /** What follows `body` and still arrives; must be read or destroyed. */
  readonly rest?: Readable;
  /** Bytes of `rest`; null when the node did not say. */
  readonly restBytes?: number | null;
  /** HTTP status when the call stands alone. */
  readonly status: number;
  readonly network: NetworkName | 'none';
  /** Label of `rpc_requests_total`: ok, rpc_error, or the reason of a refusal. */
  readonly outcome: string;
  /** What the client has seen after this; null when nothing of a network was shown. */
  readonly session: SessionHeights | null;
}

export const refusalReply = (id: Uint8Array | null, refusal: Refusal, snapshot: RoutingSnapshot): Reply => ({
  body: rpcError(id, errorOf(refusal, snapshot)),
  status: 200,
  network: 'none',
  outcome: refusal.reason,
  session: null,
});

/** What a node's HTTP answer means. Its status is no measure: 500 with a body is an answer, 500 without is a crash. */
export function outcomeOf(answer: Upstream): Outcome {
  // Passed on while it arrives; `collected` has seen to it that nothing else comes in parts.
  if (answer.rest !== undefined) return { kind: 'result' };
  const scan = scanAnswer(answer.body);
  // An answer to somebody else's request is no answer; −1 is what a node gives when it could not read the id.
  if (scan.kind !== 'malformed' && scan.id !== null) {
    const id = bufferOf(answer.body).toString('latin1', scan.id.start, scan.id.end);
    if (id !== OWN_ID_TEXT && id !== '-1') return { kind: 'unusable' };
  }
  switch (scan.kind) {
    case 'malformed':
      return { kind: 'unusable' };
    case 'result':
      return { kind: 'result' };
    case 'error':
      // The node's handler ran out of time: it may still be running.
      if (answer.status === 503) return { kind: 'unusable' };
      return errorOutcome(bufferOf(sliceOf(answer.body, scan.error)));
  }
}

function errorOutcome(json: Buffer): Outcome {
  try {
    const error = JSON.parse(json.toString('utf8')) as {
      code?: unknown;
      message?: unknown;
      data?: { code?: unknown; message?: unknown } | null;
    };
    const inner = typeof error.data === 'object' && error.data !== null ? error.data : null;
    return {
      kind: 'error',
      code: typeof error.code === 'number' ? error.code : 0,
      inner: typeof inner?.code === 'number' ? inner.code : null,
      message: textOf(inner?.message) || textOf(error.message),
    };
  } catch {
    return { kind: 'unusable' };
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const RESULT_HEAD = Buffer.from(`{"jsonrpc":"2.0","id":${OWN_ID_TEXT},"result":`);
const BEFORE_ID = Buffer.from('{"jsonrpc":"2.0","id":');

/** Whether the beginning of an answer says all that we need to know of it: a result, for our id, in a node's own form. */
export const isResultHead = (body: Buffer): boolean => body.subarray(0, RESULT_HEAD.length).equals(RESULT_HEAD);

/** The beginning of an answer for which `isResultHead` holds, with the caller's id. */
export const resultHead = (body: Buffer, id: Uint8Array): Buffer =>
  Buffer.concat([BEFORE_ID, id, body.subarray(BEFORE_ID.length + OWN_ID_TEXT.length)]);

/** An answer whose rest had to be waited for after all; throws what ended it early. */
export async function collected(answer: Upstream): Promise<Upstream> {
  const { rest, ...head } = answer;
  if (rest === undefined) return answer;
  const chunks: Buffer[] = [answer.body];
  for await (const chunk of rest) chunks.push(chunk as Buffer);
  return { ...head, body: Buffer.concat(chunks) };
}

/** Bytes after the beginning; null when the node did not say how many there are. */
export function restBytes({ headers, body }: Upstream): number | null {
  const length = headers['content-length'];
  return typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) - body.length : null;
}

/** Result of an answer as parsed JSON; undefined when it is none. For small answers only. */
export function resultOf(answer: Upstream): unknown {
  const scan = scanAnswer(answer.body);
  if (scan.kind !== 'result') return undefined;
  try {
    return JSON.parse(bufferOf(sliceOf(answer.body, scan.result)).toString('utf8'));
  } catch {
    return undefined;
  }
}
