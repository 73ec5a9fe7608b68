import type { RefuseReason, RoutingSnapshot } from '../routing/index.js';

/** Stable words of contract section 3 that the gateway itself answers with. */
export type Reason =
  | RefuseReason
  | 'hold_expired'
  | 'hold_full'
  | 'outcome_unknown'
  | 'too_large'
  | 'rate_limited'
  | 'deadline'
  | 'shielded'
  | 'bad_answer'
  | 'ledger_unavailable';

interface ReasonInfo {
  /** JSON-RPC code: −32040 … −32069, or a node's own where programs already look for it. */
  readonly code: number;
  readonly message: string;
}

/** Every answer of our own: one row, one meaning. Codes are never reused. */
export const REASONS: Readonly<Record<Reason, ReasonInfo>> = {
  chain_switched: { code: -201, message: 'broadcast error' },
  chain_not_open: { code: -201, message: 'broadcast error' },
  chain_id_required: { code: -201, message: 'broadcast error' },
  chain_unknown: { code: -201, message: 'broadcast error' },
  outcome_unknown: { code: -201, message: 'broadcast error' },
  shielded: { code: -32602, message: 'refused: this request could end a node' },
  bad_envelope: { code: -32600, message: 'invalid request' },
  method_denied: { code: -32041, message: 'the gateway does not forward this method' },
  too_large: { code: -32042, message: 'the request is too large' },
  hold_expired: { code: -32043, message: 'the write could not be held any longer; it was not sent' },
  hold_full: { code: -32044, message: 'too many writes are held already; it was not sent' },
  halted: { code: -32045, message: 'the old network has ended and the new one is not open yet; it was not sent' },
  rate_limited: { code: -32046, message: 'too many requests' },
  overloaded: { code: -32047, message: 'the network or the gateway is busy; try again later' },
  no_node: { code: -32048, message: 'no node can answer now' },
  deadline: { code: -32049, message: 'no answer in time' },
  bad_answer: { code: -32050, message: 'the node gave no usable answer' },
  ledger_unavailable: { code: -32051, message: 'the write could not be recorded durably; it was not sent' },
};

export interface Refusal {
  readonly reason: Reason;
  readonly executed: 'no' | 'unknown';
  readonly txHash?: string | null;
  readonly retryAfterMs?: number | null;
  /** Instead of the table's text: names of members and rules only, nothing the client sent. */
  readonly message?: string;
  /** Instead of the table's code, for faults a node would answer itself. */
  readonly code?: number;
}

/** Inner transaction codes of reference 3.2 that our refusals carry in the node's own shape. */
const WRONG_CHAIN = 5;
const COMMIT_TIMEOUT = 10;

/** `error` member of the answer, with what a program needs to go on (contract section 3). */
export function errorOf(
  refusal: Refusal,
  snapshot: RoutingSnapshot,
): { code: number; message: string; data: Record<string, unknown> } {
  const info = REASONS[refusal.reason];
  const data: Record<string, unknown> = { reason: refusal.reason, executed: refusal.executed };
  if (typeof refusal.txHash === 'string') data['txHash'] = refusal.txHash;
  data['chainId'] = chainToSign(snapshot);
  if (typeof refusal.retryAfterMs === 'number') data['retryAfterMs'] = Math.ceil(refusal.retryAfterMs);
  const code = refusal.code ?? info.code;
  if (code !== -201) return { code, message: refusal.message ?? info.message, data };
  const inner = refusal.reason === 'outcome_unknown' ? COMMIT_TIMEOUT : WRONG_CHAIN;
  return {
    code,
    message: info.message,
    data: {
      code: inner,
      hash: refusal.txHash ?? '',
      message: refusal.message ?? innerMessage(refusal.reason, snapshot),
      ...data,
    },
  };
}

function innerMessage(reason: Reason, snapshot: RoutingSnapshot): string {
  switch (reason) {
    case 'chain_switched':
      return `wrong chain ID: ${snapshot.networks.old.chainId}`;
    case 'chain_not_open':
      return `wrong chain ID: ${snapshot.networks.new?.chainId ?? ''} does not take writes yet`;
    case 'chain_id_required':
      return 'wrong chain ID: a chain ID is required';
    case 'outcome_unknown':
      return 'the transaction may have reached the network; its hash is followed up';
    default:
      return 'wrong chain ID';
  }
}

/** Chain id that an application has to sign for now. */
export const chainToSign = ({ intent, networks }: RoutingSnapshot): string =>
  (intent.committed ? networks.new?.chainId : undefined) ?? networks.old.chainId;
