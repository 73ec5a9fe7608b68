import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GatewayStatus } from '../../model/index.js';

/** The gateway as an operator runs it: its own process, a configuration file, the admin API. */
export interface GatewayProcess {
  readonly url: string;
  readonly relayUrl: string;
  readonly adminUrl: string;
  readonly configFile: string;
  readonly logFile: string;
  start(): Promise<void>;
  /** SIGKILL: nothing in the process can prepare for it. */
  kill(): Promise<void>;
  /** SIGTERM and wait. */
  stop(): Promise<void>;
  status(): Promise<GatewayStatus>;
  /** POST or GET on the admin API. */
  admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T>;
}

export interface GatewaySettings {
  readonly folder: string;
  readonly old: { readonly chainId: string; readonly urls: readonly string[] };
  readonly new: { readonly chainId: string; readonly urls: readonly string[] };
  readonly validators: readonly string[];
  readonly listenerPaceMs: number;
  /** Heights by which the relay lowers End; absent: it chooses. */
  readonly ownEnd?: number;
  /** Largest lag in old blocks with which a switch may begin. */
  readonly lagBlocksMax: number;
  readonly onExit: (code: number | null) => void;
  /** Instead of the configuration for a zero-downtime migration. */
  readonly configText?: (addresses: { public: string; admin: string; tokenFile: string; dataDir: string }) => string;
}

const START_MS = 30_000;

export async function createGatewayProcess(settings: GatewaySettings): Promise<GatewayProcess> {
  const [publicPort, relayPort, adminPort] = await freePorts(3);
  const configFile = join(settings.folder, 'switchyard.yaml');
  const tokenFile = join(settings.folder, 'admin.token');
  const logFile = join(settings.folder, 'gateway.log');
  const node = (name: string, url: string): string => `      - { name: ${name}, url: ${url} }`;
  const addresses = {
    public: `127.0.0.1:${publicPort}`,
    admin: `127.0.0.1:${adminPort}`,
    tokenFile,
    dataDir: join(settings.folder, 'data'),
  };
  await writeFile(
    configFile,
    settings.configText?.(addresses) ??
      [
        `listen: 127.0.0.1:${publicPort}`,
        'networks:',
        '  old:',
        `    chainId: ${settings.old.chainId}`,
        '    nodes:',
        ...settings.old.urls.map((url, i) => node(`old-${i + 1}`, url)),
        '  new:',
        `    chainId: ${settings.new.chainId}`,
        '    nodes:',
        ...settings.new.urls.map((url, i) => node(`new-${i + 1}`, url)),
        'relay:',
        `  listen: 127.0.0.1:${relayPort}`,
        `  validators: [${settings.validators.join(', ')}]`,
        `  listenerPaceMs: ${settings.listenerPaceMs}`,
        `  ownEnd: ${settings.ownEnd ?? 'auto'}`,
        'admin:',
        `  listen: 127.0.0.1:${adminPort}`,
        `  tokenFile: ${tokenFile}`,
        `cutover: { lagBlocksMax: ${settings.lagBlocksMax} }`,
        `dataDir: ${join(settings.folder, 'data')}`,
        '',
      ].join('\n'),
  );

  let child: ChildProcess | null = null;
  let expectedEnd = false;
  const adminUrl = `http://127.0.0.1:${adminPort}`;

  const gateway: GatewayProcess = {
    url: `http://127.0.0.1:${publicPort}`,
    relayUrl: `http://127.0.0.1:${relayPort}`,
    adminUrl,
    configFile,
    logFile,
    async start() {
      expectedEnd = false;
      const { entry, execArgv } = mainEntry();
      const log = openSync(logFile, 'a');
      const started = spawn(process.execPath, [...execArgv, entry, 'serve', '-c', configFile], {
        stdio: ['ignore', log, log],
      });
      closeSync(log);
      child = started;
      let exited = false;
      started.once('exit', code => {
        exited = true;
        if (child === started && !expectedEnd) settings.onExit(code);
      });
      const deadline = performance.now() + START_MS;
      while (!(await answers(`${adminUrl}/startupz`))) {
        if (exited) throw new Error(`the gateway ended while starting; its log: ${logFile}`);
        if (performance.now() > deadline)
          throw new Error(`the gateway did not start in ${START_MS} ms; its log: ${logFile}`);
        await pause(30);
      }
    },
    async kill() {
      expectedEnd = true;
      await ended(child, 'SIGKILL');
    },
    async stop() {
      expectedEnd = true;
      await ended(child, 'SIGTERM');
    },
    status: () => gateway.admin<GatewayStatus>('GET', '/v1/status'),
    async admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
      const token = (await readFile(tokenFile, 'utf8')).trim();
      const init: RequestInit = {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      };
      const answer = await whileRestarting(method === 'GET', () =>
        fetch(adminUrl + path, { ...init, signal: AbortSignal.timeout(60_000) }),
      );
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
      return JSON.parse(text) as T;
    },
  };
  return gateway;
}

/** A look may be repeated while the gateway is being started again; a command is its giver's to repeat. */
async function whileRestarting<T>(repeatable: boolean, call: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!repeatable || performance.now() > deadline) throw error;
      await pause(100);
    }
  }
}

/** Entry of this very program: compiled beside us, or the source under a loader. */
function mainEntry(): { entry: string; execArgv: string[] } {
  const isSource = import.meta.url.endsWith('.ts');
  const entry = fileURLToPath(new URL(isSource ? '../../main.ts' : '../../main.js', import.meta.url));
  return { entry, execArgv: isSource ? ['--import', 'tsx'] : [] };
}

async function ended(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise(resolve => child.once('exit', resolve));
  child.kill(signal);
  const force = setTimeout(() => child.kill('SIGKILL'), 35_000);
  await exit;
  clearTimeout(force);
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

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Ports that are free now. They must be known before the programs that use them start, since each names the other's. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map(server => (server.address() as { port: number }).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}
