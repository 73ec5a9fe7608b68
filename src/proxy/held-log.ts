import type { NetworkName, TxHash } from '../model/index.js';
import type { Ending } from './write-ending.js';

/** What became of one write that was held. Says nothing about its content: the hash is all that is kept. */
export interface HeldFate {
  readonly hash: TxHash;
  /** When it began to wait, ms since 1970. */
  readonly at: number;
  readonly heldMs: number;
  /** How the waiting ended; `released`: the decision was made again. */
  readonly wait: 'released' | 'expired' | 'full' | 'gone';
  /** `accepted`, `answered` (a node's own answer), or the reason of the refusal; null: it ended in an error of ours. */
  readonly ending: string | null;
  /** Network that has it; `none` when it reached no node. */
  readonly network: NetworkName | 'none';
}

export interface HeldLog {
  add(fate: HeldFate): void;
  /** Oldest first. */
  fates(): readonly HeldFate[];
  /** How many older ones are no longer here. */
  forgotten(): number;
}

/** Ten switches with a full hold of the default size. */
const FATES_MAX = 10_000;

/**
 * The writes that were held by this process, for the report of a switch. In memory on purpose: the outcome of each write is in
 * the ledger, and a flush per held write in the middle of a switch would be paid by everybody who waits.
 */
export function createHeldLog(max = FATES_MAX): HeldLog {
  let fates: HeldFate[] = [];
  let forgotten = 0;
  return {
    add(fate) {
      fates.push(fate);
      // Cut in heaps: one shift per write would copy the list each time.
      if (fates.length < max * 2) return;
      forgotten += fates.length - max;
      fates = fates.slice(-max);
    },
    fates: () => fates.slice(-max),
    forgotten: () => forgotten + Math.max(0, fates.length - max),
  };
}

export function endingWord(ending: Ending): Pick<HeldFate, 'ending' | 'network'> {
  const network = ending.kind === 'answer' ? ending.node.network : ending.network;
  switch (ending.kind) {
    case 'refused':
      return { ending: ending.refusal.reason, network };
    case 'accepted':
      return { ending: 'accepted', network };
    case 'answer':
      return { ending: ending.outcome.kind === 'result' ? 'accepted' : 'answered', network };
  }
}
