import { LRUCache } from 'lru-cache';
import type { Clock } from '../platform/index.js';
import type { RequestClass } from '../routing/index.js';
import type { ProxyLimits } from './ports.js';

/** Why a call is turned away before anything is decided about it, and when to come back. */
export interface Turned {
  readonly reason: 'rate_limited' | 'overloaded';
  readonly retryAfterMs: number;
}

/** Who may ask how much: a rate for each client, places for each class of call, places in all. */
export interface Limits {
  /** Whether a request of this client would be turned away whatever is in it; charges nothing. */
  look(client: string): Turned | null;
  /** Charges one call to its client, also when it is turned away for another reason later. */
  charge(client: string, method: string): Turned | null;
  /** Takes a place; give it back with `leave`. */
  enter(cls: RequestClass): Turned | null;
  leave(cls: RequestClass): void;
  /** Calls in progress. */
  inFlight(): number;
}

const BUSY: Turned = Object.freeze({ reason: 'overloaded', retryAfterMs: 1000 });

type LimitOptions = Pick<
  ProxyLimits,
  | 'inFlightMax'
  | 'concurrency'
  | 'requestsPerSecond'
  | 'requestsBurst'
  | 'challengesPerSecond'
  | 'challengesBurst'
  | 'clientsMax'
>;

export function createLimits(options: LimitOptions, clock: Clock): Limits {
  const requests = createBuckets(options.requestsPerSecond, options.requestsBurst, options.clientsMax, clock);
  // A node counts all users of the gateway as one, so that a single one could use up everybody's challenges.
  const challenges = createBuckets(options.challengesPerSecond, options.challengesBurst, options.clientsMax, clock);
  const running = new Map<RequestClass, number>();
  let inFlight = 0;

  return {
    look(client) {
      if (inFlight >= options.inFlightMax) return BUSY;
      const waitMs = requests.look(client);
      return waitMs === 0 ? null : { reason: 'rate_limited', retryAfterMs: waitMs };
    },
    charge(client, method) {
      const waitMs = requests.take(client) || (method === 'user.challenge' ? challenges.take(client) : 0);
      return waitMs === 0 ? null : { reason: 'rate_limited', retryAfterMs: waitMs };
    },
    enter(cls) {
      const now = running.get(cls) ?? 0;
      if (inFlight >= options.inFlightMax || now >= (options.concurrency[cls] ?? Infinity)) return BUSY;
      inFlight++;
      running.set(cls, now + 1);
      return null;
    },
    leave(cls) {
      inFlight--;
      running.set(cls, running.get(cls)! - 1);
    },
    inFlight: () => inFlight,
  };
}

interface Bucket {
  tokens: number;
  at: number;
}

interface Buckets {
  /** 0 when there is a token, else ms until there is one. */
  look(client: string): number;
  /** The same, and the token is taken. */
  take(client: string): number;
}

const NO_LIMIT: Buckets = { look: () => 0, take: () => 0 };

/**
 * One token bucket per client. The table is bounded: the client that was quiet for longest is forgotten first, and a
 * forgotten one starts with a full bucket, which is what it would have by then unless the table is being flooded.
 */
function createBuckets(perSecond: number, burst: number, clientsMax: number, clock: Clock): Buckets {
  if (perSecond === 0) return NO_LIMIT;
  const buckets = new LRUCache<string, Bucket>({ max: clientsMax });
  const depth = Math.max(1, burst);

  function filled(client: string): Bucket {
    const now = clock.monotonic();
    let bucket = buckets.get(client);
    if (bucket === undefined) {
      bucket = { tokens: depth, at: now };
      buckets.set(client, bucket);
    } else {
      bucket.tokens = Math.min(depth, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
      bucket.at = now;
    }
    return bucket;
  }

  const waitOf = ({ tokens }: Bucket): number =>
    tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - tokens) / perSecond) * 1000));

  return {
    look: client => waitOf(filled(client)),
    take(client) {
      const bucket = filled(client);
      const waitMs = waitOf(bucket);
      if (waitMs === 0) bucket.tokens--;
      return waitMs;
    },
  };
}
