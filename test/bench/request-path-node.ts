/**
 * Upstream processes of `npm run bench`: `node` is a pair of networks of one node each that answer at once, so that what is
 * measured is the way there; `plain URL` is http-proxy-3 passing bytes, the yardstick of a proxy that looks at nothing.
 */
import { Agent, createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import {
  decodeTxJson,
  encodeBlock,
  encodeTx,
  parseJson,
  sha256Hex,
  ZERO_HASH,
  type JsonObject,
} from '../../src/protocol/index.js';

export type UpstreamMessage = { readonly kind: 'listening'; readonly urls: readonly string[] };

const BLOCK_MS = 500;
/** Blocks whose transactions can still be asked for. */
const BLOCKS_KEPT = 120;
const ROWS = Array.from({ length: 10 }, (_, id) => [id, `name ${id}`, 'x'.repeat(40)]);
const QUERY_RESULT = JSON.stringify({ column_names: ['id', 'name', 'note'], column_types: [], values: ROWS });

const [role, target] = process.argv.slice(2);
// A real node ends the connection after each answer.
const closes = process.env['BENCH_KEEP_ALIVE'] !== '1';
const urls =
  role === 'plain'
    ? [await listen(plain(String(target)))]
    : [await listen(node('kwil-old')), await listen(node('kwil-new'))];
process.send?.({ kind: 'listening', urls } satisfies UpstreamMessage);
process.once('disconnect', () => process.exit());

function plain(url: string): RequestListener {
  const proxy = createProxyServer({ target: url, agent: new Agent({ keepAlive: !closes }) });
  proxy.on('error', (_error, _request, response) => 'writeHead' in response && response.writeHead(502).end());
  return (request, response) => proxy.web(request, response);
}

function node(chainId: string): RequestListener {
  let height = 10;
  const mined = new Map<string, number>();
  const blocks = new Map<number, ReadonlyMap<string, Uint8Array>>();
  let pool = new Map<string, Uint8Array>();
  setInterval(() => {
    height += 1;
    for (const hash of pool.keys()) mined.set(hash, height);
    blocks.set(height, pool);
    pool = new Map();
    for (const hash of blocks.get(height - BLOCKS_KEPT)?.keys() ?? []) mined.delete(hash);
    blocks.delete(height - BLOCKS_KEPT);
  }, BLOCK_MS);

  function result(method: string, params: Record<string, unknown>, body: Buffer): string {
    switch (method) {
      case 'user.health':
        return JSON.stringify({
          chain_id: chainId,
          block_height: height,
          height,
          block_hash: ZERO_HASH,
          block_time: height * BLOCK_MS,
          syncing: false,
          healthy: true,
          mode: 'open',
        });
      case 'user.migration_status':
        return '{"status":{"status":"NoActiveMigration"}}';
      case 'user.version':
        return '{"kwil_ver":"0.10.1"}';
      case 'user.query':
        return QUERY_RESULT;
      case 'user.tx_query': {
        const hash = String(params['tx_hash']);
        const at = mined.get(hash);
        return `{"tx_hash":"${hash}","height":${at ?? -1},"tx":null,"tx_result":${at === undefined ? 'null' : '{"code":0,"gas":0}'}}`;
      }
      case 'user.broadcast': {
        const tx = ((parseJson(body) as JsonObject).get('params') as JsonObject).get('tx') as JsonObject;
        const bytes = encodeTx(decodeTxJson(tx));
        const hash = sha256Hex(bytes);
        pool.set(hash, bytes);
        return `{"tx_hash":"${hash}"}`;
      }
      case 'chain.block': {
        const at = Number(params['height']);
        const raw = encodeBlock({
          header: headerOf(at, blocks.get(at)?.size ?? 0),
          signature: new Uint8Array(64),
          txs: [...(blocks.get(at)?.values() ?? [])],
        });
        return JSON.stringify({ hash: ZERO_HASH, raw_block: Buffer.from(raw).toString('base64') });
      }
      case 'chain.block_result': {
        const at = Number(params['height']);
        const results = [...(blocks.get(at)?.keys() ?? [])].map(() => ({ code: 0, gas: 0 }));
        return JSON.stringify({ height: at, hash: ZERO_HASH, tx_results: results });
      }
      default:
        return '{}';
    }
  }

  return (request, response) => {
    void bodyOf(request).then(body => {
      const { id, method, params } =
        body.length === 0
          ? { id: null, method: 'user.health', params: {} }
          : (JSON.parse(body.toString()) as { id: unknown; method: string; params?: Record<string, unknown> });
      const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result(method, params ?? {}, body)}}`;
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
        ...(closes ? { connection: 'close' } : {}),
      });
      response.end(text);
    });
  };
}

const headerOf = (height: number, txCount: number) => ({
  version: 0,
  height,
  txCount,
  prevHash: ZERO_HASH,
  prevAppHash: ZERO_HASH,
  valsHash: ZERO_HASH,
  paramsHash: ZERO_HASH,
  stampMs: height * 1000,
  merkleRoot: ZERO_HASH,
  newLeader: null,
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function listen(listener: RequestListener): Promise<string> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener);
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      resolve(`http://127.0.0.1:${address.port}`);
    });
  });
}
