import { GatewayError, messageOf } from '../model/index.js';

/** Something in the stream is not what it must be: the pipeline stops and says why; trying again does not help. */
export const integrityError = (code: string, message: string, details: Record<string, unknown> = {}): GatewayError =>
  new GatewayError(code, 'integrity', message, { details });

/** The old side's bytes cannot be what the node recorded: the same height is fetched from another node. */
export class SourceError extends GatewayError {
  constructor(
    message: string,
    /** The node cannot serve this migration at all (no snapshot, no record of the height): look elsewhere for longer. */
    readonly lacksRecord = false,
  ) {
    super('source_failed', 'upstream', message);
    this.name = 'SourceError';
  }
}

/** JSON-RPC code of a node's error answer, or undefined when it was no such answer. */
export const rpcCodeOf = (thrown: unknown): number | undefined => {
  const code = (thrown as { rpcCode?: unknown } | null)?.rpcCode;
  return typeof code === 'number' ? code : undefined;
};

export const isIntegrity = (thrown: unknown): boolean =>
  thrown instanceof GatewayError && thrown.family === 'integrity';

export const reasonOf = (thrown: unknown): string => messageOf(thrown);
