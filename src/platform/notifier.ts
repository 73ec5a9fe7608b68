import { sleep, type Clock } from './clock.js';

/** Tells listeners that something changed; they read the new state themselves, so no value can be missed or reordered. */
export interface Notifier {
  readonly notify: () => void;
  /** Gives back how to stop listening. */
  readonly subscribe: (listener: () => void) => () => void;
}

export function createNotifier(): Notifier {
  const listeners = new Set<() => void>();
  return {
    notify() {
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
}

/**
 * Waits until `read()` gives something other than undefined, looking again at every notification (no polling).
 * Gives undefined at the deadline or when the signal aborts.
 */
export function waitFor<T>(
  subscribe: (listener: () => void) => () => void,
  read: () => T | undefined,
  { timeoutMs, signal, clock }: WaitOptions,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    const finish = (value: T | undefined): void => {
      unsubscribe();
      signal?.removeEventListener('abort', onAbort);
      stop.abort();
      resolve(value);
    };
    const look = (): void => {
      try {
        const value = read();
        if (value !== undefined) finish(value);
      } catch (error) {
        unsubscribe();
        stop.abort();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const onAbort = (): void => finish(undefined);
    const unsubscribe = subscribe(look);
    if (signal?.aborted) return finish(undefined);
    signal?.addEventListener('abort', onAbort, { once: true });
    look();
    if (!stop.signal.aborted)
      void sleep(clock, timeoutMs, stop.signal).then(() => stop.signal.aborted || finish(undefined));
  });
}
