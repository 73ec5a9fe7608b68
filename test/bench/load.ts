/**
 * `npm run bench:load [-- --seconds N --rate N --aborts SHARE --seed N --rounds N --round-seconds N --admitted N --json]`
 *
 * Two questions about a gateway under load, in front of nodes that answer at once.
 *
 * 1. Does everything go back? `--seconds` of reads, writes and batches, a share of them given up by the client; afterwards the
 *    sockets, timers and memory of the process are what they were after a short warm-up.
 * 2. Does overload hurt those who are let in? A second gateway admits `--admitted` requests a second to this client and gets
 *    nine tenths of it and ten times as much in turn; the p99 of accepted requests stays below twice the normal one (median
 *    of the rounds). `--rounds 0` leaves this part out.
 *
 * Exit code 0 only when both hold.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../../src/platform/index.js';
import { answering } from './answering.js';
import { createGatewayChild, type GatewayChild } from '../support/gateway-child.js';
import type { LoadCommand, LoadResult } from './load-client.js';
import type { Holding } from './load-gateway.js';
import type { UpstreamMessage } from './request-path-node.js';

interface Held {
  readonly sockets: number;
  readonly timers: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly resources: Readonly<Record<string, number>>;
}

const READY_MS = 30_000;
const WARM_UP_MS = 15_000;
/** For connections and writes in flight to end after the load. */
const SETTLE_MS = 90_000;
const ANSWER_MS = 10_000;
/** What may be left over: probes of nodes come and go. */
const SOCKETS_SPARE = 4;
const TIMERS_SPARE = 8;
/** Room of the allocator and of bounded caches. */
const MEMORY_SPARE = 48 * 1024 * 1024;
const OVERLOAD = 10;
const P99_MAX = 2;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      rate: { type: 'string', default: '2000' },
      aborts: { type: 'string', default: '0.05' },
      seed: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '5' },
      'round-seconds': { type: 'string', default: '5' },
      admitted: { type: 'string', default: '200' },
      json: { type: 'boolean', default: false },
    },
  });
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-load-'));
  const children: ChildProcess[] = [];
  const gateways: GatewayChild[] = [];
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  try {
    const node = start('request-path-node.ts', ['node']);
    children.push(node);
    const [{ urls }] = (await once(node, 'message')) as [UpstreamMessage];
    const client = start('load-client.ts');
    children.push(client);
    const seed = Number(values.seed);
    const gatewayOf = async (name: string, configLines: readonly string[] = []) => {
      const own = join(folder, name);
      await mkdir(own);
      const gateway = await createGatewayChild({
        folder: own,
        old: { chainId: 'kwil-old', urls: urls.slice(0, 1) },
        new: { chainId: 'kwil-new', urls: urls.slice(1) },
        listenerPaceMs: 1000,
        entry: fileURLToPath(new URL('./load-gateway.ts', import.meta.url)),
        configLines,
      });
      gateways.push(gateway);
      const file = join(own, 'holding.json');
      await gateway.start({ BENCH_HOLDING_FILE: file });
      await answering(gateway.url);
      return { gateway, file };
    };

    const { gateway, file } = await gatewayOf('load');
    const mixed = {
      url: gateway.url,
      rate: Number(values.rate),
      aborts: Number(values.aborts),
      kinds: 'mixed',
    } as const;
    say('warm-up');
    await load(client, { ...mixed, ms: WARM_UP_MS, seed: seed + 1 });
    const before = await settled(gateway, file, null);
    say(`load of ${values.seconds} s`);
    const result = await load(client, { ...mixed, ms: Number(values.seconds) * 1000, seed });
    const after = await settled(gateway, file, before);
    const leftOver = overBaseline(before, after);
    const complaints = [...leftOver];
    if (Object.keys(result.failed).length > 0) complaints.push('requests without an answer');
    if (result.accepted === 0) complaints.push('nothing was accepted');
    gateway.signal('SIGTERM');
    await gateway.ended(READY_MS);

    const overload = Number(values.rounds) === 0 ? null : await measureOverload();
    if (overload !== null && !(overload.ratio < P99_MAX)) complaints.push('overload slows down accepted requests');
    if (overload !== null && overload.refused === 0) complaints.push('the overload was none: nothing was turned away');
    const verdict = complaints.length === 0 ? 'ok' : 'failed';
    const report = { verdict, complaints, seed, load: result, before, after, overload };
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : readable(report));
    return verdict === 'ok' ? 0 : 1;

    async function measureOverload() {
      const admitted = Number(values.admitted);
      const limits = `limits: { requestsPerSecond: ${admitted}, requestsBurst: ${Math.ceil(admitted / 10)} }`;
      const { gateway: limited } = await gatewayOf('overload', [limits]);
      const round = {
        url: limited.url,
        ms: Number(values['round-seconds']) * 1000,
        aborts: 0,
        kinds: 'reads',
      } as const;
      const rounds: { normalP99Us: number; overloadP99Us: number; ratio: number }[] = [];
      let refused = 0;
      // The first round warms up and is not counted.
      for (let i = -1; i < Number(values.rounds); i += 1) {
        const normal = await load(client, { ...round, rate: admitted * 0.9, seed });
        const over = await load(client, { ...round, rate: admitted * OVERLOAD, seed });
        if (i < 0) continue;
        say(`overload round ${i + 1}: p99 ${normal.p99Us} us normally, ${over.p99Us} us at ${OVERLOAD} times the rate`);
        rounds.push({ normalP99Us: normal.p99Us, overloadP99Us: over.p99Us, ratio: over.p99Us / normal.p99Us });
        refused += Object.values(over.refused).reduce((sum, count) => sum + count, 0);
        if (over.accepted === 0) rounds.push({ normalP99Us: normal.p99Us, overloadP99Us: Infinity, ratio: Infinity });
      }
      const ratios = rounds.map(({ ratio }) => ratio).toSorted((a, b) => a - b);
      return { admitted, refused, ratio: ratios[Math.floor(ratios.length / 2)] ?? Infinity, rounds };
    }
  } finally {
    for (const gateway of gateways) await gateway.kill();
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

const start = (file: string, args: readonly string[] = []): ChildProcess =>
  fork(fileURLToPath(new URL(`./${file}`, import.meta.url)), args, { execArgv: ['--import', 'tsx'] });

async function load(client: ChildProcess, command: LoadCommand): Promise<LoadResult> {
  client.send(command);
  const [result] = (await once(client, 'message')) as [LoadResult];
  return result;
}

/** What the gateway holds once it is quiet: a baseline that stands still, or the first look that is back at `baseline`. */
async function settled(gateway: GatewayChild, file: string, baseline: Held | null): Promise<Held> {
  let last = await look(gateway, file);
  for (const until = performance.now() + SETTLE_MS; performance.now() < until;) {
    await sleep(systemClock, 2000);
    const now = await look(gateway, file);
    if (
      baseline === null
        ? overBaseline(now, last).length === 0 && now.sockets >= last.sockets
        : overBaseline(baseline, now).length === 0
    )
      return now;
    last = now;
  }
  return last;
}

function overBaseline(before: Held, after: Held): string[] {
  const over: string[] = [];
  if (after.sockets > before.sockets + SOCKETS_SPARE) over.push(`sockets ${before.sockets} -> ${after.sockets}`);
  if (after.timers > before.timers + TIMERS_SPARE) over.push(`timers ${before.timers} -> ${after.timers}`);
  if (after.heapBytes > before.heapBytes + MEMORY_SPARE) over.push(`heap ${before.heapBytes} -> ${after.heapBytes}`);
  if (after.rssBytes > before.rssBytes * 1.25 + MEMORY_SPARE) over.push(`rss ${before.rssBytes} -> ${after.rssBytes}`);
  return over;
}

async function look(gateway: GatewayChild, file: string): Promise<Held> {
  const pid = gateway.pid();
  await rm(file, { force: true });
  gateway.signal('SIGUSR2');
  for (const until = performance.now() + ANSWER_MS; performance.now() < until;) {
    const text = await readFile(file, 'utf8').catch(() => null);
    if (text !== null) {
      const { resources, heapUsed, external } = JSON.parse(text) as Holding;
      const timers = resources['Timeout'] ?? 0;
      return { sockets: socketsOf(pid), timers, heapBytes: heapUsed + external, rssBytes: rssOf(pid), resources };
    }
    await sleep(systemClock, 20);
  }
  throw new Error('the gateway does not tell what it holds');
}

/** Open sockets of a process, by proc(5). */
const socketsOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter(fd => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

/** Resident memory of its own, bytes: the mapped files of the store are the kernel's to drop. */
const rssOf = (pid: number): number =>
  Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;

interface Report {
  readonly verdict: string;
  readonly complaints: readonly string[];
  readonly load: LoadResult;
  readonly before: Held;
  readonly after: Held;
  readonly overload: { readonly admitted: number; readonly ratio: number; readonly refused: number } | null;
}

function readable({ verdict, complaints, load, before, after, overload }: Report): string {
  const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  const lines = [
    `sent ${load.sent} in ${(load.elapsedMs / 1000).toFixed(1)} s (${load.skipped} skipped): ${load.accepted} accepted, ${load.aborted} given up by the client`,
    `refused ${JSON.stringify(load.refused)}, without an answer ${JSON.stringify(load.failed)}; p50 ${load.p50Us} us, p99 ${load.p99Us} us`,
    `sockets ${before.sockets} -> ${after.sockets}, timers ${before.timers} -> ${after.timers}, heap ${mib(before.heapBytes)} -> ${mib(after.heapBytes)}, rss ${mib(before.rssBytes)} -> ${mib(after.rssBytes)}`,
  ];
  if (overload !== null)
    lines.push(
      `at ${OVERLOAD} times the ${overload.admitted}/s admitted: ${overload.refused} turned away, p99 of accepted ones ${overload.ratio.toFixed(2)} times the normal one`,
    );
  return `${[...lines, ...complaints, verdict].join('\n')}\n`;
}

process.exitCode = await main();
process.stdout.write('', () => process.exit());
