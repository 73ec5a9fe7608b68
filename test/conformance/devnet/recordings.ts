import { bodyBytes, exchanges, type Exchange } from '../../support/golden.js';

/*
 * Recorded exchanges as the replay needs them: the exact bytes of the request, and what the recording knows about the
 * chain at that moment (its head, the height that took a transaction).
 */

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };
export type JsonObject = { [member: string]: Json };

export interface Answer {
  /** 0: no HTTP answer at all. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Recorded {
  readonly file: string;
  /** Zero-based line of the file. */
  readonly line: number;
  readonly stage: string;
  /** What the request is about; its method for a client's requests. */
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Buffer;
  };
  /** JSON-RPC method and parameters; null for other requests. */
  readonly call: { readonly method: string; readonly params: JsonObject } | null;
  readonly answer: Answer;
  /** Head that the answer shows; null when it shows none. */
  readonly head: number | null;
}

/** The recorder sent these with an `Origin` that it did not keep in the line. */
const ORIGIN = 'http://app.example';
const WITH_ORIGIN = new Set(['options-rpc', 'origin-post']);

/** A file of `rpc`, or of another folder when the name says so. Read once: nothing changes what it gives. */
export function recording(file: string): readonly Recorded[] {
  const known = recordings.get(file);
  if (known) return known;
  const path = file.includes('/') ? `${file}.jsonl` : `rpc/${file}.jsonl`;
  const all = exchanges(path).map((exchange, line) => recorded(file, line, exchange));
  recordings.set(file, all);
  return all;
}

const recordings = new Map<string, readonly Recorded[]>();

function recorded(file: string, line: number, exchange: Exchange): Recorded {
  const { request, response } = exchange;
  const body = bodyBytes(request);
  const answerBody = bodyBytes(response);
  if (!body || !answerBody) throw new Error(`${file}:${line} was not kept whole`);
  const call = callOf(request.method, body);
  const answer = { status: response.status, headers: response.headers ?? {}, body: answerBody.toString('utf8') };
  return {
    file,
    line,
    stage: exchange.stage ?? '',
    name: exchange.name === 'client' && call ? call.method : exchange.name,
    request: {
      method: request.method,
      path: request.path,
      headers: { ...request.headers, ...(WITH_ORIGIN.has(exchange.name) ? { origin: ORIGIN } : {}) },
      body,
    },
    call,
    answer,
    head: headOf(call, request.path, answer),
  };
}

function callOf(httpMethod: string, body: Buffer): Recorded['call'] {
  if (httpMethod !== 'POST') return null;
  const parsed = jsonOf(body.toString('utf8'));
  if (!isObject(parsed) || typeof parsed.method !== 'string') return null;
  return { method: parsed.method, params: isObject(parsed.params) ? parsed.params : {} };
}

/** Health and chain info show the head; the newest block (height 0) and a transaction that was waited for imply it. */
function headOf(call: Recorded['call'], path: string, answer: Answer): number | null {
  if (answer.status !== 200) return null;
  if (path.startsWith('/api/v1/health')) return heightIn(answer.body, /"(?:block_)?height":(\d+)/);
  const result = resultOf(answer);
  if (!call || !result) return null;
  switch (call.method) {
    case 'user.health':
    case 'user.chain_info':
      return numberOf(result.block_height);
    case 'user.migration_status':
      return isObject(result.status) ? numberOf(result.status.chain_height) : null;
    case 'chain.block_header':
      return call.params.height === 0 ? numberOf(result.Height) : null;
    case 'chain.block_result':
      return call.params.height === 0 ? numberOf(result.height) : null;
    case 'user.tx_query':
    case 'chain.tx':
      return positive(numberOf(result.height));
    default:
      return null;
  }
}

const heightIn = (text: string, pattern: RegExp): number | null => {
  const found = pattern.exec(text);
  return found ? Number(found[1]) : null;
};

const positive = (height: number | null): number | null => (height !== null && height > 0 ? height : null);

const numberOf = (value: Json | undefined): number | null => (typeof value === 'number' ? value : null);

export function resultOf(answer: Answer): JsonObject | null {
  const parsed = jsonOf(answer.body);
  return isObject(parsed) && isObject(parsed.result) ? parsed.result : null;
}

/** Parsed JSON, or undefined for a text that is none. */
export function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A member that has to be text. */
export function textOf(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error(`text expected, not ${JSON.stringify(value)}`);
  return value;
}

export const isBroadcast = (one: Recorded): boolean =>
  one.call?.method === 'user.broadcast' && isObject(one.call.params.tx);

/** Height that each transaction has in any answer of these files, by hash. */
export function recordedHeights(files: readonly string[]): Map<string, number> {
  const heights = new Map<string, number>();
  for (const file of files) {
    for (const { answer } of recording(file)) {
      const result = resultOf(answer);
      const hash = result?.tx_hash ?? result?.hash;
      const height = result?.height;
      if (isObject(result?.tx) && typeof hash === 'string' && typeof height === 'number' && height > 0) {
        heights.set(hash, height);
      }
    }
  }
  return heights;
}
