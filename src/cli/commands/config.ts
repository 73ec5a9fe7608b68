import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  ConfigError,
  configJsonSchema,
  exampleConfig,
  loadConfig,
  originText,
  pathText,
  printable,
  problemText,
  type ConfigPath,
  type LoadedConfig,
} from '../../config/index.js';
import { writeFileAtomic } from '../../platform/index.js';
import { examples, jsonOption, lookOf, type CliContext } from '../context.js';
import { CliError, EXIT } from '../errors.js';
import { printResult } from '../io.js';
import { table } from '../text/table.js';
import { loadOptions, readsConfig, type ConfigFlags } from './run.js';

interface Json {
  readonly json?: boolean;
}

export function addConfig(program: Command, context: CliContext): void {
  const { io } = context;
  const config = program
    .command('config')
    .summary('write, check and show the configuration')
    .description('The configuration: write one, check it, see where each value comes from.');

  const init = config
    .command('init')
    .argument('[file]', 'file to write', 'switchyard.yaml')
    .summary('write a commented file')
    .description('Writes a commented configuration file; the JSON Schema for editors beside it.')
    .option('--force', 'overwrite')
    .addOption(jsonOption());
  init.action(async (file: string, options: Json & { readonly force?: boolean }) => {
    const path = resolve(io.cwd, file);
    if (existsSync(path) && !options.force)
      throw new CliError(
        EXIT.failure,
        'exists',
        `${file} exists already`,
        'give another name, or --force to overwrite it',
      );
    await writeFileAtomic(path, exampleConfig);
    const schema = resolve(path, '..', 'switchyard.schema.json');
    await writeFileAtomic(schema, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    printResult(
      io,
      options.json === true,
      { written: [path, schema] },
      () => `wrote ${path}\nwrote ${schema}\nNext: fill in networks, then \`switchyard config check -c ${file}\`.`,
    );
  });

  const check = readsConfig(config.command('check'))
    .summary('find every mistake; exit 0 or 78')
    .description(
      'Reads the configuration as `serve` would and lists every problem with file, line and column. Exit code 0 or 78.',
    )
    .addOption(jsonOption());
  examples(check, 'switchyard config check -c switchyard.yaml').action((options: ConfigFlags & Json) => {
    const result = checked(() => loadConfig(loadOptions(options, context)));
    printResult(io, options.json === true, result.json, () => result.text);
    if (!result.ok) context.exit(EXIT.config);
  });

  readsConfig(config.command('show'))
    .summary('every value and where it came from')
    .description('Prints the merged configuration with the source of every value; credentials are masked.')
    .addOption(jsonOption())
    .action((options: ConfigFlags & Json) => {
      const loaded = loadConfig(loadOptions(options, context));
      const values = leaves(loaded);
      const rows = values.map(({ path, value, origin }) => [path, value, origin]);
      printResult(io, options.json === true, { file: loaded.file, values }, () =>
        table(
          [{ title: 'setting' }, { title: 'value', flexible: true }, { title: 'from' }],
          rows,
          lookOf(context).width,
        ),
      );
    });

  config
    .command('schema')
    .summary('the JSON Schema, for editors')
    .description(
      'Prints the JSON Schema of the configuration. In the file: # yaml-language-server: $schema=./switchyard.schema.json',
    )
    .addOption(jsonOption())
    .action(() => void io.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`));
}

function checked(load: () => LoadedConfig): { ok: boolean; json: object; text: string } {
  try {
    const { file, doubts } = load();
    const lines = doubts.map(
      ({ origin, path, message }) => `${originText(origin)}: ${pathText(path)}: warning: ${message}`,
    );
    return {
      ok: true,
      json: {
        ok: true,
        file,
        problems: [],
        warnings: doubts.map(({ origin, path, message }) => ({
          where: originText(origin),
          path: pathText(path),
          message,
        })),
      },
      text: [...lines, `${file ?? 'configuration'}: ok`].join('\n'),
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return {
      ok: false,
      json: { ok: false, file: null, problems: problemsJson(error), warnings: [] },
      text: error.problems.map(problemText).join('\n'),
    };
  }
}

export const problemsJson = ({ problems }: ConfigError): object[] =>
  problems.map(({ path, message, origin, seen, allowed, suggestion }) => ({
    where: originText(origin),
    path: pathText(path),
    message,
    seen,
    allowed,
    suggestion,
    ...(origin.kind === 'file' && { file: origin.file, line: origin.line, column: origin.column }),
  }));

interface Leaf {
  readonly path: string;
  readonly value: string;
  readonly origin: string;
}

function leaves({ config, originOf }: LoadedConfig): readonly Leaf[] {
  const collect = (path: ConfigPath, value: unknown): Leaf[] => {
    if (Array.isArray(value) && value.some(item => typeof item === 'object'))
      return value.flatMap((item, i) => collect([...path, i], item));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return Object.entries(value).flatMap(([key, child]) => collect([...path, key], child));
    }
    return [{ path: pathText(path), value: printable(value), origin: originText(originOf(path)) }];
  };
  return collect([], config);
}
