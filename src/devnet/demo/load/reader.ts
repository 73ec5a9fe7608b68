import { NodeKwil } from '@kwilteam/kwil-js';
import { systemClock, sleep } from '../../../platform/index.js';
import { createRandom } from '../random.js';
import { NAMESPACE } from '../schema.js';
import { isCut } from './refusal.js';

export interface ReaderPorts {
  done(answer: {
    readonly network: 'old' | 'new' | null;
    readonly problem: 'none' | 'backwards' | 'error' | 'cut';
    readonly note?: string;
  }): void;
}

export interface ReaderSettings {
  readonly url: string;
  readonly chainId: string;
  readonly seed: number;
  readonly index: number;
  readonly writers: number;
}

/**
 * Reads rows that only ever move forward and reports any step back. Odd readers use kwil-js; even ones speak JSON-RPC
 * themselves, so that they also see which network answered.
 */
export function createReader({ url, chainId, seed, index, writers }: ReaderSettings, ports: ReaderPorts) {
  const random = createRandom(seed, 1000 + index);
  const kwil = new NodeKwil({ kwilProvider: url, chainId, timeout: 25_000 });
  /** Greatest number of receipts of a writer that this client was ever shown: receipts are never taken away. */
  const seen = new Map<number, number>();
  const statement = `{${NAMESPACE}}SELECT count(*) AS n FROM receipts WHERE writer = $writer`;
  let calls = 0;

  return {
    async run(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        const writer = random.int(1, writers);
        await readOnce(writer);
        await sleep(systemClock, random.int(200, 500), signal);
      }
    },
  };

  async function readOnce(writer: number): Promise<void> {
    try {
      const { count, network } = index % 2 === 1 ? await viaKwilJs(writer) : await viaFetch(writer);
      const before = seen.get(writer) ?? 0;
      seen.set(writer, Math.max(before, count));
      if (count < before) {
        ports.done({
          network,
          problem: 'backwards',
          note: `reader ${index}: receipts of writer ${writer} went from ${before} to ${count}`,
        });
      } else ports.done({ network, problem: 'none' });
    } catch (error) {
      const problem = isCut(error) ? 'cut' : 'error';
      ports.done({
        network: null,
        problem,
        note: `reader ${index}: ${String((error as Error).message).slice(0, 200)}`,
      });
      if (problem === 'cut') await sleep(systemClock, 200);
    }
  }

  async function viaKwilJs(writer: number): Promise<{ count: number; network: null }> {
    const rows = await kwil.selectQuery<{ n: string }>(statement, { $writer: writer });
    return { count: Number(rows.data![0]!.n), network: null };
  }

  async function viaFetch(writer: number): Promise<{ count: number; network: 'old' | 'new' | null }> {
    calls += 1;
    const value = Buffer.alloc(9);
    value[0] = 1;
    value.writeBigInt64BE(BigInt(writer), 1);
    const body = {
      jsonrpc: '2.0',
      id: calls,
      method: 'user.query',
      params: {
        query: statement,
        params: {
          $writer: { type: { name: 'int8', is_array: false, metadata: [0, 0] }, data: [value.toString('base64')] },
        },
      },
    };
    const answer = await fetch(`${url}/rpc/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(25_000),
    });
    const json = (await answer.json()) as { result?: { values: string[][] }; error?: { message: string } };
    if (json.result === undefined) throw new Error(`${answer.status} ${json.error?.message ?? 'no result'}`);
    const network = answer.headers.get('x-switchyard-network');
    return {
      count: Number(json.result.values[0]![0]),
      network: network === 'old' || network === 'new' ? network : null,
    };
  }
}
