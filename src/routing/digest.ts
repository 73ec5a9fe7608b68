/**
 * How many transactions a network is given at a time. A node never says no: it takes 1,150 a second and then makes one
 * block of 20 s, in which everybody waits. So the gateway keeps count of what it sent and no block has yet, and lets that
 * grow while blocks come in time and shrinks it when one is late, as a sender does on a line of unknown width.
 */
export interface DigestWindow {
  /** Transactions of ours that may wait for a block at once. */
  readonly size: number;
  /** Time of a block while transactions wait, ms: the least one lately; null before the first. */
  readonly typicalMs: number | null;
}

export interface DigestLoad {
  /** Transactions of ours that no block has, those on their way among them. */
  readonly open: number;
  /** Since when there is something to put into a block and none came, ms; 0 with nothing open. */
  readonly waitedMs: number;
}

/** Where a gateway begins before it knows the network. */
const START = 500;
/** What every network digests. */
const FLOOR = 50;
const GROW = 1.5;
const SHRINK = 0.5;
/** No block below this is late; a network with slow blocks by design gets a multiple of its own time. */
const LATE_MS = 3000;
const LATE_BLOCKS = 3;
/** So slowly is it forgotten that blocks were once faster, per block. */
const TYPICAL_AGES = 1.02;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;

/** @param max greatest window; 0: no limit at all */
export const startWindow = (max: number): DigestWindow => ({
  size: max === 0 ? Infinity : Math.min(START, max),
  typicalMs: null,
});

export const lateMs = ({ typicalMs }: DigestWindow): number => Math.max(LATE_MS, (typicalMs ?? 0) * LATE_BLOCKS);

/** A block came. `load` is what had waited for it; without anything waiting its time says nothing. */
export function afterBlock(window: DigestWindow, load: DigestLoad, max: number): DigestWindow {
  if (max === 0 || load.open === 0) return window;
  const typicalMs =
    window.typicalMs === null ? load.waitedMs : Math.min(load.waitedMs, window.typicalMs * TYPICAL_AGES);
  if (load.waitedMs > lateMs(window)) {
    return { size: Math.max(Math.min(FLOOR, max), Math.floor(window.size * SHRINK)), typicalMs };
  }
  // A window that nobody used has not been tried.
  const used = load.open * 2 >= window.size;
  return { size: used ? Math.min(max, Math.ceil(window.size * GROW)) : window.size, typicalMs };
}

/** Room now: the longer a block is overdue, the less may wait for it. */
export function roomFor(window: DigestWindow, { waitedMs }: Pick<DigestLoad, 'waitedMs'>): number {
  const late = lateMs(window);
  if (waitedMs <= late) return window.size;
  return Math.max(Math.min(FLOOR, window.size), Math.floor((window.size * late) / waitedMs));
}

export const hasRoom = (window: DigestWindow, load: DigestLoad): boolean => load.open < roomFor(window, load);

/** When to come back: after as many blocks as those that wait already will take. */
export function digestRetryMs(window: DigestWindow, load: DigestLoad, waiting: number): number {
  const blockMs = Math.max(window.typicalMs ?? 1000, load.waitedMs);
  const blocks = 1 + Math.floor(waiting / Math.max(1, window.size));
  return Math.round(Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, blockMs * blocks)));
}
