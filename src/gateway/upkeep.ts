import { messageOf } from '../model/index.js';
import type { Clock, Timer } from '../platform/index.js';
import type { Logger } from '../telemetry/index.js';

/** Forgets, once a day, what nobody will ask for any more. */
export interface Upkeep {
  start(): void;
  /** A round under way ends by itself; none begins after this. */
  close(): void;
}

export interface UpkeepPorts {
  /** Removes what is older than `at` (wall clock, ms), at most `max` of it; gives the number. */
  readonly prune: (at: number, max: number) => Promise<number>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const DAY_MS = 86_400_000;
/** Not while everything else starts. */
const FIRST_MS = 60_000;
/** Entries of one round; with more than that a day the next round comes soon. */
const ROUND_MAX = 100_000;
const SOON_MS = 60_000;

export function createUpkeep(keepDays: () => number, { prune, clock, logger }: UpkeepPorts): Upkeep {
  let timer: Timer | null = null;
  let closed = false;

  function schedule(delayMs: number): void {
    if (!closed) timer = clock.after(delayMs, () => void round());
  }

  async function round(): Promise<void> {
    let delayMs = DAY_MS;
    try {
      const forgotten = await prune(clock.now() - keepDays() * DAY_MS, ROUND_MAX);
      if (forgotten > 0) logger.info({ forgotten }, 'outcomes of old writes were forgotten');
      if (forgotten >= ROUND_MAX) delayMs = SOON_MS;
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, 'old writes could not be forgotten; tried again tomorrow');
    }
    schedule(delayMs);
  }

  return {
    start: () => schedule(FIRST_MS),
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}
