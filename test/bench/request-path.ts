/**
 * `npm run bench [-- --rounds N --ms N --callers N --keep-alive --json]`
 *
 * What the gateway costs, beside the same requests sent to the node directly and through a proxy that looks at nothing. All rows
 * run in turn in each round and are compared within the round, so that a machine that is slow for a while is slow for all.
 * `rpsRatio` and `cpuRatio` (processor time of all processes per request) are medians over the rounds, relative to the first row.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answering } from './answering.js';
import { createGatewayChild } from '../support/gateway-child.js';
import type { LoadCommand, LoadResult, RequestKind } from './request-path-load.js';
import type { UpstreamMessage } from './request-path-node.js';

interface Row {
  readonly name: string;
  readonly url: string;
  readonly kind: RequestKind;
}
interface Slice {
  readonly rps: number;
  readonly cpuUs: number;
  readonly result: LoadResult;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '7' },
      ms: { type: 'string', default: '1500' },
      callers: { type: 'string', default: '16' },
      'keep-alive': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const settings = { ms: Number(values.ms), callers: Number(values.callers) };
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-bench-'));
  const env = { BENCH_KEEP_ALIVE: values['keep-alive'] ? '1' : '0' };
  const children: ChildProcess[] = [];
  const upstream = async (...args: string[]): Promise<readonly string[]> => {
    const child = start('request-path-node.ts', args, env);
    children.push(child);
    const [message] = (await once(child, 'message')) as [UpstreamMessage];
    return message.urls;
  };
  let gateway: Awaited<ReturnType<typeof createGatewayChild>> | null = null;
  try {
    const [old = '', fresh = ''] = await upstream('node');
    const [plain = ''] = await upstream('plain', old);
    const load = start('request-path-load.ts', [], env);
    children.push(load);
    gateway = await createGatewayChild({
      folder,
      old: { chainId: 'kwil-old', urls: [old] },
      new: { chainId: 'kwil-new', urls: [fresh] },
      listenerPaceMs: 1000,
    });
    await gateway.start();
    const { url } = gateway;
    await answering(url);
    const rows: readonly Row[] = [
      { name: 'read, direct to the node', url: old, kind: 'read' },
      { name: 'read, http-proxy-3', url: plain, kind: 'read' },
      { name: 'read, switchyard', url, kind: 'read' },
      { name: 'write, direct to the node', url: old, kind: 'write' },
      { name: 'write, switchyard', url, kind: 'write' },
      { name: 'batch of 10 reads, switchyard', url, kind: 'batch' },
    ];
    const slices = rows.map((): Slice[] => []);
    // The first round warms up and is not counted.
    for (let round = -1; round < rounds; round += 1) {
      for (const [i, { url: target, kind }] of rows.entries()) {
        const slice = await measure(load, [...children.map(pidOf), gateway.pid()], { url: target, kind, ...settings });
        if (round >= 0) slices[i]?.push(slice);
      }
      if (!values.json && round >= 0) process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    const report = { rows: summarise(rows, slices), settings: { ...settings, rounds, ...env }, ...about() };
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : readable(report));
    return slices.flat().some(({ result }) => result.errors > 0) ? 1 : 0;
  } finally {
    await gateway?.kill();
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

const start = (file: string, args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess =>
  fork(fileURLToPath(new URL(`./${file}`, import.meta.url)), args, {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, ...env },
  });

const pidOf = ({ pid }: ChildProcess): number => pid ?? 0;

async function measure(load: ChildProcess, pids: readonly number[], command: LoadCommand): Promise<Slice> {
  load.send(command);
  await once(load, 'message');
  const before = cpuMs(pids);
  const [result] = (await once(load, 'message')) as [LoadResult];
  return {
    rps: (result.requests / result.elapsedMs) * 1000,
    cpuUs: ((cpuMs(pids) - before) * 1000) / Math.max(1, result.requests),
    result,
  };
}

/** User and system time of the processes, ms; fields 14 and 15 of proc(5) stat, in ticks of 10 ms. */
const cpuMs = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);

function summarise(rows: readonly Row[], slices: readonly (readonly Slice[])[]) {
  const base = slices[0] ?? [];
  return rows.map(({ name }, i) => {
    const own = slices[i] ?? [];
    const rps = own.map((slice, round) => slice.rps / (base[round]?.rps ?? 1)).toSorted((a, b) => a - b);
    const cpu = own.map((slice, round) => slice.cpuUs / (base[round]?.cpuUs ?? 1)).toSorted((a, b) => a - b);
    const latencies = own.flatMap(({ result }) => result.latenciesUs).toSorted((a, b) => a - b);
    const at = (sorted: readonly number[], q: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
    return {
      name,
      rpsRatio: rounded(at(rps, 0.5)),
      cpuRatio: rounded(at(cpu, 0.5)),
      p50Us: at(latencies, 0.5),
      p99Us: at(latencies, 0.99),
      /** Range of rpsRatio over the rounds. */
      lo: rounded(rps[0] ?? 0),
      hi: rounded(rps.at(-1) ?? 0),
      requests: latencies.length,
      errors: own.reduce((sum, { result }) => sum + result.errors, 0),
    };
  });
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

function about() {
  let commit = 'unknown';
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    // Not a clone.
  }
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown', arch: process.arch };
  return { machine, versions: { node: process.version }, commit };
}

function readable({
  rows,
  machine,
  versions,
  commit,
}: { rows: ReturnType<typeof summarise> } & ReturnType<typeof about>) {
  const line = (cells: readonly (string | number)[]): string =>
    `${String(cells[0]).padEnd(32)}${cells
      .slice(1)
      .map(cell => String(cell).padStart(10))
      .join('')}\n`;
  return (
    `${machine.cpus} x ${machine.model}, node ${versions.node}, commit ${commit}\n\n` +
    line(['', 'rps', 'lo', 'hi', 'cpu', 'p50 us', 'p99 us', 'errors']) +
    rows
      .map(row => line([row.name, row.rpsRatio, row.lo, row.hi, row.cpuRatio, row.p50Us, row.p99Us, row.errors]))
      .join('')
  );
}

process.exitCode = await main();
process.stdout.write('', () => process.exit());
