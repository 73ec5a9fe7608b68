import type { Clock } from '../platform/index.js';
import type { Metrics } from '../telemetry/index.js';

export interface HoldLimits {
  readonly holdMs: number;
  readonly holdMax: number;
  readonly holdBytesMax: number;
}

export interface HoldRequest<T> {
  /** Arrival order; waiters are let go in it, so that an account's writes keep theirs. */
  readonly seq: number;
  /** Who has to share: the client's address. */
  readonly client: string;
  readonly bytes: number;
  /** Time it was held before, which counts: nobody waits longer than `holdMs` in all (I6). */
  readonly spentMs?: number;
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal;
  /** Looked at on every change; anything but undefined ends the wait. */
  readonly again: () => T | undefined;
}

export type HoldResult<T> =
  { readonly kind: 'released'; readonly value: T } | { readonly kind: 'expired' | 'full' | 'gone' };

export interface HoldCounts {
  readonly entered: number;
  readonly released: number;
  readonly expired: number;
  readonly full: number;
  readonly gone: number;
}

/** Writes that wait for the switch. Every one that enters leaves in exactly one way: entered = released + expired + full + gone. */
export interface Hold {
  wait<T>(request: HoldRequest<T>): Promise<HoldResult<T>>;
  /** The decision changed: look again, in arrival order. */
  look(): void;
  /** Lets everybody go as expired: the gateway closes. */
  clear(): void;
  held(): { readonly count: number; readonly bytes: number };
  counts(): HoldCounts;
}

/** Share of the hold that one client may take, in percent. */
const CLIENT_SHARE = 10;

interface Waiter {
  readonly seq: number;
  look(): void;
  finish(kind: 'expired' | 'gone'): void;
}

export function createHold(limits: HoldLimits, { clock, metrics }: { clock: Clock; metrics: Metrics }): Hold {
  const waiters = new Set<Waiter>();
  const perClient = new Map<string, { count: number; bytes: number }>();
  const counts = { entered: 0, released: 0, expired: 0, full: 0, gone: 0 };
  let bytes = 0;
  const clientMax = Math.max(1, Math.floor((limits.holdMax * CLIENT_SHARE) / 100));
  const clientBytesMax = Math.floor((limits.holdBytesMax * CLIENT_SHARE) / 100);

  function count(result: keyof typeof counts): void {
    counts[result]++;
    metrics.heldWritesTotal.inc({ result });
  }

  function fits(client: string, size: number): boolean {
    const share = perClient.get(client) ?? { count: 0, bytes: 0 };
    return (
      waiters.size < limits.holdMax &&
      bytes + size <= limits.holdBytesMax &&
      share.count < clientMax &&
      share.bytes + size <= Math.max(clientBytesMax, size)
    );
  }

  function take(client: string, size: number, sign: 1 | -1): void {
    bytes += sign * size;
    const share = perClient.get(client) ?? { count: 0, bytes: 0 };
    share.count += sign;
    share.bytes += sign * size;
    if (share.count === 0) perClient.delete(client);
    else perClient.set(client, share);
  }

  return {
    wait<T>(request: HoldRequest<T>): Promise<HoldResult<T>> {
      count('entered');
      const { client, signal } = request;
      if (signal.aborted) {
        count('gone');
        return Promise.resolve({ kind: 'gone' });
      }
      if (!fits(client, request.bytes)) {
        count('full');
        return Promise.resolve({ kind: 'full' });
      }
      const since = clock.monotonic();
      take(client, request.bytes, 1);
      return new Promise(resolve => {
        const leave = (result: HoldResult<T>): void => {
          if (!waiters.delete(waiter)) return;
          timer.cancel();
          signal.removeEventListener('abort', onAbort);
          take(client, request.bytes, -1);
          metrics.heldWrites.set(waiters.size);
          count(result.kind);
          metrics.writeHold.observe({ result: result.kind }, (clock.monotonic() - since) / 1000);
          resolve(result);
        };
        const waiter: Waiter = {
          seq: request.seq,
          look() {
            const value = request.again();
            if (value !== undefined) leave({ kind: 'released', value });
          },
          finish: kind => leave({ kind }),
        };
        const onAbort = (): void => leave({ kind: 'gone' });
        const timer = clock.after(Math.max(0, limits.holdMs - (request.spentMs ?? 0)), () =>
          leave({ kind: 'expired' }),
        );
        waiters.add(waiter);
        metrics.heldWrites.set(waiters.size);
        signal.addEventListener('abort', onAbort, { once: true });
        // The change it waits for may have come between the decision and here.
        waiter.look();
      });
    },
    look() {
      if (waiters.size === 0) return;
      for (const waiter of [...waiters].sort((a, b) => a.seq - b.seq)) waiter.look();
    },
    clear() {
      for (const waiter of [...waiters]) waiter.finish('expired');
    },
    held: () => ({ count: waiters.size, bytes }),
    counts: () => ({ ...counts }),
  };
}
