import type { Height, NodeState } from '../model/index.js';
import type { Leader } from './rolling.js';

/** One thing that must hold before a step, and what was found. */
export interface Finding {
  readonly id: string;
  readonly verdict: 'pass' | 'warn' | 'fail';
  readonly value: string;
  readonly wanted: string;
  /** What to do; empty when it passed. */
  readonly remedy: string;
}

export const finding = (id: string, ok: boolean | 'warn', value: string, wanted: string, remedy: string): Finding => ({
  id,
  verdict: ok === 'warn' ? 'warn' : ok ? 'pass' : 'fail',
  value,
  wanted,
  remedy: ok === true ? '' : remedy,
});

/** What was found about a network, for the plan of its upgrade. */
export interface UpgradeFacts {
  readonly nodes: readonly {
    readonly name: string;
    readonly state: NodeState;
    readonly height: Height;
    readonly build: string | null;
  }[];
  /** Validators of the network; null while nobody tells. Power does not count, heads do (one vote each). */
  readonly validators: number | null;
  readonly leader: Leader | null;
  /** Build that the nodes are to have afterwards; null: any. */
  readonly wantedBuild: string | null;
  readonly blockTimeMs: number | null;
  readonly migrationStatus: string | null;
  /** Hashes at one common height; null when they could not be compared. */
  readonly agreement: {
    readonly height: Height;
    readonly odd: readonly string[];
    readonly silent: readonly string[];
  } | null;
  /** Blocks that came while the facts were gathered. */
  readonly newBlocks: number;
  /** A hand-over block that some node has not passed yet. */
  readonly handOver: { readonly height: Height; readonly behind: readonly string[] } | null;
}

export interface PlannedNode {
  readonly node: string;
  readonly role: 'leader' | 'follower' | 'unknown';
  readonly build: string | null;
  /** Already as wanted: it is left out. */
  readonly upToDate: boolean;
  readonly cost: string;
}

export interface UpgradePlan {
  readonly validators: number | null;
  /** Validators that may be down at the same time without stopping the blocks. */
  readonly mayBeDown: number | null;
  readonly leader: Leader | null;
  readonly order: readonly PlannedNode[];
  readonly steps: readonly string[];
  readonly checks: readonly Finding[];
  /** No check fails. */
  readonly ready: boolean;
}

/** Commits need a majority of validators by number: floor(n/2) + 1. */
export const mayBeDown = (validators: number): number => Math.max(0, validators - (Math.floor(validators / 2) + 1));

/** Nodes to restart, the leader last: its restart is the only one that stops the blocks. */
export function orderOf(
  names: readonly string[],
  leader: Leader | null,
  isDone: (name: string) => boolean = () => false,
): readonly string[] {
  const left = names.filter(name => !isDone(name));
  return [...left.filter(name => name !== leader?.node), ...left.filter(name => name === leader?.node)];
}

export function planUpgrade(facts: UpgradeFacts): UpgradePlan {
  const { nodes, validators, leader, wantedBuild, blockTimeMs } = facts;
  const isUpToDate = (build: string | null): boolean => wantedBuild !== null && build === wantedBuild;
  const builds = new Map(nodes.map(({ name, build }) => [name, build]));
  const order = orderOf(
    nodes.map(({ name }) => name),
    leader,
  ).map((node): PlannedNode => {
    const role = leader === null ? 'unknown' : leader.node === node ? 'leader' : 'follower';
    const build = builds.get(node) ?? null;
    return { node, role, build, upToDate: isUpToDate(build), cost: COSTS[role] };
  });
  const checks = checksOf(facts);
  const block =
    blockTimeMs === null
      ? 'three more blocks'
      : `three more blocks (about ${Math.round((blockTimeMs * 3) / 100) / 10} s)`;
  return {
    validators,
    mayBeDown: validators === null ? null : mayBeDown(validators),
    leader,
    order,
    steps: [
      'no new request to the node but calls with challenges that it issued; calls in progress end (at most 30 s)',
      'every write that it accepted is in a block or known to another node; else its bytes are sent there',
      'the leader only: writes are held, mempools run empty, one more block; then they wait until it is back',
      'ready: the operator stops, upgrades and starts the node (about 1 s without the upgrade itself)',
      `chain id, build, height, block hash and app hash at a common height, ${block}, a few tables equal`,
      'back in service, then the next node',
    ],
    checks,
    ready: checks.every(({ verdict }) => verdict !== 'fail'),
  };
}

const COSTS = {
  follower: 'none: blocks, reads and writes go on',
  leader: 'no blocks while it is away: reads go on, writes are held, then refused',
  unknown: 'none if it follows; if it leads, no blocks while it is away',
} as const;

function checksOf(facts: UpgradeFacts): readonly Finding[] {
  const { nodes, validators, leader, wantedBuild, agreement, newBlocks, migrationStatus, handOver } = facts;
  const unfit = nodes.filter(({ state }) => state !== 'up');
  const room = validators === null ? 0 : mayBeDown(validators);
  const untold = nodes.filter(({ build }) => build === null).map(({ name }) => name);
  const builds = [...new Set(nodes.map(({ build }) => build ?? 'unknown'))];
  return [
    finding(
      'majority',
      room > 0,
      validators === null ? 'nobody tells the validators' : `${validators} validators, ${room} may be down`,
      'at least 3 validators',
      'every restart stops the blocks: announce an outage and restart by hand, or add validators',
    ),
    finding(
      'serving',
      unfit.length === 0,
      unfit.length === 0
        ? `${nodes.length} nodes serve`
        : unfit.map(({ name, state }) => `${name} is ${state}`).join(', '),
      'every node up, at the head, on the right chain',
      'bring them back first: with another node away there would be no majority',
    ),
    finding(
      'agreement',
      agreement !== null && agreement.odd.length === 0 && agreement.silent.length === 0,
      agreement === null
        ? 'the hashes could not be compared'
        : agreement.odd.length > 0
          ? `${agreement.odd.join(', ')}: other hashes at height ${agreement.height}`
          : agreement.silent.length > 0
            ? `${agreement.silent.join(', ')} did not tell their hashes at height ${agreement.height}`
            : `same block hash and app hash at height ${agreement.height}`,
      'same block hash and app hash on every node',
      'a node that disagrees must be reset and synced anew (setup reset --all) before anything is restarted',
    ),
    finding(
      'moving',
      newBlocks >= 2,
      `${newBlocks} new blocks`,
      'two new blocks',
      'find out why there are no blocks: is the leader up?',
    ),
    finding(
      'migration',
      migrationStatus === null ? 'warn' : migrationStatus === 'NoActiveMigration',
      migrationStatus ?? 'not known yet',
      'NoActiveMigration',
      'a restart in the middle of a migration costs changesets: wait for its end',
    ),
    finding(
      'leader',
      leader === null ? 'warn' : true,
      leader === null ? 'not known' : `${leader.node} (${leader.source})`,
      'known',
      'set migration.leader: no RPC tells which node has the leader’s key. Without it the leader is found when the blocks stop with it',
    ),
    finding(
      'hand-over',
      handOver === null || handOver.behind.length === 0,
      handOver === null
        ? 'none pending'
        : `block ${handOver.height} hands the lead over; not passed by ${handOver.behind.join(', ') || 'nobody'}`,
      'none pending',
      'restart nobody before every node has passed that block: a node that meets it first after its start crashes at every start',
    ),
    finding(
      'build',
      untold.length > 0 ? 'warn' : true,
      untold.length > 0
        ? `${untold.join(', ')} did not tell its build`
        : `${builds.join(', ')}${wantedBuild === null ? '' : `, wanted ${wantedBuild}`}`,
      'every node tells its build',
      'ask `user.version` of that node',
    ),
  ];
}
