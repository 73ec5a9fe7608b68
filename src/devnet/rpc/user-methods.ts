import {
  CodecError,
  callerText,
  decodeCall,
  decodePayload,
  encodePayload,
  encodeQueryResult,
  EMPTY_RESULT,
  hexOf,
  keyTypeOfAuth,
  shortDigest,
  type EncodedValue,
} from '../../protocol/index.js';
import { EngineError } from '../engine/index.js';
import { judgeMessage } from '../chain/signatures.js';
import { accountKey, chainTx, goDecodeError, txJson } from '../chain/transactions.js';
import { priceOf } from '../chain/pricing.js';
import { Rejection } from '../mempool.js';
import { ZERO_HASH, type MethodContext } from './context.js';
import { HandlerPanic, invalidParams, RpcError } from './errors.js';
import { base64Field, fieldsOf, goJson, hashMember, hexField, intField, textField, type GoFields } from './go-json.js';
import { userHealth, versionJson } from './health.js';
import { checkedValue, parameterOf } from './parameters.js';
import { broadcastResultJson, resultJson } from './render.js';
import type { RpcMethod } from './server.js';
import { transactionOf } from './transaction-json.js';

type NamedValues = { readonly name: string; readonly value: EncodedValue }[];

/** `user.*` but the migration methods (reference 2.3 to 2.6). */
export function userMethods(context: MethodContext): Record<string, RpcMethod> {
  const { node, network } = context;
  const { options } = network;
  const method = (request: string, run: RpcMethod['run']): RpcMethod => ({ goType: `userjson.${request}`, run });

  return {
    'user.version': method('VersionRequest', () => versionJson('user', node.faults.find('version')?.version)),
    'user.ping': method('PingRequest', params => {
      textField(fieldsOf(params, 'userjson.PingRequest'), 'message');
      return '{"message":"pong"}';
    }),
    'user.health': method('HealthRequest', () => userHealth(context).json),
    'user.chain_info': method('ChainInfoRequest', () => {
      const block = context.headBlock();
      const height = block?.header.height ?? 0;
      const hash = block ? context.disguise.hash(height, block.hash) : ZERO_HASH;
      const gas = !node.view().params.disabledGasCosts;
      return `{"chain_id":${goJson(context.chainId())},"block_height":${height},"block_hash":"${hash}","gas":${gas}}`;
    }),
    'user.account': method('AccountRequest', account),
    'user.num_accounts': method('NumAccountsRequest', async () => {
      const count = await network.state(node).engine.numAccounts();
      return `{"count":${count},"height":${node.head()}}`;
    }),
    'user.broadcast': method('BroadcastRequest', broadcast),
    'user.estimate_price': method('EstimatePriceRequest', estimatePrice),
    'user.query': method('QueryRequest', query),
    'user.call': { goType: 'types.CallMessage', run: call },
    'user.authenticated_query': { goType: 'types.AuthenticatedQuery', run: authenticatedQuery },
    'user.tx_query': method('TxQueryRequest', params => {
      const hash = hashMember(params, 'tx_hash') ?? ZERO_HASH;
      const waiting = node.mempool.get(hash);
      if (waiting) return `{"tx_hash":"${hash}","height":-1,"tx":${txJson(waiting.tx.tx)},"tx_result":null}`;
      const at = context.store().findTx(hash);
      if (!at || at.height > node.stored()) throw new RpcError(-202, 'transaction not found');
      const block = context.store().get(at.height)!;
      const result = resultJson(block.results[at.index]!);
      return `{"tx_hash":"${hash}","height":${at.height},"tx":${txJson(block.txs[at.index]!.tx)},"tx_result":${result}}`;
    }),
    'user.challenge': method('ChallengeRequest', () => `{"challenge":"${node.challenges.issue('loopback')}"}`),
    'user.list_update_proposals': method('ListPendingConsensusUpdatesRequest', () => context.proposals()),
    'user.update_proposal_status': method('UpdateProposalStatusRequest', () => context.proposals()),
    'user.get_withdrawal_proof': method('WithdrawalProofRequest', params => {
      const id = textField(fieldsOf(params, 'userjson.WithdrawalProofRequest'), 'epoch_id');
      if (id.length !== 36) throw invalidParams(`invalid epoch_id: invalid UUID length: ${id.length}`);
      throw new RpcError(-32603, 'bridge is not active on this network');
    }),
  };

  async function account(params: unknown): Promise<string> {
    const fields = fieldsOf(params, 'userjson.AccountRequest');
    const id = fieldsOf(fields.get('id'), 'types.AccountID');
    const key = hexOf(hexField(id, 'identifier'));
    const keyType = textField(id, 'key_type') || 'secp256k1';
    const pending = (intField(fields, 'status', 'uint32') ?? 0) > 0;
    if (key === '') throw invalidParams('missing account identifier');
    if (keyType !== 'secp256k1' && keyType !== 'ed25519') throw invalidParams(`unknown key type: ${keyType}`);
    const found =
      (pending ? node.mempool.pending(accountKey(key, keyType)) : undefined) ??
      (await network.state(node).load(key, keyType));
    const known = found.nonce > 0n || found.balance > 0n;
    const idJson = known ? `"id":{"identifier":"${key}","key_type":"${keyType}"},` : '';
    return `{${idJson}"balance":"${found.balance}","nonce":${found.nonce}}`;
  }

  async function broadcast(params: unknown): Promise<string> {
    const fields = fieldsOf(params, 'userjson.BroadcastRequest');
    const tx = transactionOf(fields.get('tx'));
    const sync = intField(fields, 'sync', 'uint8') ?? 0;
    if (!tx) throw new HandlerPanic('broadcast without tx');
    const made = chainTx(tx);
    try {
      const outcome = await node.broadcast(made, sync === 1);
      return `{"tx_hash":"${made.hash}"${outcome ? `,"result":${broadcastResultJson(outcome)}` : ''}}`;
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      throw new RpcError(-201, 'broadcast error', { code: error.code, hash: made.hash, message: error.message });
    }
  }

  function estimatePrice(params: unknown): string {
    const tx = transactionOf(fieldsOf(params, 'userjson.EstimatePriceRequest').get('tx'));
    if (!tx?.body) throw new HandlerPanic('estimate_price without tx or body');
    if (node.view().params.disabledGasCosts) return '{"price":"0"}';
    try {
      const payload = decodePayload(tx.body.type, tx.body.payload);
      if (payload) return `{"price":"${priceOf(payload)}"}`;
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      // Prices of these do not look into the payload on a node.
      if (tx.body.type === 'execute') return '{"price":"2000000000000000"}';
      if (tx.body.type === 'raw_statement') return '{"price":"10000000000000"}';
      if (tx.body.type === 'transfer') return '{"price":"210000"}';
    }
    throw new RpcError(-200, 'failed to estimate price');
  }

  async function query(params: unknown): Promise<string> {
    const fields = fieldsOf(params, 'userjson.QueryRequest');
    const statement = textField(fields, 'query');
    const given = fields.get('params');
    if (options.privateMode) {
      throw new RpcError(-1007, 'query is prohibited when authenticated calls are enforced (private mode)');
    }
    const values: NamedValues = Object.entries(given ?? {}).map(([name, json]) => ({
      name,
      value: parameterOf(json),
    }));
    return runQuery(statement, values);
  }

  async function runQuery(statement: string, values: NamedValues): Promise<string> {
    try {
      return encodeQueryResult(await network.state(node).engine.query(statement, values, { node: node.name }));
    } catch (error) {
      throw engineFailure(error);
    }
  }

  async function authenticatedQuery(params: unknown): Promise<string> {
    const fields = fieldsOf(params, 'types.AuthenticatedQuery');
    const bodyJson = fields.get('body');
    if (bodyJson === undefined) throw new HandlerPanic('authenticated_query without body');
    const body = fieldsOf(bodyJson, 'types.RawStatement');
    const statement = textField(body, 'Statement');
    const given = (body.get('Parameters') as unknown[] | undefined) ?? [];
    const values: NamedValues = given.map(one => {
      const pair = fieldsOf(one, 'types.NamedValue');
      return { name: textField(pair, 'Name'), value: parameterOf(pair.get('Value')) };
    });
    const challenge = base64Field(fields, 'Challenge');
    const digest = shortDigest(encodePayload({ kind: 'raw_statement', statement, params: values }));
    const text = ['Kwil SQL statement.', '', `Statement: ${statement}`, `Digest: ${digest}`, challengeLine(challenge)];
    authenticate(fields, challenge, text);
    return runQuery(statement, values);
  }

  async function call(params: unknown): Promise<string> {
    const fields = fieldsOf(params, 'types.CallMessage');
    const bodyJson = fields.get('body');
    const body = fieldsOf(bodyJson, 'types.CallMessageBody');
    const payload = base64Field(body, 'payload');
    const challenge = base64Field(body, 'challenge');
    const sender = hexField(fields, 'sender');
    const authType = textField(fields, 'auth_type');
    base64Field(fields, 'signature');
    if (bodyJson === undefined) throw new HandlerPanic('call without body');
    const decoded = ((): ReturnType<typeof decodeCall> => {
      try {
        return decodeCall(payload);
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
        throw invalidParams(`failed to convert action call: ${goDecodeError(payload, error)}`);
      }
    })();
    authenticate(fields, challenge, [
      'Kwil view call.',
      '',
      `Namespace: ${decoded.namespace}`,
      `Method: ${decoded.action}`,
      `Digest: ${shortDigest(payload)}`,
      challengeLine(challenge),
    ]);
    const args = decoded.args.map(value => checkedValue(value, 'failed to decode argument: '));
    const caller = callerOf(sender, authType);
    const block = context.headBlock();
    const stale = node.syncing() || !block;
    const { leader } = node.view().params;
    try {
      const outcome = await network.state(node).engine.call(decoded.namespace, decoded.action, args, {
        caller,
        signer: sender,
        authType,
        height: stale ? -1 : block.header.height,
        timestampMs: stale ? -1 : block.header.stampMs,
        leader: { publicKey: Buffer.from(leader.key, 'hex'), keyType: leader.type },
        node: node.name,
      });
      const error = outcome.error === null ? 'null' : goJson(outcome.error);
      const rows = encodeQueryResult(outcome.result ?? EMPTY_RESULT);
      return `{"query_result":${rows},"logs":${goJson(outcome.logs)},"error":${error}}`;
    } catch (error) {
      throw engineFailure(error);
    }
  }

  /** Private mode: the message carries a challenge of this node and a signature over its text (reference 2.6). */
  function authenticate(fields: GoFields, challenge: Uint8Array, lines: readonly string[]): void {
    if (!options.privateMode) return;
    const signature = base64Field(fields, 'signature');
    const sender = hexField(fields, 'sender');
    if (signature.length === 0 || sender.length === 0) {
      throw new RpcError(-1001, 'signed call message with challenge required');
    }
    if (challenge.length !== 32) throw new RpcError(-1002, 'incorrect challenge data length');
    node.challenges.use(challenge);
    const verdict = judgeMessage(
      textField(fields, 'auth_type'),
      sender,
      Buffer.from(`${lines.join('\n')}\n`),
      signature,
    );
    if (!verdict.ok) throw new RpcError(-1004, 'invalid signature on call message');
  }
}

const challengeLine = (challenge: Uint8Array): string => `Challenge: ${hexOf(challenge)}`;

function callerOf(sender: Uint8Array, authType: string): string {
  if (sender.length === 0 || authType === '') return '';
  const caller = callerText(authType, sender);
  if (caller !== null) return caller;
  if (keyTypeOfAuth(authType) === null)
    throw new RpcError(-601, `failed to get caller: authenticator not found: ${authType}`);
  const what = authType === 'secp256k1_ep' ? 'eth address' : 'public key';
  throw new RpcError(-601, `failed to get caller: invalid ${what} with ${sender.length} bytes`);
}

export function engineFailure(error: unknown): unknown {
  return error instanceof EngineError ? new RpcError(error.rpcCode, error.message) : error;
}
