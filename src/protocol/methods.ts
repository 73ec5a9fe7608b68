/** What a method is on the wire. Its class (read, write …) is routing's business. */
export interface MethodInfo {
  readonly service: 'user' | 'chain' | 'function' | 'rpc';
  /** Members of `params` that a node knows, in its own order; none = params are ignored. */
  readonly params: readonly string[];
  /** main: not on v0.10, where it is unknown (−32601, HTTP 404). */
  readonly since?: 'main';
  /** Answers `-1007` in private mode. */
  readonly openModeOnly?: true;
}

const method = (
  service: MethodInfo['service'],
  params: readonly string[] = [],
  more: Partial<MethodInfo> = {},
): MethodInfo => ({
  service,
  params,
  ...more,
});

/** Public methods of a node (reference 2). */
export const METHODS = {
  'user.version': method('user'),
  'user.ping': method('user', ['message']),
  'user.health': method('user'),
  'user.chain_info': method('user'),
  'user.account': method('user', ['id', 'status']),
  'user.num_accounts': method('user'),
  'user.broadcast': method('user', ['tx', 'sync']),
  'user.estimate_price': method('user', ['tx']),
  'user.query': method('user', ['query', 'params'], { openModeOnly: true }),
  'user.authenticated_query': method('user', ['body', 'Challenge', 'auth_type', 'sender', 'signature']),
  'user.call': method('user', ['body', 'auth_type', 'sender', 'signature']),
  'user.challenge': method('user'),
  'user.tx_query': method('user', ['tx_hash']),
  'user.list_migrations': method('user'),
  'user.migration_status': method('user'),
  'user.migration_metadata': method('user'),
  'user.migration_genesis_chunk': method('user', ['chunk_index', 'height']),
  'user.changeset_metadata': method('user', ['height']),
  'user.changeset': method('user', ['height', 'index']),
  'user.list_update_proposals': method('user'),
  'user.update_proposal_status': method('user', ['proposal_id']),
  'user.get_withdrawal_proof': method('user', ['epoch_id', 'recipient'], { since: 'main' }),
  'chain.version': method('chain'),
  'chain.health': method('chain'),
  'chain.block': method('chain', ['height', 'hash', 'raw']),
  'chain.block_header': method('chain', ['height', 'hash'], { since: 'main' }),
  'chain.block_result': method('chain', ['height', 'hash']),
  'chain.tx': method('chain', ['hash']),
  'chain.genesis': method('chain'),
  'chain.consensus_params': method('chain'),
  'chain.validators': method('chain'),
  'chain.unconfirmed_txs': method('chain', ['limit']),
  'function.version': method('function'),
  'function.verify_sig': method('function', ['signature', 'sender', 'msg']),
  'rpc.discover': method('rpc'),
  'rpc.health': method('rpc'),
} as const satisfies Readonly<Record<string, MethodInfo>>;

export type MethodName = keyof typeof METHODS;

export const isMethodName = (method: string): method is MethodName => Object.hasOwn(METHODS, method);

/** Methods of the admin listener all start with this; they never pass a gateway. */
export const ADMIN_PREFIX = 'admin.';

/** Served by Kwil's own gateway product only, never by a node (reference 2.10). */
export const KGW_METHODS = ['kgw.authn_param', 'kgw.authn', 'kgw.logout'] as const;
