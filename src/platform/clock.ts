export interface Timer {
  cancel(): void;
}

/** Time as a parameter: production uses `systemClock`, tests use a fake one. */
export interface Clock {
  /** Wall clock, ms since the epoch: for records and people, never for measuring. */
  now(): number;
  /** Monotonic ms with fractions: for deadlines and durations. */
  monotonic(): number;
  /** Calls `fn` once after `delayMs`; the timer does not keep the process alive by itself. */
  after(delayMs: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, fn) {
    const handle = setTimeout(fn, Math.max(0, delayMs));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`, or at once when `signal` aborts (never rejects: the caller looks at the signal). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
