import type { Command } from 'commander';
import type { PreflightReport, VerificationReport } from '../../admin/contract.js';
import { clientOf, examples, lookOf, talksToGateway, type CliContext, type CommonOptions } from '../context.js';
import { EXIT } from '../errors.js';
import { note, printResult } from '../io.js';
import { duration, number, plural } from '../text/format.js';
import { printableText, type Style } from '../text/style.js';
import { table, wrap } from '../text/table.js';

/** Commands that answer yes (exit 0) or no (exit 2). */
export function addChecks(program: Command, context: CliContext): void {
  addPreflight(program, context);
  addVerify(program, context);
}

function addPreflight(program: Command, context: CliContext): void {
  const command = talksToGateway(program.command('preflight'))
    .summary('every check of the switch; exit 0 or 2')
    .description(
      'Runs every check that a switch begins with and changes nothing. Exit code 0 when none fails, 2 otherwise.',
    );
  examples(command, 'switchyard preflight && switchyard cutover start --yes').action(async (options: CommonOptions) => {
    const report = await clientOf(options, context).call('preflight');
    printResult(context.io, options.json === true, report, () => preflightText(report, lookOf(context)));
    context.exit(report.verdict === 'fail' ? EXIT.no : EXIT.done);
  });
}

interface VerifyOptions extends CommonOptions {
  readonly namespace?: string;
  readonly table?: string;
  readonly rows?: boolean;
}

function addVerify(program: Command, context: CliContext): void {
  const command = talksToGateway(program.command('verify'))
    .summary("compare both networks' tables; exit 0 or 2")
    .description(
      "Compares both networks' tables row by row. Exit code 0 when they are equal, 2 when not; every differing key is listed.",
    )
    .option('--namespace <name>', 'only this namespace')
    .option('--table <name>', 'only this table')
    .option('--rows', 'both rows of each differing key');
  examples(command, 'switchyard verify', 'switchyard verify --namespace main --table users --json').action(
    async (options: VerifyOptions) => {
      const { io } = context;
      const what = {
        ...(options.namespace && { namespace: options.namespace }),
        ...(options.table && { table: options.table }),
        ...(options.rows && { rows: true }),
      };
      const report = await clientOf(options, context).verify(what, line => {
        if (line.kind !== 'progress') return;
        note(
          io,
          `${number(line.tablesDone)}${line.tablesTotal === null ? '' : ` of ${number(line.tablesTotal)}`} tables  ${line.text}`,
        );
      });
      printResult(io, options.json === true, report, () => verificationText(report, lookOf(context).width));
      context.exit(report.equal ? EXIT.done : EXIT.no);
    },
  );
}

function preflightText(
  { checks, verdict, ms }: PreflightReport,
  { width, style }: { width: number; style: Style },
): string {
  const mark = { pass: style.good('pass'), warn: style.warn('warn'), fail: style.bad('FAIL') };
  const idWidth = Math.max(...checks.map(({ id }) => id.length), 0);
  const lines = checks.flatMap(check => {
    const indent = ' '.repeat(8);
    const found = check.verdict === 'pass' ? check.value : `${check.value} (wanted: ${check.threshold})`;
    const [first = '', ...more] = wrap(found, Math.max(20, width - idWidth - 8));
    return [
      `${mark[check.verdict]}  ${check.id.padEnd(idWidth)}  ${first}`,
      ...more.map(line => ' '.repeat(idWidth + 8) + line),
      ...(check.verdict === 'pass' || check.remedy === ''
        ? []
        : wrap(check.remedy, width - 10).map((line, i) => style.accent(`${indent}${i === 0 ? '> ' : '  '}${line}`))),
    ];
  });
  const count = (wanted: string): number => checks.filter(check => check.verdict === wanted).length;
  const sum = `${plural(checks.length, 'check')} in ${duration(ms)}: ${count('pass')} pass, ${count('warn')} warn, ${count('fail')} fail`;
  const end = verdict === 'fail' ? style.bad('A switch would not begin.') : style.good('Ready to switch.');
  return [...lines, '', `${sum}. ${end}`].join('\n');
}

function verificationText(report: VerificationReport, width: number): string {
  const sum = `${plural(report.tables, 'table')}, ${plural(report.rows, 'row')} compared in ${duration(report.durationMs)}`;
  if (report.equal) return `${sum}: equal.`;
  const where = { 'old-only': 'only in old', 'new-only': 'only in new', different: 'different' };
  const rowOf = (name: string, row: unknown): string => (row === undefined ? '' : `; ${name}: ${JSON.stringify(row)}`);
  const rows = report.differing.map(d => [
    `${d.namespace}.${d.table}`,
    where[d.side],
    printableText(`${d.key}${rowOf('old', d.old)}${rowOf('new', d.new)}`),
  ]);
  const { structure = [], notCompared = [] } = report;
  const definitions = structure.map(d => [d.what, where[d.side], printableText(d.line)]);
  const columns = [{ title: 'table' }, { title: 'how' }, { title: 'key', flexible: true }];
  return [
    ...(rows.length > 0 ? [table(columns, rows, width), ''] : []),
    ...(definitions.length > 0
      ? [table([{ title: 'definition' }, { title: 'how' }, { title: '', flexible: true }], definitions, width), '']
      : []),
    ...(notCompared.length > 0
      ? [
          'Not compared:',
          ...notCompared.flatMap(line => wrap(printableText(line), width - 2).map(text => `  ${text}`)),
          '',
        ]
      : []),
    `${sum}: ${plural(report.differences, 'difference')}${definitions.length > 0 ? `, ${plural(definitions.length, 'definition')} unlike` : ''}${notCompared.length > 0 ? `, ${number(notCompared.length)} not compared` : ''}.`,
  ].join('\n');
}
