import type { Clock } from '../platform/index.js';

/** Lets the writes of one account go one after the other, in the order in which they came: nonces have no gaps. */
export interface AccountOrder {
  /** Resolves with the function that lets the next one go, once the one before did, or after a bounded wait. */
  enter(account: string): Promise<() => void>;
  size(): number;
}

/** One that hangs keeps its followers no longer than this; the node then judges their nonces. */
const WAIT_MS = 3000;

export function createAccountOrder(clock: Clock): AccountOrder {
  const tails = new Map<string, Promise<void>>();
  return {
    async enter(account) {
      const before = tails.get(account);
      let open!: () => void;
      const mine = new Promise<void>(resolve => (open = resolve));
      tails.set(account, mine);
      const leave = (): void => {
        if (tails.get(account) === mine) tails.delete(account);
        open();
      };
      if (before !== undefined) {
        await new Promise<void>(resolve => {
          const timer = clock.after(WAIT_MS, resolve);
          void before.then(() => {
            timer.cancel();
            resolve();
          });
        });
      }
      return leave;
    },
    size: () => tails.size,
  };
}
