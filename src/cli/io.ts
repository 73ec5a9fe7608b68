/** A terminal or pipe as the commands see it; tests hand in their own. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Everything a command touches outside the gateway. */
export interface CliIo {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborts at the first SIGINT or SIGTERM; `reason` is the signal's name. */
  readonly signal: AbortSignal;
  /** Calls `listener` at every SIGHUP. */
  onHangup(listener: () => void): () => void;
}

/** Result of a command: one JSON object with --json, text for people else. Always stdout; everything else is stderr. */
export function printResult(io: CliIo, isJson: boolean, value: unknown, text: () => string): void {
  if (isJson) io.stdout.write(`${JSON.stringify(value, null, io.stdout.isTTY ? 2 : 0)}\n`);
  else io.stdout.write(ensureNewline(text()));
}

export const note = (io: CliIo, text: string): void => void io.stderr.write(ensureNewline(text));

/** Columns to draw in: at least 60, at most 120, 80 where nobody knows. */
export const widthOf = (output: Output): number => Math.min(120, Math.max(60, output.columns ?? 80));

const ensureNewline = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`);

const STDIN_BYTES_MAX = 8 * 1024 * 1024;

/** All of stdin, bounded. */
export async function readStdin(io: CliIo): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const stop = (): void => void (io.stdin as Partial<NodeJS.ReadStream>).destroy?.(new Error('interrupted'));
  io.signal.addEventListener('abort', stop, { once: true });
  for await (const part of io.stdin) {
    const buffer = Buffer.from(part);
    bytes += buffer.length;
    if (bytes > STDIN_BYTES_MAX) throw new RangeError(`standard input has more than ${STDIN_BYTES_MAX} bytes`);
    parts.push(buffer);
  }
  io.signal.removeEventListener('abort', stop);
  return Buffer.concat(parts);
}
