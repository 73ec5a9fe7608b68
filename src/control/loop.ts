import {
  applyEntry,
  eventEntry,
  initialState,
  isCommitted,
  isRejected,
  replay,
  transition,
  type Command,
  type Effect,
  type Entry,
  type MachineEvent,
  type State,
} from '../cutover/index.js';
import { GatewayError, messageOf } from '../model/index.js';
import type { Timer } from '../platform/index.js';
import type { ControlPorts } from './ports.js';

export interface LoopHooks {
  /** A step became what the gateway acts on; whoever listens to the intent must have it when this returns. */
  adopted(from: State, to: State, at: number): void;
  /** The work of that step, after `adopted`. */
  effects(state: State, effects: readonly Effect[]): void;
}

export interface Loop {
  /** Replays the journal and records that a new process has begun. Throws when the journal cannot be used. */
  start(): Promise<void>;
  /** `done` is called when the event has been taken, or dropped at the end. */
  push(event: MachineEvent, done?: () => void): void;
  /** As push; resolves with what the machine said, once that is durable or has been acted on. */
  command(command: Command): Promise<CommandAnswer>;
  state(): State;
  /** Why nothing can be decided at the moment; null while the journal works. */
  journalFault(): string | null;
  close(): void;
}

export type CommandAnswer =
  { readonly state: State } | { readonly rejected: { readonly code: string; readonly message: string } };

interface Input {
  readonly event: MachineEvent;
  readonly reply: (answer: CommandAnswer) => void;
}

interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
  readonly entry: Entry;
  readonly at: number;
}

const RETRY_MS = 200;
const nobody = (): void => undefined;

/**
 * The one loop: reduce → append and flush → adopt → publish → effects. Events are taken one after another.
 *
 * One kind of step does not wait for the disk: ending an attempt before its commit, which gives held writes back. Its record
 * says only what a restart would decide without it (SPEC.md C6), so a slow or broken disk must not keep clients waiting:
 * it is adopted at once, even while an earlier record is being flushed, and journalled when the disk lets it.
 */
export function createLoop(
  ports: Pick<ControlPorts, 'clock' | 'logger' | 'journal' | 'fatal'>,
  hooks: LoopHooks,
): Loop {
  const { clock, logger, journal } = ports;
  const queue: Input[] = [];
  /** Releases that were adopted ahead of their record, oldest first. */
  const overdue: Step[] = [];
  /** What the gateway acts on. */
  let adopted: State = initialState;
  /** `adopted`, or the step beyond it that is being flushed. */
  let head: State = initialState;
  /** Where the journal leads. */
  let durable: State = initialState;
  let isTurning = false;
  let isFlushing = false;
  let isClosed = false;
  let fault: string | null = null;
  let retry: Timer | null = null;

  const adopt = (step: Step): void => {
    const from = adopted;
    adopted = head = step.state;
    hooks.adopted(from, step.state, step.at);
    hooks.effects(step.state, step.effects);
  };

  const release = (step: Step): void => {
    overdue.push(step);
    adopt(step);
  };

  /** Resolves with the error instead of throwing it. */
  const flush = async (entry: Entry): Promise<unknown> => {
    isFlushing = true;
    try {
      await journal.append(entry);
      fault = null;
      return null;
    } catch (error) {
      fault = messageOf(error);
      logger.error({ error: fault, phase: adopted.phase }, 'the journal could not be written');
      return error;
    } finally {
      isFlushing = false;
    }
  };

  const reduce = (from: State, event: MachineEvent): Step | CommandAnswer => {
    const result = transition(from, event);
    if (isRejected(result)) return result;
    if (result.state === from) return { state: from };
    return { ...result, entry: eventEntry(event, result.state), at: event.at };
  };

  /** Takes one event to its end; false when it has to be tried again later. */
  const take = async ({ event, reply }: Input): Promise<boolean> => {
    const step = reduce(adopted, event);
    if (!('entry' in step)) {
      if ('rejected' in step) await audit(event, step.rejected.code);
      reply(step);
      return true;
    }
    if (isRelease(adopted, step.state)) {
      release(step);
      reply({ state: step.state });
      return true;
    }
    head = step.state;
    const error = await flush(step.entry);
    if (error === null) {
      durable = step.state;
      // Whatever overtook this step made it void: its record stays, its effects must not run.
      if (head === step.state) adopt(step);
      reply({ state: adopted });
      return true;
    }
    return onNotWritten(step, error, { event, reply });
  };

  const onNotWritten = (step: Step, error: unknown, { event, reply }: Input): boolean => {
    const isUncertain = !(error instanceof GatewayError) || error.details['written'] !== 'no';
    // Nobody knows whether the decision is on the disk. Writes stay held until a new process has looked (I4).
    if (isUncertain && isCommitted(step.state) && !isCommitted(adopted)) return die(error);
    if (head === step.state) head = adopted;
    const out = reduce(head, { kind: 'journal-failed', at: clock.now(), reason: fault ?? 'unknown' });
    const isReleased = 'entry' in out && isRelease(head, out.state);
    if (isReleased) release(out);
    if (isUncertain) return die(error);
    const isCommand = 'actor' in event;
    if (isCommand) reply({ rejected: { code: 'journal_failed', message: `the journal cannot be written: ${fault}` } });
    return isReleased || isCommand;
  };

  /** Brings the journal to where the machine already is; false when it still cannot be written. */
  const catchUp = async (): Promise<boolean> => {
    while (overdue.length > 0) {
      const step = overdue[0]!;
      // After a record that was taken back the events in the journal do not lead here any more: the state itself is written.
      const entry: Entry = leadsTo(durable, step)
        ? step.entry
        : { kind: 'reset', data: { state: step.state, reason: 'a record before it could not be written' } };
      const error = await flush(entry);
      if (error !== null) {
        if (!(error instanceof GatewayError) || error.details['written'] !== 'no') die(error);
        return false;
      }
      overdue.shift();
      durable = step.state;
    }
    return true;
  };

  const audit = async (event: MachineEvent, code: string): Promise<void> => {
    if (!('actor' in event)) return;
    await flush({ kind: 'refused', data: { command: event, code, phase: adopted.phase } });
  };

  const go = (): void => {
    if (isTurning || isClosed || retry !== null) return;
    isTurning = true;
    void turn().finally(() => {
      isTurning = false;
      if (queue.length > 0 || overdue.length > 0) go();
    });
  };

  const turn = async (): Promise<void> => {
    while (!isClosed && (queue.length > 0 || overdue.length > 0)) {
      if (!(await catchUp())) return later();
      const input = queue.shift();
      if (input === undefined || (await take(input))) continue;
      if (!isClosed) queue.unshift(input);
      return later();
    }
  };

  const later = (): void => {
    if (isClosed) return;
    retry ??= clock.after(RETRY_MS, () => {
      retry = null;
      go();
    });
  };

  const die = (error: unknown): false => {
    isClosed = true;
    ports.fatal(error instanceof Error ? error : new Error(messageOf(error)));
    return false;
  };

  /** A way out for held writes does not queue behind a record that is on its way to the disk. */
  const overtake = (event: MachineEvent): State | null => {
    if ((!isFlushing && retry === null) || isCommitted(head)) return null;
    const step = reduce(head, event);
    if (!('entry' in step) || !isRelease(head, step.state)) return null;
    release(step);
    go();
    return step.state;
  };

  return {
    async start() {
      const entries = journal.records() as unknown as readonly Entry[];
      head = adopted = durable = replay(entries);
      const step = reduce(adopted, { kind: 'restarted', at: clock.now() });
      if (!('entry' in step))
        throw new GatewayError('control_start', 'invariant', `no way to restart from ${adopted.phase}`);
      // What is pushed meanwhile waits in the queue: it must be reduced from the restarted state, not from the replayed one.
      isTurning = true;
      try {
        await journal.append(step.entry);
        durable = step.state;
        logger.info(
          { phase: step.state.phase, epoch: step.state.epoch, records: entries.length },
          'switch: journal replayed',
        );
        adopt(step);
      } finally {
        isTurning = false;
      }
      go();
    },
    push(event, done = nobody) {
      if (isClosed || overtake(event) !== null) return done();
      queue.push({ event, reply: done });
      go();
    },
    async command(command) {
      if (isClosed) throw new GatewayError('control_closed', 'control', 'the gateway is ending');
      const overtaken = overtake(command);
      if (overtaken !== null) return { state: overtaken };
      return new Promise(resolve => {
        queue.push({ event: command, reply: resolve });
        go();
      });
    },
    state: () => adopted,
    journalFault: () => fault,
    close() {
      isClosed = true;
      retry?.cancel();
      retry = null;
      for (const { reply } of queue.splice(0))
        reply({ rejected: { code: 'control_closed', message: 'the gateway is ending' } });
    },
  };
}

/** Ends an attempt before its commit. */
const isRelease = (from: State, to: State): boolean =>
  !isCommitted(from) && from.phase !== 'aborting' && to.phase === 'aborting';

function leadsTo(from: State, { entry }: Step): boolean {
  try {
    applyEntry(from, entry);
    return true;
  } catch {
    return false;
  }
}
