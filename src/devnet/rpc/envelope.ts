import { goJson } from './go-json.js';
import { httpStatusOfCode, invalidParams, RpcError } from './errors.js';

/** A request that got past the framing rules (reference 1.5). */
export interface RpcRequest {
  readonly id: unknown;
  readonly method: string;
  readonly params: unknown;
}

export interface RpcReply {
  readonly status: number;
  readonly body: string;
}

const PARSE_ERROR: RpcReply = {
  status: 400,
  body: '{"jsonrpc":"2.0","id":-1,"error":{"code":-32700,"message":"invalid request"}}',
};

/** Reads the envelope, or gives the node's own refusal of it. */
export function readEnvelope(body: Buffer): { readonly request: RpcRequest } | { readonly reply: RpcReply } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return { reply: PARSE_ERROR };
  }
  if (parsed !== null && (typeof parsed !== 'object' || Array.isArray(parsed))) return { reply: PARSE_ERROR };
  const members: { jsonrpc?: unknown; id?: unknown; method?: unknown; params?: unknown } = {};
  for (const [name, value] of Object.entries(parsed ?? {})) {
    const folded = name.replaceAll('ſ', 's').replaceAll('\u212a', 'k').toLowerCase();
    if (folded === 'jsonrpc' || folded === 'id' || folded === 'method' || folded === 'params') members[folded] = value;
  }
  const { jsonrpc, id, method, params } = members;
  const isText = (value: unknown): boolean => value === undefined || value === null || typeof value === 'string';
  if (!isText(jsonrpc) || !isText(method)) return { reply: PARSE_ERROR };
  const zeroId = id === undefined || id === null || id === 0 || id === '' || id === false;
  if (jsonrpc !== '2.0' || zeroId)
    return { reply: errorReply(id, new RpcError(-32600, 'invalid json-rpc request object')) };
  if (!method) return { reply: errorReply(id, new RpcError(-32601, 'no route was supplied')) };
  return { request: { id, method: method as string, params } };
}

/** `result` is JSON text. */
export function resultReply(id: unknown, result: string): RpcReply {
  return { status: 200, body: `{"jsonrpc":"2.0","id":${successId(id)},"result":${result}}` };
}

export function errorReply(id: unknown, error: RpcError): RpcReply {
  const idPart = id === undefined || id === null ? '' : `"id":${goJson(id)},`;
  const dataPart = error.data === undefined ? '' : `,"data":${goJson(error.data)}`;
  const body = `{"jsonrpc":"2.0",${idPart}"error":{"code":${error.code},"message":${goJson(error.message)}${dataPart}}}`;
  return { status: httpStatusOfCode(error.code), body };
}

/** Success answers show the integer part of a number, and other kinds as Go prints them. */
function successId(id: unknown): string {
  if (typeof id === 'number') return String(Math.trunc(id));
  if (typeof id === 'string') return goJson(id);
  return goJson(goPrint(id));
}

function goPrint(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return `[${value.map(goPrint).join(' ')}]`;
  if (typeof value === 'object') {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${members.map(([name, member]) => `${name}:${goPrint(member)}`).join(' ')}]`;
  }
  return JSON.stringify(value);
}

/** `params` must be an object (named) or absent. */
export function requireNamed(params: unknown, goType: string): void {
  if (params === undefined || params === null) return;
  const kind = Array.isArray(params) ? 'array' : typeof params === 'boolean' ? 'bool' : typeof params;
  if (kind !== 'object') throw invalidParams(`json: cannot unmarshal ${kind} into Go value of type ${goType}`);
}
