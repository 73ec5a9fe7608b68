import type { Readable } from 'node:stream';
import type { AnyPhase, Epoch, Height, NetworkName, NodeRef, Strategy, TxHash } from '../model/index.js';
import type { Clock } from '../platform/index.js';
import type { NetworkView, NodeView, RequestClass, RoutingSnapshot } from '../routing/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';

/** What the request path needs from the rest of the gateway; handed in by the root. */
export interface ProxyPorts {
  /** Read once per request. */
  snapshot(): RoutingSnapshot;
  onSnapshot(listener: () => void): () => void;
  readonly nodes: NodesPort;
  readonly ledger: LedgerPort;
  /** Final answers that outlive a restart; without it they live in memory only. */
  readonly answers?: AnswersPort;
  /** Value of GET /migration/v1. */
  migrationValue(): MigrationPublic;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Key of session tokens; shared by every gateway of one installation. */
  readonly secret: Uint8Array;
}

export interface NodesPort {
  view(network: NetworkName): NetworkView | null;
  /** Best first; `sticky` stays ahead of its equals. Includes nodes that are down, never quarantined or drained ones. */
  rank(network: NetworkName, sticky: string | null): readonly NodeView[];
  subscribe(listener: () => void): () => void;
  subscribeProbes(listener: () => void): () => void;
  /** Any complete HTTP answer; throws a GatewayError of family upstream that says whether it may have been sent. */
  send(node: NodeRef, body: Uint8Array, options: UpstreamOptions): Promise<Upstream>;
  get(node: NodeRef, path: string, options: UpstreamOptions): Promise<Upstream>;
  call<T>(node: NodeRef, method: string, params: unknown, options?: CallOptions): Promise<T>;
  probeNow(network: NetworkName): Promise<void>;
  /** Where a node is; null when there is none of that name. Never for an answer. */
  url(node: NodeRef): string | null;
}

export interface UpstreamOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly kind: 'client' | 'probe' | 'control';
  /** Answers of more bytes come as a beginning and a `rest`. */
  readonly streamAbove?: number | undefined;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Upstream {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  /** All of it, or with `rest` its beginning. */
  readonly body: Buffer;
  readonly rest?: Readable;
}

export interface LedgerRecord {
  readonly hash: TxHash;
  readonly network: NetworkName;
  readonly node: string | null;
  readonly account: string;
  readonly nonce: string;
  readonly tx: Uint8Array;
  readonly at: number;
  readonly epoch: Epoch;
  readonly state: 'sending' | 'accepted' | 'unknown' | 'mined' | 'rejected' | 'dead';
  readonly height?: Height;
  readonly code?: number;
}

export interface LedgerPort {
  /** Durable when it resolves; a rejection means that nothing may be sent. */
  admit(entry: LedgerRecord): Promise<void>;
  settle(
    hash: TxHash,
    change: { state: LedgerRecord['state']; node?: string; height?: Height; code?: number },
  ): Promise<void>;
  get(hash: TxHash): LedgerRecord | undefined;
  unresolved(network: NetworkName): readonly LedgerRecord[];
  counts(): { readonly old: number; readonly new: number };
  subscribe(listener: () => void): () => void;
}

export interface AnswersPort {
  get(method: string, hash: TxHash): { readonly network: NetworkName; readonly body: Buffer } | null;
  keep(method: string, hash: TxHash, answer: { readonly network: NetworkName; readonly body: Buffer }): void;
}

/** What GET /migration/v1 and its event streams give. */
export interface MigrationPublic {
  readonly phase: AnyPhase;
  /** Which kind of move is under way. */
  readonly strategy?: Strategy;
  readonly writeNetwork: NetworkName | 'none';
  /** To sign for now. */
  readonly chainId: string;
  readonly oldChainId: string;
  readonly newChainId: string | null;
  readonly epoch: Epoch;
  readonly lagBlocks: number | null;
  readonly endHeight: Height | null;
  readonly etaSeconds: number | null;
}

export interface ProxyOptions {
  /** `host:port`. */
  readonly listen: string;
  readonly writes: {
    readonly holdMs: number;
    readonly holdMax: number;
    readonly holdBytesMax: number;
    /** Writes of one network that may wait for a block at once, at the most; 0: no limit. Default 5,000. */
    readonly unminedMax?: number;
  };
  readonly limits?: Partial<ProxyLimits>;
  /** Named shield rules to turn down or off. */
  readonly shield?: Readonly<Record<string, 'off' | 'warn' | 'refuse'>>;
  /** Names that requests may come for, without port; none given: any. */
  readonly hosts?: readonly string[];
  /** Origins of web pages that may come; none given: any, each told its own back. */
  readonly origins?: readonly string[];
  /** CIDRs of proxies in front, whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[];
  /** Paths that are passed on unread. */
  readonly opaque?: readonly OpaquePath[];
  /** PEM files; read again by `reloadTls`. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

export interface OpaquePath {
  /** This path and everything below it. */
  readonly path: string;
  /** affine: the network that takes writes. */
  readonly network: 'affine' | NetworkName;
}

export interface ProxyLimits {
  /** Bytes of a request body; a node takes no more. */
  readonly bodyBytesMax: number;
  readonly batchMax: number;
  /** Items of one batch that run at the same time. */
  readonly batchConcurrency: number;
  /** Calls in progress in the whole gateway; more are `overloaded`. */
  readonly inFlightMax: number;
  /** The same for single classes. */
  readonly concurrency: Readonly<Partial<Record<RequestClass, number>>>;
  /** Calls of one client, items of a batch one by one: sustained, and at once after a pause; 0 is no limit. */
  readonly requestsPerSecond: number;
  readonly requestsBurst: number;
  readonly challengesPerSecond: number;
  readonly challengesBurst: number;
  /** Clients whose rate is remembered. */
  readonly clientsMax: number;
  readonly headerMs: number;
  readonly bodyMs: number;
  /** Least rate of a request body once its first seconds are over; 0 is no limit. */
  readonly bodyBytesPerSecond: number;
  readonly keepAliveMs: number;
  /** A connection on which nothing moves for so long, with a request on it, is ended: the client does not read. */
  readonly stallMs: number;
  /** Requests of one connection at a time; nobody honest sends more before the first answer. */
  readonly pipelineMax: number;
  /** From a call being read until it must be answered. */
  readonly totalMs: number;
  /** For a node to answer a read, and a broadcast that waits only for admission. */
  readonly readMs: number;
  readonly writeMs: number;
  /** A sync broadcast waits 15 s on the node. */
  readonly syncWriteMs: number;
  /** For a node that shows what the session has seen. */
  readonly sessionWaitMs: number;
  /** For in-flight calls to end once the gateway closes. */
  readonly drainMs: number;
  /** Bytes of an answer that are collected; what is larger is passed on as it comes. */
  readonly bufferBytesMax: number;
}

export const DEFAULT_UNMINED_MAX = 5000;

export const DEFAULT_LIMITS: ProxyLimits = Object.freeze({
  bodyBytesMax: 6_000_000,
  batchMax: 50,
  batchConcurrency: 8,
  inFlightMax: 4096,
  concurrency: Object.freeze({ read: 3072, write: 3072, 'chain-data': 256, migration: 32 }),
  requestsPerSecond: 10_000,
  requestsBurst: 20_000,
  challengesPerSecond: 5,
  challengesBurst: 20,
  clientsMax: 20_000,
  headerMs: 10_000,
  bodyMs: 15_000,
  bodyBytesPerSecond: 500,
  keepAliveMs: 65_000,
  stallMs: 45_000,
  pipelineMax: 16,
  totalMs: 25_000,
  readMs: 20_000,
  writeMs: 7_500,
  syncWriteMs: 17_000,
  sessionWaitMs: 3_000,
  drainMs: 10_000,
  bufferBytesMax: 1_048_576,
});
