/** What kwil-js shows its user when a call did not go through, read the way an application would. */
export interface Refusal {
  /** `no`: certainly not executed; `unknown`: it may have been. */
  readonly executed: 'no' | 'unknown';
  readonly reason: string;
  /** Chain id to sign for, when the answer names one. */
  readonly chainId: string | null;
  readonly retryAfterMs: number;
  readonly hash: string | null;
}

/** Inner codes of a node's -201 that say "not admitted". 10 means admitted, outcome open. */
const ADMITTED_UNKNOWN = 10;

export function readRefusal(thrown: unknown): Refusal {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const code = (thrown as { code?: string }).code;
  if (code === 'ECONNREFUSED') return refusal('no', 'connection refused', 250);
  const data = dataOf(text);
  if (data === null) {
    // A client-side check, or a node that is away: nothing left this process unless a socket was cut.
    return refusal(/JSON RPC call error/.test(text) ? 'no' : 'unknown', text.slice(0, 200), 250);
  }
  const innerCode = typeof data['code'] === 'number' ? data['code'] : null;
  const executed =
    data['executed'] === 'no' || data['executed'] === 'unknown'
      ? data['executed']
      : innerCode === ADMITTED_UNKNOWN || /context deadline/.test(String(data['message']))
        ? 'unknown'
        : 'no';
  return {
    executed,
    reason:
      typeof data['reason'] === 'string'
        ? data['reason']
        : `code ${innerCode}: ${String(data['message'])}`.slice(0, 200),
    chainId: typeof data['chainId'] === 'string' ? data['chainId'] : null,
    retryAfterMs: typeof data['retryAfterMs'] === 'number' ? Math.min(data['retryAfterMs'], 5000) : 100,
    hash: typeof data['txHash'] === 'string' ? data['txHash'] : typeof data['hash'] === 'string' ? data['hash'] : null,
  };
}

const refusal = (executed: 'no' | 'unknown', reason: string, retryAfterMs: number): Refusal => ({
  executed,
  reason,
  chainId: null,
  retryAfterMs,
  hash: null,
});

/** kwil-js puts `error.data` as JSON behind `data: ` at the end of the message. */
function dataOf(text: string): Record<string, unknown> | null {
  const at = text.indexOf('data: ');
  if (at < 0) return null;
  try {
    const value: unknown = JSON.parse(text.slice(at + 6));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const CUT_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** The connection ended instead of an answer: what a client sees of a gateway that is killed. */
export function isCut(thrown: unknown): boolean {
  const { code, cause } = thrown as { code?: string; cause?: { code?: string } };
  return CUT_CODES.has(code ?? '') || CUT_CODES.has(cause?.code ?? '') || /socket hang up/.test(String(thrown));
}
