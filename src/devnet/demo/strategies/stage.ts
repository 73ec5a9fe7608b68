import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GatewayStatus } from '../../../model/index.js';
import { sleep, systemClock } from '../../../platform/index.js';
import { createDevnet, type Devnet, type NetworkHandle } from '../../devnet.js';
import { createEngine } from '../../engine/index.js';
import { templateFolder } from '../../template-folder.js';
import { createGatewayProcess, type GatewayProcess } from '../gateway-process.js';
import { startLoad, type LoadProcess } from '../load/process.js';
import type { LoadReport } from '../load/records.js';
import type { DemoOptions } from '../options.js';
import { runAsOwner } from '../owner.js';
import { schemaStatements, seedStatements } from '../schema.js';
import type { Screen } from '../screen.js';

export type WriterReport = Extract<LoadReport, { kind: 'writers' }>;
export type ReaderReport = Extract<LoadReport, { kind: 'readers' }>;

/** Everything that runs, in one place, so that it can be ended whatever happens. */
export interface Stage {
  readonly options: DemoOptions;
  readonly folder: string;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly devnet: Devnet;
  /** What went wrong beside the verdict. */
  readonly problems: string[];
  readonly recordFile: string;
  readonly endings: (() => Promise<void> | void)[];
  end(): Promise<void>;
}

/** The longest any step of the story may take. */
const STEP_MS = 90_000;
const SAMPLE_MS = 60;
const WARM_MS = 2_000;

export function createStage(options: DemoOptions, folder: string, screen: Screen, signal: AbortSignal): Stage {
  const devnet = createDevnet({ createEngine: () => createEngine({ templateFolder: templateFolder() }) });
  const endings: (() => Promise<void> | void)[] = [() => devnet.stop()];
  return {
    options,
    folder,
    screen,
    signal,
    devnet,
    problems: [],
    recordFile: join(folder, 'attempts.jsonl'),
    endings,
    async end() {
      for (const ending of endings.splice(0).reverse()) await Promise.resolve(ending()).catch(() => undefined);
    },
  };
}

/** The network that applications use now, with the demo's tables and rows. */
export async function startOld(stage: Stage, nodes: number, enginePerNode: boolean): Promise<NetworkHandle> {
  const { options, devnet, screen } = stage;
  const chainId = `demo-old-${options.seed}`;
  screen.say(`network ${chainId}: ${nodes} validators, a block every ${options.blockMs} ms`);
  const network = devnet.createNetwork({
    name: 'old',
    chainId,
    nodes,
    blockMs: options.blockMs,
    seed: options.seed,
    enginePerNode,
  });
  await network.start();
  await runAsOwner(network, [...schemaStatements, ...seedStatements(options.rows)]);
  return network;
}

export interface Networks {
  readonly old: { readonly chainId: string; readonly urls: readonly string[] };
  readonly new?: { readonly chainId: string; readonly urls: readonly string[] };
}

export async function startGateway(
  stage: Stage,
  networks: Networks,
  migration: Readonly<Record<string, string>>,
): Promise<GatewayProcess> {
  const { folder, problems, endings, screen } = stage;
  const network = (name: 'old' | 'new', value: Networks['old']): string[] => [
    `  ${name}:`,
    `    chainId: ${value.chainId}`,
    '    nodes:',
    ...value.urls.map((url, i) => `      - { name: ${name}-${i + 1}, url: ${url} }`),
  ];
  const gateway = await createGatewayProcess({
    folder,
    old: networks.old,
    new: networks.new ?? { chainId: '', urls: [] },
    validators: [],
    listenerPaceMs: 1010,
    lagBlocksMax: 5,
    onExit: code => problems.push(`the gateway ended by itself with code ${code}; see gateway.log`),
    configText: ({ public: listen, admin, tokenFile, dataDir }) =>
      [
        `listen: ${listen}`,
        'networks:',
        ...network('old', networks.old),
        ...(networks.new === undefined ? [] : network('new', networks.new)),
        `admin: { listen: "${admin}", tokenFile: ${tokenFile} }`,
        `dataDir: ${dataDir}`,
        'migration:',
        ...Object.entries(migration).map(([key, value]) => `  ${key}: ${value}`),
        '',
      ].join('\n'),
  });
  endings.push(() => gateway.stop());
  await gateway.start();
  screen.say(`gateway at ${gateway.url}; operators at ${gateway.adminUrl}`);
  return gateway;
}

export interface Load {
  readonly writers: LoadProcess<WriterReport>;
  readonly readers: LoadProcess<ReaderReport>;
}

export function startClients({ options, recordFile, endings, screen }: Stage, url: string, chainId: string): Load {
  const common = { url, chainId, seed: options.seed, writers: options.writers };
  const writers = startLoad<WriterReport>({
    kind: 'writers',
    options: { ...common, rate: options.rate, rows: options.rows, recordFile, lateMs: 2_000, bigAt: 0 },
  });
  endings.push(() => writers.kill());
  const readers = startLoad<ReaderReport>({ kind: 'readers', options: { ...common, readers: options.readers } });
  endings.push(() => readers.kill());
  screen.say(`${options.writers} writers and ${options.readers} readers at work through the one URL`);
  return { writers, readers };
}

/** Asks the gateway again and again until the answer is what the story waits for. */
export async function until<T>(
  { screen, signal }: Stage,
  gateway: GatewayProcess,
  path: string,
  test: (value: T) => boolean,
  what: string,
): Promise<T> {
  const deadline = performance.now() + STEP_MS;
  let last: T | null = null;
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    const value = await gateway.admin<T>('GET', path).catch(() => null);
    if (value !== null && test(value)) return value;
    last = value ?? last;
    await sleep(systemClock, SAMPLE_MS, signal);
  }
  screen.say(JSON.stringify(last));
  throw new Error(`waited ${STEP_MS} ms for ${what}`);
}

/** A command as an operator types it, in a process of its own; gives its exit code and its JSON. */
export async function command<T>(
  { signal }: Stage,
  gateway: GatewayProcess,
  args: readonly string[],
): Promise<{ readonly code: number; readonly output: T }> {
  const isSource = import.meta.url.endsWith('.ts');
  const entry = fileURLToPath(new URL(isSource ? '../../../main.ts' : '../../../main.js', import.meta.url));
  const child = spawn(
    process.execPath,
    [...(isSource ? ['--import', 'tsx'] : []), entry, ...args, '--json', '-c', gateway.configFile],
    { stdio: ['ignore', 'pipe', 'ignore'], signal },
  );
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += part.toString('utf8')));
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', exit => resolve(exit ?? 1));
  });
  try {
    return { code, output: JSON.parse(text) as T };
  } catch {
    throw new Error(`switchyard ${args.join(' ')}: exit code ${code}, no JSON: ${text.slice(0, 200)}`);
  }
}

/** The same, for a command whose exit code is part of the story. */
export async function expectExit<T>(
  stage: Stage,
  gateway: GatewayProcess,
  args: readonly string[],
  wanted: number,
): Promise<T> {
  const { code, output } = await command<T>(stage, gateway, args);
  if (code !== wanted)
    throw new Error(
      `switchyard ${args.slice(0, 2).join(' ')}: exit code ${code} instead of ${wanted}: ${JSON.stringify(output).slice(0, 800)}`,
    );
  return output;
}

/** Until every writer has written, so that there is a before to compare with; then a little longer. */
export async function warmUp(stage: Stage, { writers }: Load): Promise<void> {
  const deadline = performance.now() + STEP_MS;
  while ((writers.latest()?.acknowledged ?? 0) < stage.options.writers && performance.now() < deadline)
    await pause(stage, SAMPLE_MS);
  await pause(stage, WARM_MS);
}

export async function pause({ signal }: Stage, ms: number): Promise<void> {
  await sleep(systemClock, ms, signal);
  signal.throwIfAborted();
}

/** Draws the gateway's status now and then. */
export function watchStatus(
  { screen, signal, endings }: Stage,
  gateway: GatewayProcess,
  load: () => Load | null,
): void {
  const started = performance.now();
  let closed = false;
  endings.push(() => void (closed = true));
  void (async () => {
    while (!closed && !signal.aborted) {
      const status: GatewayStatus | null = await gateway.status().catch(() => null);
      const clients = load();
      if (!closed)
        screen.draw({
          step: '',
          elapsedMs: performance.now() - started,
          status,
          writers: clients?.writers.latest() ?? null,
          readers: clients?.readers.latest() ?? null,
        });
      await sleep(systemClock, 500, signal);
    }
  })();
}
