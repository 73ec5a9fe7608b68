import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { EngineError, EngineHalt, ReplicationHalt } from './errors.js';
import type { WorkerAnswer, WorkerFailure, WorkerRequest } from './messages.js';
import type { BlockOutcome, BlockWork, Engine, EngineOptions } from './types.js';

/** Blocks whose outcome is kept for the nodes that execute them later. */
const OUTCOMES_MAX = 512;
const CLOSE_DEADLINE_MS = 5_000;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Starts the engine's thread. Rejects when the embedded server does not come up. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const thread = new EngineThread(options);
  await thread.ready;
  return thread;
}

class EngineThread implements Engine {
  readonly ready: Promise<void>;
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private readonly outcomes = new Map<number, { work: string; outcome: Promise<BlockOutcome> }>();
  private nextId = 1;
  private ended: Error | null = null;

  constructor(options: EngineOptions) {
    this.worker = startWorker({ templateFolder: options.templateFolder });
    this.ready = new Promise<void>((resolve, reject) => {
      this.pending.set(0, { resolve: () => resolve(), reject });
    });
    this.worker.on('message', (answer: WorkerAnswer) => this.settle(answer));
    this.worker.on('error', error => this.end(error instanceof Error ? error : new Error(String(error))));
    this.worker.on('exit', code => this.end(new Error(`the engine's thread ended with code ${code}`)));
  }

  private settle(answer: WorkerAnswer): void {
    const pending = this.pending.get(answer.id);
    this.pending.delete(answer.id);
    if (pending === undefined) return;
    if ('failure' in answer) pending.reject(errorOf(answer.failure));
    else pending.resolve(answer.value);
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const pending of this.pending.values()) pending.reject(error);
    this.pending.clear();
  }

  private ask<M extends WorkerRequest['method']>(
    method: M,
    args: Extract<WorkerRequest, { method: M }>['args'],
  ): Promise<unknown> {
    if (this.ended !== null) return Promise.reject(this.ended);
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ id, method, args });
    });
  }

  async init(...args: Parameters<Engine['init']>): Promise<void> {
    await this.ask('init', args);
  }

  async restore(...args: Parameters<Engine['restore']>): Promise<void> {
    await this.ask('restore', args);
  }

  async dump(): Promise<Uint8Array> {
    return (await this.ask('dump', [])) as Uint8Array;
  }

  executeBlock(work: BlockWork): Promise<BlockOutcome> {
    const fingerprint = fingerprintOf(work);
    const known = this.outcomes.get(work.height);
    if (known !== undefined) {
      if (known.work === fingerprint) return known.outcome;
      return Promise.reject(
        new EngineHalt(`height ${work.height} was executed with other transactions`, 'engine-fork'),
      );
    }
    const outcome = this.ask('executeBlock', [work]) as Promise<BlockOutcome>;
    this.outcomes.set(work.height, { work: fingerprint, outcome });
    // what failed left nothing behind and may be tried again
    outcome.catch(() => this.outcomes.delete(work.height));
    const oldest = this.outcomes.keys().next();
    if (this.outcomes.size > OUTCOMES_MAX && oldest.done !== true) this.outcomes.delete(oldest.value);
    return outcome;
  }

  query(...[sql, params, options = {}]: Parameters<Engine['query']>): ReturnType<Engine['query']> {
    return this.ask('query', [sql, params, options]) as ReturnType<Engine['query']>;
  }

  call(...args: Parameters<Engine['call']>): ReturnType<Engine['call']> {
    return this.ask('call', args) as ReturnType<Engine['call']>;
  }

  account(...args: Parameters<Engine['account']>): ReturnType<Engine['account']> {
    return this.ask('account', args) as ReturnType<Engine['account']>;
  }

  numAccounts(): Promise<number> {
    return this.ask('numAccounts', []) as Promise<number>;
  }

  async close(): Promise<void> {
    if (this.ended !== null) return;
    const closed = new Promise<void>(resolve => this.worker.once('exit', () => resolve()));
    this.end(new Error('the engine is closed'));
    this.worker.postMessage({ method: 'close' });
    const timer = setTimeout(() => void this.worker.terminate(), CLOSE_DEADLINE_MS);
    await closed;
    clearTimeout(timer);
  }
}

/**
 * The thread's entry, compiled or from source: a thread does not inherit the loader that runs us from source, so there a
 * few lines of plain code put it in place first.
 */
function startWorker(workerData: { templateFolder: string }): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url), { workerData });
  // by way of require, because not every runner of source has import.meta.resolve; the module beside it is the one for import
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm/api')).href.replace(/\.cjs$/, '.mjs');
  const entry = new URL('./worker.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(loader)}).then(({ register }) => { register(); return import(${JSON.stringify(entry)}); })`;
  return new Worker(code, { eval: true, workerData, execArgv: [] });
}

/** Same for two nodes that execute the same block. Time and leader are part of it: actions can read them. */
function fingerprintOf(work: BlockWork): string {
  const hash = createHash('sha256');
  hash.update(`${work.timestampMs} ${work.gas} ${work.ops.map(op => op.hash).join(' ')}`);
  for (const op of work.ops) if (op.work.kind === 'none') hash.update(` ${op.work.code}`);
  for (const { height, bytes } of work.apply) hash.update(` ${height} ${bytes?.length ?? -1}`);
  hash.update(work.leader?.publicKey ?? new Uint8Array());
  return hash.digest('hex');
}

function errorOf(failure: WorkerFailure): Error {
  switch (failure.kind) {
    case 'refusal':
      return new EngineError(failure.rpcCode, failure.message);
    case 'replication-halt':
      return new ReplicationHalt(failure.message, failure.oldHeight);
    case 'halt':
      return new EngineHalt(failure.message, failure.code);
    case 'fault':
      return new Error(`fault in the engine: ${failure.message}`);
  }
}
