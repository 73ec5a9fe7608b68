import { createHash } from 'node:crypto';
import type { Height } from '../model/index.js';
import { createNotifier, waitFor, type Clock, type Timer } from '../platform/index.js';
import { CodecError } from '../protocol/index.js';
import { integrityError, isIntegrity, reasonOf } from './errors.js';
import { decide, type PlanDecision, type PlanRecord, type Terms } from './plan.js';
import type { ArchivePort } from './ports.js';

/** Makes the served bytes of a range of old heights; a pure function of the range and the version. */
export interface AnswerMaker {
  readonly version: number;
  /** Repairs that are switched off, part of what the bytes depend on. */
  readonly off: readonly string[];
  make(from: Height, to: Height, end: boolean): MadeAnswer;
}

export interface MadeAnswer {
  readonly bytes: Uint8Array;
  readonly repairs: Readonly<Record<string, number>>;
  /** The bytes are those of the one archived height, untouched: no second copy is kept. */
  readonly original: boolean;
}

export interface StreamOptions {
  readonly paceMs: number;
}

export interface StreamPorts {
  readonly archive: ArchivePort;
  readonly maker: AnswerMaker;
  readonly clock: Clock;
  /** Expected ms until the real End is archived; null when unknown. */
  readonly restMs: () => number | null;
  readonly onDecided?: (record: PlanRecord) => void;
}

/**
 * The one place where answers are decided. Whoever asks first for the next height makes the decision happen; the record is on
 * disk before anybody learns it, so all validators, and this process after a restart, give the same bytes.
 */
export interface Stream {
  /** Reads terms and plan back; without terms it idles until `adopt`. */
  start(): void;
  close(): void;
  adopt(terms: Terms): void;
  readonly terms: () => Terms | null;
  /** Decided record of an asked height. */
  recordOf(asked: Height): PlanRecord | undefined;
  /** Waits until the height is decided; null when the signal aborted first. `fresh`: it was decided for this very request. */
  answerFor(asked: Height, signal: AbortSignal): Promise<{ record: PlanRecord; fresh: boolean } | null>;
  bytesOf(record: PlanRecord): Uint8Array;
  /** Old heights were archived, or the expected rest changed. */
  wake(): void;
  /**
   * Holds the next answer back until `expedite` names a height, and resolves once so many listeners wait for it: one that
   * was just answered sleeps for its pace, and a switch would wait for that. Ends by itself after a little more than a pace.
   */
  rally(listeners: () => number, signal: AbortSignal): Promise<void>;
  readonly expedite: (height: Height | null) => void;
  /** Greatest old height carried by a decided answer; null before the first. */
  covered(): Height | null;
  lastAsked(): Height | null;
  /** Why the next answer is not there yet, in words; null when nobody waits. */
  waitingFor(): string | null;
  /** Why nothing more is decided, in words; null while all is well. */
  stopped(): string | null;
  readonly subscribe: (listener: () => void) => () => void;
}

const RETRY_MS = 1_000;
/** A live listener asks again after one pace and the time that it needs to store an answer. */
const RALLY_PACES = 1.2;
/** A held request has no limit of its own: the listener's client has none either, and hangs up when it dies. */
const FOREVER_MS = 2_000_000_000;

export function createStream(options: StreamOptions, ports: StreamPorts): Stream {
  const { archive, clock, maker } = ports;
  const changes = createNotifier();
  const wanted = new Map<Height, number>();
  let terms: Terms | null = null;
  let covered: Height = 0;
  let nextAsked: Height = 0;
  /** Effective sizes of the archived heights after `covered`. */
  let pending: number[] = [];
  let lastContentAt: number | null = null;
  let expedited: { height: Height | null; since: number } | null = null;
  let waiting: string | null = null;
  let stopped: string | null = null;
  let timer: Timer | null = null;
  let running = false;
  let again = false;
  let closed = false;

  function adopt(chosen: Terms): void {
    if (terms !== null) return;
    terms = chosen;
    covered = terms.start - 1;
    nextAsked = terms.presentedStart;
    const last = archive.lastPlanned();
    if (last !== null) {
      const record = readRecord(archive.plan(last), last);
      covered = record.to;
      nextAsked = last + 1;
    }
    drive();
  }

  function drive(): void {
    if (running) {
      again = true;
      return;
    }
    running = true;
    void (async () => {
      try {
        do {
          again = false;
          while (await step());
        } while (again);
      } finally {
        running = false;
      }
    })();
  }

  /** Decides the next asked height if somebody waits for it; gives whether another one may follow at once. */
  async function step(): Promise<boolean> {
    timer?.cancel();
    timer = null;
    if (closed || terms === null || stopped !== null) return false;
    if (!wanted.has(nextAsked)) {
      const ahead = [...wanted.keys()].find(asked => asked > nextAsked);
      waiting =
        ahead === undefined
          ? null
          : `a listener asks for height ${ahead}, but the plan ends at ${nextAsked - 1}: records of the plan are missing`;
      return false;
    }
    let decision: PlanDecision;
    try {
      refill(terms);
      decision = decide({
        terms,
        asked: nextAsked,
        covered,
        pending,
        now: clock.monotonic(),
        lastContentAt,
        restMs: ports.restMs(),
        paceMs: options.paceMs,
        expedite: expedited,
      });
      if (decision.kind === 'wait') {
        waiting = decision.reason;
        if (decision.until !== null) timer = clock.after(decision.until - clock.monotonic(), drive);
        return false;
      }
      await write(terms, decision);
      return true;
    } catch (error) {
      if (closed) return false;
      // A full disk passes by itself; anything that is wrong with the data needs a person.
      if (isIntegrity(error) || error instanceof CodecError) stopped = reasonOf(error);
      else {
        waiting = reasonOf(error);
        timer = clock.after(RETRY_MS, drive);
      }
      changes.notify();
      return false;
    }
  }

  function refill(current: Terms): void {
    const last = archive.last() ?? current.start - 1;
    for (let height = covered + pending.length + 1; height <= Math.min(last, current.end); height += 1) {
      const info = archive.info(height);
      if (info === undefined) throw integrityError('archive_gap', `height ${height} is missing in the archive`);
      pending.push(info.effective);
    }
  }

  async function write(current: Terms, decision: Extract<PlanDecision, { kind: 'answer' }>): Promise<void> {
    const asked = nextAsked;
    const carries = decision.content || decision.end;
    const made = carries ? maker.make(decision.from, decision.to, decision.end) : NOTHING;
    const record: PlanRecord = {
      version: maker.version,
      asked,
      from: decision.from,
      to: decision.to,
      bytes: made.bytes.length,
      sha256: made.bytes.length === 0 ? null : sha256(made.bytes),
      end: decision.end,
      at: clock.now(),
      repairs: made.repairs,
      off: maker.off,
    };
    // Somebody else may have decided this height (another process on this folder): what is on disk holds.
    const held = readRecord(await archive.createPlan(asked, record, made.original ? null : made.bytes), asked);
    if (held.from !== covered + 1) {
      throw integrityError(
        'plan_conflict',
        `asked height ${asked} was planned from old height ${held.from}, expected ${covered + 1}`,
      );
    }
    pending = pending.slice(held.to - covered);
    covered = held.to;
    nextAsked = asked + 1;
    if (held.bytes > 0) lastContentAt = clock.monotonic();
    if (expedited !== null && expedited.height !== null && covered >= expedited.height) expedited = null;
    waiting = null;
    ports.onDecided?.(held);
    changes.notify();
  }

  return {
    start() {
      const stored = archive.record('terms') as Terms | undefined;
      if (stored !== undefined) adopt(stored);
    },
    close() {
      closed = true;
      timer?.cancel();
      changes.notify();
    },
    adopt,
    terms: () => terms,
    recordOf(asked) {
      const stored = archive.plan(asked);
      return stored === undefined ? undefined : readRecord(stored, asked);
    },
    async answerFor(asked, signal) {
      const known = this.recordOf(asked);
      if (known !== undefined) return { record: known, fresh: false };
      wanted.set(asked, (wanted.get(asked) ?? 0) + 1);
      drive();
      changes.notify();
      try {
        const record = await waitFor(changes.subscribe, () => (closed ? null : this.recordOf(asked)), {
          timeoutMs: FOREVER_MS,
          signal,
          clock,
        });
        return record === undefined || record === null ? null : { record, fresh: true };
      } finally {
        const others = (wanted.get(asked) ?? 1) - 1;
        if (others === 0) wanted.delete(asked);
        else wanted.set(asked, others);
      }
    },
    bytesOf(record) {
      if (record.bytes === 0) return new Uint8Array(0);
      const kept = archive.served(record.asked) ?? (record.from === record.to ? archive.bytes(record.from) : undefined);
      if (kept !== undefined && sha256(kept) === record.sha256) return kept;
      // Kept bytes were pruned: they can be made again, by the same rewrites only.
      const made = maker.make(record.from, record.to, record.end).bytes;
      if (maker.version !== record.version || sha256(made) !== record.sha256) {
        throw integrityError(
          'answer_changed',
          `asked height ${record.asked} cannot be made again with the bytes that were served before`,
        );
      }
      return made;
    },
    wake: drive,
    async rally(listeners, signal) {
      // Without merging every height has its own answer: holding one back would only make the rest late.
      if (terms === null || !terms.merge || stopped !== null) return;
      expedited = { height: null, since: clock.monotonic() };
      const areWaiting = (): true | undefined => (wanted.get(nextAsked) ?? 0) >= listeners() || undefined;
      await waitFor(changes.subscribe, areWaiting, { timeoutMs: options.paceMs * RALLY_PACES, signal, clock });
    },
    expedite(height) {
      expedited = height === null || height <= covered ? null : { height, since: clock.monotonic() };
      drive();
    },
    covered: () => (terms === null ? null : covered),
    lastAsked: () => (terms === null || nextAsked === terms.presentedStart ? null : nextAsked - 1),
    waitingFor: () => (wanted.size === 0 ? null : waiting),
    stopped: () => stopped,
    subscribe: changes.subscribe,
  };
}

const NOTHING: MadeAnswer = { bytes: new Uint8Array(0), repairs: {}, original: true };

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Checks a stored record: the pair of the check made when it was written. */
function readRecord(value: unknown, asked: Height): PlanRecord {
  const record = value as PlanRecord | undefined;
  const whole = (part: unknown): boolean => Number.isSafeInteger(part);
  if (
    record === undefined ||
    record.asked !== asked ||
    !whole(record.from) ||
    !whole(record.to) ||
    record.to < record.from - 1 ||
    !whole(record.bytes)
  ) {
    throw integrityError('plan_damaged', `the plan record of asked height ${asked} is damaged`);
  }
  return record;
}
