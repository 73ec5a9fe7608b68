import type { Command } from 'commander';
import type { Explanation, TxView } from '../../admin/contract.js';
import { loadConfig } from '../../config/index.js';
import { clientOf, examples, lookOf, talksToGateway, type CliContext, type CommonOptions } from '../context.js';
import { CliError, EXIT, usage } from '../errors.js';
import { note, printResult, readStdin } from '../io.js';
import { number, stamp } from '../text/format.js';
import { printableText, type Style } from '../text/style.js';
import { wrap } from '../text/table.js';

/** Questions about one transaction or one request. */
export function addLookups(program: Command, context: CliContext): void {
  const tx = talksToGateway(program.command('tx').argument('<hash>', '64 hex digits'))
    .summary('where a transaction is')
    .description(
      'Says where a transaction is: network, height, result, or what is known about it. Exit code 2 when nobody knows it.',
    );
  examples(tx, 'switchyard tx 5f2b...').action(async (hash: string, options: CommonOptions) => {
    const view = await clientOf(options, context).call('tx', { params: { hash: hashOf(hash) } });
    printResult(context.io, options.json === true, view, () => txText(view));
    context.exit(view.state === 'not-found' ? EXIT.no : EXIT.done);
  });

  const explain = talksToGateway(program.command('explain'))
    .summary('how a JSON-RPC request would be routed and why')
    .description(
      'Reads a JSON-RPC request from standard input and says how it would be routed and why, rule by rule. Nothing is sent.',
    );
  if (context.programs.explain)
    explain.option('--offline', 'without a gateway: by the configuration, as before a migration');
  examples(
    explain,
    `echo '{"jsonrpc":"2.0","id":1,"method":"user.chain_info","params":{}}' | switchyard explain`,
  ).action(async (options: CommonOptions & { readonly offline?: boolean }) => {
    if (context.io.stdin.isTTY) note(context.io, 'switchyard: type or paste the request, then ^D');
    const request = await readStdin(context.io);
    const explanation = await explained(request, options, context);
    printResult(context.io, options.json === true, explanation, () => explanationText(explanation, lookOf(context)));
  });
}

/**
 * 64 hex digits, or the 96 that kwil-js 0.9 shows: it reads the node's hex text as base64 and prints the 48 bytes in hex.
 */
function hashOf(text: string): string {
  const digits = text.replace(/^0x/i, '').toLowerCase();
  const hash = /^[0-9a-f]{96}$/.test(digits) ? Buffer.from(digits, 'hex').toString('base64') : digits;
  if (!/^[0-9a-f]{64}$/.test(hash)) throw usage(`${text} is not a transaction hash`, '64 hex digits are expected');
  return hash;
}

async function explained(
  request: Buffer,
  options: CommonOptions & { readonly offline?: boolean },
  context: CliContext,
): Promise<Explanation> {
  const { io, programs } = context;
  const offline = async (): Promise<Explanation> =>
    programs.explain!(loadConfig({ file: options.config, env: io.env, cwd: io.cwd }).config, request);
  if (options.offline) return offline();
  try {
    return await clientOf(options, context).explain(request);
  } catch (error) {
    const isAway = error instanceof CliError && error.exitCode === EXIT.unreachable;
    if (!isAway || !programs.explain || options.admin !== undefined) throw error;
    note(io, 'switchyard: no gateway answers; explained from the configuration, as before a migration');
    return offline();
  }
}

function txText(view: TxView): string {
  const facts: [string, string | null][] = [
    ['hash', view.hash],
    ['state', view.state],
    ['network', view.network],
    ['height', view.height === null ? null : number(view.height)],
    [
      'result',
      view.code === null
        ? null
        : view.code === 0
          ? '0 (success)'
          : `${view.code}${view.log ? `: ${printableText(view.log)}` : ''}`,
    ],
    ['sent to', view.node],
    ['admitted', view.admittedAt === null ? null : stamp(view.admittedAt)],
  ];
  return [
    ...facts.filter(([, value]) => value !== null).map(([name, value]) => `${name.padEnd(9)} ${value}`),
    '',
    view.explanation,
  ].join('\n');
}

function explanationText(e: Explanation, { width, style }: { width: number; style: Style }): string {
  const rule = (mark: string, { id, text }: { id: string; text: string }): string[] =>
    wrap(text, width - 10).map((line, i) => (i === 0 ? `  ${mark} ${id.padEnd(5)} ${line}` : `          ${line}`));
  const target = Object.entries(e.decision as Record<string, unknown>)
    .filter(([key]) => key !== 'kind' && key !== 'reason')
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(', then ') : String(value)}`);
  return [
    `method    ${e.method === null ? '-' : printableText(e.method)}`,
    `class     ${e.class ?? '-'}`,
    style.bold(`decision  ${e.decision.kind} (${[e.decision.reason, ...target].join('; ')})`),
    ...(e.facts.length > 0
      ? ['', ...e.facts.flatMap(fact => wrap(printableText(fact), width - 2).map(line => `  ${line}`))]
      : []),
    ...(e.rule || e.passed.length > 0 ? ['', 'rules'] : []),
    ...e.passed.flatMap(passed => rule(style.dim(style.symbols.ring), passed)),
    ...(e.rule ? rule(style.good(style.symbols.dot), e.rule) : []),
  ].join('\n');
}
