import { createLogUpdate } from 'log-update';
import type { Command } from 'commander';
import type { GatewayStatus } from '../../model/index.js';
import type { AdminClient } from '../client.js';
import { clientOf, examples, lookOf, talksToGateway, type CliContext, type CommonOptions } from '../context.js';
import { CliError, EXIT, signalExit } from '../errors.js';
import { note, printResult } from '../io.js';
import { statusScreen } from '../screen.js';
import { duration } from '../text/format.js';

interface StatusOptions extends CommonOptions {
  readonly watch?: boolean;
  readonly interval: string;
}

/** Lags that are remembered for the little curve. */
const LAGS_MAX = 24;

export function addStatus(program: Command, context: CliContext): void {
  const command = program
    .command('status')
    .summary('phase, both networks, every node, lag, time left to End, held writes')
    .description(
      'Shows where the migration is: phase, both networks, every node, lag, blocks and time left to End, held writes, and what is missing to be ready.',
    )
    .option('-w, --watch', 'a live screen, until ^C')
    .option('--interval <ms>', 'with --watch: time between two looks', '250');
  examples(talksToGateway(command), 'switchyard status --watch', 'switchyard status --json | jq .phase');
  command.action(async (options: StatusOptions) => {
    const client = clientOf(options, context);
    if (options.watch) return context.exit(await watch(client, options, context));
    const status = await client.call('status');
    printResult(context.io, options.json === true, status, () =>
      statusScreen(status, { ...lookOf(context), nowMs: Date.now() }),
    );
  });
}

/** On a terminal one screen that stays in place; elsewhere a line per change. With --json one object per change. */
async function watch(client: AdminClient, options: StatusOptions, context: CliContext): Promise<number> {
  const { io } = context;
  const intervalMs = Math.max(50, Number(options.interval) || 250);
  const isScreen = io.stdout.isTTY === true && options.json !== true;
  const update = isScreen ? createLogUpdate(io.stdout as NodeJS.WriteStream) : null;
  let last: GatewayStatus | null = null;
  let lostAt: number | null = null;
  let lags: number[] = [];
  let lastLine = '';

  const draw = (status: GatewayStatus, notice: string | null): void => {
    if (update)
      return update(
        statusScreen(status, {
          ...lookOf(context),
          nowMs: Date.now(),
          height: (io.stdout.rows ?? 24) - 1,
          lags,
          notice,
        }),
      );
    const line = options.json ? JSON.stringify(status) : summaryLine(status);
    if (line !== lastLine) io.stdout.write(`${line}\n`);
    lastLine = line;
  };

  try {
    while (!io.signal.aborted) {
      try {
        last = await client.call('status');
        lags = last.replication.lagBlocks === null ? lags : [...lags, last.replication.lagBlocks].slice(-LAGS_MAX);
        lostAt = null;
        draw(last, null);
      } catch (error) {
        // A gateway that is being restarted comes back: the screen stays and says so. Nothing to look at yet is an error.
        if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable || last === null) throw error;
        lostAt ??= Date.now();
        if (update) draw(last, `no answer for ${duration(Date.now() - lostAt)}; below is what was last known`);
        else if (Date.now() - lostAt < intervalMs) note(io, 'switchyard: no answer, trying on');
      }
      await pause(intervalMs, io.signal);
    }
  } catch (error) {
    if (!io.signal.aborted) throw error;
  } finally {
    update?.done();
  }
  return signalExit(io.signal);
}

function summaryLine({ phase, epoch, writeNetwork, networks, replication, writes, cutover }: GatewayStatus): string {
  return [
    `phase=${phase}`,
    `epoch=${epoch}`,
    `writes=${writeNetwork}`,
    `old=${networks.old.head}`,
    `new=${networks.new?.head ?? '-'}`,
    `applied=${replication.applied ?? '-'}`,
    `lag=${replication.lagBlocks ?? '-'}`,
    `toEnd=${replication.blocksToEnd ?? '-'}`,
    `held=${writes.held}`,
    ...(cutover.waitingFor === null ? [] : [`waitsFor="${cutover.waitingFor}"`]),
  ].join(' ');
}

export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
