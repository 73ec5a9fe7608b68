import type { Height } from '../model/index.js';

/**
 * The pure decision of the relay: which old heights does the answer to an asked height carry, and may it leave now?
 *
 * A listener asks for one height after another, at most one per `paceMs`, and takes whatever it is given. So asked heights are a
 * supply of answers, and old heights are cargo: every decision appends the next cargo to the next answer, nothing is skipped,
 * repeated or reordered. The supply must last until the real End, and must be used up when it comes.
 */

/** Decided once, before the first metadata answer, since the End goes into the new network's genesis; durable. */
export interface Terms {
  /** Real first and last changeset of the old network. */
  readonly start: Height;
  readonly end: Height;
  /** As the new network sees them. */
  readonly presentedStart: Height;
  readonly presentedEnd: Height;
  readonly merge: boolean;
  readonly chosenAt: number;
  /** Expected rest of the window when it was chosen; null when unknown. */
  readonly restMs: number | null;
  readonly blockMs: number | null;
}

export interface TermsInput {
  readonly start: Height;
  readonly end: Height;
  /** Old head at the moment of choosing. */
  readonly head: Height;
  readonly blockMs: number | null;
  readonly merge: 'auto' | 'off';
  /** Heights by which End is lowered, or a choice. */
  readonly ownEnd: 'auto' | 'off' | number;
  readonly timeline: 'keep' | number;
  readonly paceMs: number;
  /** Bytes that are expected in the whole window; 0 when nothing is known. */
  readonly expectedBytes: number;
  readonly now: number;
}

/** Enough for the new network's first block and its listener's first request; less for short windows. */
const START_UP_MS = 5_000;
/** Slightly too few own heights give an even lag; too many cost one pace each after the real End. */
const SUPPLY_SHARE = 0.93;
/** Shortest own timeline: one height to be early with, one to end with, one to spare. */
const OWN_HEIGHTS_MIN = 3;

export function chooseTerms(input: TermsInput): Terms {
  const total = input.end - input.start + 1;
  const merge = input.merge === 'auto';
  const restMs = input.blockMs === null ? null : Math.max(0, input.end - input.head) * input.blockMs;
  const own = merge ? ownHeights(input, total, restMs) : total;
  const presentedStart = input.timeline === 'keep' ? input.start : input.timeline;
  return {
    start: input.start,
    end: input.end,
    presentedStart,
    presentedEnd: presentedStart + own - 1,
    merge,
    chosenAt: input.now,
    restMs,
    blockMs: input.blockMs,
  };
}

function ownHeights(input: TermsInput, total: number, restMs: number | null): number {
  if (input.ownEnd === 'off') return total;
  if (typeof input.ownEnd === 'number') return Math.max(Math.min(2, total), total - input.ownEnd);
  if (restMs === null) return total;
  const startUp = Math.min(START_UP_MS, restMs * 0.15);
  const paced = Math.floor(((restMs - startUp) * SUPPLY_SHARE) / input.paceMs);
  // A backlog needs one answer per cap even when there is no time left.
  const backlog = OWN_HEIGHTS_MIN + Math.ceil(input.expectedBytes / CAP_CATCHING_UP);
  return Math.min(total, Math.max(paced, backlog));
}

/** One piece of an event: more gains nothing in steady state (one block of the new network takes two). */
export const CAP_STEADY = 2_000_000;
export const CAP_CATCHING_UP = 4_000_000;
/** Old heights waiting from which on the relay counts as catching up. */
const BACKLOG_HEIGHTS = 16;
/** A switch waits at most this long for its drain height before the ordinary rules hold again. */
export const EXPEDITE_HOLD_MS = 3_000;

export interface PlanInput {
  readonly terms: Terms;
  /** The height to decide: the one after the last decided. */
  readonly asked: Height;
  /** Greatest old height already carried by an answer; start − 1 before the first. */
  readonly covered: Height;
  /** Effective bytes of the archived heights after `covered`, in order. */
  readonly pending: readonly number[];
  /** Monotonic ms. */
  readonly now: number;
  /** When the last answer with content was decided, monotonic; null before. */
  readonly lastContentAt: number | null;
  /** Expected ms until End is archived; null when nothing is known. */
  readonly restMs: number | null;
  readonly paceMs: number;
  /**
   * During a switch: everything up to this height should leave in one answer as soon as it is archived. Before the height is
   * known (null) nothing leaves, so that no listener sleeps off its pace when it is.
   */
  readonly expedite: { readonly height: Height | null; readonly since: number } | null;
}

export type PlanDecision =
  /** Carries the old heights from … to; `to` = from − 1 means none. `content` says whether any of them has bytes. */
  | {
      readonly kind: 'answer';
      readonly from: Height;
      readonly to: Height;
      readonly content: boolean;
      readonly end: boolean;
    }
  /** Look again when something is archived, or at `until` (monotonic ms; null: only then). */
  | { readonly kind: 'wait'; readonly reason: string; readonly until: number | null };

export function decide(input: PlanInput): PlanDecision {
  const { terms, asked, covered, pending } = input;
  const archived = covered + pending.length;
  const complete = archived >= terms.end;
  const left = terms.presentedEnd - asked + 1;
  if (left <= 1) {
    // The one answer that must wait however long: what it does not carry would never arrive.
    return complete
      ? answer(input, pending.length, true)
      : { kind: 'wait', reason: 'the last answer waits for the old network to end', until: null };
  }
  if (!terms.merge) {
    return pending.length > 0
      ? answer(input, 1, false)
      : { kind: 'wait', reason: 'the height is not archived yet', until: null };
  }
  const count = cut(pending);
  if (complete) return answer(input, count, false);

  const content = pending.some(size => size > 0);
  const hurry = input.expedite;
  if (hurry !== null) {
    const until = hurry.since + EXPEDITE_HOLD_MS;
    const isEarly = input.now < until;
    if (hurry.height === null) {
      if (isEarly) return { kind: 'wait', reason: 'held until the switch knows its drain height', until };
    } else if (hasContent(pending, hurry.height - covered)) {
      if (archived >= hurry.height) return answer(input, count, false);
      if (isEarly) return { kind: 'wait', reason: `held for the switch at old height ${hurry.height}`, until };
    }
  }

  const { restMs, paceMs } = input;
  const surplus = restMs !== null && left * paceMs > restMs;
  if (!content) {
    if (surplus) return answer(input, pending.length, false);
    const until = restMs === null ? null : input.now + (restMs - left * paceMs) + 1;
    return { kind: 'wait', reason: 'nothing changed on the old network', until };
  }
  // One answer for every block that is still to come: nothing has to be saved up, however slow or uneven the blocks are.
  const plenty = left > terms.end - archived;
  if (surplus || plenty || restMs === null || input.lastContentAt === null) return answer(input, count, false);
  // Fewer answers than seconds: spread them evenly, so that none of the window is left without one.
  const due = input.lastContentAt + restMs / left;
  if (restMs / left <= paceMs * 1.05 || input.now >= due) return answer(input, count, false);
  return { kind: 'wait', reason: 'answers are spread over the rest of the window', until: due };
}

function answer({ terms, covered, pending }: PlanInput, count: number, end: boolean): PlanDecision {
  const from = covered + 1;
  return { kind: 'answer', from, to: Math.min(covered + count, terms.end), content: hasContent(pending, count), end };
}

const hasContent = (pending: readonly number[], count: number): boolean => {
  for (let index = 0; index < Math.min(count, pending.length); index += 1) if (pending[index]! > 0) return true;
  return false;
};

/** How many pending heights fit under the cap: always at least one with content, which goes uncut however large it is. */
function cut(pending: readonly number[]): number {
  const cap = pending.length > BACKLOG_HEIGHTS ? CAP_CATCHING_UP : CAP_STEADY;
  let bytes = 0;
  for (let index = 0; index < pending.length; index += 1) {
    const size = pending[index]!;
    if (bytes > 0 && bytes + size > cap) return index;
    bytes += size;
  }
  return pending.length;
}

/** What one asked height carried: written before the first answer, never changed. Old heights `from … to`, none when `to < from`. */
export interface PlanRecord {
  /** Of the rewrites that made the bytes. */
  readonly version: number;
  readonly asked: Height;
  readonly from: Height;
  readonly to: Height;
  /** Served bytes; 0 is answered as a height without changes. */
  readonly bytes: number;
  /** SHA-256 of the served bytes, hex; null when there are none. */
  readonly sha256: string | null;
  readonly end: boolean;
  /** Wall clock, ms. */
  readonly at: number;
  readonly repairs: Readonly<Record<string, number>>;
  /** Names of the repairs that were switched off when the bytes were made. */
  readonly off: readonly string[];
}
