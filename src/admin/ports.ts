import type { GatewayStatus, NodeRef } from '../model/index.js';
import type { Clock } from '../platform/index.js';
import type { Logger } from '../telemetry/index.js';
import type {
  AttemptStory,
  AuditEntry,
  ChangesetView,
  CommandResult,
  HeldWrites,
  Report,
  CutoverCommandName,
  Explanation,
  ExportBody,
  OfflineStatus,
  PlanEntry,
  PreflightReport,
  ReloadResult,
  RelayUrl,
  RepairView,
  ReplicationInsight,
  StrategyFinding,
  TxView,
  UpgradePlan,
  UpgradeStatus,
  VerificationReport,
  VerifyBody,
} from './contract.js';

/** Who gave a command, for the audit. */
export interface Actor {
  /** As the caller names itself, such as `ann@ops-1`; `unknown` when it does not. Says who, proves nothing: the token does. */
  readonly name: string;
  /** Address the request came from. */
  readonly address: string;
}

export interface CommandRequest {
  readonly kind: CutoverCommandName;
  /** `ann@ops-1 (127.0.0.1)`. */
  readonly actor: string;
  /** May be empty. */
  readonly reason: string;
  readonly dryRun: boolean;
}

export type CommandOutcome =
  | ({ readonly accepted: true } & CommandResult)
  /** Refused by the machine: `code` is a stable word, `message` says why. */
  | { readonly accepted: false; readonly code: string; readonly message: string };

/** Times as the journal has them: ms since the epoch. */
type Timed<T, K extends keyof T> = Omit<T, K> & { readonly [P in K]: null extends T[P] ? number | null : number };
export type AttemptRecord = Timed<Omit<AttemptStory, 'steps'>, 'startedAt' | 'endedAt'> & {
  readonly steps: readonly Timed<AttemptStory['steps'][number], 'at'>[];
};
export type AuditRecord = Timed<AuditEntry, 'at'>;

export interface VerifyProgress {
  readonly text: string;
  readonly tablesDone: number;
  /** Null until the tables are counted. */
  readonly tablesTotal: number | null;
}

export interface Readiness {
  readonly ready: boolean;
  /** Why not, in words; empty when ready. */
  readonly reasons: readonly string[];
}

/**
 * What the admin side needs of the rest. An optional port is a feature that this gateway may not have: its route answers
 * 501 with code `not_available`.
 */
export interface AdminPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Text of /metrics with its content type. */
  readonly metrics: { readonly contentType: string; metrics: () => Promise<string> };
  readonly status: () => GatewayStatus;
  /** Whether requests can be served now. */
  readonly ready: () => Readiness;
  /** Whether everything has been started once. */
  readonly started: () => boolean;

  readonly preflight?: (signal: AbortSignal) => Promise<PreflightReport>;
  readonly command?: (request: CommandRequest) => Promise<CommandOutcome>;
  /** Oldest first, as `audit`. */
  readonly history?: () => readonly AttemptRecord[];
  readonly audit?: () => readonly AuditRecord[];

  /** Totals and endings of the writes that this process held. */
  readonly heldWrites?: () => Omit<HeldWrites, 'since'>;
  /** Null before the first whole comparison of this process. */
  readonly lastVerification?: () => Report['verification'];

  /** Undefined when the height is not archived. */
  readonly changeset?: (height: number) => Promise<ChangesetView | undefined>;
  /** Gives the whole hash of the version that was chosen; undefined when no such version is disputed. */
  readonly decide?: (height: number, sha256: string) => Promise<string | undefined>;
  readonly insight?: () => ReplicationInsight;
  readonly repairs?: () => readonly RepairView[];
  readonly relayUrls?: () => readonly RelayUrl[];
  readonly relayPlan?: (from: number | undefined, to: number | undefined) => readonly PlanEntry[];
  /** Long: progress is called now and then; ends early when the signal aborts. */
  readonly verify?: (
    what: VerifyBody,
    progress: (progress: VerifyProgress) => void,
    signal: AbortSignal,
  ) => Promise<VerificationReport>;

  /** False when it was in that state already; undefined when there is no such node. */
  readonly drainNode?: (node: NodeRef) => boolean | undefined;
  readonly resumeNode?: (node: NodeRef) => boolean | undefined;

  /** Absent unless that is the gateway's strategy. */
  readonly upgrade?: UpgradePorts;
  readonly offline?: OfflinePorts;

  /** `hash`: 64 lower-case hex digits. */
  readonly tx?: (hash: string) => Promise<TxView>;
  /** `request`: bytes as a client would send them. */
  readonly explain?: (request: Uint8Array) => Promise<Explanation>;
  readonly reload?: (actor: Actor) => Promise<ReloadResult>;
}

/** A command of a strategy: done, or refused with a stable word. */
export type StrategyOutcome =
  { readonly accepted: true } | { readonly accepted: false; readonly code: string; readonly message: string };

export interface UpgradePorts {
  readonly plan: (signal: AbortSignal) => Promise<UpgradePlan>;
  readonly status: () => UpgradeStatus;
  readonly watch: (actor: string, reason: string) => Promise<StrategyOutcome>;
  readonly end: (actor: string, reason: string) => Promise<StrategyOutcome>;
}

export interface OfflinePorts {
  readonly status: () => OfflineStatus;
  readonly start: (actor: string, reason: string, etaMs: number) => Promise<StrategyOutcome>;
  readonly files: (
    files: ExportBody,
    actor: string,
  ) => Promise<{ readonly findings: readonly StrategyFinding[] } | Extract<StrategyOutcome, { accepted: false }>>;
  readonly check: (actor: string) => StrategyOutcome;
  readonly open: (actor: string, reason: string) => Promise<StrategyOutcome>;
  readonly abort: (actor: string, reason: string) => Promise<StrategyOutcome>;
}
