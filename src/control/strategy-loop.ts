import { GatewayError, messageOf } from '../model/index.js';
import { isRefused, type Machine, type StepMarks } from '../strategies/index.js';
import type { StrategyPorts } from './strategy-ports.js';

export interface StrategyEvent {
  readonly kind: string;
  readonly at: number;
}

type StrategyState = StepMarks & { readonly phase: string };

/** One step in the audit: a command, taken or refused. */
export interface CommandRecord {
  readonly sequence: number;
  readonly at: number;
  readonly command: string;
  readonly actor: string;
  readonly reason: string;
  readonly before: string;
  readonly after: string;
  readonly refused: string | null;
}

export interface StrategyLoop<S, E> {
  /** Replays the journal. Throws when it does not fit this program or another strategy has decided something in it. */
  start(): Promise<void>;
  /** A fact. Resolves when it is durable and adopted, or meant nothing. */
  push(event: E): Promise<void>;
  command(event: E): Promise<{ readonly state: S } | { readonly code: string; readonly message: string }>;
  state(): S;
  /** Epochs of this journal's other strategies come first, so that they never fall (I5). */
  epoch(): number;
  fault(): string | null;
  audit(): readonly CommandRecord[];
  /** Every state that the journal tells, oldest first, with the time of its record. */
  states(): readonly { readonly at: number; readonly state: S }[];
  close(): void;
}

interface Settings<S extends StrategyState, E extends StrategyEvent> {
  /** Kind of its records in the journal. */
  readonly name: 'rolling' | 'offline';
  readonly machine: Machine<S, E>;
  /** A step became what the gateway acts on. */
  readonly adopted: (from: S, to: S) => void;
}

const RETRY_MS = 200;

/**
 * The loop of a strategy: reduce → append and flush → adopt. Work is a function of the state (see the strategies' own files),
 * so nothing but the event has to be written down, and a new process takes up where the old one was killed.
 */
export function createStrategyLoop<S extends StrategyState, E extends StrategyEvent>(
  { name, machine, adopted }: Settings<S, E>,
  ports: Pick<StrategyPorts, 'clock' | 'logger' | 'journal' | 'fatal'>,
): StrategyLoop<S, E> {
  const { logger, journal, clock } = ports;
  let state = machine.initial;
  let base = 0;
  let faultText: string | null = null;
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();

  /** One after another, in the order of the calls. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  }

  async function write(kind: string, data: unknown): Promise<unknown> {
    try {
      await journal.append({ kind, data });
      faultText = null;
      return null;
    } catch (error) {
      faultText = messageOf(error);
      logger.error({ error: faultText, phase: state.phase }, 'the journal could not be written');
      if (!(error instanceof GatewayError) || error.details['written'] !== 'no') {
        closed = true;
        ports.fatal(error instanceof Error ? error : new Error(faultText));
      }
      return error;
    }
  }

  async function step(event: E): Promise<{ readonly state: S } | { readonly code: string; readonly message: string }> {
    if (closed) return { code: 'control_closed', message: 'the gateway is ending' };
    const next = machine.transition(state, event);
    if (isRefused(next)) {
      if ('actor' in event) await write(`${name}-refused`, { event, code: next.refused.code, phase: state.phase });
      return next.refused;
    }
    if (next === state) return { state };
    const { phase, epoch, seq } = next;
    if ((await write(name, { event, phase, epoch, seq })) !== null)
      return { code: 'journal_failed', message: `the journal cannot be written: ${faultText}` };
    const from = state;
    state = next;
    adopted(from, next);
    return { state: next };
  }

  function replay(): void {
    for (const record of journal.records()) {
      const data = record.data as { event?: E; phase?: string; epoch?: number; seq?: number };
      if (record.kind === name) {
        const next = machine.transition(state, data.event!);
        if (isRefused(next) || next.phase !== data.phase || next.epoch !== data.epoch || next.seq !== data.seq) {
          throw new GatewayError(
            'journal_rules',
            'integrity',
            `step ${data.seq} of the journal (${data.event?.kind} in ${state.phase}) does not follow from this program's rules: start the version that wrote it`,
          );
        }
        state = next;
      } else if (record.kind === 'event' || record.kind === 'rolling' || record.kind === 'offline') {
        if (DECIDED.has(data.phase ?? ''))
          throw new GatewayError(
            'journal_strategy',
            'config',
            `the journal of this dataDir has a move that was decided with another strategy: give strategy ${name} a dataDir of its own`,
          );
        if (state === machine.initial) base = Math.max(base, data.epoch ?? 0);
      }
    }
  }

  return {
    async start() {
      replay();
      logger.info({ strategy: name, phase: state.phase, epoch: base + state.epoch }, 'strategy: journal replayed');
      adopted(machine.initial, state);
    },
    async push(event) {
      await inTurn(async () => {
        // A fact stays a fact: it is told again until the disk takes it, or means nothing any more.
        for (;;) {
          const answer = await step(event);
          if (closed || !('code' in answer) || answer.code !== 'journal_failed') return;
          await new Promise<void>(resolve => clock.after(RETRY_MS, resolve));
        }
      });
    },
    command: event => inTurn(() => step(event)),
    state: () => state,
    epoch: () => base + state.epoch,
    fault: () => faultText,
    audit() {
      const audit: CommandRecord[] = [];
      let before = machine.initial.phase;
      for (const { sequence, at, kind, data } of journal.records()) {
        const { event, phase, code } = data as { event: E; phase: string; code?: string };
        const isMine = kind === name || kind === `${name}-refused`;
        if (isMine && 'actor' in event) {
          const { actor, reason } = event as E & { actor: string; reason: string };
          audit.push({ sequence, at, command: event.kind, actor, reason, before, after: phase, refused: code ?? null });
        }
        if (kind === name) before = phase;
      }
      return audit;
    },
    states() {
      const told: { at: number; state: S }[] = [];
      let now = machine.initial;
      for (const record of journal.records()) {
        if (record.kind !== name) continue;
        const next = machine.transition(now, (record.data as { event: E }).event);
        if (isRefused(next)) break;
        told.push({ at: record.at, state: next });
        now = next;
      }
      return told;
    },
    close: () => void (closed = true),
  };
}

const DECIDED: ReadonlySet<string> = new Set(['committed', 'opening', 'switched', 'settled']);
