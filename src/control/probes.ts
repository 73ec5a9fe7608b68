import { statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import type { State } from '../cutover/index.js';
import { messageOf, type NetworkName } from '../model/index.js';
import { waitFor } from '../platform/index.js';
import type { Judgement } from './conditions.js';
import type { ControlPorts } from './ports.js';
import { upNodes, type World } from './world.js';

export interface ProbeContext {
  readonly world: () => World;
  readonly state: () => State;
  readonly dataDir: string;
  /** Most bytes that held writes may take. */
  readonly holdBytesMax: number;
  /** Transactions on the old network that did not come through us. */
  readonly strangers: () => number;
}

/** A check that has to ask or measure something. */
export interface Probe {
  readonly id: string;
  readonly title: string;
  readonly run: (context: ProbeContext, ports: ControlPorts, signal: AbortSignal) => Promise<Judgement>;
}

const FLUSH_WARN_MS = 100;
const FLUSH_FAIL_MS = 1000;
const DISK_WARN_BYTES = 1024 ** 3;
const DISK_FAIL_BYTES = 128 * 1024 ** 2;
const CLOCK_WARN_MS = 2000;
const CALL_MS = 3000;
/** An idle network with Kwil's defaults makes a block a minute. */
const HEAD_FRESH_MS = 15_000;
const HEAD_STALE_MS = 90_000;

const pass = (value: string, threshold: string): Judgement => ({ verdict: 'pass', value, threshold, remedy: '' });
const warn = (value: string, threshold: string, remedy: string): Judgement => ({
  verdict: 'warn',
  value,
  threshold,
  remedy,
});
const fail = (value: string, threshold: string, remedy: string): Judgement => ({
  verdict: 'fail',
  value,
  threshold,
  remedy,
});

export const PROBES: readonly Probe[] = [
  {
    id: 'new-blocks',
    title: 'The validators of the new network make blocks',
    async run({ world }, { nodes, clock }, signal) {
      const remedy = 'the validators of the new network must be running and agree: look at their logs';
      const known = world().headAge.new;
      if (known !== null && known <= HEAD_FRESH_MS)
        return pass(`a block ${Math.round(known / 1000)} s ago`, 'a moving head');
      const before = nodes.view('new')?.head ?? 0;
      const moved = await waitFor(
        listener => nodes.subscribe(listener),
        () => ((nodes.view('new')?.head ?? 0) > before ? true : undefined),
        { timeoutMs: CALL_MS, signal, clock },
      );
      if (moved) return pass(`head ${nodes.view('new')!.head}`, 'a moving head');
      if (known !== null && known <= HEAD_STALE_MS)
        return warn(`last block ${Math.round(known / 1000)} s ago`, 'a moving head', remedy);
      return fail(
        known === null ? `head stays at ${before}` : `last block ${Math.round(known / 1000)} s ago`,
        'a moving head',
        remedy,
      );
    },
  },
  {
    id: 'journal-flush',
    title: 'The journal can be flushed quickly',
    async run(_context, { journal }) {
      const took = await journal.probeMs();
      const value = `${took.toFixed(1)} ms`;
      const threshold = `at most ${FLUSH_WARN_MS} ms`;
      const remedy = 'put dataDir on a faster or less busy disk: each step of the hold waits for a flush';
      if (took > FLUSH_FAIL_MS) return fail(value, threshold, remedy);
      return took > FLUSH_WARN_MS ? warn(value, threshold, remedy) : pass(value, threshold);
    },
  },
  {
    id: 'disk',
    title: 'The disk of dataDir has room',
    async run({ dataDir }) {
      const { bavail, bsize } = await statfs(dataDir);
      const free = bavail * bsize;
      const value = `${Math.floor(free / 1024 ** 2)} MiB free`;
      const threshold = `at least ${DISK_FAIL_BYTES / 1024 ** 2} MiB`;
      if (free < DISK_FAIL_BYTES) return fail(value, threshold, `make room on the disk of ${dataDir}`);
      return free < DISK_WARN_BYTES
        ? warn(value, threshold, `make room on the disk of ${dataDir}`)
        : pass(value, threshold);
    },
  },
  {
    id: 'memory',
    title: 'Held writes fit into memory',
    async run({ holdBytesMax }) {
      const free = freemem();
      const value = `${Math.floor(free / 1024 ** 2)} MiB free`;
      const threshold = `at least ${Math.ceil((2 * holdBytesMax) / 1024 ** 2)} MiB`;
      return free >= 2 * holdBytesMax
        ? pass(value, threshold)
        : warn(value, threshold, 'lower writes.holdBytesMax or free memory');
    },
  },
  {
    id: 'clock',
    title: 'Our clock and the nodes agree',
    async run({ world }, ports, signal) {
      const skews = await Promise.all([
        clockSkew('old', world(), ports, signal),
        clockSkew('new', world(), ports, signal),
      ]);
      const known = skews.filter(skew => skew !== null);
      if (known.length === 0)
        return warn('unknown', `at most ${CLOCK_WARN_MS} ms`, 'no node told the age of its last block');
      const most = Math.max(...known.map(Math.abs));
      const value = `${Math.round(most)} ms`;
      return most <= CLOCK_WARN_MS
        ? pass(value, `at most ${CLOCK_WARN_MS} ms`)
        : warn(
            value,
            `at most ${CLOCK_WARN_MS} ms`,
            'run a time service on all machines: records and receipts carry these times',
          );
    },
  },
  {
    id: 'versions',
    title: 'The nodes of each network run one version',
    async run({ world }) {
      const now = world();
      const value = (['old', 'new'] as const)
        .map(network => `${network} ${versionsOf(network, now).join(' and ') || 'unknown'}`)
        .join(', ');
      const isMixed = (['old', 'new'] as const).some(network => versionsOf(network, now).length > 1);
      return isMixed ? warn(value, 'one each', 'finish the rolling upgrade first') : pass(value, 'one each');
    },
  },
  {
    id: 'strangers',
    title: 'Nobody writes to the old network past the gateway',
    async run({ strangers }) {
      const count = strangers();
      const remedy = 'these clients will go on writing to the old network after the switch: point them at the gateway';
      return count === 0 ? pass('0', '0') : warn(String(count), '0', remedy);
    },
  },
  {
    id: 'empty-chain-ids',
    title: 'Every client names the chain that it signs for',
    async run(_context, { metrics }) {
      const refused = (await metrics.rejections.get()).values
        .filter(({ labels }) => labels.reason === 'chain_id_required')
        .reduce((sum, { value }) => sum + value, 0);
      const all = (await metrics.writes.get()).values.reduce((sum, { value }) => sum + value, 0);
      const value = `${refused} refused, ${all} writes since the gateway started`;
      const remedy =
        'these writes are refused before and after the switch: set the chain id in these clients (GET /migration/v1 tells it)';
      return refused === 0 ? pass(value, '0 refused') : warn(value, '0 refused', remedy);
    },
  },
  {
    id: 'verification',
    title: 'The last whole comparison of the tables found nothing that differs',
    async run(_context, { metrics }) {
      const found = (await metrics.verificationDifferences.get()).values.reduce((sum, { value }) => sum + value, 0);
      // Not a failure: what differs may be meant, such as a table that only the new network has.
      return found === 0
        ? pass('no known differences', '0')
        : warn(`${found} differences`, '0', '`switchyard verify` lists them; run it again once they are put right');
    },
  },
  {
    id: 'left-overs',
    title: 'Nothing of an earlier attempt is left',
    async run({ state }) {
      const { phase, last, postponed } = state();
      if (postponed !== null) return fail(`postponed by ${postponed.by}`, 'none', 'resume first');
      if (phase === 'aborting')
        return fail(`${last?.attempt ?? 'an attempt'} has just been aborted`, 'none', 'wait for the end of the pause');
      if (last?.result === 'aborted')
        return warn(`${last.attempt} was aborted: ${last.reason}`, 'none', 'make sure that its cause is gone');
      return pass(last === null ? 'no earlier attempt' : `${last.attempt} ${last.result}`, 'none');
    },
  },
];

const versionsOf = (network: NetworkName, world: World): readonly string[] => [
  ...new Set((world[network]?.nodes ?? []).map(node => node.version).filter(version => version !== null)),
];

/**
 * How far a node's clock is ahead of ours, ms: the node tells its last block's time and how old it finds it. Null when it
 * has no block yet or does not answer.
 */
async function clockSkew(
  network: NetworkName,
  world: World,
  { nodes, clock, logger }: ControlPorts,
  signal: AbortSignal,
): Promise<number | null> {
  const node = upNodes(world[network])[0];
  if (node === undefined) return null;
  try {
    const before = clock.now();
    const health = await nodes.call<{ block_time?: number; block_age?: number }>(
      { network, name: node.name },
      'user.health',
      {},
      { timeoutMs: CALL_MS, signal },
    );
    const { block_time: time, block_age: age } = health;
    if (time === undefined || age === undefined || time <= 0) return null;
    return time + age - (before + clock.now()) / 2;
  } catch (error) {
    logger.debug({ network, error: messageOf(error) }, 'a node did not tell its time');
    return null;
  }
}
