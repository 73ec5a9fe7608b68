import { InvalidArgumentError, type Command } from 'commander';
import type { OfflineStatus } from '../../admin/contract.js';
import type { AdminClient } from '../client.js';
import {
  clientOf,
  examples,
  lookOf,
  talksToGateway,
  mayDryRun,
  type CliContext,
  type CommonOptions,
} from '../context.js';
import { CliError, EXIT, usage } from '../errors.js';
import { note, printResult } from '../io.js';
import { readGenesis, readSnapshot } from '../snapshot-file.js';
import { stamp } from '../text/format.js';
import { printableText } from '../text/style.js';
import { wrap } from '../text/table.js';
import { findingsText } from './findings.js';
import { pause } from './status.js';

interface OfflineOptions extends CommonOptions {
  readonly reason?: string;
  readonly yes?: boolean;
  readonly eta?: number;
  readonly snapshot?: string;
  readonly genesis?: string;
  readonly height?: number;
}

const LOOK_MS = 300;
/** Comparing every row of a large network takes hours. */
const CHECK_MS = 24 * 3_600_000;
const DEFAULT_ETA_S = 1800;

export function addOffline(program: Command, context: CliContext): void {
  const offline = program
    .command('offline')
    .summary('offline migration: stop writes, freeze, start again from the snapshot')
    .description('Offline migration (migration.strategy: offline): start, export, check, open; abort until open.');
  const command = (name: string, summary: string, more: string): Command =>
    mayDryRun(talksToGateway(offline.command(name).summary(summary).description(more))).option(
      '--reason <text>',
      'why, for the audit',
    );
  const print = (status: OfflineStatus, options: CommonOptions): void =>
    printResult(context.io, options.json === true, status, () => statusText(status, lookOf(context).width));

  examples(
    command(
      'start',
      'hold, then refuse writes; says when to stop the leader',
      'Holds writes for a moment, then refuses them with the expected time; waits until the old network is empty. While a move is under way it changes the expected time.',
    )
      .option('--eta <time>', 'when writes will be taken again: 90s, 20m, 1h', durationOf)
      .option('-y, --yes', 'do not ask'),
    'switchyard offline start --eta 20m --yes',
  ).action(async (options: OfflineOptions) => {
    if (options.yes !== true && options.dryRun !== true)
      throw usage('offline start stops all writes', 'add --yes when that is meant');
    const client = clientOf(options, context);
    const body = { reason: options.reason ?? '', etaSeconds: options.eta ?? DEFAULT_ETA_S };
    const begun = await client.call('offlineStart', { body });
    print(begun, options);
  });

  examples(
    command(
      'export',
      'judge the snapshot and genesis files; exit 0 or 2',
      'Hashes the uncompressed snapshot and judges both files against the frozen network. Exit code 0 when they can be given to every operator, 2 when something is to be corrected.',
    )
      .requiredOption('--snapshot <file>', 'snapshot.sql.gz of `kwild snapshot create`')
      .requiredOption('--genesis <file>', 'genesis.json, corrected')
      .option('--height <n>', 'the height that the command printed, when the snapshot does not tell', wholeOf),
    'switchyard offline export --snapshot snapshot.sql.gz --genesis genesis.json --height 423',
  ).action(async (options: OfflineOptions) => {
    const snapshot = await readSnapshot(options.snapshot!);
    const genesis = await readGenesis(options.genesis!);
    const result = await clientOf(options, context).call('offlineExport', {
      body: {
        snapshotHash: snapshot.hash,
        snapshotBytes: snapshot.bytes,
        snapshotHeight: snapshot.height ?? options.height ?? null,
        complete: snapshot.complete,
        genesis,
      },
    });
    const isGood = result.findings.every(({ verdict }) => verdict !== 'fail');
    printResult(context.io, options.json === true, result, () => {
      const look = lookOf(context);
      const end = isGood
        ? look.style.good('Both files can be given to every operator of the new network.')
        : look.style.bad('Correct this first; nothing was changed.');
      return [...findingsText(result.findings, look), '', end].join('\n');
    });
    context.exit(isGood ? EXIT.done : EXIT.no);
  });

  command(
    'check',
    'compare the new network with the frozen one; exit 0 or 2',
    'Every node of the new network: chain id, state hash, first block, blocks arriving; parameters, validators, accounts; every row of every table. Exit code 0 when nothing differs, 2 otherwise.',
  ).action(async (options: OfflineOptions) => {
    const client = clientOf(options, context);
    await client.call('offlineCheck', { body: { reason: options.reason ?? '' } });
    const status = await followCheck(client, context);
    const check = status.check!;
    printResult(context.io, options.json === true, status, () => {
      const look = lookOf(context);
      const end =
        check.state === 'passed'
          ? look.style.good('The new network is the old one: `switchyard offline open`.')
          : look.style.bad('It stays closed.');
      return [...findingsText(check.findings, look), '', end].join('\n');
    });
    context.exit(check.state === 'passed' ? EXIT.done : EXIT.no);
  });

  command(
    'open',
    'writes and reads go to the new network; there is no way back after it',
    'One decision: from then on writes and reads go to the new network.',
  )
    .option('-y, --yes', 'do not ask')
    .action(async (options: OfflineOptions) => {
      if (options.yes !== true && options.dryRun !== true)
        throw usage('offline open cannot be taken back', 'add --yes when that is meant');
      const status = await clientOf(options, context).call('offlineOpen', { body: { reason: options.reason ?? '' } });
      print(status, options);
    });

  command(
    'abort',
    'writes go on on the old network; possible until open',
    'Lets writes go on on the old network. Start its leader again before, or they wait for a block that does not come.',
  ).action(async (options: OfflineOptions) => {
    print(await clientOf(options, context).call('offlineAbort', { body: { reason: options.reason ?? '' } }), options);
  });

  talksToGateway(offline.command('status'))
    .summary('phase, what it waits for, freeze point, alarm')
    .description('Where the move is and what it waits for.')
    .action(async (options: CommonOptions) => print(await clientOf(options, context).call('offlineStatus'), options));
}

async function followCheck(client: AdminClient, { io }: CliContext): Promise<OfflineStatus> {
  const begun = Date.now();
  let told = '';
  while (Date.now() - begun < CHECK_MS) {
    const status = await client.call('offlineStatus');
    const { check } = status;
    if (check === null)
      throw new CliError(EXIT.tryAgain, 'check_lost', 'the gateway was started again meanwhile', 'run the check again');
    if (check.state !== 'running') return status;
    if (check.step !== told) note(io, printableText(check.step));
    told = check.step;
    await pause(LOOK_MS, io.signal);
    if (io.signal.aborted)
      throw new CliError(EXIT.interrupted, 'interrupted', 'interrupted; the check goes on in the gateway');
  }
  throw new CliError(EXIT.tryAgain, 'still_running', 'the check still runs', '`switchyard offline status` shows it');
}

function statusText(status: OfflineStatus, width: number): string {
  const { freeze, alarm } = status;
  return [
    `${status.move ?? 'no move'}  ${status.step}  writes ${status.writes === 'none' ? 'are taken' : status.writes}${status.eta === null ? '' : `, expected open at ${stamp(status.eta)}`}`,
    ...(freeze === null
      ? []
      : [
          `frozen at height ${freeze.height}, app hash ${freeze.appHash}`,
          `${freeze.rows} rows of ${freeze.tables} tables, ${freeze.accounts ?? 'unknown'} accounts`,
        ]),
    ...(status.waitingFor === null ? [] : wrap(`waits for ${printableText(status.waitingFor)}`, width)),
    ...(alarm === null
      ? []
      : alarm.strangers.map(
          one => `  ${one.height}  ${one.hash}  ${printableText(one.type)} of ${printableText(one.sender)}`,
        )),
    ...(status.last === null ? [] : wrap(`last: ${status.last.result}, ${printableText(status.last.reason)}`, width)),
  ].join('\n');
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** `90s`, `20m`, `1h` in seconds. */
function durationOf(text: string): number {
  const match = /^(\d+)([smh])$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * UNITS[match[2]!]!;
  if (seconds < 1 || seconds > 604_800) throw new InvalidArgumentError('expected a time such as 90s, 20m or 1h');
  return seconds;
}

function wholeOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}
