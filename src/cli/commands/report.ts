import type { Command } from 'commander';
import type { HeldWrites, Report } from '../../admin/contract.js';
import { clientOf, examples, lookOf, talksToGateway, type CliContext, type CommonOptions } from '../context.js';
import { printResult } from '../io.js';
import { duration, number, plural, stamp } from '../text/format.js';
import { printableText } from '../text/style.js';
import { table, wrap } from '../text/table.js';
import { auditText, historyText } from './cutover.js';

/** Held writes on the page; --json has them all. */
const SHOWN_MAX = 20;

export function addReport(program: Command, context: CliContext): void {
  const command = talksToGateway(program.command('report'))
    .summary('the whole move on one page: attempts, held writes, verification, totals')
    .description(
      'Prints what the move has come to: both networks, every attempt with the time of each step, what became of held writes, replication, the last comparison of the tables, and every command. With --json the whole value.',
    );
  examples(command, 'switchyard report', 'switchyard report --json > move.json').action(
    async (options: CommonOptions) => {
      const report = await clientOf(options, context).call('report');
      printResult(context.io, options.json === true, report, () => reportText(report, lookOf(context).width));
    },
  );
}

export function reportText(report: Report, width: number): string {
  return [
    section('Now', stateLines(report), width),
    section('Attempts', [historyText(report.attempts, width - 2)], width),
    ...(report.held === null ? [] : [section('Held writes', heldLines(report.held, width - 2), width)]),
    section('Replication', replicationLines(report), width),
    section('Tables', verificationLines(report), width),
    section('Commands', [auditText(report.commands, width - 2)], width),
  ].join('\n\n');
}

const section = (title: string, blocks: readonly string[], width: number): string =>
  [
    title,
    ...blocks
      .flatMap(block => (block.includes('\n') ? block.split('\n') : wrap(block, width - 2)))
      .map(line => (line === '' ? '' : `  ${printableText(line)}`)),
  ].join('\n');

function stateLines({ at, status, upgrade, offline }: Report): string[] {
  const { old, new: fresh } = status.networks;
  const network = (name: string, one: typeof old): string =>
    `${name}: ${one.chainId}, head ${number(one.head)}${one.migrationStatus === null ? '' : `, ${one.migrationStatus}`}`;
  return [
    `${stamp(at)}: ${status.strategy}, phase ${status.phase}, epoch ${status.epoch}, writes go to ${status.writeNetwork}`,
    network('old', old),
    ...(fresh === null ? [] : [network('new', fresh)]),
    `${plural(status.writes.unresolved.old, 'write')} without a final outcome on the old network, ${number(status.writes.unresolved.new)} on the new one`,
    `${plural(status.writes.strangers, 'transaction')} on the old network did not come through this gateway`,
    ...(upgrade?.last ? [`rolling upgrade: ${upgrade.last.result}, ${upgrade.last.reason}`] : []),
    ...(offline?.last ? [`offline migration: ${offline.last.result}, ${offline.last.reason}`] : []),
  ];
}

function heldLines(held: HeldWrites, width: number): string[] {
  const { entered, released, expired, full, gone, waiting, forgotten, writes } = held;
  const total = `Since ${stamp(held.since)}: ${number(entered)} held = ${number(released)} released + ${number(expired)} expired + ${number(full)} turned away + ${number(gone)} gone${waiting === 0 ? '' : ` + ${number(waiting)} still waiting`}`;
  if (writes.length === 0) return [total];
  const shown = writes.slice(-SHOWN_MAX);
  const more = writes.length + forgotten - shown.length;
  return [
    total,
    table(
      [{ title: 'transaction' }, { title: 'held', align: 'right' }, { title: 'wait' }, { title: 'then' }],
      shown.map(({ hash, heldMs, wait, ending, network, state, height }) => [
        `${hash.slice(0, 16)}..`,
        duration(heldMs),
        wait,
        [
          ending ?? 'error',
          ...(network === 'none' ? [] : [network]),
          ...(state === null ? [] : [state]),
          ...(height === null ? [] : [`block ${height}`]),
        ].join(', '),
      ]),
      width,
    ),
    ...(more > 0 ? [`${plural(more, 'earlier one')}: --json`] : []),
  ];
}

function replicationLines({ status: { replication } }: Report): string[] {
  const { startHeight, endHeight, archived, served, applied, repairs, state, reason } = replication;
  const done = Object.entries(repairs).filter(([, count]) => count > 0);
  return [
    `${state}${reason === null ? '' : `: ${reason}`}`,
    `old heights ${number(startHeight)} to ${number(endHeight)}: archived ${number(archived)}, served ${number(served)}, applied ${number(applied)}`,
    done.length === 0
      ? 'nothing was rewritten'
      : `rewritten: ${done.map(([name, count]) => `${name} ${number(count)}`).join(', ')}`,
  ];
}

const verificationLines = ({ verification }: Report): string[] =>
  verification === null
    ? ['not compared since this gateway started: `switchyard verify`']
    : [
        `${stamp(verification.at)}: ${verification.report.equal ? 'equal' : 'DIFFERENT'}, ${plural(verification.report.tables, 'table')}, ${plural(verification.report.rows, 'row')}, ${plural(verification.report.differences, 'difference')}`,
      ];
