import type { RoutingSnapshot } from '../routing/index.js';
import type { Reader } from './read-gate.js';

/** What every stage of one request knows about it. All items of a batch share it. */
export interface RequestContext {
  /** Read once per request. */
  readonly snapshot: RoutingSnapshot;
  /** Whose share of the hold and of the limits this is: the client's address. */
  readonly client: string;
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal;
  /** Monotonic ms by which the call must be answered. */
  readonly deadline: number;
  reader: Reader;
}
