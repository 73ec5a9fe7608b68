import { typedKeyJson, durationText } from '../../protocol/index.js';
import type { StoredBlock } from '../chain/block-store.js';
import { txJson } from '../chain/transactions.js';
import { ownerIdentity } from '../network/owner.js';
import { ZERO_HASH, type MethodContext } from './context.js';
import { invalidParams, RpcError } from './errors.js';
import { boolField, fieldsOf, goJson, hashMember, intField } from './go-json.js';
import { chainHealth, versionJson } from './health.js';
import type { RpcMethod } from './server.js';
import { blockJson, goHeaderJson, paramsJson, resultJson, validatorsJson } from './render.js';

/** `chain.*`: block store and consensus state as this node shows them (reference 2.7). */
export function chainMethods(context: MethodContext): Record<string, RpcMethod> {
  const { node, network, disguise } = context;

  function find(params: unknown, goType: string): StoredBlock {
    const fields = fieldsOf(params, goType);
    const hash = hashMember(params, 'hash');
    const height = intField(fields, 'height') ?? 0;
    const shown = node.stored();
    if (hash !== undefined && hash !== ZERO_HASH) {
      const found = context.store().byHash(hash) ?? forked(hash);
      if (found && found.header.height <= shown) return found;
      throw notFound();
    }
    if (height < 0) throw invalidParams('height cannot be negative');
    const wanted = height === 0 ? shown : height;
    const found = wanted <= shown ? context.store().get(wanted) : undefined;
    if (!found) throw notFound();
    return found;
  }

  /** A forked node knows its blocks by its own hashes. */
  function forked(hash: string): StoredBlock | undefined {
    if (!node.faults.find('fork')) return undefined;
    for (let height = node.stored(); height > context.store().initialHeight; height--) {
      const block = context.store().get(height)!;
      if (disguise.hash(height, block.hash) === hash) return block;
    }
    return undefined;
  }

  const view = () => node.view();
  return {
    'chain.version': { goType: 'chainjson.VersionRequest', run: () => versionJson('chain') },
    'chain.health': { goType: 'chainjson.HealthRequest', run: () => chainHealth(context) },
    'chain.block': {
      goType: 'chainjson.BlockRequest',
      run: params => {
        const raw = boolField(fieldsOf(params, 'chainjson.BlockRequest'), 'raw');
        return blockJson(find(params, 'chainjson.BlockRequest'), raw, disguise);
      },
    },
    'chain.block_header': {
      goType: 'chainjson.BlockHeaderRequest',
      run: params => goHeaderJson(find(params, 'chainjson.BlockHeaderRequest'), disguise),
    },
    'chain.block_result': {
      goType: 'chainjson.BlockResultRequest',
      run: params => {
        const block = find(params, 'chainjson.BlockResultRequest');
        const { height } = block.header;
        const results = block.results.map(resultJson).join(',');
        return `{"height":${height},"hash":"${disguise.hash(height, block.hash)}","tx_results":[${results}]}`;
      },
    },
    'chain.tx': {
      goType: 'chainjson.TxRequest',
      run: params => {
        const hash = hashMember(params, 'hash');
        if (hash === undefined || hash === ZERO_HASH) throw invalidParams('hash is required');
        const at = context.store().findTx(hash);
        if (!at || at.height > node.stored()) throw new RpcError(-202, 'transaction not found');
        const block = context.store().get(at.height)!;
        return (
          `{"hash":"${hash}","height":${at.height},"index":${at.index},"tx":${txJson(block.txs[at.index]!.tx)},` +
          `"tx_result":${resultJson(block.results[at.index]!)}}`
        );
      },
    },
    'chain.genesis': {
      goType: 'chainjson.GenesisRequest',
      run: () => {
        const { initialHeight, stateHash, params, validators } = network.genesis()!;
        const alloc = Object.entries(network.options.alloc).map(
          ([id, amount]) => `{"id":${goJson(id.replace(/^0x/, ''))},"key_type":"secp256k1","amount":"${amount}"}`,
        );
        return (
          `{"chain_id":${goJson(context.chainId())},"initial_height":${initialHeight},` +
          `"db_owner":"${ownerIdentity(network.options.ownerKey)}","leader":${typedKeyJson(params.leader)},` +
          `"validators":${validatorsJson(validators)}${stateHash === null ? '' : `,"state_hash":"${stateHash}"`}` +
          `${alloc.length > 0 ? `,"alloc":[${alloc.join(',')}]` : ''},"max_block_size":${params.maxBlockSize},` +
          `"join_expiry":"${durationText(params.joinExpiryNs)}","disabled_gas_costs":${params.disabledGasCosts},` +
          `"max_votes_per_tx":${params.maxVotesPerTx}}`
        );
      },
    },
    'chain.consensus_params': { goType: 'chainjson.ConsensusParamsRequest', run: () => paramsJson(view().params) },
    'chain.validators': {
      goType: 'chainjson.ValidatorsRequest',
      run: () =>
        `{"height":${context.headBlock()?.header.height ?? 0},"validators":${validatorsJson(view().validators)}}`,
    },
    'chain.unconfirmed_txs': {
      goType: 'chainjson.UnconfirmedTxsRequest',
      run: params => {
        const limit = intField(fieldsOf(params, 'chainjson.UnconfirmedTxsRequest'), 'limit', 'int') ?? 0;
        if (limit < 0) throw invalidParams('invalid limit');
        const shown = [...node.mempool.entries()].slice(0, limit === 0 ? 10 : Math.min(limit, 50));
        const txs = shown.map(({ tx }) => `{"hash":"${tx.hash}","tx":${txJson(tx.tx)}}`);
        // The node counts transactions without their two version bytes.
        return `{"total":${node.mempool.bytes - 2 * node.mempool.size},"txs":[${txs.join(',')}]}`;
      },
    },
  };
}

const notFound = (): RpcError => new RpcError(-204, 'block not found');
