import type { Height, NetworkName, NodeRef } from '../model/index.js';
import type { Clock } from '../platform/index.js';
import type { NetworkView } from '../routing/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';

/** What replication needs of nodes/: views, change notice, calls whose results are parsed JSON. */
export interface NodesPort {
  view(network: NetworkName): NetworkView | null;
  /** Any view changed. */
  readonly subscribe: (listener: () => void) => () => void;
  /** Throws an error with a numeric `rpcCode` when the node answered with a JSON-RPC error, anything else when it did not answer. */
  call<T>(node: NodeRef, method: string, params: unknown, options?: CallOptions): Promise<T>;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What is known of one archived old height. */
export interface ArchivedInfo {
  readonly height: Height;
  readonly bytes: number;
  /** Length after all repairs: 0 when nothing is left to apply. */
  readonly effective: number;
  readonly sha256: string;
  readonly rows: number;
  readonly source: string;
  readonly confirmedBy: string | null;
  /** Wall clock, ms. */
  readonly at: number;
}

/** What replication needs of storage/: everything durable before it resolves (see storage/archive.ts for the errors). */
export interface ArchivePort {
  open(): Promise<void>;
  close(): Promise<void>;
  first(): Height | null;
  last(): Height | null;
  append(changesets: readonly { readonly info: ArchivedInfo; readonly bytes: Uint8Array }[]): Promise<void>;
  info(height: Height): ArchivedInfo | undefined;
  bytes(height: Height): Uint8Array | undefined;
  prune(before: Height): Promise<number>;
  createPlan(asked: Height, record: unknown, served: Uint8Array | null): Promise<unknown>;
  plan(asked: Height): unknown;
  served(asked: Height): Uint8Array | undefined;
  lastPlanned(): Height | null;
  plans(from: Height, to: Height): Iterable<unknown>;
  record(name: string): unknown;
  setRecord(name: string, value: unknown): Promise<void>;
  createRecord(name: string, value: unknown): Promise<unknown>;
  blob(name: string): Uint8Array | undefined;
  setBlob(name: string, bytes: Uint8Array): Promise<void>;
  sizeBytes(): number;
}

export interface ReplicationPorts {
  readonly nodes: NodesPort;
  readonly archive: ArchivePort;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether this gateway sent the transaction (I9); without it strangers are not counted. */
  readonly isOurs?: (hash: string) => boolean;
}
