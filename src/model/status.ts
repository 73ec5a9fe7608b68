import type { Epoch, Height, NetworkName } from './network.js';
import type { AnyPhase, Strategy } from './phase.js';

/** One value that CLI, admin API, metrics and events draw, so that they cannot disagree. */
export interface GatewayStatus {
  readonly phase: AnyPhase;
  readonly strategy: Strategy;
  readonly epoch: Epoch;
  /** Where a client write goes now; `none` while writes are held or refused. */
  readonly writeNetwork: NetworkName | 'none';
  readonly listeners: { readonly public: string; readonly relay: string | null; readonly admin: string };
  readonly networks: { readonly old: NetworkStatus; readonly new: NetworkStatus | null };
  readonly replication: ReplicationStatus;
  readonly writes: WritesStatus;
  readonly cutover: CutoverStatus;
  readonly version: string;
  readonly startedAt: string;
}

export interface NetworkStatus {
  readonly chainId: string;
  /** Greatest height any usable node reports; 0 before the first block. */
  readonly head: Height;
  /** Kwil's own status text, null while no node has told it. */
  readonly migrationStatus: string | null;
  readonly startHeight: Height | null;
  readonly endHeight: Height | null;
  /** Measured over recent blocks; null until two blocks were seen. */
  readonly blockTimeMs: number | null;
  readonly nodes: readonly NodeStatus[];
}

export interface NodeStatus {
  readonly name: string;
  readonly state: NodeState;
  readonly height: Height;
  readonly version: string | null;
  /** Why it is not `up`, in words; null when up. */
  readonly reason: string | null;
}

/**
 * up: answers, right chain, not behind · syncing: answers from an old state · lagging: behind the others ·
 * down: does not answer · quarantined: another chain or a fork · drained: taken out by hand · probing: not known yet.
 */
export const NODE_STATES = ['probing', 'up', 'syncing', 'lagging', 'down', 'quarantined', 'drained'] as const;
export type NodeState = (typeof NODE_STATES)[number];

export interface ReplicationStatus {
  readonly state: 'waiting' | 'running' | 'stopped' | 'finished';
  /** Why it waits or stopped, in words. */
  readonly reason: string | null;
  readonly startHeight: Height | null;
  readonly endHeight: Height | null;
  /** Old heights: greatest archived, greatest offered to the new nodes, watermark. */
  readonly archived: Height | null;
  readonly served: Height | null;
  readonly applied: Height | null;
  readonly lagBlocks: number | null;
  readonly lagMs: number | null;
  readonly blocksToEnd: number | null;
  readonly msToEnd: number | null;
  readonly repairs: Readonly<Record<string, number>>;
  readonly validators: readonly RelayValidatorStatus[];
}

export interface RelayValidatorStatus {
  readonly name: string;
  readonly lastRequestAt: string | null;
  readonly askedHeight: Height | null;
  readonly health: 'unseen' | 'asking' | 'silent' | 'finished';
}

export interface WritesStatus {
  readonly inFlight: number;
  readonly held: number;
  readonly heldBytes: number;
  /** Ledger entries whose outcome is not known to be final, per network. */
  readonly unresolved: { readonly old: number; readonly new: number };
  /** Transactions seen on the old network that did not come through us (I9). */
  readonly strangers: number;
}

export interface CutoverStatus {
  readonly attempt: string | null;
  /** What the current phase waits for, in words; null when nothing. */
  readonly waitingFor: string | null;
  readonly drainHeight: Height | null;
  readonly phaseSince: string;
  readonly deadline: string | null;
  /** Failing preflight checks by id; empty when ready. */
  readonly notReady: readonly string[];
  readonly lastOutcome: string | null;
  /** The old network's End is near and nobody has switched; null otherwise. */
  readonly endWarning: string | null;
}
