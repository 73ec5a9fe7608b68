/** Exit codes of the contract: stable, scripts rely on them. */
export const EXIT = {
  done: 0,
  failure: 1,
  /** The check's answer is no. */
  no: 2,
  usage: 64,
  unreachable: 69,
  tryAgain: 75,
  config: 78,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with a code and words: what happened, details, what to do next. */
export class CliError extends Error {
  constructor(
    readonly exitCode: ExitCode,
    /** Stable word for `--json`. */
    readonly code: string,
    message: string,
    readonly advice: string | null = null,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = 'CliError';
  }
}

/** The change that a command would have asked the gateway for, had it not been given `--dry-run`. */
export class DryRun extends Error {
  constructor(
    readonly method: string,
    readonly path: string,
    readonly body: object,
  ) {
    super(`would send ${method} ${path} ${JSON.stringify(body)}; nothing was changed`);
    this.name = 'DryRun';
  }
}

export const usage = (message: string, advice: string | null = null): CliError =>
  new CliError(EXIT.usage, 'usage', message, advice);

/** 130 after SIGINT, 143 after SIGTERM. */
export const signalExit = (signal: AbortSignal): ExitCode =>
  signal.reason === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
