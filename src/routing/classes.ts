/**
 * Class of every method on Kwil's public wire. The class says which network may answer and whether the call may be
 * repeated; it never looks at the phase (that is decide.ts).
 *
 * - read: function of committed state · write: submits a transaction · write-affine: preparation of a write
 * - node-affine: the answer lives in one node's memory · by-hash: found on either network · chain-data: by height, never mixed
 * - migration: about the move itself · node-status: describes a node · denied: never forwarded
 */
export const REQUEST_CLASSES = [
  'read',
  'write',
  'write-affine',
  'node-affine',
  'by-hash',
  'chain-data',
  'migration',
  'node-status',
  'denied',
] as const;

export type RequestClass = (typeof REQUEST_CLASSES)[number];

/** What the proxy reads from a call's params without interpreting more than classification needs. */
export interface CallFacts {
  /** Challenge the call carries, as 64 hex digits (or whatever text could not be decoded); null when none. */
  readonly challenge: string | null;
  /** kwil-js's look-up of an action before it signs: must come from the network that will take the write. */
  readonly actionLookup: boolean;
  /** `user.account` with `status` 1: counts one node's mempool. */
  readonly pending: boolean;
  /** Transaction or block hash as 64 lower-case hex digits; null when none or not a hash. */
  readonly hash: string | null;
  /** The transaction of a broadcast; null for every other call, and for a broadcast that was refused while parsing. */
  readonly write: WriteFacts | null;
}

export interface WriteFacts {
  readonly chainId: string;
  /** The network's head stands while accepted writes wait for a block: admitting more would have them forgotten. */
  readonly stalled: boolean;
  /** The network has been given as much as it digests. */
  readonly congested: boolean;
}

export const NO_FACTS: CallFacts = Object.freeze({
  challenge: null,
  actionLookup: false,
  pending: false,
  hash: null,
  write: null,
});

/** Every method a gateway forwards, and the class it has when nothing in its params says otherwise. */
export const METHOD_CLASSES = {
  'user.query': 'read',
  'user.call': 'read',
  'user.authenticated_query': 'read',
  'user.num_accounts': 'read',
  'user.list_update_proposals': 'read',
  'user.update_proposal_status': 'read',
  'user.get_withdrawal_proof': 'read',
  'function.verify_sig': 'read',
  'user.broadcast': 'write',
  'user.chain_info': 'write-affine',
  'user.account': 'write-affine',
  'user.estimate_price': 'write-affine',
  'user.health': 'write-affine',
  'chain.consensus_params': 'write-affine',
  'chain.validators': 'write-affine',
  'chain.genesis': 'write-affine',
  'user.challenge': 'node-affine',
  'chain.unconfirmed_txs': 'node-affine',
  'user.tx_query': 'by-hash',
  'chain.tx': 'by-hash',
  'chain.block': 'chain-data',
  'chain.block_header': 'chain-data',
  'chain.block_result': 'chain-data',
  'user.migration_status': 'migration',
  'user.migration_metadata': 'migration',
  'user.migration_genesis_chunk': 'migration',
  'user.changeset_metadata': 'migration',
  'user.changeset': 'migration',
  'user.list_migrations': 'migration',
  'user.ping': 'node-status',
  'user.version': 'node-status',
  'chain.health': 'node-status',
  'chain.version': 'node-status',
  'function.version': 'node-status',
  'rpc.health': 'node-status',
  'rpc.discover': 'node-status',
} as const satisfies Record<string, RequestClass>;

export type KnownMethod = keyof typeof METHOD_CLASSES;

const CLASS_OF = new Map<string, RequestClass>(Object.entries(METHOD_CLASSES));

/** Methods whose answer a challenge ties to the node that issued it. */
const CHALLENGE_METHODS: ReadonlySet<string> = new Set(['user.call', 'user.authenticated_query']);
const BLOCK_METHODS: ReadonlySet<string> = new Set(['chain.block', 'chain.block_header', 'chain.block_result']);

/** Total: a method that is not in the table is denied, `admin.*` above all. */
export function classify(method: string, facts: CallFacts): RequestClass {
  const base = CLASS_OF.get(method);
  if (base === undefined) return 'denied';
  if (facts.challenge !== null && CHALLENGE_METHODS.has(method)) return 'node-affine';
  if (facts.actionLookup && method === 'user.query') return 'write-affine';
  if (facts.pending && method === 'user.account') return 'node-affine';
  if (facts.hash !== null && BLOCK_METHODS.has(method)) return 'by-hash';
  return base;
}

/** Value of the `method` label: a closed set, so that a flood of made-up names costs nothing. */
export const methodLabel = (method: string): string => (CLASS_OF.has(method) ? method : 'other');

/** May be sent again after it may have reached a node. */
export const isRepeatable = (cls: RequestClass): boolean => cls !== 'write' && cls !== 'denied';
