export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Growth per attempt; default 2. */
  readonly factor?: number;
  /** 0..1, share of the delay that is random; default 0.2. */
  readonly jitter?: number;
}

/** Delay before attempt `attempt` (0 = first retry). */
export function backoffMs(attempt: number, options: BackoffOptions, random: () => number = Math.random): number {
  const factor = options.factor ?? 2;
  const jitter = options.jitter ?? 0.2;
  const base = Math.min(options.maxMs, options.minMs * factor ** Math.min(attempt, 30));
  return base * (1 - jitter) + base * jitter * random();
}
