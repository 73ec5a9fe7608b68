import { migrationOf, oldEnd, upNodes, type World } from './world.js';
import type { NetworkView } from '../routing/index.js';

export type Verdict = 'pass' | 'warn' | 'fail';

export interface Judgement {
  readonly verdict: Verdict;
  readonly value: string;
  readonly threshold: string;
  /** What a person can do; empty when it passes. */
  readonly remedy: string;
}

export interface ConditionSettings {
  readonly lagBlocksMax: number;
  readonly reserveBlocks: number;
  readonly attemptMs: number;
  readonly holdMs: number;
}

/** Something about the world that a switch needs; judged from facts at hand, without asking anybody. */
export interface Condition {
  readonly id: string;
  readonly title: string;
  /** Without it the migration is not even `ready`. The rest is looked at by preflight only. */
  readonly isGate: boolean;
  readonly judge: (world: World, settings: ConditionSettings) => Judgement;
}

const judged = (
  isGood: boolean,
  value: string | number | null,
  threshold: string,
  remedy: string,
  otherwise: Verdict = 'fail',
): Judgement => ({
  verdict: isGood ? 'pass' : otherwise,
  value: value === null ? 'unknown' : String(value),
  threshold,
  remedy: isGood ? '' : remedy,
});

const quarantined = (view: NetworkView | null): string =>
  (view?.nodes ?? [])
    .filter(node => node.state === 'quarantined')
    .map(node => `${node.name}: ${node.reason ?? 'quarantined'}`)
    .join(', ');

/** Distinct statements of the nodes that make any. */
const told = (
  view: NetworkView | null,
  read: (node: NetworkView['nodes'][number]) => string | null,
): readonly string[] =>
  [
    ...new Set((view?.nodes ?? []).filter(node => node.state !== 'quarantined' && node.state !== 'drained').map(read)),
  ].filter(text => text !== null);

const chain = (network: 'old' | 'new'): Condition => ({
  id: `chain-${network}`,
  title: `Every node of the ${network} network is on its chain`,
  isGate: false,
  judge(world) {
    const view = world[network];
    const wrong = quarantined(view);
    return judged(
      view !== null && wrong === '',
      view === null ? 'not configured' : wrong === '' ? view.chainId : wrong,
      view?.chainId ?? 'a chain id',
      view === null
        ? `add networks.${network} to the configuration`
        : 'correct the URL or the chain id in the configuration, or take the node out',
    );
  },
});

const usable = (network: 'old' | 'new'): Condition => ({
  id: `nodes-${network}`,
  title: `The ${network} network has a node that answers and is not behind`,
  isGate: true,
  judge(world) {
    const view = world[network];
    const up = upNodes(view).length;
    return judged(
      up > 0,
      `${up} of ${view?.nodes.length ?? 0}`,
      'at least 1',
      `look at the nodes of the ${network} network: \`status\` says why each one is not up`,
    );
  },
});

/** Start and End as a node tells them; null while it does not. */
const windowOf = ({ migration }: NetworkView['nodes'][number]): string | null =>
  migration === null || migration.startHeight === null ? null : `${migration.startHeight}…${migration.endHeight}`;

/** In the order in which a person should look at them. */
export const CONDITIONS: readonly Condition[] = [
  chain('old'),
  chain('new'),
  {
    id: 'chains-differ',
    title: 'The two networks have different chain ids',
    isGate: true,
    judge(world) {
      const value = world.new === null ? null : `${world.old?.chainId ?? 'unknown'} and ${world.new.chainId}`;
      return judged(
        world.new !== null && world.old?.chainId !== world.new.chainId,
        value,
        'different',
        'a transaction must name one network only: correct networks.new.chainId',
      );
    },
  },
  usable('old'),
  usable('new'),
  {
    id: 'all-nodes',
    title: 'Every node of both networks is up',
    isGate: false,
    judge(world) {
      const away = [...(world.old?.nodes ?? []), ...(world.new?.nodes ?? [])].filter(
        node => node.state !== 'up' && node.state !== 'drained',
      );
      return judged(
        away.length === 0,
        away.length === 0 ? 'all up' : away.map(node => `${node.id} ${node.state}`).join(', '),
        'all up',
        'a switch works without them, with less to fall back on',
        'warn',
      );
    },
  },
  {
    id: 'status-old',
    title: 'The old network is in its migration',
    isGate: true,
    judge(world) {
      const status = migrationOf(world.old)?.status ?? null;
      return judged(
        status === 'MigrationInProgress',
        status,
        'MigrationInProgress',
        'propose and approve the migration on the old network and wait for its Start height',
      );
    },
  },
  {
    id: 'status-new',
    title: 'The new network was started from the old one and is not finished',
    isGate: true,
    judge(world) {
      const status = migrationOf(world.new)?.status ?? null;
      return judged(
        status === 'GenesisMigration',
        status,
        'GenesisMigration',
        'start the new network with migrations.enable and migrate_from set to a relay URL (`relay urls`)',
      );
    },
  },
  {
    id: 'heights-old',
    title: 'Every old node and the replicator agree on Start and End',
    isGate: false,
    judge(world) {
      const { startHeight, endHeight } = world.replication;
      const own = told(world.old, windowOf);
      const isGood = own.length === 1 && own[0] === `${startHeight}…${endHeight}`;
      return judged(
        isGood,
        `nodes ${own.join(' and ') || 'unknown'}, replicator ${startHeight}…${endHeight}`,
        'equal',
        'a node with other heights took part in another migration: take it out',
      );
    },
  },
  {
    id: 'heights-new',
    title: 'Every new node has the Start and End that were announced to it',
    isGate: false,
    judge(world) {
      const own = told(world.new, windowOf);
      const { announced, replication } = world;
      const wanted =
        announced === null
          ? `${replication.startHeight}…${replication.endHeight}`
          : `${announced.startHeight}…${announced.endHeight}`;
      // Without knowing what was announced an own End cannot be told from a wrong one.
      const otherwise = own.length === 1 && announced === null ? 'warn' : 'fail';
      return judged(
        own.length === 1 && own[0] === wanted,
        own.join(' and ') || null,
        wanted,
        'the new network was started from another genesis: start it again from this relay',
        otherwise,
      );
    },
  },
  {
    id: 'replication',
    title: 'The replicator runs',
    isGate: true,
    judge(world) {
      const { state, reason } = world.replication;
      return judged(
        state === 'running',
        reason === null ? state : `${state}: ${reason}`,
        'running',
        '`replication status` says what it waits for',
      );
    },
  },
  {
    id: 'watermark',
    title: 'It is known how much the new network has applied',
    isGate: true,
    judge: world =>
      judged(
        world.watermark.applied !== null,
        world.watermark.applied,
        'known',
        'the new network has to make blocks that the gateway can read',
      ),
  },
  {
    id: 'listeners',
    title: 'The new nodes ask the relay for changes',
    isGate: false,
    judge(world) {
      const { validators } = world.replication;
      const silent = validators.filter(validator => validator.health === 'silent' || validator.health === 'unseen');
      const value =
        validators.length === 0
          ? 'none seen'
          : validators.map(validator => `${validator.name} ${validator.health}`).join(', ');
      const otherwise = validators.length > 0 && silent.length === validators.length ? 'fail' : 'warn';
      return judged(
        validators.length > 0 && silent.length === 0,
        value,
        'all asking',
        'a silent listener has stopped: restart that node',
        otherwise,
      );
    },
  },
  {
    id: 'lag',
    title: 'The new network is close behind the old one',
    isGate: true,
    judge(world, { lagBlocksMax }) {
      const lag = world.watermark.lagBlocks;
      return judged(
        lag !== null && lag <= lagBlocksMax,
        lag === null ? null : `${lag} blocks`,
        `at most ${lagBlocksMax}`,
        'wait; if the lag does not shrink, see `replication status`',
      );
    },
  },
  {
    id: 'lag-trend',
    title: 'The new network does not fall further behind',
    isGate: false,
    judge({ lagTrend }) {
      // A gateway that has just started may switch: how large the lag is has been looked at above.
      if (lagTrend === null) return judged(true, 'watched for less than half a minute', 'not growing', '');
      const { before, since } = lagTrend;
      return judged(
        since <= before,
        since <= before
          ? `at least ${since} blocks lately, up to ${before} before`
          : `${since} blocks or more, ${before} at most before`,
        'not growing',
        'the drain would take longer than now: see `relay status` for a listener that cannot keep up',
        'warn',
      );
    },
  },
  {
    id: 'reserve',
    title: 'Enough old blocks are left before End',
    isGate: true,
    judge(world, { reserveBlocks }) {
      const left = world.replication.blocksToEnd;
      return judged(
        left !== null && left >= reserveBlocks,
        left === null ? null : `${left} blocks`,
        `at least ${reserveBlocks}`,
        'too late for a switch by hand: it happens by itself when the old network halts',
      );
    },
  },
  {
    id: 'time-left',
    title: 'Enough time is left before End for a second attempt',
    isGate: false,
    judge(world, { attemptMs }) {
      const left = world.replication.msToEnd;
      return judged(
        left !== null && left >= 2 * attemptMs,
        left === null ? null : `${Math.round(left / 1000)} s`,
        `at least ${Math.round((2 * attemptMs) / 1000)} s`,
        'switch now',
        'warn',
      );
    },
  },
  {
    id: 'unknown-writes',
    title: 'The outcome of every write so far is known',
    isGate: false,
    judge: world =>
      judged(world.unknownOld === 0, world.unknownOld, '0', 'their outcome is being looked up: wait, or see `tx HASH`'),
  },
  {
    id: 'held-writes',
    title: 'No write is held before the switch',
    isGate: false,
    judge: world =>
      judged(
        world.held === 0,
        world.held,
        '0',
        'writes of an earlier attempt are still held: wait until they have gone',
      ),
  },
  {
    id: 'not-halted',
    title: 'The old network has not reached End',
    isGate: true,
    judge(world) {
      const end = oldEnd(world);
      return judged(
        end === null,
        end === null ? 'running' : `halted at ${end}`,
        'running',
        'nothing to do: the switch happens by itself',
      );
    },
  },
];

/** Ids of the gates that are closed; empty means ready. */
export const missingGates = (world: World, settings: ConditionSettings): readonly string[] =>
  CONDITIONS.filter(condition => condition.isGate && condition.judge(world, settings).verdict === 'fail').map(
    ({ id }) => id,
  );
