import { PHASES, STRATEGY_PHASES, type AnyPhase, type Strategy } from '../model/index.js';
import { createNotifier } from '../platform/index.js';
import type { Intent } from '../routing/index.js';
import type { HandWork, Machine, Routing, StepMarks } from '../strategies/index.js';
import type { Control } from './control.js';
import type { PreflightCheck, PreflightReport } from './preflight.js';
import { tellStories, type StoryTeller } from './strategy-history.js';
import type { StrategyLoop } from './strategy-loop.js';
import type { StrategyPorts } from './strategy-ports.js';

/** Before the journal is read nobody knows which network takes writes. */
const UNKNOWN_RETRY_MS = 1000;

interface Parts<S extends StepMarks & { readonly phase: string }, E> {
  readonly strategy: Strategy;
  readonly machine: Machine<S, E>;
  readonly loop: StrategyLoop<S, E>;
  /** What the rest of the gateway calls a phase of this strategy. */
  readonly phaseOf: (state: S) => AnyPhase;
  readonly waitsFor: (state: S) => string | null;
  /** What is under way. */
  readonly attemptOf: StoryTeller<S>['attemptOf'];
  readonly heightOf: (state: S) => number | null;
  readonly lastOf: StoryTeller<S>['lastOf'];
  /** Its own word for a phase, and the node whose turn it is. */
  readonly aboutOf: (state: S) => string;
  readonly checks: (signal: AbortSignal) => Promise<readonly PreflightCheck[]>;
  /** Which command does what the switch's own would do. */
  readonly advice: string;
  readonly begin: () => void;
  readonly end: () => void;
}

/** The face that every strategy shows to the rest of the gateway: the same as the switch's. */
export interface StrategyControl extends Control {
  /** Tells everybody that the intent or the status changed. */
  announce(): void;
  routing(): Routing;
  handWork(): HandWork | null;
}

export function createStrategyControl<S extends StepMarks & { readonly phase: string }, E>(
  parts: Parts<S, E>,
  { clock, metrics }: Pick<StrategyPorts, 'clock' | 'metrics'>,
): StrategyControl {
  const { loop, machine } = parts;
  const changes = createNotifier();
  const stop = new AbortController();
  let started = false;

  const phase = (): AnyPhase => parts.phaseOf(loop.state());
  const refused = {
    accepted: false,
    code: 'other_strategy',
    message: `this gateway's strategy is ${parts.strategy}: ${parts.advice}`,
  } as const;

  const close = async (): Promise<void> => {
    if (stop.signal.aborted) return;
    stop.abort();
    parts.end();
    loop.close();
  };

  return {
    announce() {
      const now = phase();
      for (const name of [...PHASES, ...STRATEGY_PHASES]) metrics.phase.set({ phase: name }, name === now ? 1 : 0);
      metrics.epoch.set(loop.epoch());
      changes.notify();
    },
    routing: () => machine.routing(loop.state(), clock.now()),
    handWork: () => machine.handWork(loop.state()),
    async start() {
      started = true;
      await loop.start();
      parts.begin();
    },
    close,
    destroy: () => void close(),
    intent(): Intent {
      if (!started) return { ...UNKNOWN, strategy: parts.strategy };
      const { writes, affine, reads, committed } = machine.routing(loop.state(), clock.now());
      return { epoch: loop.epoch(), phase: phase(), strategy: parts.strategy, writes, affine, reads, committed };
    },
    subscribe: listener => changes.subscribe(listener),
    command: async () => ({ ...refused, phase: phase() }),
    async preflight(signal): Promise<PreflightReport> {
      const begun = clock.monotonic();
      const at = new Date(clock.now()).toISOString();
      const checks = await parts.checks(signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]));
      for (const check of checks) metrics.preflightCheck.set({ check: check.id }, check.verdict === 'fail' ? 0 : 1);
      const has = (wanted: string): boolean => checks.some(({ verdict }) => verdict === wanted);
      const verdict = has('fail') ? 'fail' : has('warn') ? 'warn' : 'pass';
      return { verdict, at, ms: Math.round(clock.monotonic() - begun), checks };
    },
    status() {
      const state = loop.state();
      const { writes } = machine.routing(state, clock.now());
      return {
        phase: phase(),
        epoch: loop.epoch(),
        writeNetwork: writes.kind === 'send' ? writes.network : 'none',
        attempt: parts.attemptOf(state)?.id ?? null,
        waitingFor: parts.waitsFor(state),
        drainHeight: parts.heightOf(state),
        phaseSince: new Date(state.since === 0 ? clock.now() : state.since).toISOString(),
        deadline: null,
        notReady: [],
        endWarning: null,
        lastOutcome: outcomeOf(parts.lastOf(state)),
        postponed: null,
        journalFault: loop.fault(),
      };
    },
    history: () =>
      tellStories(loop.states(), {
        ...parts,
        kind: parts.strategy === 'rolling' ? 'roll' : 'offline',
        isOpen: state => machine.routing(state, clock.now()).writes.kind === 'send',
      }),
    audit: () =>
      loop.audit().map(entry => ({
        ...entry,
        before: parts.phaseOf({ ...machine.initial, phase: entry.before }),
        after: parts.phaseOf({ ...machine.initial, phase: entry.after }),
      })),
    outcome: async () => undefined,
  };
}

const outcomeOf = (last: ReturnType<StoryTeller<unknown>['lastOf']>): string | null =>
  last === null ? null : `${last.id} ${last.result}: ${last.reason}`;

const UNKNOWN: Omit<Intent, 'strategy'> = {
  epoch: 0,
  phase: 'standby',
  writes: { kind: 'refuse', reason: 'no_node', retryAfterMs: UNKNOWN_RETRY_MS },
  affine: 'old',
  reads: 'old',
  committed: false,
};
