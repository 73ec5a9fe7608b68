import { describe, expect, it } from 'vitest';
import {
  blockHash,
  blockTxs,
  decodeBlock,
  decodeChangesetEvent,
  decodeElements,
  decodeParamUpdatesJson,
  decodePayload,
  durationNs,
  encodeBlock,
  encodeBlockHeader,
  encodeChangesetEvent,
  encodeElements,
  encodeParamUpdatesJson,
  encodeTxJson,
  eventId,
  hexOf,
  merkleRoot,
  MIGRATION_STATUSES,
  paramsHash,
  parseJson,
  validatorSetHash,
  type Block,
  type JsonObject,
  type NetworkParams,
  type VotableEvent,
} from '../../src/protocol/index.js';
import { changesetSet, exchanges, goldenJson } from '../support/golden.js';

interface RecordedBlock {
  readonly height: number;
  readonly hash: string;
  readonly block: Block;
  readonly raw: Buffer;
  readonly header: Record<string, unknown>;
  readonly txnsText: string;
  readonly commitInfo: JsonObject;
}

const FILES = ['old', 'new', 'validators'] as const;

/** Pairs each `chain.block` with its raw form. */
function blocksOf(file: string): RecordedBlock[] {
  const lines = exchanges(`blocks/${file}.jsonl`).filter(line => line.response.status === 200);
  const plain = lines.filter(line => line.name === 'chain.block');
  const raw = new Map(
    lines
      .filter(line => line.name === 'chain.block raw')
      .map(line => [
        line.stage,
        (JSON.parse(line.response.body!) as { result: { raw_block: string } }).result.raw_block,
      ]),
  );
  return plain
    .filter(line => raw.has(line.stage))
    .map(line => {
      const text = line.response.body!;
      const { result } = JSON.parse(text) as {
        result: { hash: string; block: { header: Record<string, unknown> & { height: number } } };
      };
      const bytes = Buffer.from(raw.get(line.stage)!, 'base64');
      const commitInfo = ((parseJson(text) as JsonObject).get('result') as JsonObject).get('commit_info') as JsonObject;
      return {
        height: result.block.header.height,
        hash: result.hash,
        block: decodeBlock(bytes),
        raw: bytes,
        header: result.block.header,
        txnsText: text.slice(text.indexOf('"txns":') + 7, text.lastIndexOf(',"sig":', text.indexOf('"commit_info"'))),
        commitInfo,
      };
    });
}

interface Context {
  readonly 'chain.genesis': { readonly validators: readonly unknown[] };
  readonly 'chain.consensus_params': {
    readonly leader: { readonly type: 'secp256k1'; readonly key: string };
    readonly max_block_size: number;
    readonly join_expiry: string;
    readonly disabled_gas_costs: boolean;
    readonly max_votes_per_tx: number;
  };
}

describe.each(FILES)('recorded blocks of blocks/%s.jsonl', file => {
  const blocks = blocksOf(file);

  it('decode and encode to the same bytes', () => {
    expect(blocks.length).toBeGreaterThan(10);
    for (const { block, raw, height } of blocks)
      expect(Buffer.from(encodeBlock(block)).equals(raw), `height ${height}`).toBe(true);
  });

  it('have the recorded header, hash and merkle root', () => {
    for (const { block, hash, header } of blocks) {
      expect(blockHash(block)).toBe(hash);
      expect(merkleRoot(blockTxs(block).map(tx => tx.hash))).toBe(header['merkle_root']);
      expect({
        version: block.header.version,
        height: block.header.height,
        num_txns: block.header.txCount,
        prev_hash: block.header.prevHash,
        prev_app_hash: block.header.prevAppHash,
        stamp_ms: block.header.stampMs,
        merkle_root: block.header.merkleRoot,
        vals_hash: block.header.valsHash,
        params_hash: block.header.paramsHash,
      }).toEqual(header);
      expect(encodeBlockHeader(block.header)).toHaveLength(183);
    }
  });

  it('carry transactions whose JSON is what the node wrote, byte for byte', () => {
    for (const { block, txnsText } of blocks)
      expect(
        `[${blockTxs(block)
          .map(({ tx }) => encodeTxJson(tx!))
          .join(',')}]`,
      ).toBe(txnsText);
  });

  it('follow each other by hash', () => {
    for (const [i, { block }] of blocks.entries())
      if (i > 0 && blocks[i - 1]!.height === block.header.height - 1)
        expect(block.header.prevHash).toBe(blocks[i - 1]!.hash);
  });

  it('have a validator-set hash that tells the number of validators', () => {
    const candidates = [1, 2, 3, 4].map(validatorSetHash);
    for (const { block } of blocks) expect(candidates).toContain(block.header.valsHash);
    const genesisCount = goldenJson<Context>(`blocks/${file}.context.json`)['chain.genesis'].validators.length;
    expect(blocks[0]!.block.header.valsHash).toBe(validatorSetHash(genesisCount));
  });

  it('have a parameters hash that the announced changes and one migration status explain', () => {
    const params = goldenJson<Context>(`blocks/${file}.context.json`)['chain.consensus_params'];
    let current: NetworkParams = {
      leader: params.leader,
      maxBlockSize: BigInt(params.max_block_size),
      joinExpiryNs: durationNs(params.join_expiry),
      disabledGasCosts: params.disabled_gas_costs,
      // The context was taken at the end; every recorded network began with the default.
      maxVotesPerTx: 200n,
      migrationStatus: MIGRATION_STATUSES[0],
      maaActivationHeight: null,
    };
    for (const { block, height, commitInfo } of blocks) {
      const hashes = MIGRATION_STATUSES.map(migrationStatus => paramsHash({ ...current, migrationStatus }));
      expect(hashes, `height ${height}`).toContain(block.header.paramsHash);
      const updates = commitInfo.get('param_updates');
      if (updates !== undefined) current = { ...current, ...decodeParamUpdatesJson(updates) };
    }
    expect(current.maxVotesPerTx).toBe(BigInt(params.max_votes_per_tx));
  });

  it('announce parameter changes that read and write the same JSON', () => {
    for (const { commitInfo } of blocks) {
      const updates = commitInfo.get('param_updates');
      if (updates === undefined) continue;
      const text = encodeParamUpdatesJson(decodeParamUpdatesJson(updates));
      expect(parseJson(text)).toEqual(updates);
    }
  });
});

describe('changeset events in the blocks of the new network', () => {
  const events = blocksOf('new').flatMap(({ block, height }) =>
    blockTxs(block).flatMap(({ tx }) => {
      if (tx?.body?.type !== 'validator_vote_bodies') return [];
      const payload = decodePayload('validator_vote_bodies', tx.body.payload);
      return payload?.kind === 'validator_vote_bodies' ? payload.events.map(event => ({ event, height })) : [];
    }),
  );

  it('are found, decode, and encode to the same bytes', () => {
    expect(events.length).toBeGreaterThan(30);
    for (const { event } of events) {
      expect(event.type).toBe('changeset_migration');
      expect(hexOf(encodeChangesetEvent(decodeChangesetEvent(event.body)))).toBe(hexOf(event.body));
    }
  });

  it('have the ids under which the other validators voted', () => {
    const recorded = goldenJson<{ events: { id: string; old_height?: number; height?: number }[] }>(
      'blocks/watermark.json',
    ).events;
    const ids = new Set(events.map(({ event }) => eventId(event)));
    expect(new Set(recorded.map(event => event.id))).toEqual(ids);
  });

  it('carry the changesets that the old network served', () => {
    const set = changesetSet('three');
    let compared = 0;
    for (const { event } of events) {
      const { height, piece, total } = decodeChangesetEvent(event.body);
      if (piece === null || total !== 1) continue;
      expect(Buffer.from(piece).equals(set.bytes(height)), `old height ${height}`).toBe(true);
      expect(hexOf(encodeElements(decodeElements(piece)))).toBe(hexOf(piece));
      compared++;
    }
    expect(compared).toBeGreaterThan(30);
  });

  it('form one chain by their previous heights', () => {
    const heights = new Map(events.map(({ event }) => [decodeChangesetEvent(event.body).height, event] as const));
    const sorted = [...heights.keys()].sort((a, b) => a - b);
    for (const [i, height] of sorted.entries())
      expect(decodeChangesetEvent((heights.get(height) as VotableEvent).body).previous).toBe(
        i === 0 ? 0 : sorted[i - 1],
      );
  });
});
