import { assertNever, type AnyPhase, type NodeRef } from '../model/index.js';
import { sleep } from '../platform/index.js';
import {
  isRolling,
  orderOf,
  planUpgrade,
  rolling,
  rollingWaitsFor,
  type HandWork,
  type Leader,
  type RollingEvent,
  type RollingState,
  type UpgradeFacts,
  type UpgradePlan,
} from '../strategies/index.js';
import type { Control } from './control.js';
import type { PreflightCheck } from './preflight.js';
import { compareHashes, guardRoll } from './rolling-guard.js';
import { rollingWork } from './rolling-work.js';
import { createStrategyControl } from './strategy-control.js';
import { watchHeads } from './strategy-heads.js';
import { createStrategyLoop } from './strategy-loop.js';
import type { StrategyPorts } from './strategy-ports.js';
import { attempt, blockTimeOf, createNodeReads, refsOf } from './strategy-reads.js';
import { createWorkRunner } from './strategy-work.js';

export interface RollingOptions {
  /** Node with the leader's key; null: learnt when the blocks stop with it. */
  readonly leader: string | null;
  readonly wantedBuild: string | null;
  readonly operatorMs: number;
  /** Longest hold of writes while the leader is away. */
  readonly holdMs: number;
}

export interface UpgradeStatus {
  readonly state: RollingState;
  readonly waitingFor: string | null;
  readonly handWork: HandWork | null;
}

export type StrategyAnswer =
  { readonly accepted: true } | { readonly accepted: false; readonly code: string; readonly message: string };

export interface RollingControl extends Control {
  plan(signal?: AbortSignal): Promise<UpgradePlan>;
  /** Begins a roll, or goes on with one that stopped; refused while what must hold before does not. */
  watch(actor: string, reason: string): Promise<StrategyAnswer>;
  end(actor: string, reason: string): Promise<StrategyAnswer>;
  upgrade(): UpgradeStatus;
}

/** Two new blocks must be seen before a roll. */
const MOVING_BLOCKS = 2;
/** The command's caller waits no longer for them. */
const MOVING_MAX_MS = 10_000;
const HAND_OVER_BLOCKS = 10;

export function createRollingControl(options: RollingOptions, ports: StrategyPorts): RollingControl {
  const { clock, nodes } = ports;
  const logger = ports.logger.child({ component: 'rolling' });
  const shared = { ...ports, logger };
  const stop = new AbortController();
  const drained = new Set<string>();
  const heads = watchHeads(nodes, clock);
  let holdTimer: { cancel(): void } | null = null;
  let learnt: Leader | null = null;

  const loop = createStrategyLoop<RollingState, RollingEvent>({ name: 'rolling', machine: rolling, adopted }, shared);
  const runner = createWorkRunner(logger, () => {
    // The same step again, a moment later.
    void sleep(clock, 500, stop.signal).then(() => stop.signal.aborted || work(loop.state()));
  });

  const control = createStrategyControl<RollingState, RollingEvent>(
    {
      strategy: 'rolling',
      machine: rolling,
      loop,
      phaseOf,
      waitsFor: rollingWaitsFor,
      attemptOf: ({ roll }) => roll,
      aboutOf: ({ phase, node, stop: why }) =>
        phase === 'stopped' ? `stopped: ${why?.evidence ?? ''}` : node === null ? phase : `${node} ${phase}`,
      heightOf: () => null,
      lastOf: ({ last }) => last && { ...last, id: last.roll },
      checks: async signal => (await plan(signal)).checks.map(asCheck),
      advice: 'use `switchyard upgrade plan` and `switchyard upgrade watch`',
      begin: () => void guardRoll(shared, () => loop.state(), push, stop.signal),
      end() {
        stop.abort();
        heads.close();
        holdTimer?.cancel();
        runner.close();
      },
    },
    ports,
  );

  async function push(event: RollingEvent): Promise<void> {
    await loop.push(event);
  }

  function adopted(from: RollingState, to: RollingState): void {
    for (const name of rolling.routing(to, clock.now()).drained) {
      if (drained.has(name)) continue;
      drained.add(name);
      nodes.drain({ network: 'old', name });
    }
    for (const name of [...drained]) {
      if (rolling.routing(to, clock.now()).drained.includes(name)) continue;
      drained.delete(name);
      nodes.resume({ network: 'old', name });
    }
    if (to.roll?.leader?.source === 'learnt') learnt = to.roll.leader;
    if (to.hold !== 'held') {
      holdTimer?.cancel();
      holdTimer = null;
    } else {
      holdTimer ??= clock.after(options.holdMs, () => void push({ kind: 'hold-over', at: clock.now() }));
    }
    tell(from, to);
    control.announce();
    work(to);
  }

  function work(state: RollingState): void {
    const name = isRolling(state) && state.phase !== 'stopped' ? `${state.phase} ${state.node}` : null;
    runner.run(
      name,
      rollingWork({
        options,
        ports: shared,
        state: () => loop.state(),
        epoch: () => loop.epoch(),
        push,
      }),
    );
  }

  function tell(from: RollingState, to: RollingState): void {
    if (from.phase === to.phase && from.node === to.node) return;
    const facts = { node: to.node, from: from.phase, to: to.phase, epoch: loop.epoch() };
    if (to.phase === 'stopped') logger.error({ ...facts, evidence: to.stop?.evidence }, 'rolling upgrade stopped');
    else logger.info(facts, 'rolling upgrade');
  }

  const leader = (): Leader | null =>
    options.leader === null ? learnt : { node: options.leader, source: 'configured' };

  async function plan(signal: AbortSignal = stop.signal): Promise<UpgradePlan> {
    return planUpgrade(await facts(signal));
  }

  /** Looks at everything; takes as long as two blocks need. */
  async function facts(signal: AbortSignal): Promise<UpgradeFacts> {
    const reads = createNodeReads(nodes, signal);
    const until = clock.monotonic() + MOVING_MAX_MS;
    const refs = refsOf(nodes, 'old');
    const builds = new Map<string, string | null>();
    await Promise.all(refs.map(async ref => builds.set(ref.name, await attempt(reads.build(ref)))));
    const validators = await firstOf(refs, ref => reads.validators(ref));
    while (!signal.aborted && clock.monotonic() < until && heads.recent() < MOVING_BLOCKS)
      await sleep(clock, 50, signal);
    const view = nodes.view('old');
    const serving = (view?.nodes ?? []).filter(({ state }) => state === 'up');
    const height = serving.length === 0 ? 0 : Math.min(...serving.map(node => node.height));
    const agreement =
      height === 0 || serving.length < 2
        ? null
        : await compareHashes(
            serving.map(({ name }) => ({ network: 'old', name })),
            height,
            ref => attempt(reads.block(ref, height)),
          );
    return {
      nodes: (view?.nodes ?? []).map(({ name, state, height: at }) => ({
        name,
        state,
        height: at,
        build: builds.get(name) ?? null,
      })),
      validators: validators?.length ?? null,
      leader: leader(),
      wantedBuild: options.wantedBuild,
      blockTimeMs: blockTimeOf(nodes, 'old'),
      migrationStatus: view?.nodes.find(({ migration }) => migration !== null)?.migration?.status ?? null,
      agreement: agreement === null ? null : { height, odd: agreement.odd, silent: agreement.silent },
      newBlocks: heads.recent(),
      handOver: await handOver(refs, height),
    };

    /** A recent block that hands the lead over, and who has not passed it. */
    async function handOver(all: readonly NodeRef[], upTo: number): Promise<UpgradeFacts['handOver']> {
      const head = view?.head ?? 0;
      const best = serving.find(node => node.height === head);
      if (best === undefined) return null;
      for (let at = head; at > Math.max(0, head - HAND_OVER_BLOCKS); at -= 1) {
        const block = await attempt(reads.block({ network: 'old', name: best.name }, at));
        if (block?.handsOver !== true) continue;
        const behind = all.filter(({ name }) => (view?.nodes.find(node => node.name === name)?.height ?? 0) < at);
        return { height: at, behind: upTo >= at ? [] : behind.map(({ name }) => name) };
      }
      return null;
    }
  }

  async function firstOf<T>(refs: readonly NodeRef[], read: (ref: NodeRef) => Promise<T>): Promise<T | null> {
    for (const ref of refs) {
      const value = await attempt(read(ref));
      if (value !== null) return value;
    }
    return null;
  }

  const answer = (result: Awaited<ReturnType<typeof loop.command>>): StrategyAnswer =>
    'code' in result ? { accepted: false, ...result } : { accepted: true };

  return {
    ...control,
    plan,
    async watch(actor, reason) {
      const state = loop.state();
      let order: readonly string[] = state.roll?.order ?? [];
      if (!isRolling(state)) {
        const planned = await plan();
        const failing = planned.checks.filter(({ verdict }) => verdict === 'fail');
        if (failing.length > 0) {
          const words = failing.map(({ id, value, remedy }) => `${id}: ${value} (${remedy})`).join('; ');
          return { accepted: false, code: 'not_ready', message: words };
        }
        const done = new Set(planned.order.filter(({ upToDate }) => upToDate).map(({ node }) => node));
        order = orderOf(
          planned.order.map(({ node }) => node),
          leader(),
          name => done.has(name),
        );
      }
      return answer(await loop.command({ kind: 'start', actor, reason, order, leader: leader(), at: clock.now() }));
    },
    end: async (actor, reason) => answer(await loop.command({ kind: 'end', actor, reason, at: clock.now() })),
    upgrade() {
      const state = loop.state();
      return { state, waitingFor: rollingWaitsFor(state), handWork: rolling.handWork(state) };
    },
  };
}

function phaseOf({ phase }: RollingState): AnyPhase {
  switch (phase) {
    case 'idle':
      return 'standby';
    case 'finished':
      return 'settled';
    case 'stopped':
      return 'blocked';
    case 'draining':
    case 'securing':
    case 'quieting':
    case 'ready':
    case 'away':
    case 'returning':
    case 'comparing':
      return 'rolling';
    default:
      return assertNever(phase);
  }
}

export const asCheck = ({ id, verdict, value, wanted, remedy }: UpgradePlan['checks'][number]): PreflightCheck => ({
  id,
  title: id,
  verdict,
  value,
  threshold: wanted,
  remedy,
  ms: 0,
});
