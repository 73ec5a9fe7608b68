/** Load process of `npm run bench`: so many callers that each send the next request when the last one is answered. */
import { Pool } from 'undici';
import { createSigner, encodePayload, encodeTxJson, int8Value, signTx } from '../../src/protocol/index.js';

export type RequestKind = 'read' | 'write' | 'batch';

export interface LoadCommand {
  readonly url: string;
  readonly kind: RequestKind;
  readonly callers: number;
  readonly ms: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly errors: number;
  readonly elapsedMs: number;
  readonly latenciesUs: readonly number[];
}

export const BATCH_ITEMS = 10;
/** Signed before the clock runs; a caller that has used them up waits for the end. */
const WRITES_PER_CALLER = 120;

const read = (id: number): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"user.query","params":{"query":"SELECT id, name, note FROM main.things ORDER BY id LIMIT 10","params":{}}}`;
const BODIES = {
  read: read(1),
  batch: `[${Array.from({ length: BATCH_ITEMS }, (_, id) => read(id)).join(',')}]`,
} as const;

const nonces = new Map<number, bigint>();

function sign(caller: number): string {
  const signer = createSigner({ type: 'secp256k1_ep', privateKey: Buffer.alloc(32, caller + 1) });
  const nonce = (nonces.get(caller) ?? 0n) + 1n;
  nonces.set(caller, nonce);
  const payload = encodePayload({ kind: 'execute', namespace: 'main', action: 'note', calls: [[int8Value(nonce)]] });
  const tx = signTx({ desc: '', payload, type: 'execute', fee: 0n, nonce, chainId: 'kwil-old' }, signer);
  return `{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{"tx":${encodeTxJson(tx)}}}`;
}

async function run({ url, kind, callers, ms }: LoadCommand): Promise<LoadResult> {
  const pool = new Pool(url, { connections: callers, pipelining: 1 });
  const queues = Array.from({ length: callers }, (_, caller) =>
    kind === 'write' ? Array.from({ length: WRITES_PER_CALLER }, () => sign(caller)) : null,
  );
  const latenciesUs: number[] = [];
  let errors = 0;
  process.send?.('ready');
  const begun = performance.now();
  const until = begun + ms;
  await Promise.all(
    queues.map(async queue => {
      for (let turn = 0; performance.now() < until; turn += 1) {
        const body = kind === 'write' ? queue?.[turn] : BODIES[kind];
        if (body === undefined) return;
        const at = performance.now();
        try {
          const answer = await pool.request({
            path: '/rpc/v1',
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body,
          });
          const text = await answer.body.text();
          if (answer.statusCode !== 200 || text.includes('"error"')) errors += 1;
        } catch {
          errors += 1;
        }
        latenciesUs.push(Math.round((performance.now() - at) * 1000));
      }
    }),
  );
  const elapsedMs = performance.now() - begun;
  await pool.destroy();
  return { requests: latenciesUs.length, errors, elapsedMs, latenciesUs };
}

process.on('message', (command: LoadCommand) => {
  void run(command).then(result => process.send?.(result));
});
process.once('disconnect', () => process.exit());
