import type { Budgets, Effect, MachineEvent, State, WakeName } from '../cutover/index.js';
import { isAttempting } from '../cutover/index.js';
import { assertNever, messageOf, type Height, type Phase } from '../model/index.js';
import { waitFor, type Timer } from '../platform/index.js';
import { checkFinally } from './final-check.js';
import { mempoolsLeft } from './old-mempools.js';
import type { ControlPorts } from './ports.js';
import type { PreflightReport } from './preflight.js';
import { appliedHeight, oldEnd, upNodes, type World } from './world.js';

export interface EffectsContext {
  readonly ports: ControlPorts;
  readonly budgets: Budgets;
  /** Differing rows that an operator has accepted; config `cutover.differencesMax`. */
  readonly differencesMax: number;
  readonly world: () => World;
  preflight(signal: AbortSignal): Promise<PreflightReport>;
  readonly push: (event: MachineEvent) => void;
}

export interface EffectRunner {
  /** Starts the work of a step that was adopted; ends what belonged to the steps before it. */
  run(state: State, effects: readonly Effect[]): void;
  /** When the deadline with this name is over, wall clock ms; null when it is not running. */
  readonly deadlineOf: (name: WakeName) => number | null;
  close(): void;
}

/** Deadlines that outlive the step that asked for them. */
const ATTEMPT_WIDE: ReadonlySet<WakeName> = new Set(['hold', 'attempt']);

/** A wait has the machine's own deadlines as its end; this one only bounds what a mistake there could cost. */
const WAIT_MAX_MS = 3_600_000;

/** Runs effects and turns their results into events. Every wait is woken by what it waits for; none polls. */
export function createEffectRunner(context: EffectsContext): EffectRunner {
  const { ports, budgets, differencesMax, world, push } = context;
  const { clock, logger, nodes, replication, ledger, proxy } = ports;
  const timers = new Map<WakeName, { timer: Timer; at: number }>();
  let scope = new AbortController();
  let phase: Phase | null = null;
  let attempt = '';

  const cancel = (name: WakeName): void => {
    timers.get(name)?.timer.cancel();
    timers.delete(name);
  };

  const wake = (name: WakeName, forAttempt: string): void => {
    cancel(name);
    const timer = clock.after(budgets[name], () => {
      timers.delete(name);
      push({ kind: 'deadline', name, attempt: forAttempt, at: clock.now() });
    });
    timers.set(name, { timer, at: clock.now() + budgets[name] });
  };

  /** Anything that changes what a wait looks at. */
  const onAnyChange = (listener: () => void): (() => void) => {
    const stops = [nodes.subscribe(listener), replication.subscribe(listener), ledger.subscribe(listener)];
    return () => stops.forEach(stop => stop());
  };

  const until = <T>(read: () => T | undefined, signal: AbortSignal): Promise<T | undefined> =>
    waitFor(onAnyChange, read, { timeoutMs: WAIT_MAX_MS, signal, clock });

  const answer = async (effect: Effect, signal: AbortSignal): Promise<MachineEvent | null> => {
    const mine = { attempt: effect.attempt };
    switch (effect.kind) {
      case 'run-preflight': {
        const report = await context.preflight(signal);
        const failed = report.checks.filter(check => check.verdict === 'fail').map(check => check.id);
        // While no write waits yet: afterwards the first answer would find some listeners asleep for up to their pace.
        if (failed.length === 0) await replication.rally(signal);
        return { kind: 'preflight-done', ...mine, failed, at: clock.now() };
      }
      case 'await-quiet':
        await proxy.quiesced(effect.epoch, signal);
        return { kind: 'quiet', ...mine, epoch: effect.epoch, at: clock.now() };
      case 'await-settled': {
        const settled = (): Height | undefined => (ledger.unresolved('old').length === 0 ? drainHeightOf() : undefined);
        if ((await until(settled, signal)) === undefined) return null;
        // A network at its End takes nothing out of its mempools any more.
        const left = oldEnd(world()) === null ? await mempoolsLeft({ nodes, logger, until, signal }) : 0;
        const drainHeight = left === undefined ? undefined : await until(settled, signal);
        return left === undefined || drainHeight === undefined
          ? null
          : { kind: 'writes-settled', ...mine, open: 0, drainHeight: Math.max(drainHeight, left), at: clock.now() };
      }
      case 'await-applied': {
        const applied = await until(() => reached(effect.height), signal);
        return applied === undefined ? null : { kind: 'reached', ...mine, applied, at: clock.now() };
      }
      case 'final-check': {
        const result = await checkFinally(effect.height, { ...ports, differencesMax, world, until, signal });
        return result === null ? null : { kind: 'checked', ...mine, ...result, at: clock.now() };
      }
      case 'await-adopted':
        await proxy.quiesced(effect.epoch, signal);
        return { kind: 'adopted', ...mine, epoch: effect.epoch, at: clock.now() };
      case 'await-open': {
        const isOpen = await until(() => (upNodes(nodes.view('new')).length > 0 ? true : undefined), signal);
        return isOpen === undefined ? null : { kind: 'opened', ...mine, at: clock.now() };
      }
      case 'expedite':
        replication.expedite(effect.height);
        return null;
      case 'wake':
        wake(effect.name, effect.attempt);
        return null;
      case 'alarm':
        logger.error({ epoch: effect.epoch, attempt: effect.attempt }, effect.text);
        return null;
      default:
        return assertNever(effect, 'effect');
    }
  };

  /** Holds every write of ours; before the first one, everything the old network has. */
  const drainHeightOf = (): Height => ledger.lastMined('old') ?? nodes.view('old')?.head ?? 0;

  const reached = (height: Height): Height | undefined => {
    const applied = appliedHeight(world());
    return applied !== null && applied >= height ? applied : undefined;
  };

  const perform = async (effect: Effect, signal: AbortSignal): Promise<void> => {
    let event: MachineEvent | null;
    try {
      event = await answer(effect, signal);
    } catch (error) {
      if (signal.aborted) return;
      logger.warn(
        { effect: effect.kind, epoch: effect.epoch, error: messageOf(error) },
        'a step of the switch could not be done',
      );
      event = {
        kind: 'failed',
        attempt: effect.attempt,
        reason: `${effect.kind}: ${messageOf(error)}`,
        at: clock.now(),
      };
    }
    if (event !== null && !signal.aborted) push(event);
  };

  const leave = (state: State): void => {
    const isSameAttempt = 'attempt' in state && state.attempt.id === attempt && isAttempting(state);
    if (state.phase !== phase) {
      scope.abort();
      scope = new AbortController();
      for (const name of [...timers.keys()]) if (!(isSameAttempt && ATTEMPT_WIDE.has(name))) cancel(name);
    }
    phase = state.phase;
    attempt = 'attempt' in state ? state.attempt.id : '';
  };

  return {
    run(state, effects) {
      leave(state);
      for (const effect of effects) void perform(effect, scope.signal);
    },
    deadlineOf: name => timers.get(name)?.at ?? null,
    close() {
      scope.abort();
      for (const name of [...timers.keys()]) cancel(name);
    },
  };
}
