/**
 * `npm run sequences -- [--count N] [--seed S] [--lanes N] [--json]`
 *
 * Runs N random sequences of reads and writes, each of one client, against a gateway process in front of two development
 * networks, and throws the switch in the midst of them. Exit 0 only if no client was shown an older state than before, and
 * every one saw its own writes (I8).
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createRandom } from '../../../src/devnet/demo/random.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import { createPair } from '../../support/pair.js';
import { createLane, SESSION_KINDS, type SequenceCounts } from './sequence-client.js';

export interface SequenceOptions {
  readonly count: number;
  readonly seed: number;
  readonly lanes: number;
}

export interface SequenceReport extends SequenceCounts {
  readonly switched: boolean;
  /** Sequences that had ended when the new network was open for writes. */
  readonly beforeSwitch: number;
}

const BLOCK_MS = 200;
const ROWS = 20;
const PACE_MS = 500;
/** Blocks of the old network's migration: it must not end by itself. */
const WINDOW_BLOCKS = 20_000;
const SWITCH_AT = 0.4;
const SWITCH_MS = 120_000;

export async function runSequences({ count, seed, lanes }: SequenceOptions): Promise<SequenceReport> {
  const counts: SequenceCounts = {
    ...{ sequences: 0, reads: 0, fromOld: 0, fromNew: 0, refused: 0, writes: 0, mined: 0, unseen: 0, stepsBack: 0 },
    notes: [],
  };
  const pair = await createPair({
    ...{ name: 'sequences', seed, blockMs: BLOCK_MS, rows: ROWS, listenerPaceMs: PACE_MS },
    // Half of the reads come from the new network already before the switch.
    gateway: { configLines: ['reads: { policy: share, share: 50 }'] },
  });
  let begun = 0;
  let beforeSwitch = 0;
  let switched = false;
  try {
    await pair.gateway.start();
    await pair.migrate(WINDOW_BLOCKS);
    await pair.waitFor(({ phase }) => phase === 'ready', 'ready');

    async function lane(writer: number): Promise<void> {
      const random = createRandom(seed, writer);
      const clients = createLane(pair.gateway.url, pair.oldChainId, writer, lanes, seed, counts);
      // Whoever is done before the switch is over goes on, so that it happens under load.
      while (begun++ < count || !switched) await clients.sequence(random.pick(SESSION_KINDS), () => random.next());
    }
    async function throwSwitch(): Promise<void> {
      while (counts.sequences < count * SWITCH_AT) await sleep(systemClock, 20);
      const deadline = performance.now() + SWITCH_MS;
      try {
        for (;;) {
          const left = Math.max(1, deadline - performance.now());
          const { phase } = await pair.waitFor(s => s.phase === 'ready' || s.phase === 'switched', 'the switch', left);
          if (phase === 'switched') break;
          const start = pair.gateway.admin('POST', '/v1/cutover/start', { reason: 'sequences' });
          await start.catch(() => sleep(systemClock, 100));
        }
        beforeSwitch = counts.sequences;
      } finally {
        switched = true;
      }
    }
    await Promise.all([throwSwitch(), ...Array.from({ length: lanes }, (_, i) => lane(i + 1))]);
  } finally {
    await pair.end(false);
  }
  return { ...counts, switched, beforeSwitch };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      lanes: { type: 'string', default: '16' },
      json: { type: 'boolean', default: false },
    },
  });
  const options = { count: Number(values.count), seed: Number(values.seed), lanes: Number(values.lanes) };
  const report = await runSequences(options);
  const isRight = report.unseen === 0 && report.stepsBack === 0;
  const text =
    `${report.sequences} sequences over a switch (after ${report.beforeSwitch}): ${report.reads} reads ` +
    `(${report.fromOld} old, ${report.fromNew} new, ${report.refused} refused), ${report.mined} writes; ` +
    `${report.unseen} own writes unseen, ${report.stepsBack} steps back; ` +
    `again with: npm run sequences -- --count ${options.count} --seed ${options.seed}\n`;
  process.stdout.write(values.json ? JSON.stringify({ seed: options.seed, ...report }) + '\n' : text);
  if (!values.json) for (const line of report.notes) process.stderr.write(`${line}\n`);
  process.exit(isRight ? 0 : 1);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
