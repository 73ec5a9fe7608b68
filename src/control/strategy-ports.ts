import type { NetworkName, NodeRef } from '../model/index.js';
import type { Clock } from '../platform/index.js';
import type { NetworkView } from '../routing/index.js';
import type { TableDigest } from '../strategies/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import type { JournalPort } from './ports.js';

/** What the loops of the other two strategies need from the rest of the gateway; handed in by the root. */
export interface StrategyPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly journal: JournalPort;
  readonly nodes: StrategyNodesPort;
  readonly ledger: StrategyLedgerPort;
  readonly proxy: StrategyProxyPort;
  readonly tables: TablesPort;
  /** The journal cannot tell what is on the disk: only a new process can. */
  fatal(error: Error): void;
}

/** Part of nodes/. */
export interface StrategyNodesPort {
  view(network: NetworkName): NetworkView | null;
  subscribe(listener: () => void): () => void;
  call<T>(
    node: NodeRef,
    method: string,
    params: unknown,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined },
  ): Promise<T>;
  send(
    node: NodeRef,
    body: Uint8Array,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined; readonly kind: 'control' },
  ): Promise<{ readonly status: number; readonly body: Buffer }>;
  /** Calls in progress, our own among them. */
  load(node: NodeRef): number;
  drain(node: NodeRef): boolean;
  resume(node: NodeRef): boolean;
}

/** A write without a final outcome. */
export interface OpenWrite {
  readonly hash: string;
  readonly node: string | null;
  /** `<key type>:<sender hex>`. */
  readonly account: string;
  readonly nonce: string;
  readonly tx: Uint8Array;
  readonly state: string;
  readonly at: number;
}

/** Part of storage/ledger.ts. */
export interface StrategyLedgerPort {
  unresolved(network: NetworkName): readonly OpenWrite[];
  get(hash: string): object | undefined;
  lastMined(network: NetworkName): number | null;
}

/** Part of proxy/. */
export interface StrategyProxyPort {
  /** Resolves when no write admitted under an older epoch can reach the old network any more. */
  quiesced(epoch: number, signal: AbortSignal): Promise<void>;
  inFlightWrites(): number;
  /** Challenges that a node issued and that a client may still come back with. */
  challenges(node: NodeRef): number;
}

/** Comparing data, whoever has it. */
export interface TablesPort {
  /** Rows of one node against another's, of a whole network or of a few tables. */
  compare(
    reference: NodeRef,
    node: NodeRef,
    scope: { readonly tables: number | 'all' },
    signal: AbortSignal,
  ): Promise<TableComparison>;
  /** One digest per table, as that node shows them. */
  digest(node: NodeRef, signal: AbortSignal): Promise<readonly TableDigest[]>;
}

export interface TableComparison {
  readonly tables: number;
  readonly rows: number;
  /** Keys, schemas, and what could not be compared, in words. */
  readonly differences: readonly string[];
}
