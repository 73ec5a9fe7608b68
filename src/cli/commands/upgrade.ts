import type { Command } from 'commander';
import type { UpgradePlan, UpgradeStatus } from '../../admin/contract.js';
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
import { CliError, EXIT } from '../errors.js';
import { note, printResult } from '../io.js';
import { duration } from '../text/format.js';
import { printableText, type Style } from '../text/style.js';
import { table, wrap } from '../text/table.js';
import { findingsText } from './findings.js';
import { pause } from './status.js';

interface WatchOptions extends CommonOptions {
  readonly reason?: string;
}

const LOOK_MS = 200;
/** A gateway that is killed in the middle comes back and goes on; so long it is waited for. */
const LOST_MS = 60_000;

export function addUpgrade(program: Command, context: CliContext): void {
  const upgrade = program
    .command('upgrade')
    .summary('rolling upgrade of one network, node by node')
    .description('Rolling upgrade of one network, node by node (migration.strategy: rolling).');

  talksToGateway(upgrade.command('plan'))
    .summary('order, costs, and what must hold before it; exit 0 or 2')
    .description('Looks at every node and changes nothing. Exit code 0 when a roll can begin, 2 otherwise.')
    .action(async (options: CommonOptions) => {
      const plan = await clientOf(options, context).call('upgradePlan');
      printResult(context.io, options.json === true, plan, () => planText(plan, lookOf(context)));
      context.exit(plan.ready ? EXIT.done : EXIT.no);
    });

  const watch = mayDryRun(talksToGateway(upgrade.command('watch')))
    .summary('take the nodes out one after another, guard their restart, put them back')
    .description(
      'Begins a roll, or takes up the one under way, and tells every step. For each node it says when the operator may restart it. Ends when every node is back (exit 0) or at the first sign of something wrong (exit 1); run again, it goes on. Interrupting it changes nothing: the gateway goes on.',
    )
    .option('--reason <text>', 'why, for the audit');
  examples(watch, 'switchyard upgrade plan && switchyard upgrade watch').action(async (options: WatchOptions) => {
    const client = clientOf(options, context);
    const before = await client.call('upgradeStatus');
    const isRunning = before.step !== 'idle' && before.step !== 'finished' && before.step !== 'stopped';
    if (!isRunning) await client.call('upgradeWatch', { body: { reason: options.reason ?? '' } });
    const status = await follow(client, context);
    printResult(context.io, options.json === true, status, () => statusText(status, lookOf(context).width));
    context.exit(status.step === 'finished' ? EXIT.done : EXIT.failure);
  });

  mayDryRun(talksToGateway(upgrade.command('end')))
    .summary('give the roll up; every node is put back')
    .description(
      'Gives the roll up and puts every node back. A node that is down or disagrees is then judged by its health alone.',
    )
    .option('--reason <text>', 'why, for the audit')
    .action(async (options: WatchOptions) => {
      const status = await clientOf(options, context).call('upgradeEnd', { body: { reason: options.reason ?? '' } });
      printResult(context.io, options.json === true, status, () => 'The roll is given up; every node is in service.');
    });
}

/** Tells every step on stderr until the roll has ended, also over a restart of the gateway. */
async function follow(client: AdminClient, { io }: CliContext): Promise<UpgradeStatus> {
  const begun = Date.now();
  let told = '';
  let lostAt: number | null = null;
  for (;;) {
    try {
      const status = await client.call('upgradeStatus');
      lostAt = null;
      const line = `${status.node ?? ''} ${status.step}  ${status.waitingFor ?? ''}`.trim();
      if (line !== told) note(io, `${duration(Date.now() - begun).padStart(8)}  ${printableText(line)}`);
      told = line;
      if (status.step === 'finished' || status.step === 'stopped' || status.step === 'idle') return status;
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) throw error;
      if (lostAt === null) note(io, 'switchyard: the gateway does not answer; the roll goes on when it is back');
      lostAt ??= Date.now();
      if (Date.now() - lostAt > LOST_MS) throw error;
    }
    await pause(LOOK_MS, io.signal);
    if (io.signal.aborted)
      throw new CliError(
        EXIT.interrupted,
        'interrupted',
        'interrupted; the roll goes on',
        '`switchyard upgrade end` gives it up',
      );
  }
}

function planText(plan: UpgradePlan, look: { readonly width: number; readonly style: Style }): string {
  const { width, style } = look;
  const columns = [
    { title: '' },
    { title: 'node' },
    { title: 'role' },
    { title: 'build' },
    { title: 'cost', flexible: true },
  ];
  const rows = plan.order.map(({ node, role, build, upToDate, cost }, i) => [
    `${i + 1}.`,
    node,
    role,
    printableText(build ?? '-'),
    upToDate ? 'has the wanted build: left out' : cost,
  ]);
  const room =
    plan.validators === null
      ? 'Nobody tells how many validators there are.'
      : `${plan.validators} validators: ${plan.mayBeDown} may be down at once.`;
  return [
    table(columns, rows, width),
    '',
    room,
    '',
    'Each node:',
    ...plan.steps.flatMap(step => wrap(step, width - 4).map((line, i) => `${i === 0 ? '  - ' : '    '}${line}`)),
    '',
    ...findingsText(plan.checks, look),
    '',
    plan.ready ? style.good('A roll can begin: `switchyard upgrade watch`.') : style.bad('A roll would not begin.'),
  ].join('\n');
}

function statusText(status: UpgradeStatus, width: number): string {
  const done = status.done.map(one => [
    one.node,
    printableText(one.build ?? '-'),
    `${one.rows} rows of ${one.tables} tables equal`,
    duration(one.tookMs),
  ]);
  const list =
    done.length === 0
      ? []
      : [table([{ title: 'node' }, { title: 'build' }, { title: 'data' }, { title: 'took' }], done, width)];
  const end = status.stop === null ? [] : ['', ...wrap(printableText(status.stop.evidence), width)];
  const words =
    { finished: 'Every node is back.', stopped: 'Stopped.', idle: 'The roll was given up.' }[status.step] ??
    status.step;
  return [...list, ...(list.length > 0 ? [''] : []), words, ...end].join('\n');
}
