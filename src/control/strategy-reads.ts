import { messageOf, type Height, type NetworkName, type NodeRef } from '../model/index.js';
import { blockTxs, bytesOfBase64, decodeBlock, hexOf } from '../protocol/index.js';
import { keyOf, type NetworkParameters, type ValidatorKey } from '../strategies/index.js';
import type { OpenWrite, StrategyLedgerPort, StrategyNodesPort } from './strategy-ports.js';

/** What a node says of itself; every look is one call. Throws what the call threw, or that the answer tells nothing. */
export interface NodeReads {
  health(node: NodeRef): Promise<NodeHealth>;
  /** Null when the node has no such block. */
  block(node: NodeRef, height: Height): Promise<BlockFacts | null>;
  /** Throws when the node has no such block. */
  transactions(node: NodeRef, height: Height): Promise<readonly BlockTransaction[]>;
  build(node: NodeRef): Promise<string>;
  leaderKey(node: NodeRef): Promise<string>;
  parameters(node: NodeRef): Promise<NetworkParameters>;
  validators(node: NodeRef): Promise<readonly ValidatorKey[]>;
  proposals(node: NodeRef): Promise<readonly string[]>;
  mempoolEmpty(node: NodeRef): Promise<boolean>;
  knows(node: NodeRef, hash: string): Promise<boolean>;
  stateHash(node: NodeRef): Promise<{ readonly stateHash: string | null; readonly initialHeight: Height }>;
  account(
    node: NodeRef,
    id: { readonly identifier: string; readonly keyType: string },
  ): Promise<{ nonce: number; balance: string }>;
  accounts(node: NodeRef): Promise<number>;
}

export interface NodeHealth {
  readonly chainId: string;
  readonly height: Height;
  readonly blockHash: string;
  readonly appHash: string;
  readonly syncing: boolean;
}

export interface BlockFacts {
  readonly height: Height;
  readonly hash: string;
  readonly appHash: string;
  readonly prevHash: string;
  readonly prevAppHash: string;
  readonly handsOver: boolean;
}

export interface BlockTransaction {
  readonly hash: string;
  /** Hex. */
  readonly sender: string;
  readonly keyType: string;
  readonly type: string;
}

const CALL_MS = 3000;
const BLOCK_NOT_FOUND = -204;
const TX_NOT_FOUND = -202;

type Json = Readonly<Record<string, unknown>>;

export function createNodeReads(nodes: StrategyNodesPort, signal?: AbortSignal): NodeReads {
  const ask = async (node: NodeRef, method: string, params: unknown = {}): Promise<Json> => {
    const result = await nodes.call<unknown>(node, method, params, { timeoutMs: CALL_MS, signal });
    if (typeof result !== 'object' || result === null) throw new Error(`${method} of ${node.name} tells nothing`);
    return result as Json;
  };
  /** Null for the node's own "there is none". */
  const find = async (node: NodeRef, method: string, params: unknown, none: number): Promise<Json | null> => {
    try {
      return await ask(node, method, params);
    } catch (error) {
      if ((error as { rpcCode?: unknown }).rpcCode === none) return null;
      throw error;
    }
  };

  return {
    async health(node) {
      const answer = await ask(node, 'user.health');
      return {
        chainId: text(answer['chain_id']),
        height: whole(answer['height'] ?? answer['block_height']),
        blockHash: text(answer['block_hash']),
        appHash: text(answer['app_hash']),
        syncing: answer['syncing'] === true,
      };
    },
    async block(node, height) {
      const answer = await find(node, 'chain.block', { height }, BLOCK_NOT_FOUND);
      if (answer === null) return null;
      const block = record(answer['block']);
      const header = record(block['header']);
      return {
        height: whole(header['height']),
        hash: text(answer['hash']),
        appHash: text(record(answer['commit_info'])['app_hash']),
        prevHash: text(header['prev_hash']),
        prevAppHash: text(header['prev_app_hash']),
        handsOver: header['new_leader'] !== undefined && header['new_leader'] !== null,
      };
    },
    async transactions(node, height) {
      const { raw_block: raw } = await ask(node, 'chain.block', { height, raw: true });
      return blockTxs(decodeBlock(bytesOfBase64(text(raw)))).map(({ hash, tx }) => ({
        hash,
        sender: tx === null ? '' : hexOf(tx.sender),
        keyType: keyTypeOf(tx?.signature?.type ?? ''),
        type: tx?.body?.type ?? 'unreadable',
      }));
    },
    build: async node => text((await ask(node, 'user.version'))['kwil_ver']),
    leaderKey: async node => keyOf((await ask(node, 'chain.consensus_params'))['leader']),
    async parameters(node) {
      const answer = await ask(node, 'chain.consensus_params');
      return {
        leader: keyOf(answer['leader']),
        maxBlockSize: whole(answer['max_block_size']),
        joinExpiry: text(answer['join_expiry']),
        disabledGasCosts: answer['disabled_gas_costs'] === true,
        maxVotesPerTx: whole(answer['max_votes_per_tx']),
      };
    },
    async validators(node) {
      const list = (await ask(node, 'chain.validators'))['validators'];
      return (Array.isArray(list) ? (list as unknown[]) : []).map(one => {
        const { pubkey, key, type, power } = record(one);
        return { key: `${text(type)}:${text(pubkey ?? key).toLowerCase()}`, power: Number(power) };
      });
    },
    async proposals(node) {
      const list = (await ask(node, 'user.list_update_proposals'))['proposals'];
      return (Array.isArray(list) ? (list as unknown[]) : []).map(one => text(record(one)['id'])).sort();
    },
    async mempoolEmpty(node) {
      const answer = await ask(node, 'chain.unconfirmed_txs', { limit: 1 });
      const list = answer['txs'];
      return !Array.isArray(list) || list.length === 0;
    },
    knows: async (node, hash) => (await find(node, 'user.tx_query', { tx_hash: hash }, TX_NOT_FOUND)) !== null,
    async stateHash(node) {
      const answer = await ask(node, 'chain.genesis');
      const hash = answer['state_hash'];
      return {
        stateHash: typeof hash === 'string' && hash !== '' ? hash : null,
        initialHeight: whole(answer['initial_height'] ?? 0),
      };
    },
    async account(node, { identifier, keyType }) {
      const answer = await ask(node, 'user.account', { id: { identifier, key_type: keyType } });
      return { nonce: Number(answer['nonce'] ?? 0), balance: text(answer['balance'] ?? '0') };
    },
    accounts: async node => whole((await ask(node, 'user.num_accounts'))['count']),
  };
}

const record = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function whole(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error('an answer has no usable number where one belongs');
}

/** Accounts go by key, not by how it signs. */
const keyTypeOf = (authType: string): string => (authType === 'secp256k1_ep' ? 'secp256k1' : authType);

/** The value, or null when the call failed; for looks of which one more or less does not matter. */
export const attempt = async <T>(work: Promise<T>): Promise<T | null> => {
  try {
    return await work;
  } catch {
    return null;
  }
};

/** The value, or why there is none. */
export const settle = async <T>(
  work: Promise<T>,
): Promise<{ readonly value: T } | { readonly error: string; readonly refused: boolean }> => {
  try {
    return { value: await work };
  } catch (error) {
    return { error: messageOf(error), refused: (error as { code?: unknown }).code === 'node_refused' };
  }
};

export const refsOf = (nodes: StrategyNodesPort, network: NetworkName): readonly NodeRef[] =>
  (nodes.view(network)?.nodes ?? []).map(({ name }) => ({ network, name }));

/** Time of one block, ms; a guess before any was measured. */
export function blockTimeOf(nodes: StrategyNodesPort, network: NetworkName): number {
  const times = (nodes.view(network)?.nodes ?? []).map(({ blockTimeMs }) => blockTimeMs ?? 0);
  const slowest = Math.max(0, ...times);
  return slowest === 0 ? 1000 : slowest;
}

/**
 * Writes of ours that may still get into a block of the old network. Asked after `quiesced`: what is only recorded as about
 * to be sent is held or turned away, and cannot leave any more.
 */
export const sentWrites = (ledger: StrategyLedgerPort): readonly OpenWrite[] =>
  ledger.unresolved('old').filter(({ state }) => state !== 'sending');
