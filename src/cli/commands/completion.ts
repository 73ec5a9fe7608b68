import { Argument, type Command } from 'commander';
import type { CliContext } from '../context.js';

export function addCompletion(program: Command, { io }: CliContext): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'whose completion').choices(['bash', 'zsh', 'fish']))
    .summary('a completion script for a shell')
    .description(
      'Prints a completion script. bash: eval "$(switchyard completion bash)"; fish: switchyard completion fish | source',
    )
    .action((shell: 'bash' | 'zsh' | 'fish') => {
      io.stdout.write(
        shell === 'fish'
          ? fish(program)
          : shell === 'zsh'
            ? `autoload -U +X bashcompinit && bashcompinit\n${bash(program)}`
            : bash(program),
      );
    });
}

interface Place {
  /** `cutover start`; empty at the top. */
  readonly path: string;
  readonly words: readonly string[];
}

/** What may stand after each command. */
function places(command: Command, path: readonly string[] = []): readonly Place[] {
  const subcommands = visible(command);
  const options = command.options.map(option => option.long).filter(long => long !== undefined && long !== null);
  const words = [...subcommands.map(sub => sub.name()), ...options, '--help'];
  return [{ path: path.join(' '), words }, ...subcommands.flatMap(sub => places(sub, [...path, sub.name()]))];
}

const visible = (command: Command): readonly Command[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter(sub => sub.name() !== 'help');

function bash(program: Command): string {
  const cases = places(program).map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`);
  return `_switchyard() {
  local path="" word words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ $word == -* || $word == */* || $word == *.* ]] && continue
    path="\${path:+$path }$word"
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _switchyard switchyard
`;
}

function fish(program: Command): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = (command: Command, path: readonly string[]): string[] => {
    const seen =
      path.length === 0
        ? '__fish_use_subcommand'
        : path.map(word => `__fish_seen_subcommand_from ${word}`).join('; and ');
    return visible(command).flatMap(sub => [
      `complete -c switchyard -f -n ${quote(seen)} -a ${sub.name()} -d ${quote(sub.summary() || sub.description())}`,
      ...lines(sub, [...path, sub.name()]),
    ]);
  };
  return `${lines(program, []).join('\n')}\n`;
}
