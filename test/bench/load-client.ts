/**
 * Load process of `npm run bench:load`: so many requests a second whether earlier ones are answered or not, reads, writes
 * and batches mixed, a share of them given up by the client before the answer.
 */
import { Pool } from 'undici';
import { createSigner, encodePayload, encodeTxJson, int8Value, signTx } from '../../src/protocol/index.js';

export interface LoadCommand {
  readonly url: string;
  readonly ms: number;
  /** Requests per second; a batch is one. */
  readonly rate: number;
  /** Share that hangs up, 0..1. */
  readonly aborts: number;
  readonly seed: number;
  /** Reads alone, or everything. */
  readonly kinds: 'reads' | 'mixed';
}

export interface LoadResult {
  readonly sent: number;
  /** Due and not sent: so many were still open that more would only have measured this process. */
  readonly skipped: number;
  readonly aborted: number;
  readonly accepted: number;
  /** Answers with an error of the gateway or a node, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** No answer at all, by error code. */
  readonly failed: Readonly<Record<string, number>>;
  readonly elapsedMs: number;
  /** Of accepted requests. */
  readonly p50Us: number;
  readonly p99Us: number;
}

const TICK_MS = 5;
const OPEN_MAX = 3000;
const CONNECTIONS = 256;
const ACCOUNTS = 64;
const BATCH_ITEMS = 5;
const WRITE_SHARE = 0.1;
const BATCH_SHARE = 0.1;
const ABORT_MS = 8;
const FINISH_MS = 20_000;

const read = (id: number): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"user.query","params":{"query":"SELECT id, name, note FROM main.things ORDER BY id LIMIT 10","params":{}}}`;
const READ = read(1);
const BATCH = `[${Array.from({ length: BATCH_ITEMS }, (_, id) => read(id)).join(',')}]`;

const signers = Array.from({ length: ACCOUNTS }, (_, i) =>
  createSigner({ type: 'ed25519', privateKey: Buffer.alloc(32, i + 1) }),
);
let writes = 0;

function write(): string {
  const nonce = BigInt(Math.floor(writes / ACCOUNTS) + 1);
  const payload = encodePayload({ kind: 'execute', namespace: 'main', action: 'note', calls: [[int8Value(nonce)]] });
  const signer = signers[writes++ % ACCOUNTS]!;
  const tx = signTx({ desc: '', payload, type: 'execute', fee: 0n, nonce, chainId: 'kwil-old' }, signer);
  return `{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{"tx":${encodeTxJson(tx)}}}`;
}

async function run({ url, ms, rate, aborts, seed, kinds }: LoadCommand): Promise<LoadResult> {
  const pool = new Pool(url, { connections: CONNECTIONS, pipelining: 1 });
  const chance = random(seed);
  const latenciesUs: number[] = [];
  const refused: Record<string, number> = {};
  const failed: Record<string, number> = {};
  const open = new Set<Promise<void>>();
  let [sent, skipped, aborted] = [0, 0, 0];

  async function one(): Promise<void> {
    const kind = kinds === 'reads' ? 1 : chance();
    const body = kind < WRITE_SHARE ? write() : kind < WRITE_SHARE + BATCH_SHARE ? BATCH : READ;
    const abort = chance() < aborts ? new AbortController() : null;
    const timer = abort === null ? null : setTimeout(() => abort.abort(), chance() * ABORT_MS);
    const at = performance.now();
    try {
      const answer = await pool.request({
        path: '/rpc/v1',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        ...(abort === null ? {} : { signal: abort.signal }),
      });
      const text = await answer.body.text();
      const reason = text.includes('"error"') ? (/"reason":"(\w+)"/.exec(text)?.[1] ?? 'node') : null;
      if (answer.statusCode !== 200) count(failed, `status ${answer.statusCode}`);
      else if (reason !== null) count(refused, reason);
      else latenciesUs.push(Math.round((performance.now() - at) * 1000));
    } catch (error) {
      if (abort?.signal.aborted === true) aborted += 1;
      else count(failed, (error as { code?: string }).code ?? String(error));
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  }

  const begun = performance.now();
  for (let due = 0; performance.now() < begun + ms;) {
    const until = Math.floor(((performance.now() - begun) / 1000) * rate);
    for (; due < until; due += 1) {
      if (open.size >= OPEN_MAX) {
        skipped += 1;
        continue;
      }
      sent += 1;
      const running: Promise<void> = one().finally(() => open.delete(running));
      open.add(running);
    }
    await new Promise(resolve => setTimeout(resolve, TICK_MS));
  }
  await Promise.race([Promise.all(open), new Promise(resolve => setTimeout(resolve, FINISH_MS))]);
  const elapsedMs = performance.now() - begun;
  if (open.size > 0) failed['unanswered'] = open.size;
  await pool.destroy();
  latenciesUs.sort((a, b) => a - b);
  const at = (q: number): number =>
    latenciesUs[Math.min(latenciesUs.length - 1, Math.floor(latenciesUs.length * q))] ?? 0;
  return {
    sent,
    skipped,
    aborted,
    accepted: latenciesUs.length,
    refused,
    failed,
    elapsedMs: Math.round(elapsedMs),
    p50Us: at(0.5),
    p99Us: at(0.99),
  };
}

const count = (into: Record<string, number>, key: string): void => void (into[key] = (into[key] ?? 0) + 1);

/** mulberry32: the same choices for the same seed. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

process.on('message', (command: LoadCommand) => {
  void run(command).then(result => process.send?.(result));
});
process.once('disconnect', () => process.exit());
