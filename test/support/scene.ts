import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KwilSigner, NodeKwil } from '@kwilteam/kwil-js';
import { Wallet } from 'ethers';
import { configSchema, type ConfigInput } from '../../src/config/index.js';
import { createDevnet, type Devnet, type NetworkHandle, type NetworkOptions } from '../../src/devnet/index.js';
import { runAsOwner } from '../../src/devnet/demo/owner.js';
import { schemaStatements, seedStatements } from '../../src/devnet/demo/schema.js';
import { freePorts } from '../../src/devnet/demo/gateway-process.js';
import { createGateway, type Gateway } from '../../src/gateway.js';
import type { GatewayStatus, Phase } from '../../src/model/index.js';
import { systemClock, sleep } from '../../src/platform/index.js';
import { createMetrics, silentLogger } from '../../src/telemetry/index.js';

export interface SceneOptions {
  readonly old?: Partial<NetworkOptions>;
  readonly new?: Partial<NetworkOptions>;
  readonly config?: Partial<ConfigInput>;
  readonly seedRows?: number;
}

/** Two embedded networks and a gateway in this process; everything is taken down by `close`. */
export interface Scene {
  readonly devnet: Devnet;
  readonly old: NetworkHandle;
  /** Made, not started: `migrate` starts it. */
  readonly fresh: NetworkHandle;
  readonly gateway: Gateway;
  readonly url: string;
  /** Proposes a migration, starts the new network on the relay, and waits until the switch may begin. */
  migrate(durationBlocks: number): Promise<{ start: number; end: number }>;
  waitForPhase(phase: Phase, timeoutMs?: number): Promise<GatewayStatus>;
  admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T>;
  close(): Promise<void>;
}

export const OLD_CHAIN = 'scene-old';
export const NEW_CHAIN = 'scene-new';
const BLOCK_MS = 100;
const PACE_MS = 100;
const WAIT_MS = 30_000;

export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'scene-'));
  const devnet = createDevnet();
  const [newPort] = await freePorts(1);
  const old = devnet.createNetwork({ name: 'old', chainId: OLD_CHAIN, nodes: 1, blockMs: BLOCK_MS, ...options.old });
  await old.start();
  await runAsOwner(old, [...schemaStatements, ...seedStatements(options.seedRows ?? 20)]);

  const config = configSchema.parse({
    listen: '127.0.0.1:0',
    networks: {
      old: { chainId: OLD_CHAIN, nodes: old.urls.map((url, i) => ({ name: `old-${i + 1}`, url })) },
      new: { chainId: NEW_CHAIN, nodes: [{ name: 'new-1', url: `http://127.0.0.1:${newPort}` }] },
    },
    admin: { listen: '127.0.0.1:0', tokenFile: join(folder, 'admin.token') },
    dataDir: join(folder, 'data'),
    ...options.config,
    relay: { listen: '127.0.0.1:0', validators: ['v1'], listenerPaceMs: PACE_MS, ...options.config?.relay },
  } satisfies ConfigInput);
  const metrics = createMetrics({ version: 'test', commit: 'test' });
  const gateway = createGateway(config, {
    clock: systemClock,
    logger: silentLogger,
    metrics,
    version: 'test',
    fatal: error => {
      throw error;
    },
  });
  await gateway.start();
  const { listeners } = gateway.status();

  const scene: Scene = {
    devnet,
    old,
    get fresh() {
      const network = devnet.network('new');
      if (network === undefined) throw new Error('the new network is made by migrate()');
      return network;
    },
    gateway,
    url: `http://${listeners.public}`,
    async migrate(durationBlocks) {
      const window = await old.proposeMigration({ activationPeriod: 5, duration: durationBlocks });
      const { urls } = await scene.admin<{ urls: { url: string }[] }>('GET', '/v1/relay/urls');
      const fresh = devnet.createNetwork({
        name: 'new',
        chainId: NEW_CHAIN,
        nodes: 1,
        blockMs: BLOCK_MS,
        seed: 2,
        ports: [newPort!],
        migrateFrom: urls[0]!.url,
        listenerPaceMs: PACE_MS,
        ...options.new,
      });
      await fresh.start();
      await scene.waitForPhase('ready');
      return window;
    },
    async waitForPhase(phase, timeoutMs = WAIT_MS) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const status = gateway.status();
        if (status.phase === phase) return status;
        if (performance.now() > deadline)
          throw new Error(`waited ${timeoutMs} ms for ${phase}: ${JSON.stringify(status)}`);
        await sleep(systemClock, 20);
      }
    },
    async admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
      const { readFile } = await import('node:fs/promises');
      const token = (await readFile(join(folder, 'admin.token'), 'utf8')).trim();
      const answer = await fetch(`http://${listeners.admin}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return JSON.parse(text) as T;
    },
    async close() {
      await gateway.close();
      await devnet.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return scene;
}

/** An application's client and its wallet, through the gateway. */
export function application(url: string, chainId: string, keyByte: number) {
  const wallet = new Wallet('0x' + keyByte.toString(16).padStart(2, '0').repeat(32));
  const signer = new KwilSigner(wallet, wallet.address);
  const kwil = new NodeKwil({ kwilProvider: url, chainId, timeout: 20_000 });
  return { kwil, signer, wallet };
}
