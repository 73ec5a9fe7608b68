import { describe, expect, it } from 'vitest';
import { bytesOfBase64, decodeBlock } from '../../../src/protocol/index.js';
import { effectiveSize } from '../../../src/replication/assemble.js';
import {
  addBlock,
  addSet,
  appliedAt,
  createTally,
  factsOf,
  validatorSetOf,
  type TallyState,
} from '../../../src/replication/tally.js';
import { createOldHeights } from '../../../src/replication/watermark.js';
import { goldenChangesets, goldenJson, goldenResults } from './golden.js';
import { createMemoryArchive } from './memory-archive.js';

interface RecordedWatermark {
  readonly start: number;
  readonly end: number;
  readonly events: readonly { readonly height: number; readonly resolved_at_new_height: number }[];
  readonly watermark: readonly {
    readonly new_height: number;
    readonly last_announced_old_height_applied: number | null;
    readonly applied_through_with_empty_heights: number;
  }[];
}
interface Context {
  readonly 'chain.genesis': {
    readonly initial_height: number;
    readonly validators: { pubkey: string; type: string; power: number }[];
  };
}

const recorded = goldenJson<RecordedWatermark>('blocks/watermark.json');
const context = goldenJson<Context>('blocks/new.context.json');

/** Tally after each recorded block of the new network. */
function replay(): Map<number, TallyState> {
  const blocks = goldenResults<{ raw_block: string }>('blocks/new.jsonl', 'chain.block raw');
  const results = goldenResults<{ tx_results: { code: number }[] }>('blocks/new.jsonl', 'chain.block_result');
  const { initial_height: start, validators } = context['chain.genesis'];
  let state = createTally(start, start, validatorSetOf(validators));
  const states = new Map<number, TallyState>();
  blocks.forEach(({ raw_block: raw }, index) => {
    const block = decodeBlock(bytesOfBase64(raw));
    state = addBlock(
      state,
      factsOf(
        block,
        results[index]!.tx_results.map(result => result.code),
      ),
    );
    states.set(block.header.height, state);
  });
  return states;
}

async function archiveOfThree() {
  const archive = createMemoryArchive();
  const { streams } = goldenChangesets('three');
  for (const [height, bytes] of streams) {
    const { effective, rows } = effectiveSize(bytes, new Set(), null);
    await archive.append([
      {
        bytes,
        info: {
          height,
          bytes: bytes.length,
          effective,
          rows,
          sha256: '',
          source: 'recording',
          confirmedBy: null,
          at: 0,
        },
      },
    ]);
  }
  return archive;
}

describe('watermark over the recorded blocks of a real new network', () => {
  const states = replay();

  it('applies the same announced height after every block', () => {
    for (const row of recorded.watermark) {
      expect(states.get(row.new_height)!.applied, `new block ${row.new_height}`).toBe(
        row.last_announced_old_height_applied,
      );
    }
  });

  it('counts the empty heights behind it, as recorded at every block', async () => {
    const archive = await archiveOfThree();
    const through = createOldHeights(
      archive,
      () => null,
      () => ({ start: recorded.start, end: recorded.end }),
    );
    const last = states.get(99)!;
    for (const row of recorded.watermark) {
      const expected = row.applied_through_with_empty_heights;
      expect(through.through(appliedAt(last, row.new_height)), `node at new block ${row.new_height}`).toBe(expected);
      expect(through.through(states.get(row.new_height)!.applied)).toBe(expected);
    }
  });

  it('is the same when it is kept and taken up again at any block', () => {
    const blocks = goldenResults<{ raw_block: string }>('blocks/new.jsonl', 'chain.block raw').map(
      ({ raw_block: raw }) => decodeBlock(bytesOfBase64(raw)),
    );
    const results = goldenResults<{ tx_results: { code: number }[] }>('blocks/new.jsonl', 'chain.block_result');
    let state = createTally(
      context['chain.genesis'].initial_height,
      context['chain.genesis'].initial_height,
      validatorSetOf(context['chain.genesis'].validators),
    );
    blocks.forEach((block, index) => {
      state = JSON.parse(
        JSON.stringify(
          addBlock(
            state,
            factsOf(
              block,
              results[index]!.tx_results.map(result => result.code),
            ),
          ),
        ),
      ) as TallyState;
    });
    expect(state).toEqual(states.get(99));
  });

  it('needs every possible validator set to agree while it is not settled which one is in force', () => {
    const five = { ...validatorSetOf(context['chain.genesis'].validators), 'secp256k1:aa': 1, 'secp256k1:bb': 1 };
    const blocks = goldenResults<{ raw_block: string }>('blocks/new.jsonl', 'chain.block raw').map(
      ({ raw_block: raw }) => decodeBlock(bytesOfBase64(raw)),
    );
    const results = goldenResults<{ tx_results: { code: number }[] }>('blocks/new.jsonl', 'chain.block_result');
    let state = addSet(createTally(23, 23, validatorSetOf(context['chain.genesis'].validators)), five);
    for (const [index, block] of blocks.entries()) {
      state = addBlock(
        state,
        factsOf(
          block,
          results[index]!.tx_results.map(result => result.code),
        ),
      );
      const sure = states.get(block.header.height)!.applied ?? 0;
      expect(state.applied ?? 0).toBeLessThanOrEqual(sure);
    }
  });
});
