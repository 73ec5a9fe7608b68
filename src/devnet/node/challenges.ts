import { randomBytes } from 'node:crypto';
import type { Clock } from '../../platform/index.js';
import { RpcError } from '../rpc/errors.js';

/** Challenges of one node: memory only, usable once, limited per client address (reference 2.6). */
export interface Challenges {
  /** 64 hex digits. */
  issue(client: string): string;
  /** Uses one up. Throws RpcError −1001 or −1003. */
  use(challenge: Uint8Array): void;
  clear(): void;
}

const BURST = 60;
const PER_SECOND = 10;
const KEPT_MAX = 100_000;

export function createChallenges(lifeMs: number, clock: Clock): Challenges {
  const issued = new Map<string, number>();
  const clients = new Map<string, { tokens: number; at: number }>();

  function allow(client: string): boolean {
    const now = clock.monotonic();
    const bucket = clients.get(client) ?? { tokens: BURST, at: now };
    bucket.tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1000) * PER_SECOND);
    bucket.at = now;
    clients.set(client, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  function forgetOld(): void {
    const now = clock.monotonic();
    for (const [challenge, expires] of issued) {
      // One that expired lately still answers "expired" instead of "invalid".
      if (expires + 10 * lifeMs > now && issued.size <= KEPT_MAX) break;
      issued.delete(challenge);
    }
  }

  return {
    issue(client) {
      if (!allow(client)) throw new RpcError(-1006, 'too many challenge requests');
      forgetOld();
      const challenge = randomBytes(32).toString('hex');
      issued.set(challenge, clock.monotonic() + lifeMs);
      return challenge;
    },
    use(challenge) {
      const hex = Buffer.from(challenge).toString('hex');
      const expires = issued.get(hex);
      if (expires === undefined) throw new RpcError(-1001, 'invalid challenge');
      issued.delete(hex);
      if (clock.monotonic() > expires) throw new RpcError(-1003, 'challenge expired');
    },
    clear() {
      issued.clear();
      clients.clear();
    },
  };
}
