/**
 * Load process of `bench:cutover`: writers whose transactions for the old chain are all signed before the first is sent, and
 * readers beside them. Told that the chain has moved, a writer asks for its account and signs anew, as applications do.
 */
import { setMaxListeners } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { AttemptRecord, Outcome } from '../../src/devnet/demo/load/records.js';
import { NAMESPACE } from '../../src/devnet/demo/schema.js';
import type { Operation } from '../../src/devnet/demo/workload.js';
import { sleep, systemClock } from '../../src/platform/index.js';
import { createSigner, encodePayload, encodeTxJson, int8Value, signTx, textValue } from '../../src/protocol/index.js';
import { createHash } from 'node:crypto';

export interface LoadOptions {
  readonly url: string;
  readonly oldChainId: string;
  readonly newChainId: string;
  readonly seed: number;
  readonly writers: number;
  readonly perWriter: number;
  readonly intervalMs: number;
  readonly readers: number;
  readonly recordFile: string;
}
export type LoadCommand =
  { readonly kind: 'prepare'; readonly options: LoadOptions } | { readonly kind: 'start' } | { readonly kind: 'stop' };
export interface LoadTotals {
  readonly writes: number;
  readonly acknowledged: number;
  readonly readsTotal: number;
  readonly readErrors: number;
  /** Signed transactions were used up before the end. */
  readonly exhausted: boolean;
  readonly notes: readonly string[];
}
export type LoadMessage = { readonly kind: 'prepared' } | { readonly kind: 'done'; readonly totals: LoadTotals };

const ATTEMPTS_MAX = 200;
const RETRY_MS = 20;
const CALL_MS = 25_000;
const READ_MS = 50;
const NOTES_MAX = 10;

interface Job {
  readonly operation: Operation;
  /** Envelope with the transaction for the old chain. */
  readonly body: string;
  /** The same operation signed for another chain and nonce. */
  readonly sign: (chainId: string, nonce: number) => string;
}

interface Writer {
  readonly account: { readonly identifier: string; readonly key_type: string };
  readonly jobs: readonly Job[];
}

const stop = new AbortController();
// Every writer and reader waits on it.
setMaxListeners(0, stop.signal);
let options: LoadOptions;
let writers: Writer[] = [];
const totals = { writes: 0, acknowledged: 0, readsTotal: 0, readErrors: 0, exhausted: false, notes: [] as string[] };

process.on('message', (command: LoadCommand) => {
  if (command.kind === 'stop') stop.abort();
  else if (command.kind === 'start') void run();
  else {
    options = command.options;
    writers = Array.from({ length: options.writers }, (_, index) => prepare(index + 1));
    process.send?.({ kind: 'prepared' } satisfies LoadMessage);
  }
});
process.on('disconnect', () => process.exit(0));

function prepare(writer: number): Writer {
  const privateKey = createHash('sha256').update(`cutover bench ${options.seed} ${writer}`).digest();
  const signer = createSigner({ type: 'ed25519', privateKey });
  const jobs = Array.from({ length: options.perWriter }, (_, n): Job => {
    const operation: Operation = { action: 'same_item', op: `w${writer}-${n + 1}`, id: 0, owner: writer };
    const payload = encodePayload({
      kind: 'execute',
      namespace: NAMESPACE,
      action: operation.action,
      calls: [[textValue(operation.op), int8Value(0n), int8Value(BigInt(writer))]],
    });
    const sign = (chainId: string, nonce: number): string => {
      const body = { desc: '', payload, type: 'execute', fee: 0n, nonce: BigInt(nonce), chainId } as const;
      return `{"jsonrpc":"2.0","id":${n + 1},"method":"user.broadcast","params":{"tx":${encodeTxJson(signTx(body, signer))},"sync":0}}`;
    };
    return { operation, body: sign(options.oldChainId, n + 1), sign };
  });
  const account = { identifier: Buffer.from(signer.sender).toString('hex'), key_type: signer.keyType };
  return { account, jobs };
}

async function run(): Promise<void> {
  const records = createWriteStream(options.recordFile, { flags: 'a' });
  const record = (attempt: AttemptRecord): void => void records.write(JSON.stringify(attempt) + '\n');
  await Promise.all([
    ...writers.map((writer, index) => write(writer, index, record)),
    ...Array.from({ length: options.readers }, (_, index) => read(index)),
  ]);
  await new Promise(resolve => records.end(resolve));
  process.send?.({ kind: 'done', totals } satisfies LoadMessage, () => process.exit(0));
}

async function write(writer: Writer, index: number, record: (attempt: AttemptRecord) => void): Promise<void> {
  await sleep(systemClock, (options.intervalMs * index) / options.writers, stop.signal);
  let chainId = options.oldChainId;
  /** Of the last transaction on the new chain. */
  let nonce = 0;
  let due = performance.now();
  for (const { operation, body, sign } of writer.jobs) {
    if (stop.signal.aborted) return;
    for (let attempt = 0; attempt < ATTEMPTS_MAX && !stop.signal.aborted; attempt += 1) {
      const answer = await send(chainId === options.oldChainId ? body : sign(chainId, nonce + 1));
      totals.writes += 1;
      record({ operation, chainId, ...answer });
      if (answer.acknowledged) totals.acknowledged += 1;
      if (answer.outcome === 'unknown') {
        nonce += 1;
        break;
      }
      if (answer.signFor === null || answer.signFor === chainId) await sleep(systemClock, RETRY_MS, stop.signal);
      chainId = answer.signFor ?? chainId;
      if (chainId !== options.oldChainId) nonce = await nonceOf(writer);
    }
    due = Math.max(due + options.intervalMs, performance.now() - options.intervalMs);
    await sleep(systemClock, due - performance.now(), stop.signal);
  }
  totals.exhausted = !stop.signal.aborted;
}

async function nonceOf({ account }: Writer): Promise<number> {
  const body = { jsonrpc: '2.0', id: 1, method: 'user.account', params: { id: account, status: 1 } };
  const json = await post(JSON.stringify(body));
  return Number(json.result?.['nonce'] ?? 0);
}

/** An acknowledged write is `unknown` here: the verdict looks for it in the blocks. */
async function send(body: string): Promise<{
  outcome: Outcome;
  hash: string | null;
  acknowledged: boolean;
  sentAt: number;
  answeredAt: number;
  reason: string | null;
  signFor: string | null;
}> {
  const sentAt = Date.now();
  try {
    const json = await post(body);
    const at = { sentAt, answeredAt: Date.now() };
    const hash = json.result?.['tx_hash'];
    if (typeof hash === 'string')
      return { ...at, outcome: 'unknown', hash, acknowledged: true, reason: null, signFor: null };
    const data = (json.error?.data ?? {}) as { executed?: string; reason?: string; chainId?: string };
    const outcome = data.executed === 'unknown' ? 'unknown' : 'refused';
    const reason = data.reason ?? JSON.stringify(json.error ?? 'no result').slice(0, 200);
    if (data.reason !== 'chain_switched') note(`write: ${reason}`);
    return { ...at, outcome, hash: null, acknowledged: false, reason, signFor: data.chainId ?? null };
  } catch (error) {
    note(`write: ${String((error as Error).message)}`);
    const reason = String((error as Error).message);
    return {
      sentAt,
      answeredAt: Date.now(),
      outcome: 'unknown',
      hash: null,
      acknowledged: false,
      reason,
      signFor: null,
    };
  }
}

async function read(index: number): Promise<void> {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'user.query',
    params: { query: `{${NAMESPACE}}SELECT count(*) FROM receipts WHERE writer = ${index + 1}`, params: {} },
  });
  while (!stop.signal.aborted) {
    totals.readsTotal += 1;
    try {
      const json = await post(body);
      if (json.result === undefined) throw new Error(json.error?.message ?? 'no result');
    } catch (error) {
      totals.readErrors += 1;
      note(`read: ${String((error as Error).message)}`);
    }
    await sleep(systemClock, READ_MS, stop.signal);
  }
}

interface Answer {
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string; readonly data?: unknown };
}

async function post(body: string): Promise<Answer> {
  const answer = await fetch(`${options.url}/rpc/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal: AbortSignal.timeout(CALL_MS),
  });
  return (await answer.json()) as Answer;
}

function note(text: string): void {
  if (totals.notes.length < NOTES_MAX) totals.notes.push(text.slice(0, 200));
}
