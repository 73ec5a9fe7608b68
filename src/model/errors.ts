/** Who has to act on an error, and whether trying again helps (see the table in each room's errors.ts). */
export type ErrorFamily = 'caller' | 'refused' | 'upstream' | 'integrity' | 'control' | 'config' | 'invariant';

export interface GatewayErrorOptions {
  readonly cause?: unknown;
  /** Safe to print: no secrets, no request bodies. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Upstream failures only: whether bytes of the request may have reached the node. */
  readonly sent?: 'no' | 'maybe';
}

/** Base of every error that leaves a room. Callers match on `code`, which is stable. */
export class GatewayError extends Error {
  readonly code: string;
  readonly family: ErrorFamily;
  readonly details: Readonly<Record<string, unknown>>;
  readonly sent: 'no' | 'maybe' | undefined;

  constructor(code: string, family: ErrorFamily, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.family = family;
    this.details = options.details ?? {};
    this.sent = options.sent;
  }
}

/** Text of anything that was thrown, for logs and operator messages. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
