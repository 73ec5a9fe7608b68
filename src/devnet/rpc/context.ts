import { createHash } from 'node:crypto';
import type { BlockStore, StoredBlock } from '../chain/block-store.js';
import type { NetworkCore } from '../network/network.js';
import type { DevNode } from '../node/node.js';
import type { Disguise } from './render.js';

/** What the methods of one node work with. */
export interface MethodContext {
  readonly node: DevNode;
  readonly network: NetworkCore;
  readonly disguise: Disguise;
  store(): BlockStore;
  chainId(): string;
  /** Head block as health shows it; undefined before the first block. */
  headBlock(): StoredBlock | undefined;
  /** Newest block that chain methods show. */
  storedBlock(): StoredBlock | undefined;
  /** Answer of the two proposal methods. */
  proposals(): string;
}

export const KWIL_VERSION = '0.10.1';
export const ZERO_HASH = '0'.repeat(64);

export function methodContext(node: DevNode, network: NetworkCore, proposals: () => string): MethodContext {
  const store = (): BlockStore => network.store()!;
  const disguise: Disguise = {
    hash(height, hash) {
      const fork = node.faults.find('fork');
      if (!fork || height < (fork.fromHeight ?? 0) || hash === ZERO_HASH) return hash;
      return createHash('sha256').update(`fork of ${node.name}`).update(hash).digest('hex');
    },
  };
  return {
    node,
    network,
    disguise,
    store,
    proposals,
    chainId: () => node.faults.find('chain-id')?.chainId ?? network.options.chainId,
    headBlock: () => (node.showsZero() ? undefined : store().get(node.head())),
    storedBlock: () => store().get(node.stored()),
  };
}
