import { Command, Option } from 'commander';
import type { CliContext } from './context.js';
import { addChecks } from './commands/checks.js';
import { addCompletion } from './commands/completion.js';
import { addConfig } from './commands/config.js';
import { addCutover } from './commands/cutover.js';
import { addDoctor } from './commands/doctor.js';
import { addLookups } from './commands/lookups.js';
import { addNodes } from './commands/nodes.js';
import { addOffline } from './commands/offline.js';
import { addRelay, addReplication } from './commands/replication.js';
import { addReport } from './commands/report.js';
import { addRun } from './commands/run.js';
import { addStatus } from './commands/status.js';
import { addUpgrade } from './commands/upgrade.js';

/** The whole grammar: `switchyard <noun> <verb>`. */
export function createProgram(context: CliContext): Command {
  const { io, programs } = context;
  const program = new Command('switchyard')
    .description('One stable URL in front of the old and the new Kwil network during a migration.')
    .version(`${programs.version} (${programs.commit})`, '-V, --version')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 failure, 2 the check's answer is no, 64 usage, 69 gateway
or node not reachable, 75 try again, 78 bad configuration, 130/143 signal.
Results are on standard output, everything else on standard error.`,
    );
  addRun(program, context);
  addStatus(program, context);
  addChecks(program, context);
  addCutover(program, context);
  addReport(program, context);
  addReplication(program, context);
  addRelay(program, context);
  addNodes(program, context);
  addUpgrade(program, context);
  addOffline(program, context);
  addLookups(program, context);
  addConfig(program, context);
  addDoctor(program, context);
  addCompletion(program, context);
  forEveryCommand(program, command => {
    // One grammar: a script may say --yes to any command, also to one that would not ask.
    if (command.commands.length === 0 && !command.options.some(({ long }) => long === '--yes'))
      command.addOption(new Option('-y, --yes', 'do not ask').hideHelp());
    command
      .helpCommand(false)
      .exitOverride()
      .showHelpAfterError(`(switchyard ${pathOf(command)}--help says more)`)
      .configureOutput({
        writeOut: text => void io.stdout.write(text),
        writeErr: text => void io.stderr.write(text),
        getOutHelpWidth: () => Math.min(100, io.stdout.columns ?? 80),
        getErrHelpWidth: () => Math.min(100, io.stderr.columns ?? 80),
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      });
  });
  return program;
}

function forEveryCommand(command: Command, act: (command: Command) => void): void {
  act(command);
  for (const sub of command.commands) forEveryCommand(sub, act);
}

const pathOf = (command: Command): string =>
  command.parent === null ? '' : `${pathOf(command.parent)}${command.name()} `;
