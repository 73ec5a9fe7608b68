/* Entry of the engine's thread: one embedded server, requests one after another. */
import { PGlite } from '@electric-sql/pglite';
import { readFile } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { EngineError, EngineHalt, ReplicationHalt } from './errors.js';
import { EngineMachine } from './run/machine.js';
import { loadTemplate } from './template.js';
import type { WorkerAnswer, WorkerFailure, WorkerRequest } from './messages.js';

const port = parentPort;
if (port === null) throw new Error('the engine worker is no program of its own');

const { templateFolder } = workerData as { templateFolder: string };

/** Nothing survives the process anyway: no syncing, little write-ahead log. */
const SETTINGS = [
  'synchronous_commit = off',
  'full_page_writes = off',
  'wal_level = minimal',
  'max_wal_senders = 0',
  'max_wal_size = 16MB',
  'min_wal_size = 2MB',
  'autovacuum = off',
];

async function start(): Promise<{ server: PGlite; machine: EngineMachine }> {
  const template = await loadTemplate(templateFolder, {
    version: await serverVersion(),
    async make(sql) {
      const fresh = await PGlite.create({
        dataDir: 'memory://',
        initDbStartParams: ['--wal-segsize=1'],
        postgresqlconf: SETTINGS,
      });
      await fresh.exec(sql);
      await fresh.exec('CHECKPOINT');
      const blob = await fresh.dumpDataDir('none');
      await fresh.close();
      return new Uint8Array(await blob.arrayBuffer());
    },
  });
  const server = await PGlite.create({
    dataDir: 'memory://',
    loadDataDir: new Blob([template as Uint8Array<ArrayBuffer>]),
  });
  return { server, machine: new EngineMachine(server) };
}

/** The package's own version, from beside its entry: it does not export its package.json. */
async function serverVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.resolve('@electric-sql/pglite')), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function failureOf(error: unknown): WorkerFailure {
  if (error instanceof EngineError) return { kind: 'refusal', rpcCode: error.rpcCode, message: error.message };
  if (error instanceof ReplicationHalt)
    return { kind: 'replication-halt', message: error.message, oldHeight: error.oldHeight };
  if (error instanceof EngineHalt) return { kind: 'halt', message: error.message, code: error.code };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'fault', message: text };
}

function answer(machine: EngineMachine, request: WorkerRequest): unknown {
  switch (request.method) {
    case 'init':
      return machine.init(...request.args);
    case 'restore':
      return machine.restore(...request.args);
    case 'dump':
      return machine.dump();
    case 'executeBlock':
      return machine.executeBlock(...request.args);
    case 'query':
      return machine.query(...request.args);
    case 'call':
      return machine.call(...request.args);
    case 'account':
      return machine.account(...request.args);
    case 'numAccounts':
      return machine.numAccounts();
  }
}

try {
  const { server, machine } = await start();
  port.on('message', (request: WorkerRequest | { method: 'close' }) => {
    if (request.method === 'close') {
      void server.close().finally(() => process.exit(0));
      return;
    }
    let reply: WorkerAnswer;
    try {
      reply = { id: request.id, value: answer(machine, request) };
    } catch (error) {
      reply = { id: request.id, failure: failureOf(error) };
    }
    port.postMessage(reply);
  });
  port.postMessage({ id: 0, value: null } satisfies WorkerAnswer);
} catch (error) {
  port.postMessage({ id: 0, failure: failureOf(error) } satisfies WorkerAnswer);
}
