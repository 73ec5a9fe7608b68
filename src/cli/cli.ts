import { CommanderError } from 'commander';
import { ConfigError } from '../config/index.js';
import { GatewayError, messageOf } from '../model/index.js';
import { problemsJson } from './commands/config.js';
import { CliError, DryRun, EXIT, signalExit } from './errors.js';
import { note, printResult, type CliIo } from './io.js';
import { createProgram } from './program.js';
import type { Programs } from './programs.js';

/** Runs one command line (without node and script) and gives its exit code. Never throws. */
export async function runCli(args: readonly string[], io: CliIo, programs: Programs): Promise<number> {
  let code: number = EXIT.done;
  const program = createProgram({ io, programs, exit: value => (code = value) });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    return failed(error, args.includes('--json'), io);
  }
}

/** Words on stderr, with --json also the one object on stdout; gives the exit code. */
function failed(error: unknown, isJson: boolean, io: CliIo): number {
  if (error instanceof DryRun) {
    const { method, path, body, message } = error;
    printResult(io, isJson, { dryRun: true, method, path, body }, () => message);
    return EXIT.done;
  }
  if (error instanceof CommanderError) {
    // Commander has printed its message already; help and version are no errors.
    if (error.exitCode === 0) return EXIT.done;
    return report(EXIT.usage, 'usage', error.message.replace(/^error: /, ''), {});
  }
  if (io.signal.aborted && !(error instanceof CliError && error.exitCode !== EXIT.interrupted)) {
    return report(signalExit(io.signal), 'interrupted', messageOf(error), {});
  }
  if (error instanceof ConfigError) {
    note(io, error.message);
    return report(EXIT.config, error.code, 'the configuration has problems', { problems: problemsJson(error) });
  }
  if (error instanceof CliError) {
    note(io, `switchyard: ${error.message}${error.advice === null ? '' : `\n  ${error.advice}`}`);
    return report(error.exitCode, error.code, error.message, {
      ...(error.advice !== null && { advice: error.advice }),
      ...error.details,
    });
  }
  if (error instanceof GatewayError) {
    note(io, `switchyard: ${error.message}`);
    return report(exitOf(error), error.code, error.message, {});
  }
  note(io, `switchyard: ${messageOf(error)}`);
  if (io.env['SWITCHYARD_DEBUG'] && error instanceof Error) note(io, error.stack ?? '');
  return report(EXIT.failure, 'failure', messageOf(error), {});

  function report(exit: number, word: string, message: string, more: object): number {
    if (isJson) io.stdout.write(`${JSON.stringify({ error: { code: word, message, ...more } })}\n`);
    return exit;
  }
}

function exitOf({ code, family }: GatewayError): number {
  // Another process holds what only one may hold.
  if (code === 'data_folder_in_use') return EXIT.tryAgain;
  if (family === 'config') return EXIT.config;
  if (family === 'upstream') return EXIT.unreachable;
  return family === 'refused' ? EXIT.tryAgain : EXIT.failure;
}
