import { bufferOf } from './bytes.js';
import { RPC_CODES } from './errors.js';
import { jsonString, jsonText, stringValue } from './json.js';
import { scanMembers, skipSpace, skipValue, sliceOf, type Slice } from './scan.js';

/*
 * JSON-RPC framing over raw bytes (reference 1.5). A request is accepted only if it has one meaning: known members once
 * each in their exact spelling and nothing else, because a node matches names under folding, takes the last duplicate and
 * ignores the rest. Values of `params` and `id` are checked for grammar and otherwise left as the bytes they are.
 */

/** A request that is understood. Slices point into the scanned bytes. */
export interface Envelope {
  readonly ok: true;
  /** Raw JSON of the id, of any form; null when there is no `id` member (a notification). */
  readonly id: Slice | null;
  readonly method: string;
  /** Raw JSON of `params`; null when absent. `null` and arrays are told apart by their first byte. */
  readonly params: Slice | null;
}

/** A request that is refused. */
export interface EnvelopeFault {
  readonly ok: false;
  /** `node`: a node would refuse it as well, with this answer. `bad_envelope`: a node might read it differently from us. */
  readonly reason: 'node' | 'bad_envelope';
  readonly httpStatus: 200 | 400 | 404;
  readonly code: number;
  readonly message: string;
  /** Raw JSON to answer as `id`; null = an answer without `id` member. */
  readonly id: Uint8Array | null;
}

export type EnvelopeScan = Envelope | EnvelopeFault;

const ENVELOPE_MEMBERS = ['jsonrpc', 'id', 'method', 'params'] as const;
/** Methods and chain ids are far shorter. */
const TEXT_BYTES_MAX = 256;
/** What nodes answer as id when they could not read one. */
const NO_ID = Buffer.from('-1');

/** Reads one request. Linear in the length of the body, whatever is in it. */
export function scanEnvelope(body: Uint8Array): EnvelopeScan {
  const start = skipSpace(body, 0);
  const scan = scanMembers(body, start, ENVELOPE_MEMBERS);
  const isNull =
    body[start] === 0x6e && skipValue(body, start) === start + 4 && skipSpace(body, start + 4) === body.length;
  if (isNull) return nodeFault(RPC_CODES.invalidRequest, 'invalid json-rpc request object', null);
  if (!scan.ok && scan.problem === 'malformed') return parseFault();
  if (scan.end >= 0 && skipSpace(body, scan.end) !== body.length) return parseFault();

  const { id, method, params, jsonrpc } = scan.members;
  const idBytes = id === undefined ? null : sliceOf(body, id);
  if (!scan.ok) return badEnvelope('a member of the request is given twice or in an unusual spelling', idBytes);
  if (scan.unknown > 0) return badEnvelope('the request has a member that JSON-RPC does not know', idBytes);
  if (method !== undefined && method.end - method.start > TEXT_BYTES_MAX && body[method.start] === 0x22)
    return nodeFault(RPC_CODES.methodNotFound, 'unknown method', idBytes);
  const version = textAt(body, jsonrpc);
  const methodText = textAt(body, method);
  if (version === undefined || methodText === undefined) return parseFault();
  if (version !== '2.0') return nodeFault(RPC_CODES.invalidRequest, 'invalid json-rpc request object', idBytes);
  if (methodText === '') return nodeFault(RPC_CODES.methodNotFound, 'no route was supplied', idBytes);
  return { ok: true, id: id ?? null, method: methodText, params: params ?? null };
}

/** Text of a string member; `''` for an absent or null one, as Go reads it; undefined when a node cannot read it. */
function textAt(body: Uint8Array, slice: Slice | undefined): string | undefined {
  if (slice === undefined || body[slice.start] === 0x6e) return '';
  if (body[slice.start] !== 0x22 || slice.end - slice.start > TEXT_BYTES_MAX) return undefined;
  try {
    return stringValue(sliceOf(body, slice));
  } catch {
    return undefined;
  }
}

const parseFault = (): EnvelopeFault => nodeFault(RPC_CODES.parse, 'invalid request', NO_ID);

const nodeFault = (code: number, message: string, id: Uint8Array | null): EnvelopeFault => ({
  ok: false,
  reason: 'node',
  httpStatus: code === RPC_CODES.methodNotFound ? 404 : 400,
  code,
  message,
  id,
});

const badEnvelope = (message: string, id: Uint8Array | null): EnvelopeFault => ({
  ok: false,
  reason: 'bad_envelope',
  httpStatus: 200,
  code: RPC_CODES.invalidRequest,
  message,
  id,
});

export type BatchScan = { readonly ok: true; readonly items: readonly Slice[] } | EnvelopeFault;

/** Whether the body is a JSON array, so that `scanBatch` has to be asked. */
export const isBatch = (body: Uint8Array): boolean => body[skipSpace(body, 0)] === 0x5b;

/** Splits a batch. Refuses an empty one, one with more than `itemsMax` items, and anything malformed. */
export function scanBatch(body: Uint8Array, itemsMax = 50): BatchScan {
  const items: Slice[] = [];
  const start = skipSpace(body, 0);
  if (body[start] !== 0x5b) return parseFault();
  let at = skipSpace(body, start + 1);
  if (body[at] === 0x5d) return badEnvelope('the batch is empty', null);
  for (;;) {
    const end = skipValue(body, at);
    if (end < 0) return parseFault();
    if (items.length === itemsMax) return badEnvelope(`the batch has more than ${itemsMax} items`, null);
    items.push({ start: at, end });
    at = skipSpace(body, end);
    if (body[at] === 0x5d) break;
    if (body[at] !== 0x2c) return parseFault();
    at = skipSpace(body, at + 1);
  }
  return skipSpace(body, at + 1) === body.length ? { ok: true, items } : parseFault();
}

/** What the bytes of a `user.broadcast` or `user.estimate_price` say before any payload is decoded. */
export interface BroadcastScan {
  readonly ok: true;
  /** Chain that the transaction is for; null when there is no body. */
  readonly chainId: string | null;
  readonly tx: Slice | null;
  readonly body: Slice | null;
  readonly signature: Slice | null;
  /** `sync` as a number: 0 answer at once, 1 after the block. */
  readonly sync: number;
}

export interface ParamsFault {
  readonly ok: false;
  readonly code: typeof RPC_CODES.invalidParams;
  readonly message: string;
}

/**
 * Finds the chain id of a broadcast by scanning: `tx`, `body`, `chain_id` and their siblings may stand once each, in their
 * exact spelling. Unknown members are ignored, as a node ignores them. Slices point into `body`.
 */
export function scanBroadcast(body: Uint8Array, params: Slice | null): BroadcastScan | ParamsFault {
  const top = membersIn(body, params, 'params', ['tx', 'sync']);
  if (!top.ok) return top;
  const tx = membersIn(body, top.members.tx ?? null, 'tx', ['signature', 'body', 'serialization', 'sender']);
  if (!tx.ok) return tx;
  const signature = membersIn(body, tx.members.signature ?? null, 'signature', ['sig', 'type']);
  if (!signature.ok) return signature;
  const inner = membersIn(body, tx.members.body ?? null, 'body', [
    'desc',
    'payload',
    'type',
    'fee',
    'nonce',
    'chain_id',
  ]);
  if (!inner.ok) return inner;
  const chainId = textAt(body, inner.members.chain_id);
  if (chainId === undefined) return paramsFault('chain_id is not text');
  const sync = syncAt(body, top.members.sync);
  if (sync === undefined) return paramsFault('sync is not a small integer');
  return {
    ok: true,
    chainId: inner.slice === null ? null : chainId,
    tx: tx.slice,
    body: inner.slice,
    signature: signature.slice,
    sync,
  };
}

type Members<Name extends string> = {
  readonly ok: true;
  readonly slice: Slice | null;
  readonly members: Partial<Record<Name, Slice>>;
};

/** Members of the object in `slice`; an absent or null one has none. */
export function membersIn<Name extends string>(
  body: Uint8Array,
  slice: Slice | null,
  what: string,
  names: readonly Name[],
): Members<Name> | ParamsFault {
  if (slice === null || body[slice.start] === 0x6e) return { ok: true, slice: null, members: {} };
  const scan = scanMembers(body, slice.start, names);
  if (scan.ok) return { ok: true, slice, members: scan.members };
  if (scan.problem === 'malformed') return paramsFault(`${what} is not an object`);
  return paramsFault(`a member of ${what} is given twice or in an unusual spelling`);
}

const paramsFault = (message: string): ParamsFault => ({ ok: false, code: RPC_CODES.invalidParams, message });

function syncAt(body: Uint8Array, slice: Slice | undefined): number | undefined {
  if (slice === undefined || body[slice.start] === 0x6e) return 0;
  const text = bufferOf(sliceOf(body, slice)).toString('latin1', 0, 4);
  return slice.end - slice.start <= 3 && /^[0-9]{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
}

const idText = (id: number | Uint8Array): Buffer => (typeof id === 'number' ? Buffer.from(String(id)) : bufferOf(id));

/** Our own envelope round untouched params. `params` null leaves the member out. */
export function buildEnvelope(id: number | Uint8Array, method: string, params: Uint8Array | null): Buffer {
  const head = [Buffer.from('{"jsonrpc":"2.0","id":'), idText(id), Buffer.from(`,"method":${jsonString(method)}`)];
  const tail = params === null ? [] : [Buffer.from(',"params":'), params];
  return Buffer.concat([...head, ...tail, Buffer.from('}')]);
}

/** A node's answer, taken apart without reading the result. Slices point into the answer. */
export type AnswerScan =
  | { readonly kind: 'result'; readonly id: Slice | null; readonly result: Slice }
  | { readonly kind: 'error'; readonly id: Slice | null; readonly error: Slice }
  | { readonly kind: 'malformed' };

/** Nodes write every answer with this head; anything else takes the general scanner. */
const ANSWER_HEAD = Buffer.from('{"jsonrpc":"2.0","id":');
const RESULT_HEAD = Buffer.from(',"result":');

/**
 * Takes a node's answer apart. The result of an answer in the usual form is not looked into (it can have 20 MB) beyond
 * its closing bracket: that the body is complete is for the transport to know.
 */
export function scanAnswer(answer: Uint8Array): AnswerScan {
  const bytes = bufferOf(answer);
  const usual = scanUsualAnswer(bytes);
  if (usual !== null) return usual;
  const start = skipSpace(bytes, 0);
  const scan = scanMembers(bytes, start, ['jsonrpc', 'id', 'result', 'error']);
  if (!scan.ok || skipSpace(bytes, scan.end) !== bytes.length) return { kind: 'malformed' };
  const { id = null, result, error } = scan.members;
  if (error !== undefined && bytes[error.start] !== 0x6e) return { kind: 'error', id, error };
  return result === undefined ? { kind: 'malformed' } : { kind: 'result', id, result };
}

function scanUsualAnswer(bytes: Buffer): AnswerScan | null {
  if (bytes.compare(ANSWER_HEAD, 0, ANSWER_HEAD.length, 0, Math.min(ANSWER_HEAD.length, bytes.length)) !== 0)
    return null;
  const idEnd = skipValue(bytes, ANSWER_HEAD.length);
  if (
    idEnd < 0 ||
    bytes.compare(RESULT_HEAD, 0, RESULT_HEAD.length, idEnd, Math.min(idEnd + RESULT_HEAD.length, bytes.length)) !== 0
  )
    return null;
  let last = bytes.length - 1;
  while (last > idEnd && bytes[last]! <= 0x20) last--;
  const start = idEnd + RESULT_HEAD.length;
  if (bytes[last] !== 0x7d || last <= start) return { kind: 'malformed' };
  return { kind: 'result', id: { start: ANSWER_HEAD.length, end: idEnd }, result: { start, end: last } };
}

/**
 * The node's answer with the caller's id in place of ours; result or error bytes stay as they are. An answer without id or
 * with −1 (a node that could not read the request, or timed out) counts as ours. null: not an answer to this request.
 */
export function restoreId(answer: Uint8Array, ownId: number | Uint8Array, callerId: Uint8Array): Buffer | null {
  const scan = scanAnswer(answer);
  if (scan.kind === 'malformed') return null;
  const bytes = bufferOf(answer);
  if (scan.id !== null) {
    const id = bufferOf(sliceOf(bytes, scan.id));
    if (!id.equals(idText(ownId)) && !id.equals(NO_ID)) return null;
  }
  const [name, slice] = scan.kind === 'result' ? ['result', scan.result] : ['error', scan.error];
  return Buffer.concat([ANSWER_HEAD, callerId, Buffer.from(`,"${name}":`), sliceOf(bytes, slice), Buffer.from('}')]);
}

/** A success. `result` is JSON text or bytes. */
export const rpcResult = (id: Uint8Array, result: string | Uint8Array): Buffer =>
  Buffer.concat([
    ANSWER_HEAD,
    id,
    RESULT_HEAD,
    typeof result === 'string' ? Buffer.from(result) : result,
    Buffer.from('}'),
  ]);

export interface RpcErrorBody {
  readonly code: number;
  readonly message: string;
  /** Left out when undefined; must be representable in JSON. */
  readonly data?: unknown;
}

/** A failure. `id` null leaves the member out, as nodes do for a request that had none. */
export function rpcError(id: Uint8Array | null, error: RpcErrorBody): Buffer {
  const data = error.data === undefined ? '' : `,"data":${jsonText(error.data)}`;
  const body = `"error":{"code":${error.code},"message":${jsonString(error.message)}${data}}}`;
  return id === null
    ? Buffer.from(`{"jsonrpc":"2.0",${body}`)
    : Buffer.concat([ANSWER_HEAD, id, Buffer.from(`,${body}`)]);
}

/** Answers of a batch in one array. */
export function rpcBatch(answers: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const answer of answers) parts.push(Buffer.from(parts.length === 0 ? '[' : ','), answer);
  return Buffer.concat([...(parts.length === 0 ? [Buffer.from('[')] : parts), Buffer.from(']')]);
}
