/*
 * What a node says about its methods in `rpc.discover` and `/spec/v1`: an OpenRPC document (CC0), kept here as tables. Types:
 * `int`, `text`, `bool`, `any`, `[of]` for lists, `@name` for a schema; `?` marks a parameter that may be left out.
 */

const METHODS: readonly (readonly [
  name: string,
  description: string,
  params: string,
  result: string,
  gives: string,
])[] = [
  [
    'chain.block',
    'retrieve certain block info',
    'hash:[int] height:int raw:bool',
    'blockResponse',
    'block information at a certain height',
  ],
  [
    'chain.block_header',
    'retrieve certain block header info',
    'hash:[int] height:int',
    'blockHeaderResponse',
    'block header information at a certain height',
  ],
  [
    'chain.block_result',
    'retrieve certain block result info',
    'hash:[int] height:int',
    'blockResultResponse',
    'block result information at a certain height',
  ],
  ['chain.consensus_params', 'retrieve the consensus parameers', '', 'networkParameters', 'consensus parameters'],
  ['chain.genesis', 'retrieve the genesis info', '', 'genesis', 'genesis information'],
  [
    'chain.health',
    'retrieve the health status of the chain service',
    '',
    'healthResponse',
    'health status of the service',
  ],
  [
    'chain.tx',
    'retrieve certain transaction info',
    'hash:[int]',
    'txResponse',
    'transaction information at a certain hash',
  ],
  ['chain.unconfirmed_txs', 'retrieve unconfirmed txs', 'limit:int', 'unconfirmedTxsResponse', 'unconfirmed txs'],
  [
    'chain.validators',
    'retrieve validator info at certain height',
    '',
    'validatorsResponse',
    'validator information at certain height',
  ],
  [
    'chain.version',
    'retrieve the API version of the chain service',
    '',
    'versionResponse',
    'service info including semver and kwild version',
  ],
  [
    'function.verify_sig',
    'verify a message signature',
    'msg?:text sender?:text signature?:@txSignature',
    'verifySignatureResponse',
    'validity of the signature and any reason for failure',
  ],
  [
    'function.version',
    'retrieve the API version of the function service',
    '',
    'versionResponse',
    'service info including semver and kwild version',
  ],
  [
    'user.account',
    "get an account's status",
    'id:@accountID status?:int',
    'accountResponse',
    'balance and nonce of an accounts',
  ],
  [
    'user.authenticated_query',
    'perform an authenticated ad-hoc SQL query',
    'Challenge:text auth_type:text body:@rawStatement sender:text signature:text',
    'queryResponse',
    'the result of the query as a collection of records',
  ],
  [
    'user.broadcast',
    'broadcast a transaction',
    'tx:@transaction sync?:int',
    'broadcastResponse',
    'the hash of the transaction',
  ],
  [
    'user.call',
    'call an action',
    'auth_type:text body:@callMessageBody sender:text signature:text',
    'callResponse',
    'the result of the action call as a encoded records',
  ],
  ['user.chain_info', 'get current blockchain info', '', 'chainInfo', 'chain info including chain ID and best block'],
  [
    'user.challenge',
    'request a call challenge',
    '',
    'challengeResponse',
    'the challenge value for the client to include in a call request signature',
  ],
  [
    'user.changeset',
    'load a changeset for a given height and index',
    'height:int index:int',
    'changesetsResponse',
    'the changeset for the given height and index',
  ],
  [
    'user.changeset_metadata',
    'get the changeset metadata for a given height',
    'height:int',
    'changesetMetadataResponse',
    'the changesets metadata for the given height',
  ],
  [
    'user.estimate_price',
    'estimate the price of a transaction',
    'tx:@transaction',
    'estimatePriceResponse',
    'balance and nonce of an accounts',
  ],
  [
    'user.get_withdrawal_proof',
    'get withdrawal proof and validator signatures for an epoch',
    'epoch_id:text recipient:text',
    'withdrawalProofResponse',
    'merkle proof, validator signatures, and withdrawal status',
  ],
  [
    'user.health',
    'check the user service health',
    '',
    'health',
    'the health status and other relevant of the services health',
  ],
  [
    'user.list_migrations',
    'list active migration resolutions',
    '',
    'listMigrationsResponse',
    'the list of all the pending migration resolutions',
  ],
  [
    'user.list_update_proposals',
    'list active consensus parameter update proposals',
    '',
    'listPendingConsensusUpdatesResponse',
    'the list of all the active consensus parameter update proposals',
  ],
  [
    'user.migration_genesis_chunk',
    'get a genesis snapshot chunk of given idx',
    'chunk_index:int height:int',
    'migrationSnapshotChunkResponse',
    'the genesis chunk for the given index',
  ],
  [
    'user.migration_metadata',
    'get the migration information',
    '',
    'migrationMetadataResponse',
    'the metadata for the given migration',
  ],
  ['user.migration_status', 'get the migration status', '', 'migrationStatusResponse', 'the status of the migration'],
  [
    'user.num_accounts',
    'get the current number of accounts on the DB node',
    '',
    'numAccountsResponse',
    'the number of accounts',
  ],
  ['user.ping', 'ping the server', 'message:text', 'pingResponse', 'a message back from the server'],
  [
    'user.query',
    'perform an ad-hoc SQL query',
    'params:@ query:text',
    'queryResponse',
    'the result of the query as a collection of records',
  ],
  [
    'user.tx_query',
    'query for the status of a transaction',
    'tx_hash:[int]',
    'txQueryResponse',
    'the execution status of a transaction',
  ],
  [
    'user.update_proposal_status',
    'list active consensus parameter update proposals',
    '',
    'listPendingConsensusUpdatesResponse',
    'the list of all the active consensus parameter update proposals',
  ],
  [
    'user.version',
    'retrieve the API version of the user service',
    '',
    'versionResponse',
    'service info including semver and kwild version',
  ],
];

/** Members of each schema. */
const SCHEMAS: Readonly<Record<string, string>> = {
  accountID: 'identifier:text key_type:text',
  accountResponse: 'balance:text id:@accountID nonce:int',
  block: 'header:@blockHeader sig:text txns:[@transaction]',
  blockHeader:
    'Height:int MerkleRoot:[int] NetworkParamsHash:[int] NewLeader:any NumTxns:int PrevAppHash:[int] PrevHash:[int] Timestamp:@time ValidatorSetHash:[int] Version:int',
  blockHeaderResponse:
    'Height:int MerkleRoot:[int] NetworkParamsHash:[int] NewLeader:any NumTxns:int PrevAppHash:[int] PrevHash:[int] Timestamp:@time ValidatorSetHash:[int] Version:int',
  blockResponse: 'block:@block commit_info:@commitInfo hash:[int] raw_block:text',
  blockResultResponse: 'hash:[int] height:int tx_results:[@txResult]',
  broadcastResponse: 'result:@txResult tx_hash:[int]',
  callMessageBody: 'challenge:text payload:text',
  callResponse: 'error:text logs:text query_result:@queryResult',
  chainInfo: 'block_hash:[int] block_height:int chain_id:text gas:bool',
  challengeResponse: 'challenge:text',
  changesetMetadataResponse: 'changesets:int chunk_sizes:[int] height:int',
  changesetsResponse: 'changesets:text',
  commitInfo: 'app_hash:[int] param_updates:any validator_updates:[@validator] votes:[@voteInfo]',
  consensusParamUpdateProposal: 'description:text id:text updates:any',
  dataType: 'is_array:bool metadata:[int] name:text',
  encodedValue: 'data:[text] type:@dataType',
  estimatePriceResponse: 'price:text',
  event: '',
  genesis:
    'alloc:[@genesisAlloc] chain_id:text db_owner:text disabled_gas_costs:bool initial_height:int join_expiry:int leader:@publicKey max_block_size:int max_votes_per_tx:int state_hash:text validators:[@validator]',
  genesisAlloc: 'amount:text id:text key_type:text',
  genesisInfo: 'app_hash:text validators:[@validator]',
  health:
    'ChainInfo:@chainInfo app_hash:[int] block_age:int block_hash:[int] block_height:int block_time:int chain_id:text gas:bool healthy:bool height:int mode:text peer_count:int syncing:bool version:text',
  healthResponse: 'chain_id:text healthy:bool height:int',
  listMigrationsResponse: 'migrations:[@migration]',
  listPendingConsensusUpdatesResponse: 'proposals:[@consensusParamUpdateProposal]',
  location: 'cacheEnd:int cacheStart:int cacheZone:@zone extend:text name:text tx:[@zoneTrans] zone:[@zone]',
  migration: 'activation_height:int id:text migration_duration:int timestamp:text',
  migrationMetadata: 'genesis_info:@genesisInfo migration_state:@migrationState snapshot_metadata:text version:int',
  migrationMetadataResponse: 'metadata:@migrationMetadata',
  migrationSnapshotChunkResponse: 'chunk:text',
  migrationState: 'chain_height:int end_height:int start_height:int status:text',
  migrationStatusResponse: 'status:@migrationState',
  namedTx: 'hash:[int] tx:@transaction',
  namedValue: 'Name:text Value:@encodedValue',
  networkParameters:
    '-:text disabled_gas_costs:bool join_expiry:int leader:@publicKey maa_activation_height:int max_block_size:int max_votes_per_tx:int',
  numAccountsResponse: 'count:int height:int',
  pingResponse: 'message:text',
  publicKey: 'PublicKey:any',
  queryResponse: 'column_names:[text] column_types:[@dataType] values:[[any]]',
  queryResult: 'column_names:[text] column_types:[@dataType] values:[[any]]',
  rawStatement: 'Parameters:[@namedValue] Statement:text',
  signature: 'sig:text type:text',
  time: 'ext:int loc:@location wall:int',
  transaction:
    'body:@transactionBody cachedHash:[int] sender:text serialization:text signature:@signature strictUnmarshal:bool',
  transactionBody: 'chain_id:text desc:text fee:text nonce:int payload:text strictUnmarshal:bool type:text',
  txQueryResponse: 'height:int tx:@transaction tx_hash:[int] tx_result:@txResult',
  txResponse: 'hash:[int] height:int index:int tx:@transaction tx_result:@txResult',
  txResult: 'code:int events:[@event] gas:int log:text',
  txSignature: 'sig:text type:text',
  unconfirmedTxsResponse: 'total:int txs:[@namedTx]',
  validator: 'AccountID:@accountID identifier:text key_type:text power:int',
  validatorSignature: 'r:text s:text v:int',
  validatorsResponse: 'height:int validators:[@validator]',
  verifySignatureResponse: 'reason:text valid:bool',
  versionResponse: 'api_ver:text kwil_ver:text major:int minor:int patch:int service:text',
  voteInfo: 'ack:int app_hash:[int] sig:@signature',
  withdrawalProofResponse:
    'amount:text chain_id:int contract_address:text estimated_ready_at:int eth_tx_hash:text kwil_block_hash:text merkle_proof:[text] merkle_root:text recipient:text status:text validator_signatures:[@validatorSignature]',
  zone: 'isDST:bool name:text offset:int',
  zoneTrans: 'index:int isstd:bool isutc:bool when:int',
};

type Schema = Record<string, unknown>;

const SCALARS: Readonly<Record<string, Schema>> = {
  int: { type: 'integer' },
  text: { type: 'string' },
  bool: { type: 'boolean' },
  any: { type: 'object', additionalProperties: true },
};

const reference = (name: string): Schema => ({ type: 'object', $ref: `#/components/schemas/${name}` });

function schemaOf(type: string): Schema {
  if (type.startsWith('[')) return { type: 'array', items: schemaOf(type.slice(1, -1)) };
  return type.startsWith('@') ? reference(type.slice(1)) : SCALARS[type]!;
}

/** `name:type name:type` */
const pairs = (text: string): [name: string, type: string][] =>
  text
    .split(' ')
    .filter(pair => pair !== '')
    .map(pair => [pair.slice(0, pair.indexOf(':')), pair.slice(pair.indexOf(':') + 1)]);

let made: string | null = null;

/** OpenRPC 1.2.4 text of the tables above. */
export function openRpcDocument(): string {
  made ??= JSON.stringify({
    openrpc: '1.2.4',
    info: {
      title: 'Kwil DB user service',
      description: 'The JSON-RPC user service for Kwil DB.',
      license: { name: 'CC0-1.0', url: 'https://creativecommons.org/publicdomain/zero/1.0/legalcode' },
      version: '0.2.0',
    },
    methods: METHODS.map(([name, description, params, result, gives]) => ({
      name,
      description,
      params: pairs(params).map(([member, type]) => ({
        name: member.replace('?', ''),
        schema: schemaOf(type),
        required: !member.endsWith('?'),
      })),
      result: { name: result, schema: reference(result), description: gives },
      paramStructure: 'by-name',
    })),
    components: {
      schemas: Object.fromEntries(
        Object.entries(SCHEMAS).map(([name, members]) => [
          name,
          members === ''
            ? { type: 'object' }
            : {
                type: 'object',
                properties: Object.fromEntries(pairs(members).map(([member, type]) => [member, schemaOf(type)])),
              },
        ]),
      ),
    },
  });
  return made;
}
