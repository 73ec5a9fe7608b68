import { assertNever, type AnyPhase, type NodeRef } from '../model/index.js';
import { sleep } from '../platform/index.js';
import {
  compareDigests,
  finding,
  judgeData,
  judgeFiles,
  judgeNetwork,
  judgeNode,
  judgeTogether,
  offline,
  offlineWaitsFor,
  type DataFacts,
  type ExportedFiles,
  type Finding,
  type Freeze,
  type HandWork,
  type OfflineEvent,
  type OfflineState,
} from '../strategies/index.js';
import type { Control } from './control.js';
import { readNetwork, readNewNodes, readStrangers } from './offline-facts.js';
import { offlineWork } from './offline-work.js';
import { asCheck, type StrategyAnswer } from './rolling-control.js';
import { createStrategyControl } from './strategy-control.js';
import { watchHeads } from './strategy-heads.js';
import { createStrategyLoop } from './strategy-loop.js';
import type { StrategyPorts } from './strategy-ports.js';
import { attempt, createNodeReads, refsOf } from './strategy-reads.js';
import { createWorkRunner } from './strategy-work.js';

export interface OfflineOptions {
  readonly oldChainId: string;
  /** Null while no new network is configured. */
  readonly newChainId: () => string | null;
  readonly leader: string | null;
  readonly operatorMs: number;
  readonly holdMs: number;
}

export interface CheckRun {
  readonly state: 'running' | 'passed' | 'failed';
  readonly step: string;
  readonly at: number;
  readonly findings: readonly Finding[];
  readonly tables: number;
  readonly rows: number;
  readonly differences: number;
}

export interface OfflineStatus {
  readonly state: OfflineState;
  readonly waitingFor: string | null;
  readonly handWork: HandWork | null;
  /** The newest check of this process; null before the first. */
  readonly check: CheckRun | null;
}

export interface OfflineControl extends Control {
  /** With a migration under way: changes the time that refused clients are told. */
  begin(actor: string, reason: string, etaMs: number): Promise<StrategyAnswer>;
  /** Judges the operator's files; when nothing fails the migration goes on with them. */
  files(
    files: ExportedFiles,
    actor: string,
  ): Promise<{ readonly findings: readonly Finding[] } | Extract<StrategyAnswer, { accepted: false }>>;
  /** Begins a check in the background; `status` has its progress and result. */
  check(actor: string): StrategyAnswer;
  open(actor: string, reason: string): Promise<StrategyAnswer>;
  abort(actor: string, reason: string): Promise<StrategyAnswer>;
  move(): OfflineStatus;
  /** Until when writes are expected to be closed, wall clock ms; null while they are open. */
  eta(): number | null;
}

const ETA_MIN_MS = 1000;
/** The command's caller waits no longer for a block. */
const MOVING_MAX_MS = 10_000;

export function createOfflineControl(options: OfflineOptions, ports: StrategyPorts): OfflineControl {
  const { clock, nodes, tables } = ports;
  const logger = ports.logger.child({ component: 'offline' });
  const shared = { ...ports, logger };
  const stop = new AbortController();
  const heads = watchHeads(nodes, clock);
  let holdTimer: { cancel(): void } | null = null;
  let run: CheckRun | null = null;

  const loop = createStrategyLoop<OfflineState, OfflineEvent>({ name: 'offline', machine: offline, adopted }, shared);
  const runner = createWorkRunner(logger, () => {
    void sleep(clock, 500, stop.signal).then(() => stop.signal.aborted || work(loop.state()));
  });

  const control = createStrategyControl<OfflineState, OfflineEvent>(
    {
      strategy: 'offline',
      machine: offline,
      loop,
      phaseOf,
      waitsFor: offlineWaitsFor,
      attemptOf: ({ move }) => move,
      aboutOf: ({ phase }) => phase,
      heightOf: ({ freeze }) => freeze?.height ?? null,
      lastOf: ({ last }) => last && { ...last, id: last.move },
      checks: async () => (await before()).map(asCheck),
      advice: 'use `switchyard offline start`, `export`, `check`, `open` and `abort`',
      begin: () => undefined,
      end() {
        stop.abort();
        heads.close();
        holdTimer?.cancel();
        runner.close();
      },
    },
    ports,
  );

  const push = (event: OfflineEvent): Promise<void> => loop.push(event);

  function adopted(from: OfflineState, to: OfflineState): void {
    if (to.hold !== 'held') {
      holdTimer?.cancel();
      holdTimer = null;
    } else {
      holdTimer ??= clock.after(options.holdMs, () => void push({ kind: 'hold-over', at: clock.now() }));
    }
    if (to.alarm !== null && to.alarm !== from.alarm)
      logger.error(
        { head: to.alarm.head, frozenAt: to.alarm.frozenAt, strangers: to.alarm.strangers.length },
        'the old network went on',
      );
    if (from.phase !== to.phase)
      logger.info({ from: from.phase, to: to.phase, epoch: loop.epoch() }, 'offline migration');
    control.announce();
    work(to);
  }

  const work = (state: OfflineState): void =>
    runner.run(
      state.phase === 'idle' ? null : state.phase,
      offlineWork({ options, ports: shared, state: () => loop.state(), epoch: () => loop.epoch(), push }),
    );

  /** What must hold before writes are stopped. */
  async function before(): Promise<readonly Finding[]> {
    const view = nodes.view('old');
    const up = view?.nodes.filter(({ state }) => state === 'up') ?? [];
    const status = view?.nodes.find(({ migration }) => migration !== null)?.migration?.status ?? null;
    const until = clock.monotonic() + MOVING_MAX_MS;
    while (clock.monotonic() < until && heads.recent() === 0) await sleep(clock, 50, stop.signal);
    const isMoving = heads.recent() > 0;
    const chainId = options.newChainId();
    return [
      finding(
        'serving',
        up.length === (view?.nodes.length ?? 0),
        `${up.length} of ${view?.nodes.length ?? 0} old nodes are up`,
        'all',
        'bring them back first: a follower has to answer reads while the leader is stopped',
      ),
      finding(
        'followers',
        up.length >= 2 ? true : 'warn',
        `${up.length} nodes`,
        'at least 2',
        'with the leader stopped nobody answers reads',
      ),
      finding(
        'moving',
        isMoving,
        `height ${nodes.view('old')?.head}${isMoving ? '' : ', no new block'}`,
        'new blocks',
        'find out why there are no blocks: is the leader up?',
      ),
      finding(
        'migration',
        status === null ? 'warn' : status === 'NoActiveMigration',
        status ?? 'not known yet',
        'NoActiveMigration',
        'a zero-downtime migration is under way on this network: end that first',
      ),
      finding(
        'new-network',
        chainId === null ? 'warn' : chainId !== options.oldChainId,
        chainId ?? 'not configured yet',
        'configured, with a chain id of its own',
        'add networks.new to the configuration; `offline check` needs it',
      ),
    ];
  }

  const answer = (result: Awaited<ReturnType<typeof loop.command>>): StrategyAnswer =>
    'code' in result ? { accepted: false, ...result } : { accepted: true };
  const no = (code: string, message: string): Extract<StrategyAnswer, { accepted: false }> => ({
    accepted: false,
    code,
    message,
  });

  async function checkAll(freeze: Freeze): Promise<void> {
    const reads = createNodeReads(nodes, stop.signal);
    const findings: Finding[] = [];
    const data: DataFacts[] = [];
    const tell = (step: string, more: readonly Finding[] = []): void => {
      findings.push(...more);
      run = {
        state: 'running',
        step,
        at: clock.now(),
        findings: [...findings],
        tables: Math.max(0, ...data.map(one => one.tables)),
        rows: Math.max(0, ...data.map(one => one.rows)),
        differences: data.reduce((sum, { differing }) => sum + differing, 0),
      };
    };
    const finish = async (): Promise<void> => {
      const isGood = findings.every(({ verdict }) => verdict !== 'fail');
      run = { ...run!, state: isGood ? 'passed' : 'failed', step: 'done', at: clock.now() };
      ports.metrics.verificationDifferences.set(run.differences);
      if (!isGood) {
        const failing = findings.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
        return push({ kind: 'doubted', reason: failing.join(', '), at: clock.now() });
      }
      const check = {
        nodes: data.map(({ node }) => node),
        tables: run.tables,
        rows: run.rows,
        accounts: freeze.accounts.known.length,
        at: clock.now(),
      };
      await push({ kind: 'checked', check, at: clock.now() });
    };

    const { export: files } = loop.state();
    const refs = refsOf(nodes, 'new');
    tell('the nodes of the new network');
    const seen = await readNewNodes(shared, reads, refs, stop.signal);
    if (files === null) return;
    tell('what they say', [...seen.flatMap(one => judgeNode(one, files)), judgeTogether(seen)]);
    const answering = refs.filter((_, i) => seen[i]!.height !== null && seen[i]!.height > 0);
    const [first] = answering;
    if (first !== undefined)
      tell(
        'parameters, validators, accounts',
        judgeNetwork(await readNetwork(reads, first, freeze, stop.signal), freeze),
      );
    for (const node of answering) {
      tell(`every row of ${node.name}`);
      const facts = await compareData(node, freeze);
      data.push(facts);
      tell(`every row of ${node.name}`, [judgeData(facts)]);
    }
    await finish();
  }

  /** Against an old node that still stands at F, else against what was noted at F. */
  async function compareData(node: NodeRef, freeze: Freeze): Promise<DataFacts> {
    for (const old of refsOf(nodes, 'old')) {
      const health = await attempt(createNodeReads(nodes, stop.signal).health(old));
      if (health === null || health.height !== freeze.height) continue;
      const { tables: count, rows, differences } = await tables.compare(old, node, { tables: 'all' }, stop.signal);
      return {
        node: node.name,
        against: 'old network',
        equal: differences.length === 0,
        tables: count,
        rows,
        differences: differences.slice(0, 5),
        differing: differences.length,
      };
    }
    return compareDigests(node.name, await tables.digest(node, stop.signal), freeze.tables);
  }

  return {
    ...control,
    async begin(actor, reason, etaMs) {
      const at = clock.now();
      const eta = at + Math.max(ETA_MIN_MS, etaMs);
      const { phase } = loop.state();
      if (phase !== 'idle' && !offline.routing(loop.state(), at).committed)
        return answer(await loop.command({ kind: 'eta', actor, reason, eta, at }));
      if (phase === 'idle') {
        const failing = (await before()).filter(({ verdict }) => verdict === 'fail');
        if (failing.length > 0)
          return no('not_ready', failing.map(({ id, value, remedy }) => `${id}: ${value} (${remedy})`).join('; '));
      }
      return answer(await loop.command({ kind: 'start', actor, reason, eta, at: clock.now() }));
    },
    async files(files, actor) {
      const { freeze, phase } = loop.state();
      if (freeze === null || (phase !== 'frozen' && phase !== 'building' && phase !== 'verified'))
        return no('not_yet', 'the old network is not frozen: a snapshot would not be its last state');
      const chains = { old: options.oldChainId, new: options.newChainId() };
      const findings = judgeFiles(files, freeze, chains);
      if (findings.some(({ verdict }) => verdict === 'fail')) return { findings };
      const { chain_id: chainId, initial_height: initialHeight = 0 } = files.genesis;
      const result = await loop.command({
        kind: 'export',
        actor,
        reason: '',
        export: {
          stateHash: files.snapshotHash,
          chainId: String(chainId),
          initialHeight: Number(initialHeight),
          at: clock.now(),
        },
        at: clock.now(),
      });
      return 'code' in result ? { accepted: false, ...result } : { findings };
    },
    check(actor) {
      const { freeze, phase, export: files } = loop.state();
      if (run?.state === 'running') return no('check_running', 'a check is under way');
      if (freeze === null || files === null || (phase !== 'building' && phase !== 'verified'))
        return no('not_yet', 'the snapshot and genesis files are not checked yet: `switchyard offline export`');
      if (options.newChainId() === null)
        return no('no_new_network', 'add networks.new to the configuration and reload it');
      logger.info({ actor }, 'check of the new network begins');
      run = { state: 'running', step: 'begins', at: clock.now(), findings: [], tables: 0, rows: 0, differences: 0 };
      void checkAll(freeze).catch((error: unknown) => {
        if (stop.signal.aborted) return;
        const text = error instanceof Error ? error.message : String(error);
        logger.error({ error: text }, 'the check could not be done');
        const failed = finding('check', false, text, 'an answer', 'run it again; the log has the cause');
        run = { ...run!, state: 'failed', step: 'done', findings: [...run!.findings, failed] };
      });
      return { accepted: true };
    },
    async open(actor, reason) {
      const { freeze, phase } = loop.state();
      if (phase === 'verified' && freeze !== null) {
        // One more look: a stranger's block after the check would be lost for good.
        const moved = await attempt(readStrangers(shared, createNodeReads(nodes, stop.signal), freeze.height));
        if (moved !== null && moved.head > freeze.height) {
          await push({ kind: 'moved', ...moved, at: clock.now() });
          return no(
            'old_moved',
            `the old network went on to ${moved.head}, past ${freeze.height}: stop its leader and take a new snapshot`,
          );
        }
        if (!nodes.view('new')?.nodes.some(({ state }) => state === 'up'))
          return no('new_away', 'no node of the new network answers now');
      }
      return answer(await loop.command({ kind: 'open', actor, reason, at: clock.now() }));
    },
    abort: async (actor, reason) => answer(await loop.command({ kind: 'abort', actor, reason, at: clock.now() })),
    move() {
      const state = loop.state();
      return { state, waitingFor: offlineWaitsFor(state), handWork: offline.handWork(state), check: run };
    },
    eta() {
      const { move, hold } = loop.state();
      return hold === 'none' || move === null ? null : move.eta;
    },
  };
}

function phaseOf({ phase }: OfflineState): AnyPhase {
  switch (phase) {
    case 'idle':
      return 'standby';
    case 'draining':
    case 'stopping':
    case 'frozen':
    case 'building':
    case 'verified':
    case 'committed':
    case 'opening':
    case 'switched':
      return phase;
    default:
      return assertNever(phase);
  }
}
