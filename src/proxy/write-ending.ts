import { GatewayError, type Height, type NetworkName } from '../model/index.js';
import type { HoldReason, NodeView, Outcome, RoutingSnapshot } from '../routing/index.js';
import type { Refusal } from './errors.js';
import type { LedgerRecord, Upstream } from './ports.js';
import type { Broadcast } from './transaction.js';

export interface TxResult {
  readonly height: Height;
  readonly code: number;
  readonly log: string;
}

/** How a write ended, before it is put into words for whoever asked (several may have sent the same bytes). */
export type Ending =
  | { readonly kind: 'answer'; readonly answer: Upstream; readonly outcome: Outcome; readonly node: NodeView }
  | {
      readonly kind: 'accepted';
      readonly network: NetworkName;
      readonly node: NodeView;
      readonly mined: TxResult | null;
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly network: NetworkName | 'none' };

/** After this a client may try again where nothing better is known. */
export const RETRY_MS = 1000;

export const networkOf = (ending: Ending): string => (ending.kind === 'answer' ? ending.node.network : ending.network);

export const resultMember = ({ code, log }: TxResult): Record<string, unknown> =>
  log === '' ? { code, gas: 0 } : { code, gas: 0, log };

export const unknownRefusal = (broadcast: Broadcast, message?: string): Refusal => ({
  reason: 'outcome_unknown',
  executed: 'unknown',
  txHash: broadcast.hash,
  retryAfterMs: RETRY_MS,
  ...(message === undefined || message === '' ? {} : { message }),
});

export function holdRefusal(
  kind: 'expired' | 'full' | 'gone',
  reason: HoldReason,
  /** When a network that has enough will have room. */
  roomMs: number,
): Refusal {
  if (reason === 'congested') return { reason: 'overloaded', executed: 'no', retryAfterMs: roomMs };
  if (kind === 'full') return { reason: 'hold_full', executed: 'no', retryAfterMs: RETRY_MS };
  if (reason === 'head_stalled') return { reason: 'overloaded', executed: 'no', retryAfterMs: RETRY_MS };
  return { reason: 'hold_expired', executed: 'no', retryAfterMs: RETRY_MS };
}

export const ledgerRefusal = (error: unknown): Refusal =>
  error instanceof GatewayError && error.family === 'refused'
    ? { reason: 'overloaded', executed: 'no', retryAfterMs: RETRY_MS }
    : { reason: 'ledger_unavailable', executed: 'no', retryAfterMs: RETRY_MS };

export const entryOf = (
  broadcast: Broadcast,
  network: NetworkName,
  snapshot: RoutingSnapshot,
  at: number,
): LedgerRecord => ({
  hash: broadcast.hash,
  network,
  node: null,
  account: broadcast.account,
  nonce: broadcast.nonce,
  tx: broadcast.bytes,
  at,
  epoch: snapshot.intent.epoch,
  state: 'sending',
});
