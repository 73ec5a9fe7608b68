import { setImmediate } from 'node:timers/promises';
import type { Height } from '../model/index.js';
import { sleep, waitFor, type Clock } from '../platform/index.js';
import { decodeElements, type Element } from '../protocol/index.js';
import type { Logger } from '../telemetry/index.js';
import { reasonOf } from './errors.js';
import type { ArchivePort } from './ports.js';

export interface ScanOptions {
  readonly name: string;
  /** Next height that somebody wants to see; null while nobody does. */
  readonly next: () => Height | null;
  /** Elements of a height; null when its bytes are pruned. */
  readonly take: (height: Height, elements: readonly Element[] | null) => void;
  /** After a run of heights, and once when there is nothing to look at: durable state, questions to nodes. */
  readonly rest: (signal: AbortSignal) => Promise<void>;
  readonly subscribe: (listener: () => void) => () => void;
}

/** Heights between two rests: bounds what is looked at again after a crash. */
const RUN_HEIGHTS = 64;
const IDLE_MS = 2_000;
const RETRY_MS = 2_000;

/** Reads archived heights behind the tail, one at a time and yielding after each: what it serves is for people, not for the switch. */
export function createArchiveScan(
  { name, next, take, rest, subscribe }: ScanOptions,
  { archive, clock, logger }: { readonly archive: ArchivePort; readonly clock: Clock; readonly logger: Logger },
): { start(): void; close(): Promise<void> } {
  const stop = new AbortController();
  let running: Promise<void> | null = null;
  const due = (): Height | null => {
    const [height, last] = [next(), archive.last()];
    return height !== null && last !== null && height <= last ? height : null;
  };

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        for (let count = 0; count < RUN_HEIGHTS && !stop.signal.aborted; count += 1) {
          const height = due();
          if (height === null) break;
          const bytes = archive.bytes(height);
          take(height, bytes === undefined ? null : decodeElements(bytes));
          await setImmediate();
        }
        await rest(stop.signal);
        if (due() === null)
          await waitFor(subscribe, () => due() ?? undefined, { timeoutMs: IDLE_MS, signal: stop.signal, clock });
      } catch (error) {
        if (stop.signal.aborted) return;
        logger.warn({ reason: reasonOf(error) }, `${name}: an archived height cannot be looked at`);
        await sleep(clock, RETRY_MS, stop.signal);
      }
    }
  }

  return {
    start() {
      running ??= run();
    },
    async close() {
      stop.abort();
      await running;
    },
  };
}
