import {
  createSigner,
  encodePayload,
  encodeTxJson,
  signTx,
  textValue,
  txHash,
  type Signer,
} from '../../../src/protocol/index.js';
import { createDevnet, type Devnet, type DevnetOptions, type NetworkOptions } from '../../../src/devnet/index.js';
import { createFakeEngine } from './fake-engine.js';

export const K2 = createSigner({ type: 'secp256k1_ep', privateKey: '22'.repeat(32) });

/** A devnet on fake engines; `engines` in the order in which they were made. */
export function fakeDevnet(
  options: Pick<DevnetOptions, 'controlPort'> = {},
): Devnet & { engines: ReturnType<typeof createFakeEngine>[]; lines: string[] } {
  const engines: ReturnType<typeof createFakeEngine>[] = [];
  const lines: string[] = [];
  const devnet = createDevnet({
    ...options,
    createEngine: async () => {
      const engine = createFakeEngine();
      engines.push(engine);
      return engine;
    },
    log: (network, node, line) => lines.push(`${network} ${node} ${line}`),
  });
  return Object.assign(devnet, { engines, lines });
}

/** Quick times for tests; the defaults are a real node's. */
export const QUICK: Pick<
  NetworkOptions,
  'blockMs' | 'timing' | 'listenerPaceMs' | 'listenerBackoffMs' | 'metadataPollMs'
> = {
  blockMs: 50,
  timing: { restart: 20, unhealthyAfter: 1000 },
  listenerPaceMs: 10,
  listenerBackoffMs: [10, 50],
  metadataPollMs: 50,
};

export interface RpcAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Json;
}

/** Parsed JSON whose members may be walked without asking; a wrong path fails the test that walks it. */
export interface Json {
  readonly [member: string]: Json;
}

export async function rpc(url: string, method: string, params: unknown = {}): Promise<RpcAnswer> {
  return post(url, JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }));
}

export async function post(url: string, body: string): Promise<RpcAnswer> {
  const response = await fetch(`${url}/rpc/v1`, { method: 'POST', body });
  const text = await response.text();
  let json = {} as Json;
  try {
    json = JSON.parse(text) as Json;
  } catch {
    // Not every answer is JSON; the test looks at `text` then.
  }
  return { status: response.status, headers: response.headers, text, json };
}

/** `result` of a call as the caller knows it. Throws when the answer is an error. */
export async function result<T>(url: string, method: string, params: unknown = {}): Promise<T> {
  const answer = await rpc(url, method, params);
  if (answer.json['result'] === undefined) throw new Error(`${method}: ${answer.status} ${answer.text}`);
  return answer.json['result'] as unknown as T;
}

/** `put(k, v)` of the fake engine, signed. */
export function putTx(signer: Signer, chainId: string, nonce: number, key: string, value: string) {
  const payload = encodePayload({
    kind: 'execute',
    namespace: 'main',
    action: 'put',
    calls: [[textValue(key), textValue(value)]],
  });
  const tx = signTx({ desc: '', payload, type: 'execute', fee: 0n, nonce: BigInt(nonce), chainId }, signer);
  return { tx, hash: txHash(tx), json: JSON.parse(encodeTxJson(tx)) as Record<string, unknown> };
}

export const broadcast = (url: string, tx: { json: unknown }, sync = 0): Promise<RpcAnswer> =>
  rpc(url, 'user.broadcast', { tx: tx.json, sync });
