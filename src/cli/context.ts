import { Option, type Command } from 'commander';
import { createClient, type AdminClient } from './client.js';
import type { CliIo } from './io.js';
import { widthOf } from './io.js';
import type { Programs } from './programs.js';
import { findTarget, type TargetOptions } from './target.js';
import { styleOf, type Style } from './text/style.js';

/** What every command gets. */
export interface CliContext {
  readonly io: CliIo;
  readonly programs: Programs;
  /** Exit code of the command that ran. */
  exit(code: number): void;
}

export interface CommonOptions extends TargetOptions {
  readonly json?: boolean;
  /** What reads is asked as always; what changes ends the command with a DryRun. */
  readonly dryRun?: boolean;
}

export const configOption = (): Option =>
  new Option('-c, --config <file>', 'configuration file (env SWITCHYARD_CONFIG; default ./switchyard.yaml)');
export const jsonOption = (): Option => new Option('--json', 'print exactly one JSON object');

/** Options of every command that talks to a running gateway. */
export function talksToGateway(command: Command): Command {
  return command
    .addOption(configOption())
    .option('--admin <url>', 'admin address of the gateway (env SWITCHYARD_ADMIN_URL; default: from the configuration)')
    .option('--token-file <file>', 'file with its token (env SWITCHYARD_TOKEN_FILE; default: from the configuration)')
    .addOption(jsonOption());
}

/** Commands that change something: the request that does is shown instead of sent. */
export const mayDryRun = (command: Command): Command =>
  command.option('--dry-run', 'say what would be asked of the gateway and change nothing');

export const clientOf = (options: CommonOptions, { io }: CliContext): AdminClient =>
  createClient(findTarget(options, io), io.signal, options.dryRun === true);

export const lookOf = ({ io }: CliContext): { readonly width: number; readonly style: Style } => ({
  width: widthOf(io.stdout),
  style: styleOf(io.stdout, io.env),
});

/** `Examples:` under a command's help. */
export const examples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map(line => `  $ ${line}`).join('\n')}`);
