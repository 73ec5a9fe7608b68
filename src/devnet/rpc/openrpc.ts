/** The methods of a node in words, as `rpc.discover` and `/spec/v1` tell them: one line per method. */
const METHODS: readonly (readonly [name: string, description: string, params: string, result: string])[] = [
  ['chain.block', 'a block by height or hash', 'height:integer hash:string raw:boolean', 'block'],
  ['chain.block_header', 'the header of a block', 'height:integer hash:string', 'blockHeader'],
  ['chain.block_result', 'results of the transactions of a block', 'height:integer hash:string', 'blockResult'],
  ['chain.consensus_params', 'consensus parameters in force', '', 'networkParameters'],
  ['chain.genesis', 'genesis of this chain', '', 'genesis'],
  ['chain.health', 'state of the chain service', '', 'health'],
  ['chain.tx', 'a committed transaction by hash', 'hash:string', 'tx'],
  ['chain.unconfirmed_txs', 'transactions in the mempool', 'limit:integer', 'unconfirmedTxs'],
  ['chain.validators', 'current validator set', '', 'validators'],
  ['chain.version', 'version of the chain service', '', 'version'],
  ['function.verify_sig', 'check a signature', 'signature:object sender:string msg:string', 'verification'],
  ['function.version', 'version of the function service', '', 'version'],
  ['user.account', 'balance and nonce of an account', 'id:object status:integer', 'account'],
  [
    'user.authenticated_query',
    'a signed query',
    'body:object Challenge:string auth_type:string sender:string signature:string',
    'queryResult',
  ],
  ['user.broadcast', 'submit a transaction', 'tx:object sync:integer', 'broadcast'],
  ['user.call', 'call a view action', 'body:object auth_type:string sender:string signature:string', 'callResult'],
  ['user.chain_info', 'chain id and head', '', 'chainInfo'],
  ['user.challenge', 'a challenge for an authenticated call', '', 'challenge'],
  ['user.changeset', 'a chunk of a changeset', 'height:integer index:integer', 'changeset'],
  ['user.changeset_metadata', 'number and sizes of the chunks of a changeset', 'height:integer', 'changesetMetadata'],
  ['user.estimate_price', 'price of a transaction', 'tx:object', 'price'],
  ['user.get_withdrawal_proof', 'proof of a bridge withdrawal', 'epoch_id:string recipient:string', 'withdrawalProof'],
  ['user.health', 'state of this node', '', 'health'],
  ['user.list_migrations', 'pending migration proposals', '', 'migrations'],
  ['user.list_update_proposals', 'pending parameter proposals', '', 'proposals'],
  [
    'user.migration_genesis_chunk',
    'a chunk of the genesis snapshot',
    'height:integer chunk_index:integer',
    'genesisChunk',
  ],
  ['user.migration_metadata', 'migration state and snapshot', '', 'migrationMetadata'],
  ['user.migration_status', 'migration state', '', 'migrationStatus'],
  ['user.num_accounts', 'number of accounts', '', 'numAccounts'],
  ['user.ping', 'pong', 'message:string', 'ping'],
  ['user.query', 'a read-only query', 'query:string params:object', 'queryResult'],
  ['user.tx_query', 'a transaction by hash', 'tx_hash:string', 'tx'],
  ['user.update_proposal_status', 'pending parameter proposals', '', 'proposals'],
  ['user.version', 'version of the user service', '', 'version'],
];

let made: string | null = null;

/** OpenRPC 1.2.4 text of the methods above. */
export function openRpcDocument(): string {
  made ??= JSON.stringify({
    openrpc: '1.2.4',
    info: {
      title: 'Switchyard development node',
      description: 'JSON-RPC service of an embedded Kwil development network.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      version: '0.2.0',
    },
    methods: METHODS.map(([name, description, params, result]) => ({
      name,
      description,
      params: params
        .split(' ')
        .filter(text => text !== '')
        .map(text => {
          const [member, type] = text.split(':');
          return { name: member, schema: { type }, required: false };
        }),
      result: { name: result, schema: { $ref: `#/components/schemas/${result}` }, description },
      paramStructure: 'by-name',
    })),
    components: {
      schemas: Object.fromEntries(METHODS.map(([, , , result]) => [result, { type: 'object' }])),
    },
  });
  return made;
}
