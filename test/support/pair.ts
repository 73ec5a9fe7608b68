import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../src/devnet/demo/gateway-process.js';
import { runAsOwner } from '../../src/devnet/demo/owner.js';
import { schemaStatements, seedStatements } from '../../src/devnet/demo/schema.js';
import { createDevnet, type NetworkHandle, type NetworkOptions } from '../../src/devnet/index.js';
import { messageOf, type GatewayStatus } from '../../src/model/index.js';
import { sleep, systemClock } from '../../src/platform/index.js';
import { createGatewayChild, type GatewayChild, type GatewayChildOptions } from './gateway-child.js';

/** An old and a new network in this process, the gateway in one of its own; for measurements and trials by process. */
export interface Pair {
  readonly folder: string;
  readonly oldChainId: string;
  readonly newChainId: string;
  readonly old: NetworkHandle;
  /** Made by `migrate`. */
  readonly fresh: () => NetworkHandle;
  readonly hasFresh: () => boolean;
  readonly window: () => { readonly start: number; readonly end: number };
  readonly gateway: GatewayChild;
  /** Proposes the migration and starts the new network behind the relay. */
  migrate(durationBlocks: number): Promise<void>;
  /** Looks again and again until the gateway's status passes, also across restarts. Throws at the deadline. */
  waitFor(test: (status: GatewayStatus) => boolean, what: string, timeoutMs?: number): Promise<GatewayStatus>;
  /** Ends everything; `keep` leaves the folder with log and records. */
  end(keep: boolean): Promise<void>;
}

export interface PairOptions {
  readonly name: string;
  readonly seed: number;
  readonly blockMs: number;
  readonly rows: number;
  readonly listenerPaceMs: number;
  readonly gateway?: Pick<GatewayChildOptions, 'configLines' | 'entry'>;
  readonly network?: Partial<NetworkOptions>;
}

const ACTIVATION_BLOCKS = 5;
const WAIT_MS = 60_000;
const LOOK_MS = 15;

export async function createPair(options: PairOptions): Promise<Pair> {
  const { seed, blockMs } = options;
  const folder = await mkdtemp(join(tmpdir(), `switchyard-${options.name}-`));
  const devnet = createDevnet();
  const oldChainId = `old-${seed}`;
  const newChainId = `new-${seed}`;
  const [newPort] = await freePorts(1);
  const shape = { nodes: 1, blockMs, ...options.network };
  const old = devnet.createNetwork({ name: 'old', chainId: oldChainId, seed, ...shape });
  await old.start();
  await runAsOwner(old, [...schemaStatements, ...seedStatements(options.rows)]);
  const gateway = await createGatewayChild({
    folder,
    old: { chainId: oldChainId, urls: old.urls },
    new: { chainId: newChainId, urls: [`http://127.0.0.1:${newPort}`] },
    listenerPaceMs: options.listenerPaceMs + 10,
    ...options.gateway,
  });
  let fresh: NetworkHandle | null = null;
  let window: { start: number; end: number } | null = null;

  return {
    folder,
    oldChainId,
    newChainId,
    old,
    fresh: () => fresh!,
    hasFresh: () => fresh !== null,
    window: () => window!,
    gateway,
    async migrate(duration) {
      window = await old.proposeMigration({ activationPeriod: ACTIVATION_BLOCKS, duration });
      const { urls } = await gateway.admin<{ urls: { url: string }[] }>('GET', '/v1/relay/urls');
      fresh = devnet.createNetwork({
        name: 'new',
        chainId: newChainId,
        seed: seed + 1_000_000,
        ...shape,
        ports: [newPort!],
        migrateFrom: urls[0]!.url,
        listenerPaceMs: options.listenerPaceMs,
        metadataPollMs: 250,
        defects: { farStartStalls: false },
      });
      await fresh.start();
    },
    async waitFor(test, what, timeoutMs = WAIT_MS) {
      const deadline = performance.now() + timeoutMs;
      let last: string;
      for (;;) {
        try {
          const status = await gateway.status();
          if (test(status)) return status;
          last = `phase ${status.phase}, not ready ${status.cutover.notReady.join(', ')}, waits for ${status.cutover.waitingFor}, last ${status.cutover.lastOutcome}`;
        } catch (error) {
          last = messageOf(error);
        }
        if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; last: ${last}`);
        await sleep(systemClock, LOOK_MS);
      }
    },
    async end(keep) {
      gateway.signal('SIGCONT');
      await gateway.kill();
      await devnet.stop();
      if (!keep) await rm(folder, { recursive: true, force: true });
    },
  };
}
