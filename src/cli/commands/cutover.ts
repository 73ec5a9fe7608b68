import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { AttemptStory, CommandResult, CutoverCommandName } from '../../admin/contract.js';
import type { AnyPhase, GatewayStatus } from '../../model/index.js';
import type { AdminClient } from '../client.js';
import {
  clientOf,
  examples,
  lookOf,
  mayDryRun,
  talksToGateway,
  type CliContext,
  type CommonOptions,
} from '../context.js';
import { CliError, EXIT, usage } from '../errors.js';
import { note, printResult } from '../io.js';
import { duration, stamp } from '../text/format.js';
import { padEnd, printableText } from '../text/style.js';
import { table, wrap } from '../text/table.js';
import { pause } from './status.js';

interface CutoverOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly reason?: string;
  readonly wait?: boolean;
}

/** While an attempt is in one of these, its end is still open. */
const RUNNING: ReadonlySet<AnyPhase> = new Set([
  'armed',
  'holding',
  'draining',
  'verifying',
  'committed',
  'opening',
  'at-halt',
]);

/** The machine's own budgets end every attempt long before. */
const FOLLOW_MS = 15 * 60_000;
/** A gateway that is killed in the middle comes back and goes on; so long it is waited for. */
const LOST_MS = 60_000;
const LOOK_MS = 150;

export function addCutover(program: Command, context: CliContext): void {
  const cutover = program
    .command('cutover')
    .summary('throw the switch, rehearse it, take it back')
    .description('The switch from the old to the new network.');

  const start = attemptCommand(cutover, 'start', 'throw the switch', context);
  start.description(
    'Throws the switch: checks, holds writes, drains the old network, waits until the new one has everything, commits, opens. Until the commit every failure leads back to the old network, after it forward to the new one.',
  );
  examples(
    start,
    'switchyard cutover start --dry-run',
    'switchyard cutover start',
    'switchyard cutover start --yes --reason "CHG-4711" --json',
  );
  attemptCommand(cutover, 'rehearse', 'everything but the commit; writes are held for a moment', context);
  simpleCommand(cutover, 'abort', 'give the running attempt up; possible until the commit', context);
  simpleCommand(cutover, 'postpone', 'let nothing begin until resume', context);
  simpleCommand(cutover, 'resume', 'end a postponement, or leave blocked after the cause is gone', context);

  talksToGateway(
    cutover
      .command('history')
      .summary('every attempt with its steps')
      .option('--audit', 'every command instead: who, what, why'),
  ).action(async (options: CommonOptions & { readonly audit?: boolean }) => {
    const client = clientOf(options, context);
    if (options.audit) {
      const audit = await client.call('audit');
      return printResult(context.io, options.json === true, audit, () =>
        auditText(audit.entries, lookOf(context).width),
      );
    }
    const history = await client.call('history');
    printResult(context.io, options.json === true, history, () => historyText(history.attempts, lookOf(context).width));
  });
}

function attemptCommand(cutover: Command, name: 'start' | 'rehearse', summary: string, context: CliContext): Command {
  const command = talksToGateway(cutover.command(name).summary(summary).description(`${summary}.`))
    .option('--dry-run', 'print the steps and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--reason <text>', 'why, for the audit')
    .option('--no-wait', 'return as soon as it has begun');
  return command.action(async (options: CutoverOptions) => {
    // The gateway itself has a dry run of these.
    const client = clientOf({ ...options, dryRun: false }, context);
    const body = { dryRun: options.dryRun === true, reason: options.reason ?? '' };
    if (body.dryRun) {
      const result = await client.call(name, { body });
      return printResult(context.io, options.json === true, { dryRun: true, ...result }, () =>
        stepsText(result, lookOf(context).width),
      );
    }
    const newChainId = await confirmed(name, client, options, context);
    const result = await client.call(name, { body: { ...body, newChainId } });
    const attempt = options.wait === false ? null : await follow(client, result, context);
    const code =
      attempt === null || attempt.result === 'switched' || attempt.result === 'rehearsed' ? EXIT.done : EXIT.failure;
    printResult(context.io, options.json === true, { ...result, story: attempt }, () =>
      attempt === null ? resultText(name, result) : historyText([attempt], lookOf(context).width),
    );
    context.exit(code);
  });
}

function simpleCommand(
  cutover: Command,
  name: Exclude<CutoverCommandName, 'start' | 'rehearse'>,
  summary: string,
  context: CliContext,
): void {
  mayDryRun(talksToGateway(cutover.command(name).summary(summary).description(`${summary}.`)))
    .option('--reason <text>', 'why, for the audit')
    .action(async (options: CutoverOptions) => {
      const result = await clientOf(options, context).call(name, { body: { reason: options.reason ?? '' } });
      printResult(context.io, options.json === true, result, () => resultText(name, result));
    });
}

/** The chain id that the operator means; typing it proves that the right gateway is in front of them. */
async function confirmed(
  name: string,
  client: AdminClient,
  options: CutoverOptions,
  { io }: CliContext,
): Promise<string> {
  const { networks } = await client.call('status');
  const chainId = networks.new?.chainId;
  if (chainId === undefined)
    throw new CliError(
      EXIT.failure,
      'no_new_network',
      'this gateway has no new network yet',
      'add networks.new to its configuration and reload',
    );
  if (options.yes) return chainId;
  if (io.stdin.isTTY !== true)
    throw usage(`cutover ${name} asks before it begins, and there is no terminal to ask on`, 'add --yes');

  const lines = createInterface({ input: io.stdin, output: io.stderr as NodeJS.WritableStream, terminal: false });
  note(
    io,
    `This ${name === 'start' ? `moves all writes from ${networks.old.chainId} to ${chainId} and cannot be taken back after the commit` : 'holds writes for a moment'}.`,
  );
  io.stderr.write(`Type the chain id of the new network to go on: `);
  try {
    const answer = await lines.question('', { signal: io.signal });
    if (answer.trim() !== chainId)
      throw new CliError(
        EXIT.failure,
        'not_confirmed',
        'that is not the chain id of the new network',
        'nothing was done',
      );
    return chainId;
  } finally {
    lines.close();
  }
}

/** Tells every phase on stderr until the attempt has ended, also over a restart of the gateway. Gives its story. */
async function follow(
  client: AdminClient,
  { attempt }: CommandResult,
  { io }: CliContext,
): Promise<AttemptStory | null> {
  const begun = Date.now();
  let phase: AnyPhase | null = null;
  let lostAt: number | null = null;
  while (Date.now() - begun < FOLLOW_MS) {
    try {
      const status = await client.call('status');
      lostAt = null;
      if (status.phase !== phase) note(io, phaseLine(status, Date.now() - begun));
      phase = status.phase;
      if (!RUNNING.has(phase)) {
        const { attempts } = await client.call('history');
        const story = attempt === null ? attempts.at(-1) : attempts.find(({ id }) => id === attempt);
        if (story === undefined || story.result !== null) return story ?? null;
      }
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) throw error;
      if (lostAt === null) note(io, 'switchyard: the gateway does not answer; the attempt goes on when it is back');
      lostAt ??= Date.now();
      if (Date.now() - lostAt > LOST_MS) throw error;
    }
    await pause(LOOK_MS, io.signal);
    if (io.signal.aborted)
      throw new CliError(
        EXIT.interrupted,
        'interrupted',
        'interrupted; the attempt goes on',
        '`switchyard cutover abort` gives it up',
      );
  }
  throw new CliError(EXIT.tryAgain, 'still_running', 'the attempt still runs', '`switchyard status --watch` shows it');
}

const phaseLine = ({ phase, cutover, writes }: GatewayStatus, ms: number): string =>
  `${duration(ms).padStart(8)}  ${padEnd(phase, 10)}${writes.held > 0 ? `  ${writes.held} held` : ''}${cutover.waitingFor === null ? '' : `  waits for ${cutover.waitingFor}`}`;

const resultText = (name: string, { phase, attempt }: CommandResult): string =>
  `${name}: done; phase ${phase}${attempt === null ? '' : `, attempt ${attempt}`}`;

function stepsText({ steps = [] }: CommandResult, width: number): string {
  const lines = steps.flatMap((step, i) => [
    `${String(i + 1).padStart(2)}. ${padEnd(step.phase, 10)}  writes ${step.writes}`,
    ...step.work.flatMap(work => wrap(work, width - 6).map((line, at) => `    ${at === 0 ? '- ' : '  '}${line}`)),
  ]);
  return [...lines, '', 'Nothing was changed.'].join('\n');
}

export function historyText(attempts: readonly AttemptStory[], width: number): string {
  if (attempts.length === 0) return 'No attempt yet.';
  return attempts
    .map(attempt => {
      const head = `${attempt.id}  ${attempt.kind}  ${attempt.result ?? 'running'}  ${stamp(attempt.startedAt)}  by ${attempt.by}`;
      const facts = [
        ...(attempt.reason === '' ? [] : [`reason: ${attempt.reason}`]),
        ...(attempt.outcome === null ? [] : [attempt.outcome]),
        ...(attempt.holdMs === null ? [] : [`writes were held for ${duration(attempt.holdMs)}`]),
        ...(attempt.drainHeight === null
          ? []
          : [`drain height ${attempt.drainHeight}, applied ${attempt.applied ?? '-'}`]),
      ];
      const steps = attempt.steps.map(step => [
        printableText(step.about ?? step.phase),
        step.ms === null ? 'lasts' : duration(step.ms),
      ]);
      return [
        head,
        ...facts.flatMap(fact => wrap(fact, width - 2).map(line => `  ${line}`)),
        table([{ title: '' }, { title: '', align: 'right' }], steps, width, '    '),
      ].join('\n');
    })
    .join('\n\n');
}

export function auditText(
  entries: readonly {
    at: string;
    command: string;
    actor: string;
    before: string;
    after: string;
    refused: string | null;
    reason: string;
  }[],
  width: number,
): string {
  if (entries.length === 0) return 'No command yet.';
  return table(
    [{ title: 'when' }, { title: 'command' }, { title: 'phase' }, { title: 'by, why', flexible: true }],
    entries.map(e => [
      stamp(e.at),
      e.command,
      e.refused === null ? (e.before === e.after ? e.before : `${e.before} > ${e.after}`) : `refused: ${e.refused}`,
      e.reason === '' ? e.actor : `${e.actor}: ${e.reason}`,
    ]),
    width,
  );
}
