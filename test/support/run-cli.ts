import { Readable } from 'node:stream';
import { runCli, type CliIo, type Programs } from '../../src/cli/index.js';

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Text on standard input; a terminal when `isTTY`. */
  readonly stdin?: string;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly signal?: AbortSignal;
  readonly programs?: Partial<Programs>;
}

/** Runs a command line in this process, as main.ts does, and collects what it prints. */
export async function runCliWith(args: readonly string[], options: CliOptions): Promise<CliRun> {
  const out: string[] = [];
  const err: string[] = [];
  const outputOf = (lines: string[]) => ({
    write: (text: string) => lines.push(text),
    columns: options.columns ?? 80,
    ...(options.isTTY && { isTTY: true }),
  });
  const io: CliIo = {
    stdout: outputOf(out),
    stderr: outputOf(err),
    stdin: Object.assign(Readable.from(options.stdin === undefined ? [] : [options.stdin]), {
      isTTY: options.isTTY === true,
    }),
    env: { HOME: options.cwd, ...options.env },
    cwd: options.cwd,
    signal: options.signal ?? new AbortController().signal,
    onHangup: () => () => undefined,
  };
  const unused = (): Promise<number> => Promise.reject(new Error('not in this test'));
  const code = await runCli(args, io, {
    version: '1.2.3',
    commit: 'test',
    serve: unused,
    dev: unused,
    demo: unused,
    ...options.programs,
  });
  return { code, stdout: out.join(''), stderr: err.join('') };
}
