import type { Height, NetworkName, NodeRef, ReplicationStatus } from '../model/index.js';
import type { Clock } from '../platform/index.js';
import type { NetworkView, WatermarkView } from '../routing/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import type { Epoch } from '../model/index.js';

/** What the loop needs from the rest of the gateway; handed in by the root. */
export interface ControlPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly journal: JournalPort;
  readonly nodes: NodesPort;
  readonly replication: ReplicationPort;
  readonly ledger: LedgerPort;
  readonly proxy: ProxyPort;
  /** Compares recently changed rows of both networks before a commit; without it that part of the final check is left out. */
  readonly verifier?: VerifierPort;
  /** The journal cannot tell what is on the disk: only a new process can. The root ends this one. */
  fatal(error: Error): void;
}

/** storage/journal.ts. */
export interface JournalPort {
  append(entry: { readonly kind: string; readonly data: unknown }): Promise<unknown>;
  records(): readonly {
    readonly sequence: number;
    readonly at: number;
    readonly kind: string;
    readonly data: unknown;
  }[];
  probeMs(): Promise<number>;
}

/** Part of nodes/. */
export interface NodesPort {
  view(network: NetworkName): NetworkView | null;
  subscribe(listener: () => void): () => void;
  call<T>(
    node: NodeRef,
    method: string,
    params: unknown,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined },
  ): Promise<T>;
}

/** Part of replication/. */
export interface ReplicationPort {
  status(): ReplicationStatus;
  watermark(): WatermarkView;
  /** Status or watermark changed. */
  subscribe(listener: () => void): () => void;
  expedite(height: Height | null): void;
  rally(signal: AbortSignal): Promise<void>;
  /** Start and End as the new network was told them, when they differ from the old network's own (own End, shifted timeline). */
  announced?(): { readonly startHeight: Height; readonly endHeight: Height } | null;
}

/** Part of storage/ledger.ts. */
export interface LedgerPort {
  /** Writes without a final outcome. */
  unresolved(network: NetworkName): readonly { readonly state: string; readonly at: number }[];
  /** Greatest height that a write of ours was ever mined at; null before the first. */
  lastMined(network: NetworkName): Height | null;
  subscribe(listener: () => void): () => void;
}

/** Part of proxy/. */
export interface ProxyPort {
  /** Resolves when no write admitted under an epoch older than `epoch` can reach the old network any more. */
  quiesced(epoch: Epoch, signal: AbortSignal): Promise<void>;
  held(): { readonly count: number; readonly bytes: number };
  inFlightWrites(): number;
}

export interface VerifierPort {
  /** What is left to compare of the rows changed up to `upTo`, and how much of it there was no time for; must end within the signal. */
  verifyRecent(
    upTo: Height,
    signal: AbortSignal,
  ): Promise<{
    readonly differences: number;
    /** Table and key of some of them. */
    readonly examples: readonly string[];
    readonly leftOut: number;
    readonly heightsLeftOut: number;
  }>;
}
