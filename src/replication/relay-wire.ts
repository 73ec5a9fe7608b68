import type { IncomingMessage, ServerResponse } from 'node:http';
import { RPC_CODES } from '../protocol/index.js';

/** Requests of listeners are a few dozen bytes. */
const BODY_BYTES_MAX = 64 * 1024;

/** An error answer in the node's shape. */
export class RpcFailure extends Error {
  constructor(
    readonly rpcCode: number,
    message: string,
  ) {
    super(message);
  }
}

export type Params = Readonly<Record<string, unknown>>;

export async function readEnvelope(request: IncomingMessage): Promise<{ id: unknown; method: string; params: Params }> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > BODY_BYTES_MAX) throw new RpcFailure(RPC_CODES.invalidRequest, 'request is too large');
    parts.push(part);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    throw new RpcFailure(RPC_CODES.parse, 'invalid request');
  }
  const { jsonrpc, id, method, params } = (value ?? {}) as Record<string, unknown>;
  if (jsonrpc !== '2.0' || (typeof id !== 'string' && typeof id !== 'number') || typeof method !== 'string') {
    throw new RpcFailure(RPC_CODES.invalidRequest, 'invalid json-rpc request object');
  }
  return { id, method, params: typeof params === 'object' && params !== null ? (params as Params) : {} };
}

/** A number member; absent is 0, as nodes read it. */
export function numberOf(params: Params, name: string): number {
  const value = params[name] ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new RpcFailure(RPC_CODES.invalidParams, `invalid ${name}`);
  return value;
}

export function send(response: ServerResponse, status: number, envelope: unknown): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  const body = Buffer.from(JSON.stringify(envelope));
  // As nodes do: every answer ends its connection, so no answer is lost to a connection that closes while idle.
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    connection: 'close',
  });
  return new Promise(resolve => {
    response.once('close', resolve);
    response.end(body);
  });
}

export const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(?:::ffff:)?127\.|^::1$/.test(address);

export function splitAddress(listen: string): { host: string; port: number } {
  const at = listen.lastIndexOf(':');
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) };
}
