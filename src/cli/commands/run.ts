import { InvalidArgumentError, Option, type Command } from 'commander';
import { loadConfig, type LoadOptions } from '../../config/index.js';
import { configOption, examples, jsonOption, type CliContext } from '../context.js';
import type { DemoFlags } from '../programs.js';

/** Flags that stand for one value of the configuration. */
const SHORTCUTS = [
  { flag: '--listen <address>', key: 'listen', path: 'listen', text: 'applications use this address' },
  {
    flag: '--relay-listen <address>',
    key: 'relayListen',
    path: 'relay.listen',
    text: 'the new network’s nodes use this address',
  },
  { flag: '--admin-listen <address>', key: 'adminListen', path: 'admin.listen', text: 'admin API, probes and metrics' },
  { flag: '--data-dir <folder>', key: 'dataDir', path: 'dataDir', text: 'journal, ledger, archive, token' },
  {
    flag: '--log-level <level>',
    key: 'logLevel',
    path: 'log.level',
    text: 'fatal, error, warn, info, debug, trace or silent',
  },
] as const;

export type ConfigFlags = Readonly<Record<string, unknown>> & {
  readonly config?: string;
  readonly set?: readonly string[];
};

/** -c, --set and the shortcuts: the commands that read a whole configuration have the same flags. */
export function readsConfig(command: Command): Command {
  command.addOption(configOption());
  for (const { flag, text, path } of SHORTCUTS) command.option(flag, `${text} (${path})`);
  return command.addOption(
    new Option('--set <path=value>', 'any value of the configuration; may be repeated').argParser(
      (text: string, before: string[] = []) => {
        if (!/^[^=\s]+=/.test(text)) throw new InvalidArgumentError('expected path=value, such as writes.holdMs=5000');
        return [...before, text];
      },
    ),
  );
}

export function loadOptions(options: ConfigFlags, { io }: CliContext): LoadOptions {
  const shortcuts = SHORTCUTS.flatMap(({ flag, key, path }) => {
    const text = options[key];
    return typeof text === 'string' ? [{ name: flag.split(' ')[0]!, path, text }] : [];
  });
  const sets = (options.set ?? []).map(text => {
    const at = text.indexOf('=');
    return { name: '--set', path: text.slice(0, at), text: text.slice(at + 1) };
  });
  return { file: options.config, flags: [...shortcuts, ...sets], env: io.env, cwd: io.cwd };
}

/** The programs that run until they are told to end. */
export function addRun(program: Command, context: CliContext): void {
  const { programs, io } = context;
  const serve = readsConfig(program.command('serve'))
    .summary('run the gateway')
    .description(
      'Runs the gateway. SIGTERM or SIGINT: not ready, finish what runs, exit 0; a second one forces. SIGHUP: read the configuration again.',
    );
  examples(
    serve,
    'switchyard serve -c switchyard.yaml',
    'SWITCHYARD_WRITES__HOLD_MS=5000 switchyard serve --log-level debug',
  ).action(async (options: ConfigFlags) => {
    const sources = loadOptions(options, context);
    context.exit(await programs.serve(loadConfig(sources), () => loadConfig(sources), io));
  });

  const dev = program
    .command('dev')
    .summary('an embedded pair of networks plus the gateway')
    .description(
      'Starts an embedded old and new network and the gateway in front of them, prints every URL and key, and stays until ^C.',
    )
    .option('--block-ms <n>', 'time between two blocks', whole(20, 60_000), 1000)
    .addOption(jsonOption());
  dev.action(async (options: { readonly blockMs: number; readonly json?: boolean }) => {
    context.exit(await programs.dev({ blockMs: options.blockMs, json: options.json === true }, io));
  });

  const demo = program
    .command('demo')
    .summary('a whole migration under load, start to end, with a verdict')
    .description(
      'Starts an embedded old and new network, the gateway, and kwil-js clients that read and write through its one URL; runs a whole migration; then checks every acknowledged write and every table. Exit code 0 only if all of it holds.',
    )
    .addOption(
      new Option('--strategy <name>', 'kind of move')
        .choices(['zero-downtime', 'rolling', 'offline'])
        .default('zero-downtime'),
    )
    .option('--seed <n>', 'seed of everything random', whole(0, 2 ** 32 - 1))
    .option('--writers <n>', 'clients that write', whole(1, 256))
    .option('--readers <n>', 'clients that read', whole(0, 256))
    .option('--rate <n>', 'writes per second of all together', whole(1, 10_000))
    .option('--rows <n>', 'rows in the old network before the migration begins', whole(0, 1_000_000))
    .option('--block-ms <n>', 'time between two blocks', whole(20, 60_000))
    .option('--keep', 'leave everything running after the verdict, until ^C')
    .addOption(jsonOption());
  examples(demo, 'switchyard demo', 'switchyard demo --json --seed 7').action(async (options: Partial<DemoFlags>) => {
    context.exit(await programs.demo(options, io));
  });
}

const whole =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`expected a whole number of ${min} to ${max}`);
    return value;
  };
