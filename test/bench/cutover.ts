/**
 * `npm run bench:cutover -- [--switches N] [--writers N] [--rate N] [--block-ms N] [--seed S] [--json]`
 *
 * Switches N fresh pairs of networks, one after another, under load, and prints what the clients saw. Every figure of one
 * switch comes from that switch: the outage from the clients' records, the floor from a barrier transaction just before it,
 * the hold from the gateway's history. Nothing is asserted about time; the exit code is about losses, doubles and read errors.
 */
import { fork } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BARRIER, sendBarrier } from '../../src/devnet/demo/owner.js';
import { NAMESPACE } from '../../src/devnet/demo/schema.js';
import { judge } from '../../src/devnet/demo/verdict/index.js';
import { createNodeClient, queryRows } from '../../src/devnet/demo/verdict/node-client.js';
import { messageOf } from '../../src/model/index.js';
import { sleep, systemClock } from '../../src/platform/index.js';
import { createPair, type Pair } from '../support/pair.js';
import type { LoadCommand, LoadMessage, LoadOptions, LoadTotals } from './cutover-load.js';

const WINDOW_MS = 120_000;
const WARM_MS = 2_500;
const AFTER_MS = 1_500;
/** Signed transactions for so long a load; the attempt may have to be repeated. */
const LOAD_MS = 20_000;
const SWITCH_MS = 40_000;
const READERS = 4;
const ROWS = 50;
const PACE_MS = 1000;

interface Settings {
  readonly switches: number;
  readonly writers: number;
  readonly rate: number;
  readonly blockMs: number;
  readonly seed: number;
}

interface Sample {
  readonly outageMs: number;
  readonly networkFloorMs: number;
  readonly gatewayMs: number;
  readonly holdMs: number;
  readonly steps: Readonly<Record<string, number>>;
  readonly attempts: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly readErrors: number;
  readonly readsTotal: number;
  readonly acknowledged: number;
  readonly problems: readonly string[];
}

interface Attempt {
  readonly id: string;
  readonly result: string | null;
  readonly outcome: string | null;
  readonly holdMs: number | null;
  readonly steps: readonly { readonly phase: string; readonly ms: number | null }[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      switches: { type: 'string', default: '10' },
      writers: { type: 'string', default: '64' },
      rate: { type: 'string', default: '200' },
      'block-ms': { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const settings: Settings = {
    switches: Number(values.switches),
    writers: Number(values.writers),
    rate: Number(values.rate),
    blockMs: Number(values['block-ms']),
    seed: Number(values.seed),
  };
  const samples: Sample[] = [];
  const failures: string[] = [];
  for (let turn = 0; turn < settings.switches; turn += 1) {
    try {
      const sample = await measureSwitch(settings, settings.seed + turn);
      samples.push(sample);
      process.stderr.write(`${turn + 1}/${settings.switches} ${line(sample)}\n`);
    } catch (error) {
      failures.push(`switch ${turn + 1}: ${messageOf(error)}`);
      process.stderr.write(`${turn + 1}/${settings.switches} failed: ${messageOf(error)}\n`);
    }
  }
  const report = summarise(settings, samples, failures);
  process.stdout.write(values.json ? JSON.stringify(report) + '\n' : readable(report));
  return failures.length + report.lost + report.duplicated + report.readErrors === 0 && samples.length > 0 ? 0 : 1;
}

async function measureSwitch(settings: Settings, seed: number): Promise<Sample> {
  const pair = await createPair({
    name: 'bench',
    seed,
    blockMs: settings.blockMs,
    rows: ROWS,
    listenerPaceMs: PACE_MS,
  });
  const load = startLoad();
  let isDone = false;
  try {
    await pair.gateway.start();
    const intervalMs = (1000 * settings.writers) / settings.rate;
    const recordFile = join(pair.folder, 'attempts.jsonl');
    const prepared = load.prepare({
      url: pair.gateway.url,
      oldChainId: pair.oldChainId,
      newChainId: pair.newChainId,
      seed,
      writers: settings.writers,
      perWriter: Math.ceil(LOAD_MS / intervalMs),
      intervalMs,
      readers: READERS,
      recordFile,
    });
    await pair.migrate(Math.ceil(WINDOW_MS / settings.blockMs));
    await Promise.all([prepared, pair.waitFor(({ phase }) => phase === 'ready', 'ready')]);
    load.start();
    await sleep(systemClock, WARM_MS);
    const networkFloorMs = await measureFloor(pair);
    const attempts = await throwSwitch(pair);
    await sleep(systemClock, AFTER_MS);
    const totals = await load.stop();
    // The last acknowledged writes are in blocks after two more.
    await pair.fresh().waitForHeight(pair.fresh().height() + 2);
    const verdict = await judge({
      oldUrl: pair.old.urls[0]!,
      newUrl: pair.fresh().urls[0]!,
      oldChainId: pair.oldChainId,
      oldHead: pair.old.height(),
      newFirst: pair.window().start + 1,
      newHead: pair.fresh().height(),
      seedRows: ROWS,
      recordFile,
      ownOperations: [BARRIER],
    });
    const switched = attempts.find(({ result }) => result === 'switched')!;
    const steps = Object.fromEntries(switched.steps.map(({ phase, ms }) => [phase, ms ?? 0]));
    if (verdict.outage === null) throw new Error('the clients saw no switch');
    const outageMs = Math.max(0, verdict.outage.firstNewAck - verdict.outage.firstTrouble);
    isDone = true;
    return {
      outageMs,
      networkFloorMs: Math.round(networkFloorMs),
      gatewayMs: Math.max(0, Math.round(outageMs - networkFloorMs - (steps['verifying'] ?? 0))),
      holdMs: switched.holdMs ?? 0,
      steps,
      attempts: attempts.length,
      lost: verdict.lost,
      duplicated: verdict.duplicated,
      readErrors: totals.readErrors,
      readsTotal: totals.readsTotal,
      acknowledged: totals.acknowledged,
      problems: [
        ...verdict.problems,
        ...totals.notes,
        ...(totals.exhausted ? ['the signed transactions were used up'] : []),
      ],
    };
  } finally {
    load.kill();
    await pair.end(!isDone);
    if (!isDone) process.stderr.write(`log and records: ${pair.folder}\n`);
  }
}

/** From a transaction's admission on the old network until its change is visible on the new one (contract 5). */
async function measureFloor(pair: Pair): Promise<number> {
  const node = createNodeClient(pair.fresh().urls[0]!);
  const begun = performance.now();
  await sendBarrier(pair.old);
  while (performance.now() - begun < SWITCH_MS) {
    const rows = await queryRows(node, `{${NAMESPACE}}SELECT op FROM receipts WHERE op = '${BARRIER.op}'`);
    if (rows.length === 1) return performance.now() - begun;
    await sleep(systemClock, 5);
  }
  throw new Error('the barrier transaction did not become visible on the new network');
}

/** As an operator does: start, and start again if an attempt was given up. */
async function throwSwitch(pair: Pair): Promise<readonly Attempt[]> {
  const deadline = performance.now() + SWITCH_MS;
  for (;;) {
    const { phase } = await pair.waitFor(
      status => status.phase === 'ready' || status.phase === 'switched',
      'the switch',
      Math.max(1, deadline - performance.now()),
    );
    if (phase === 'switched') break;
    await pair.gateway.admin('POST', '/v1/cutover/start', { reason: 'bench' }).catch(() => sleep(systemClock, 100));
  }
  const { attempts } = await pair.gateway.admin<{ attempts: readonly Attempt[] }>('GET', '/v1/cutover/history');
  for (const { id, result, outcome } of attempts)
    if (result !== 'switched') process.stderr.write(`${id} ${result}: ${outcome}\n`);
  return attempts;
}

function startLoad() {
  const child = fork(fileURLToPath(new URL('./cutover-load.ts', import.meta.url)), [], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', code => reject(new Error(`the load process ended early with code ${code}`)));
  });
  ended.catch(() => undefined);
  const message = <K extends LoadMessage['kind']>(kind: K): Promise<Extract<LoadMessage, { kind: K }>> =>
    Promise.race([
      ended,
      new Promise<Extract<LoadMessage, { kind: K }>>(resolve => {
        child.on('message', (value: LoadMessage) => {
          if (value.kind === kind) resolve(value as Extract<LoadMessage, { kind: K }>);
        });
      }),
    ]);
  const tell = (command: LoadCommand): void => void child.send(command);
  return {
    async prepare(options: LoadOptions): Promise<void> {
      const prepared = message('prepared');
      tell({ kind: 'prepare', options });
      await prepared;
    },
    start: () => tell({ kind: 'start' }),
    async stop(): Promise<LoadTotals> {
      const done = message('done');
      tell({ kind: 'stop' });
      return (await done).totals;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

function summarise(settings: Settings, samples: readonly Sample[], failures: readonly string[]) {
  const of = (pick: (sample: Sample) => number) => quantiles(samples.map(pick));
  const sum = (pick: (sample: Sample) => number): number => samples.reduce((total, sample) => total + pick(sample), 0);
  const phases = [...new Set(samples.flatMap(({ steps }) => Object.keys(steps)))];
  return {
    switches: samples.length,
    outageMs: of(({ outageMs }) => outageMs),
    networkFloorMs: of(({ networkFloorMs }) => networkFloorMs),
    gatewayMs: of(({ gatewayMs }) => gatewayMs),
    holdMs: of(({ holdMs }) => holdMs),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    readErrors: sum(({ readErrors }) => readErrors),
    steps: Object.fromEntries(phases.map(phase => [phase, of(({ steps }) => steps[phase] ?? 0)])),
    attempts: sum(({ attempts }) => attempts),
    acknowledged: sum(({ acknowledged }) => acknowledged),
    reads: sum(({ readsTotal }) => readsTotal),
    settings,
    failures,
    machine: { node: process.version, cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown' },
  };
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}

const line = (sample: Sample): string =>
  `outage ${sample.outageMs} ms, floor ${sample.networkFloorMs}, gateway ${sample.gatewayMs}, hold ${sample.holdMs}; ` +
  `${sample.acknowledged} writes, lost ${sample.lost}, doubled ${sample.duplicated}, ` +
  `read errors ${sample.readErrors}/${sample.readsTotal}, attempts ${sample.attempts}` +
  sample.problems.map(problem => `\n    ! ${problem}`).join('');

function readable(report: ReturnType<typeof summarise>): string {
  const row = (name: string, { p50, p99, max }: Quantiles): string =>
    `${name.padEnd(18)}${String(p50).padStart(8)}${String(p99).padStart(8)}${String(max).padStart(8)}\n`;
  return (
    `${report.switches} switches${' '.repeat(12)}p50     p99     max (ms)\n` +
    row('outage', report.outageMs) +
    row('network floor', report.networkFloorMs) +
    row('gateway', report.gatewayMs) +
    row('hold', report.holdMs) +
    Object.entries(report.steps)
      .map(([phase, value]) => row(`  ${phase}`, value))
      .join('') +
    `lost ${report.lost}, duplicated ${report.duplicated}, read errors ${report.readErrors} of ${report.reads}\n`
  );
}

process.exitCode = await main();
process.stdout.write('', () => process.exit());
