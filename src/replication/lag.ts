import type { Height } from '../model/index.js';

export interface LagFacts {
  readonly now: number;
  readonly applied: Height;
  readonly archived: Height;
  /** Greatest old height with a changeset: the old head, at most End. */
  readonly recorded: Height;
  /** When height `applied + 1` was archived, ms since 1970; null when it is not. */
  readonly oldestAt: number | null;
  /** Mean time of an old block; null when not known. */
  readonly blockMs: number | null;
}

/**
 * Age of the oldest changeset that is not applied yet, ms; 0 when everything is. What the archive does not have yet has no time of
 * its own, so its age is counted in blocks, without the newest one: that may have come this moment. Without that, a tail
 * that falls behind would look like no lag at all. Null while blocks are missing and their time is not known.
 */
export function lagMsOf({ now, applied, archived, recorded, oldestAt, blockMs }: LagFacts): number | null {
  const known = oldestAt === null ? 0 : Math.max(0, now - oldestAt);
  const blocks = Math.max(0, recorded - Math.max(archived, applied) - 1);
  if (blocks === 0) return known;
  if (blockMs === null) return known > 0 ? known : null;
  return Math.max(known, Math.round(blocks * blockMs));
}
