import type { Clock } from '../../platform/index.js';
import { createBlockStore } from '../chain/block-store.js';
import { defaultParams } from '../chain/params.js';
import { packSnapshot } from '../chain/snapshot.js';
import type { GenesisOptions } from '../engine/index.js';
import { createGenesisSource, type Genesis } from '../migration/genesis.js';
import type { DevNode } from '../node/node.js';
import type { ResolvedOptions } from '../options.js';
import { ownerIdentity } from './owner.js';
import { viewOfNode, type NetworkState } from './state.js';

export interface GenesisAdoptionPorts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly state: NetworkState;
  readonly nodes: () => readonly DevNode[];
  changed(): void;
  log(node: string, line: string): void;
}

/** How the nodes of a network come to their genesis: made here, or fetched from the old network. */
export interface GenesisAdoption {
  /** Old network: at start, before any node runs. */
  adoptOwn(): Promise<void>;
  /** New network: at each start of a node. False when the process ended over it. */
  prepare(node: DevNode): Promise<boolean>;
  close(): void;
}

export function createGenesisAdoption(ports: GenesisAdoptionPorts): GenesisAdoption {
  const { options, clock, state } = ports;
  const sources = (options.migrateFrom ?? []).map(url =>
    createGenesisSource({ url, clock, pollMs: options.metadataPollMs, log: line => ports.log(url, line) }),
  );
  /** Nodes whose database holds the genesis state: it outlives the process. */
  const restored = new Set<number>();
  /** Hashes of the other snapshots that nodes were given. */
  const others = new Map<number, string>();
  let last: Promise<void> = Promise.resolve();

  /** The first node's genesis makes the network; another one's must be the same. */
  function adopt(node: DevNode, found: Genesis, sql: Uint8Array | null): Promise<void> {
    const next = last.then(async () => {
      if (restored.has(node.index)) return;
      const { genesis } = state;
      if (genesis && genesis.stateHash !== found.stateHash) {
        throw new Error(`apphash mismatch, expected ${found.stateHash}, got ${genesis.stateHash}`);
      }
      if (options.enginePerNode || restored.size === 0) {
        const { engine } = viewOfNode(state, node.index);
        if (sql) await engine.restore(sql, engineGenesis());
        else await engine.init(engineGenesis());
      }
      restored.add(node.index);
      if (!genesis) begin(found);
    });
    last = next.catch(() => undefined);
    return next;
  }

  function begin(found: Genesis): void {
    state.genesis = found;
    state.consensus = {
      params: found.params,
      validators: found.validators,
      resolutions: new Map(options.genesisProposals.map(one => [one.id, one])),
      processed: new Set(),
      migration: found.window,
      received: { heights: new Map(), lastApplied: 0 },
    };
    state.store = createBlockStore(found.initialHeight, state.consensus);
    ports.changed();
  }

  /** What a genesis file of this network says; the rest of a new network's comes from the old one. */
  function ownGenesis(stateHash: string | null): Genesis {
    const keys = ports.nodes().map(node => node.key.publicKey);
    const params = { ...defaultParams({ type: 'secp256k1', key: keys[0]! }, options.gas), ...options.params };
    const validators = keys.map(key => ({ keyType: 'secp256k1' as const, key, power: 1 }));
    return { initialHeight: options.initialHeight, stateHash, params, validators, window: null };
  }

  function engineGenesis(): GenesisOptions {
    const alloc = Object.entries(options.alloc).map(([id, amount]) => ({
      identifier: Buffer.from(id.replace(/^0x/, ''), 'hex'),
      keyType: 'secp256k1' as const,
      amount,
    }));
    return { owner: ownerIdentity(options.ownerKey), alloc };
  }

  return {
    async adoptOwn() {
      const sql = options.genesisState;
      const own = ownGenesis(options.stateHash ?? (sql ? (await packSnapshot(0, sql)).hash : null));
      for (const node of ports.nodes()) {
        const other = options.genesisStateOf[node.index];
        if (other) others.set(node.index, (await packSnapshot(0, other)).hash);
        else await adopt(node, own, sql);
      }
    },
    async prepare(node) {
      const other = others.get(node.index);
      if (other !== undefined) {
        node.crash(`apphash mismatch, expected ${other}, got ${state.genesis!.stateHash}`);
        return false;
      }
      const source = sources[node.index];
      if (!source) return true;
      source.base ??= ownGenesis(null);
      try {
        const found = await source.fetch(() => node.mode() === 'restoring' && !state.closed);
        if (!found) return false;
        await adopt(node, found.genesis, found.sql);
        return true;
      } catch (error) {
        node.crash(error instanceof Error ? error.message : String(error));
        return false;
      }
    },
    close() {
      for (const source of sources) source.close();
    },
  };
}
