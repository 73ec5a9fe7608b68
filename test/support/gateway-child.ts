import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../src/devnet/demo/gateway-process.js';
import type { GatewayStatus } from '../../src/model/index.js';
import { sleep, systemClock } from '../../src/platform/index.js';

/** A gateway in a process of its own that tests stop, cut and kill as they like. */
export interface GatewayChild {
  readonly url: string;
  readonly adminUrl: string;
  /** With these variables in its environment; resolves when it has started. Throws when it ends before. */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  isRunning(): boolean;
  /** Process id; 0 when it does not run. */
  pid(): number;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended; false at the time limit. */
  ended(timeoutMs: number): Promise<boolean>;
  /** SIGKILL, and its end. */
  kill(): Promise<void>;
  status(): Promise<GatewayStatus>;
  admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T>;
}

export interface GatewayChildOptions {
  readonly folder: string;
  readonly old: { readonly chainId: string; readonly urls: readonly string[] };
  readonly new: { readonly chainId: string; readonly urls: readonly string[] };
  readonly listenerPaceMs: number;
  /** Source file, or a compiled one, to run instead of `main.ts`. */
  readonly entry?: string;
  readonly configLines?: readonly string[];
}

const START_MS = 40_000;
const CALL_MS = 15_000;

export async function createGatewayChild(options: GatewayChildOptions): Promise<GatewayChild> {
  const { folder } = options;
  const [publicPort, relayPort, adminPort] = await freePorts(3);
  const configFile = join(folder, 'switchyard.yaml');
  const tokenFile = join(folder, 'admin.token');
  const nodes = (network: string, { chainId, urls }: GatewayChildOptions['old']): string[] => [
    `  ${network}:`,
    `    chainId: ${chainId}`,
    '    nodes:',
    ...urls.map((url, i) => `      - { name: ${network}-${i + 1}, url: ${url} }`),
  ];
  const lines = [
    `listen: 127.0.0.1:${publicPort}`,
    'networks:',
    ...nodes('old', options.old),
    ...nodes('new', options.new),
    `relay: { listen: 127.0.0.1:${relayPort}, validators: [v1], listenerPaceMs: ${options.listenerPaceMs} }`,
    `admin: { listen: 127.0.0.1:${adminPort}, tokenFile: ${tokenFile} }`,
    `dataDir: ${join(folder, 'data')}`,
    ...(options.configLines ?? []),
    '',
  ];
  await writeFile(configFile, lines.join('\n'));
  const entry = options.entry ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  let child: ChildProcess | null = null;
  let exit: Promise<unknown> = Promise.resolve();

  const isRunning = (): boolean => child !== null && child.exitCode === null && child.signalCode === null;
  const ended = (timeoutMs: number): Promise<boolean> =>
    isRunning()
      ? Promise.race([exit.then(() => true), sleep(systemClock, timeoutMs).then(() => false)])
      : Promise.resolve(true);

  const gateway: GatewayChild = {
    url: `http://127.0.0.1:${publicPort}`,
    adminUrl,
    isRunning,
    pid: () => (isRunning() ? (child?.pid ?? 0) : 0),
    ended,
    async start(env = {}) {
      const log = openSync(join(folder, 'gateway.log'), 'a');
      const started = spawn(
        process.execPath,
        [...(entry.endsWith('.ts') ? ['--import', 'tsx'] : []), entry, 'serve', '-c', configFile],
        {
          stdio: ['ignore', log, log],
          env: { ...process.env, ...env },
        },
      );
      closeSync(log);
      child = started;
      exit = new Promise(resolve => started.once('exit', resolve));
      const deadline = performance.now() + START_MS;
      while (!(await answers(`${adminUrl}/startupz`))) {
        if (!isRunning()) throw new Error(`the gateway ended while starting; its log: ${folder}/gateway.log`);
        if (performance.now() > deadline) throw new Error(`the gateway did not start; its log: ${folder}/gateway.log`);
        await sleep(systemClock, 20);
      }
    },
    signal: signal => void child?.kill(signal),
    async kill() {
      child?.kill('SIGKILL');
      if (isRunning()) await exit;
    },
    status: () => gateway.admin<GatewayStatus>('GET', '/v1/status'),
    async admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
      const token = (await readFile(tokenFile, 'utf8')).trim();
      const answer = await fetch(adminUrl + path, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(CALL_MS),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
      return JSON.parse(text) as T;
    },
  };
  return gateway;
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await answer.text();
    return answer.ok;
  } catch {
    return false;
  }
}
