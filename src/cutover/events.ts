import type { Epoch, Height } from '../model/index.js';
import type { WakeName } from './effects.js';

interface At {
  /** Wall clock ms: the machine has no other clock. */
  readonly at: number;
}

interface ByPerson extends At {
  readonly actor: string;
  readonly reason: string;
}

/** Answers to effects carry the attempt they were asked for: late answers of an earlier one mean nothing. */
interface ForAttempt extends At {
  readonly attempt: string;
}

/** A request that may be rejected. */
export type Command =
  | ({ readonly kind: 'start' } & ByPerson)
  | ({ readonly kind: 'rehearse' } & ByPerson)
  | ({ readonly kind: 'abort' } & ByPerson)
  | ({ readonly kind: 'postpone' } & ByPerson)
  | ({ readonly kind: 'resume' } & ByPerson);

export type CommandName = Command['kind'];

/** A fact that an edge measured (control/observe.ts). */
export type Observation =
  /** Both networks are there and the replicator runs. */
  | ({ readonly kind: 'began' } & At)
  | ({ readonly kind: 'caught-up' } & At)
  | ({ readonly kind: 'fell-behind'; readonly missing: readonly string[] } & At)
  /** The old network is at End and takes nothing more. */
  | ({ readonly kind: 'old-ended'; readonly endHeight: Height; readonly retryAfterMs: number } & At)
  /** Something that must not be switched over: the stream stopped with a reason. */
  | ({ readonly kind: 'doubted'; readonly reason: string } & At)
  | ({ readonly kind: 'cleared' } & At)
  /** Old completed, new finished, ledger empty. */
  | ({ readonly kind: 'finished' } & At);

/** An effect's answer. */
export type Answer =
  | ({ readonly kind: 'preflight-done'; readonly failed: readonly string[] } & ForAttempt)
  /** No write admitted before `epoch` can reach the old network any more. */
  | ({ readonly kind: 'quiet'; readonly epoch: Epoch } & ForAttempt)
  /** `open` writes to the old network are not settled (0, or the answer means nothing); `drainHeight` holds all that are. */
  | ({ readonly kind: 'writes-settled'; readonly open: number; readonly drainHeight: Height } & ForAttempt)
  | ({ readonly kind: 'reached'; readonly applied: Height } & ForAttempt)
  /** The last look: facts read again, and whatever speaks against the commit. */
  | ({
      readonly kind: 'checked';
      readonly open: number;
      readonly applied: Height;
      readonly problems: readonly string[];
    } & ForAttempt)
  /** The intent of `epoch` is what every request sees. */
  | ({ readonly kind: 'adopted'; readonly epoch: Epoch } & ForAttempt)
  /** A node of the new network takes writes. */
  | ({ readonly kind: 'opened' } & ForAttempt)
  /** An effect could not be done at all. */
  | ({ readonly kind: 'failed'; readonly reason: string } & ForAttempt)
  | ({ readonly kind: 'deadline'; readonly name: WakeName } & ForAttempt);

/** About the gateway's own process. */
export type LifeEvent =
  /** A new process has replayed the journal. */
  | ({ readonly kind: 'restarted' } & At)
  /** A record could not be made durable and is surely not on the disk. */
  | ({ readonly kind: 'journal-failed'; readonly reason: string } & At);

export type MachineEvent = Command | Observation | Answer | LifeEvent;
export type EventKind = MachineEvent['kind'];
export type EventOf<K extends EventKind> = Extract<MachineEvent, { kind: K }>;

/** For tables and random tests; the type makes sure that none is missing. */
const KINDS: Record<EventKind, true> = {
  start: true,
  rehearse: true,
  abort: true,
  postpone: true,
  resume: true,
  began: true,
  'caught-up': true,
  'fell-behind': true,
  'old-ended': true,
  doubted: true,
  cleared: true,
  finished: true,
  'preflight-done': true,
  quiet: true,
  'writes-settled': true,
  reached: true,
  checked: true,
  adopted: true,
  opened: true,
  failed: true,
  deadline: true,
  restarted: true,
  'journal-failed': true,
};
export const EVENT_KINDS = Object.keys(KINDS) as readonly EventKind[];
