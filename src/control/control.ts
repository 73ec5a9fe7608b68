import {
  attemptOf,
  budgetsOf,
  dryRun,
  intentOf,
  replay,
  tell,
  type AttemptStory,
  type CommandName,
  type Entry,
  type PlannedStep,
  type State,
} from '../cutover/index.js';
import { messageOf, PHASES, type AnyPhase, type Epoch, type Strategy } from '../model/index.js';
import { createNotifier, waitFor } from '../platform/index.js';
import type { Intent } from '../routing/index.js';
import type { ConditionSettings } from './conditions.js';
import { createEffectRunner } from './effects.js';
import { createEndWatch, endWarningOf } from './end-warning.js';
import { createLoop } from './loop.js';
import { observe } from './observe.js';
import type { ControlPorts } from './ports.js';
import { runPreflight, type PreflightReport } from './preflight.js';
import { auditOf, statusOf, type AuditEntry, type ControlStatus } from './status.js';
import type { StrategyStory } from './strategy-history.js';
import { createWorldReader } from './world.js';

export interface ControlOptions {
  readonly strategy: Strategy;
  /** config `cutover`. */
  readonly cutover: {
    readonly attemptMs: number;
    readonly lagBlocksMax: number;
    readonly reserveBlocks: number;
    readonly coolDownMs: number;
    readonly endWarningsMs: readonly number[];
    readonly differencesMax: number;
  };
  /** config `writes`. */
  readonly writes: { readonly holdMs: number; readonly holdBytesMax: number };
  readonly dataDir: string;
  /** Transactions seen on the old network that did not come through us. */
  readonly strangers?: () => number;
}

export interface CommandRequest {
  readonly kind: CommandName;
  /** Who asks, for the audit. */
  readonly actor: string;
  /** Why; may be empty. */
  readonly reason: string;
  /** With `start` and `rehearse`: tell the steps and do nothing. */
  readonly dryRun?: boolean;
}

export type CommandResult =
  | {
      readonly accepted: true;
      readonly phase: AnyPhase;
      readonly epoch: Epoch;
      /** The attempt that this command began or is about; null when there is none. */
      readonly attempt: string | null;
      /** With dryRun only. */
      readonly steps?: readonly PlannedStep[];
    }
  | { readonly accepted: false; readonly phase: AnyPhase; readonly code: string; readonly message: string };

export interface Control {
  /** Replays the journal and goes on from there. Throws when the journal does not fit the program (`journal_rules`). */
  start(): Promise<void>;
  /** Stops deciding. What runs outside (held writes, sends) is for its owners to end. */
  close(): Promise<void>;
  destroy(reason?: string): void;
  /** What routing should be now. Before `start` nothing may be written anywhere. */
  intent(): Intent;
  /** The intent, the status or the history changed. Called before the effects of a step begin. */
  subscribe(listener: () => void): () => void;
  command(request: CommandRequest): Promise<CommandResult>;
  /** All checks now, ≤ 5 s. Changes nothing. */
  preflight(signal?: AbortSignal): Promise<PreflightReport>;
  status(): ControlStatus;
  /** Attempts, oldest first. */
  history(): readonly (AttemptStory | StrategyStory)[];
  /** Commands, taken and refused, oldest first. */
  audit(): readonly AuditEntry[];
  /** Resolves when the attempt has ended, with its story; undefined at the time limit. */
  outcome(attempt: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<AttemptStory | undefined>;
}

/** Before the journal is read nobody knows which network takes writes. */
const UNKNOWN_RETRY_MS = 1000;

export function createControl(options: ControlOptions, ports: ControlPorts): Control {
  const { clock, logger, metrics } = ports;
  const settings: ConditionSettings = { ...options.cutover, holdMs: options.writes.holdMs };
  const budgets = budgetsOf({ ...options.cutover, holdMs: options.writes.holdMs });
  const changes = createNotifier();
  const world = createWorldReader(ports);
  const watchEnd = createEndWatch(ports);
  const stop = new AbortController();
  const stops: (() => void)[] = [];
  let stories: readonly AttemptStory[] = [];
  let isStarted = false;
  /** An observation is on its way through the loop; more of the same would say nothing new. */
  let isTelling = false;
  let hasChanged = false;
  let enteredAt = clock.monotonic();

  const checks = (signal: AbortSignal): Promise<PreflightReport> =>
    runPreflight(
      {
        world,
        state: () => loop.state(),
        settings,
        dataDir: options.dataDir,
        holdBytesMax: options.writes.holdBytesMax,
        strangers: options.strangers ?? (() => 0),
      },
      ports,
      signal,
    );

  const effects = createEffectRunner({
    ports,
    budgets,
    differencesMax: options.cutover.differencesMax,
    world,
    preflight: checks,
    push: event => loop.push(event),
  });

  const loop = createLoop(ports, {
    adopted(from, to, at) {
      stories = tell(stories, from, to, at);
      record(from, to);
      // A listener that throws must not keep the step's effects from running; the step is decided.
      try {
        changes.notify();
      } catch (error) {
        logger.error({ error: messageOf(error) }, 'a listener of the switch failed');
      }
    },
    effects(state, list) {
      effects.run(state, list);
      queueMicrotask(look);
    },
  });

  const record = (from: State, to: State): void => {
    for (const phase of PHASES) metrics.phase.set({ phase }, phase === to.phase ? 1 : 0);
    metrics.epoch.set(to.epoch);
    if (from.phase === to.phase) return;
    const now = clock.monotonic();
    if (attemptOf(from) !== null) metrics.cutoverStep.observe({ step: from.phase }, (now - enteredAt) / 1000);
    enteredAt = now;
    logger.info(
      {
        from: from.phase,
        to: to.phase,
        epoch: to.epoch,
        attempt: attemptOf(to)?.id,
        reason: to.last === from.last ? undefined : to.last?.reason,
      },
      'switch',
    );
  };

  /** Facts → at most one event; the step it leads to looks again. */
  const look = (): void => {
    if (!isStarted || stop.signal.aborted) return;
    hasChanged = isTelling;
    if (isTelling) return;
    const now = world();
    watchEnd(endWarningOf(loop.state().phase, now, options.cutover.endWarningsMs));
    const event = observe(loop.state(), now, settings);
    if (event === null) return;
    isTelling = true;
    loop.push(event, () => {
      isTelling = false;
      if (hasChanged) queueMicrotask(look);
    });
  };

  const close = async (): Promise<void> => {
    if (stop.signal.aborted) return;
    stop.abort();
    for (const end of stops.splice(0)) end();
    loop.close();
    effects.close();
  };

  return {
    async start() {
      const entries = ports.journal.records();
      replay(entries as unknown as readonly Entry[], (from, to, index) => {
        stories = tell(stories, from, to, entries[index]!.at);
      });
      isStarted = true;
      for (const source of [ports.nodes, ports.replication, ports.ledger]) stops.push(source.subscribe(look));
      await loop.start();
      look();
    },
    close,
    destroy: () => void close(),
    intent(): Intent {
      if (!isStarted || loop.state().seq === 0) return unknownIntent(options.strategy);
      return { ...intentOf(loop.state()), strategy: options.strategy };
    },
    subscribe: listener => changes.subscribe(listener),
    async command({ kind, actor, reason, dryRun: isDry = false }) {
      const at = clock.now();
      if (isDry && (kind === 'start' || kind === 'rehearse')) {
        const before = loop.state();
        const steps = dryRun(before, kind, { at, actor, reason });
        if ('rejected' in steps) return { accepted: false, phase: before.phase, ...steps.rejected };
        return { accepted: true, phase: before.phase, epoch: before.epoch, attempt: null, steps };
      }
      const answer = await loop.command({ kind, at, actor, reason });
      if ('rejected' in answer) {
        logger.warn({ command: kind, actor, code: answer.rejected.code }, 'switch: command refused');
        return { accepted: false, phase: loop.state().phase, ...answer.rejected };
      }
      const { state } = answer;
      return { accepted: true, phase: state.phase, epoch: state.epoch, attempt: attemptOf(state)?.id ?? null };
    },
    preflight: signal => checks(signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])),
    status() {
      return statusOf(loop.state(), {
        world: world(),
        settings,
        endWarningsMs: options.cutover.endWarningsMs,
        journalFault: loop.journalFault(),
        deadlineOf: effects.deadlineOf,
      });
    },
    history: () => stories,
    audit: () => auditOf(ports.journal.records()),
    outcome: (attempt, { timeoutMs, signal }) =>
      waitFor(
        listener => changes.subscribe(listener),
        () => stories.find(story => story.id === attempt && story.result !== null),
        { timeoutMs, clock, ...(signal === undefined ? {} : { signal }) },
      ),
  };
}

const unknownIntent = (strategy: Strategy): Intent => ({
  epoch: 0,
  phase: 'standby',
  strategy,
  writes: { kind: 'refuse', reason: 'no_node', retryAfterMs: UNKNOWN_RETRY_MS },
  affine: 'old',
  reads: 'old',
  committed: false,
});
