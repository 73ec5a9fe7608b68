/**
 * demo: the whole journey on one machine. Two embedded networks, the gateway in a process of its own as an operator runs
 * it, unmodified kwil-js clients in two more, one migration from proposal to the old network's End, then a verdict that
 * reads both chains by itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, type AnyPhase, type GatewayStatus } from '../../model/index.js';
import { sleep, systemClock } from '../../platform/index.js';
import { createDevnet, type Devnet, type NetworkHandle } from '../devnet.js';
import { supervise } from '../supervisor.js';
import { createGatewayProcess, freePorts, type GatewayProcess } from './gateway-process.js';
import { startLoad } from './load/process.js';
import type { LoadReport } from './load/records.js';
import { createLagMeter } from './measure.js';
import { demoDefaults, type DemoOptions } from './options.js';
import { BARRIER, runAsOwner, sendBarrier } from './owner.js';
import { createRandom } from './random.js';
import { buildResult, printResult, type DemoResult } from './result.js';
import { NAMESPACE, schemaStatements, seedStatements } from './schema.js';
import { createScreen, type Screen } from './screen.js';
import { judge } from './verdict/index.js';
import { createNodeClient, queryRows } from './verdict/node-client.js';

export { demoDefaults, type DemoOptions } from './options.js';
export type { DemoResult } from './result.js';

export interface DemoIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: NodeJS.WriteStream;
  /** Ends the demo early. */
  readonly signal: AbortSignal;
}

/** Blocks from the decided proposal to Start, and how long the window must at least last. */
const ACTIVATION_BLOCKS = 10;
const WINDOW_MS = 34_000;
/** Load on the old network alone, in the open window before the switch, and after it. */
const WARM_MS = 2_500;
const IN_SYNC_MS = 6_000;
const AFTER_MS = 5_000;
/** The longest any step of the story may take. */
const STEP_MS = 60_000;
const SAMPLE_MS = 200;
/** Mean time between two kills, when kills are asked for, with the restart. */
const KILL_MS = 4_500;
const NODES = 2;
const LAG_MS = 4_000;
const LISTENER_PACE_MS = 1_000;
const KILLED_OWN_HEIGHTS = 120;

type WriterReport = Extract<LoadReport, { kind: 'writers' }>;
type ReaderReport = Extract<LoadReport, { kind: 'readers' }>;

/** Exit code 0 only if nothing was lost, doubled, different or read out of order. */
export async function runDemo(partial: Partial<DemoOptions>, io: DemoIo): Promise<number> {
  const options: DemoOptions = { ...demoDefaults, ...partial };
  if (options.strategy !== 'zero-downtime') {
    const { runStrategyDemo } = await import('./strategies/index.js');
    return runStrategyDemo(options, io);
  }
  const screen = createScreen(io.stderr);
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-demo-'));
  const stage = createStage(options, folder, screen, io.signal);
  try {
    const result = await tell(stage);
    screen.close();
    io.stdout.write(options.json ? JSON.stringify(result) + '\n' : printResult(result) + '\n');
    if (result.verdict === 'ok' && !options.keep) await rm(folder, { recursive: true, force: true });
    else io.stderr.write(`logs and records: ${folder}\n`);
    if (options.keep) await stayUntilStopped(stage, io);
    return result.verdict === 'ok' ? 0 : 1;
  } catch (error) {
    screen.close();
    io.stderr.write(`demo failed: ${messageOf(error)}\nlogs and records: ${folder}\n`);
    return io.signal.aborted ? 130 : 1;
  } finally {
    await stage.end();
  }
}

/** Everything that runs, in one place, so that it can be ended whatever happens. */
interface Stage {
  readonly options: DemoOptions;
  readonly folder: string;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly devnet: Devnet;
  readonly endings: (() => Promise<void> | void)[];
  end(): Promise<void>;
}

function createStage(options: DemoOptions, folder: string, screen: Screen, signal: AbortSignal): Stage {
  const devnet = createDevnet();
  const endings: (() => Promise<void> | void)[] = [() => devnet.stop()];
  return {
    options,
    folder,
    screen,
    signal,
    devnet,
    endings,
    async end() {
      for (const ending of endings.splice(0).reverse()) await Promise.resolve(ending()).catch(() => undefined);
    },
  };
}

async function tell(stage: Stage): Promise<DemoResult> {
  const { options, screen, devnet, folder, endings } = stage;
  const startedAt = performance.now();
  const problems: string[] = [];
  // Real listeners ask once a second and rest up to ten after a failure; a run of kills would mostly wait for them.
  const paceMs = options.kills > 0 ? 200 : LISTENER_PACE_MS;
  const windowBlocks = Math.ceil((WINDOW_MS + options.kills * KILL_MS) / options.blockMs);
  const oldChainId = `demo-old-${options.seed}`;
  const newChainId = `demo-new-${options.seed}`;

  screen.say(`old network ${oldChainId}: ${NODES} nodes, a block every ${options.blockMs} ms`);
  const newPorts = await freePorts(NODES);
  const old = devnet.createNetwork({
    name: 'old',
    chainId: oldChainId,
    nodes: NODES,
    blockMs: options.blockMs,
    seed: options.seed,
  });
  await old.start();
  await runAsOwner(old, [...schemaStatements, ...seedStatements(options.rows)]);

  const gateway = await createGatewayProcess({
    folder,
    old: { chainId: oldChainId, urls: old.urls },
    new: { chainId: newChainId, urls: newPorts.map(port => `http://127.0.0.1:${port}`) },
    validators: ['v1', 'v2'],
    listenerPaceMs: Math.ceil(paceMs * 1.01),
    // A relay that is mostly away uses few of the heights that it counts on, and each costs a pace after the end.
    ...(options.kills > 0 ? { ownEnd: windowBlocks - KILLED_OWN_HEIGHTS } : {}),
    // A listener asks once a second, whatever the blocks' pace: so much lag is ordinary.
    lagBlocksMax: Math.max(5, Math.ceil(LAG_MS / options.blockMs)),
    onExit: code => problems.push(`the gateway ended by itself with code ${code}; see gateway.log`),
  });
  endings.push(() => gateway.stop());
  await gateway.start();
  const relayUrls = (await gateway.admin<{ urls: { validator: string; url: string }[] }>('GET', '/v1/relay/urls')).urls;
  screen.say(`gateway at ${gateway.url}; operators at ${gateway.adminUrl}`);

  const recordFile = join(folder, 'attempts.jsonl');
  const loadStarted = performance.now();
  const writers = startLoad<WriterReport>({
    kind: 'writers',
    options: {
      url: gateway.url,
      chainId: oldChainId,
      seed: options.seed,
      writers: options.writers,
      rate: options.rate,
      rows: options.rows,
      recordFile,
      lateMs: WARM_MS + (ACTIVATION_BLOCKS + 10) * options.blockMs + 2_000,
      bigAt: Math.ceil(((WARM_MS + 12_000) / 1000) * (options.rate / options.writers)),
    },
  });
  endings.push(() => writers.kill());
  const readers = startLoad<ReaderReport>({
    kind: 'readers',
    options: {
      url: gateway.url,
      chainId: oldChainId,
      seed: options.seed,
      readers: options.readers,
      writers: options.writers,
    },
  });
  endings.push(() => readers.kill());
  screen.say(`${options.writers} writers and ${options.readers} readers at work through the one URL`);

  const watcher = createWatcher(stage, gateway, () => ({ writers: writers.latest(), readers: readers.latest() }));
  endings.push(() => watcher.close());
  const killer = createKiller(stage, gateway);
  endings.push(() => killer.close());
  await pause(stage, WARM_MS);

  const window = await old.proposeMigration({
    activationPeriod: ACTIVATION_BLOCKS,
    duration: windowBlocks,
  });
  screen.say(`migration decided: changesets ${window.start} to ${window.end}`);

  const fresh = devnet.createNetwork({
    name: 'new',
    chainId: newChainId,
    nodes: NODES,
    blockMs: options.blockMs,
    seed: options.seed + 1_000_000,
    ports: newPorts,
    migrateFrom: relayUrls.map(({ url }) => url),
    // A limit of one kwild build that a relay answers by renumbering heights (relay.timeline); not part of this story.
    defects: { farStartStalls: false },
    listenerPaceMs: paceMs,
    listenerBackoffMs: [paceMs, 10 * paceMs],
  });
  await fresh.start();
  endings.push(supervise(fresh));
  await watcher.waitFor(
    ({ phase }) => phase === 'ready' || isPast(phase),
    'the new network to be caught up',
    STEP_MS + options.kills * KILL_MS,
  );
  screen.say(`new network ${newChainId} is caught up (lag ${watcher.latest()!.replication.lagBlocks} blocks)`);
  await pause(stage, IN_SYNC_MS);
  await killer.share(0.6);

  // Under kills it would measure the kills; past the switch there is nothing to measure.
  const isMeasurable = options.kills === 0 && !isPast(watcher.latest()!.phase);
  const networkFloorMs = isMeasurable ? await measureFloor(old, fresh) : 0;
  if (isMeasurable) screen.say(`one change needs ${Math.round(networkFloorMs)} ms from the old network to the new one`);
  await throwSwitch(stage, gateway, watcher);
  screen.say('switched: writes go to the new network');
  await killer.share(1);
  await pause(stage, AFTER_MS);

  const [writerTotals, readerTotals] = await Promise.all([writers.stop(), readers.stop()]);
  const loadMs = performance.now() - loadStarted;
  screen.say(`load ended: ${writerTotals.acknowledged} writes acknowledged, ${readerTotals.total} reads`);
  await old.waitForStatus('MigrationCompleted', STEP_MS);
  screen.say(`old network reached its End ${window.end} and halted`);
  await fresh.waitForStatus('NoActiveMigration', STEP_MS);
  screen.say('new network applied the last changeset');
  await watcher
    .waitFor(({ phase }) => phase === 'settled', 'the gateway to settle')
    .catch((error: unknown) => problems.push(messageOf(error)));

  const verdict = await judge({
    oldUrl: old.urls[0]!,
    newUrl: fresh.urls[0]!,
    oldChainId,
    oldHead: old.height(),
    newFirst: window.start + 1,
    newHead: fresh.height(),
    seedRows: options.rows,
    recordFile,
    ownOperations: [BARRIER],
  });
  const facts = await gatewayFacts(gateway, window);
  return buildResult({
    options,
    oldChainId,
    newChainId,
    startHeight: window.start,
    endHeight: window.end,
    verdict,
    writers: writerTotals,
    readers: readerTotals,
    loadMs,
    replication: { ...facts.replication, ...watcher.lag(), repairs: watcher.latest()?.replication.repairs ?? {} },
    networkFloorMs,
    finalCheckMs: facts.finalCheckMs,
    heldWrites: facts.heldWrites,
    durationMs: performance.now() - startedAt,
    moreProblems: problems,
  });
}

/** Samples the gateway's status, draws the screen, and lets the story wait for a phase. */
interface Watcher {
  latest(): GatewayStatus | null;
  lag(): ReturnType<ReturnType<typeof createLagMeter>['result']>;
  waitFor(test: (status: GatewayStatus) => boolean, what: string, timeoutMs?: number): Promise<void>;
  close(): void;
}

function createWatcher(
  { screen, signal }: Stage,
  gateway: GatewayProcess,
  load: () => { writers: WriterReport['totals'] | null; readers: ReaderReport['totals'] | null },
): Watcher {
  const meter = createLagMeter();
  const started = performance.now();
  let latest: GatewayStatus | null = null;
  let isClosed = false;
  void (async () => {
    while (!isClosed && !signal.aborted) {
      const status = await gateway.status().catch(() => null);
      if (status !== null) {
        latest = status;
        meter.take(status);
      }
      screen.draw({ step: '', elapsedMs: performance.now() - started, status, ...load() });
      await sleep(systemClock, SAMPLE_MS, signal);
    }
  })();
  return {
    latest: () => latest,
    lag: () => meter.result(),
    async waitFor(test, what, timeoutMs = STEP_MS) {
      const deadline = performance.now() + timeoutMs;
      while (latest === null || !test(latest)) {
        signal.throwIfAborted();
        if (performance.now() > deadline)
          throw new Error(`waited ${timeoutMs} ms for ${what}; last status: ${describe(latest)}`);
        await sleep(systemClock, SAMPLE_MS / 2, signal);
      }
    },
    close: () => void (isClosed = true),
  };
}

const describe = (status: GatewayStatus | null): string =>
  status === null
    ? 'none'
    : `phase ${status.phase}, not ready: ${status.cutover.notReady.join(', ') || '–'}, ` +
      `waits for ${status.cutover.waitingFor ?? '–'}, last outcome ${status.cutover.lastOutcome ?? '–'}, ` +
      `replication ${status.replication.state} ${status.replication.reason ?? ''}`;

/** On a slow machine the old network may reach its End before the new one is caught up: then the gateway switches by itself. */
const isPast = (phase: AnyPhase): boolean => ['at-halt', 'committed', 'opening', 'switched', 'settled'].includes(phase);

/** As an operator does: start, look, and start again if an attempt was given up. */
async function throwSwitch(
  { options, screen, signal }: Stage,
  gateway: GatewayProcess,
  watcher: Watcher,
): Promise<void> {
  const limitMs = STEP_MS + options.kills * KILL_MS;
  const deadline = performance.now() + limitMs;
  const done = (status: GatewayStatus): boolean => status.phase === 'switched' || status.phase === 'settled';
  while (!done(await gateway.status())) {
    if (performance.now() > deadline)
      throw new Error(`the switch did not happen in ${limitMs} ms: ${describe(watcher.latest())}`);
    signal.throwIfAborted();
    const { phase } = await gateway.status();
    if (phase === 'ready') {
      try {
        await gateway.admin('POST', '/v1/cutover/start', { reason: 'demo' });
        screen.say('cutover started');
      } catch (error) {
        screen.say(`cutover not started: ${messageOf(error).slice(0, 200)}`);
        await sleep(systemClock, 500);
      }
    }
    await sleep(systemClock, 50);
  }
}

/** From a transaction's admission on the old network until its change is visible on the new one. */
async function measureFloor(old: NetworkHandle, fresh: NetworkHandle): Promise<number> {
  const node = createNodeClient(fresh.urls[0]!);
  const started = performance.now();
  await sendBarrier(old);
  while (performance.now() - started < STEP_MS) {
    const rows = await queryRows(node, `{${NAMESPACE}}SELECT op FROM receipts WHERE op = '${BARRIER.op}'`);
    if (rows.length === 1) return performance.now() - started;
    await sleep(systemClock, 5);
  }
  throw new Error(`a change on the old network was not visible on the new one after ${STEP_MS} ms`);
}

interface Killer {
  /** Resolves when this share of the kills has been done. */
  share(share: number): Promise<void>;
  close(): Promise<void>;
}

/** Kills the gateway with SIGKILL at random moments and starts it again; does nothing unless asked for. */
function createKiller({ options, screen, signal }: Stage, gateway: GatewayProcess): Killer {
  const stop = new AbortController();
  const random = createRandom(options.seed, 77);
  let done = 0;
  let failure: unknown = null;
  const run = (async () => {
    while (done < options.kills && !signal.aborted) {
      await sleep(systemClock, random.int(100, KILL_MS - 1_000), stop.signal);
      if (stop.signal.aborted) return;
      await gateway.kill();
      await gateway.start();
      done += 1;
      screen.say(`gateway killed and started again (${done} of ${options.kills})`);
    }
  })().catch((error: unknown) => {
    failure = error;
  });
  return {
    async share(share) {
      while (done < options.kills * share) {
        if (failure !== null) throw failure instanceof Error ? failure : new Error(messageOf(failure));
        signal.throwIfAborted();
        await sleep(systemClock, SAMPLE_MS, signal);
      }
    },
    async close() {
      stop.abort();
      await run;
    },
  };
}

async function gatewayFacts(gateway: GatewayProcess, window: { start: number; end: number }) {
  const [plan, history, metrics] = await Promise.all([
    gateway.admin<{ entries: { from: number | null; to: number | null }[] }>('GET', '/v1/relay/plan'),
    gateway.admin<{ attempts: { result: string | null; steps: { phase: string; ms: number | null }[] }[] }>(
      'GET',
      '/v1/cutover/history',
    ),
    fetch(`${gateway.adminUrl}/metrics`).then(answer => answer.text()),
  ]);
  const switched = history.attempts.findLast(({ result }) => result === 'switched');
  const verifying = switched?.steps.find(({ phase }) => phase === 'verifying');
  const held = [...metrics.matchAll(/^switchyard_held_writes_total\{[^}]*\} (\d+)/gm)];
  return {
    finalCheckMs: verifying?.ms ?? 0,
    heldWrites: held.reduce((sum, [, count]) => sum + Number(count), 0),
    replication: {
      changesets: window.end - window.start + 1,
      rows: await archivedRows(gateway, window),
      merged: plan.entries.reduce((sum, { from, to }) => sum + (from === null || to === null ? 0 : to - from), 0),
    },
  };
}

/** Row changes in all archived changesets. */
async function archivedRows(gateway: GatewayProcess, { start, end }: { start: number; end: number }): Promise<number> {
  let rows = 0;
  for (let height = start; height <= end; height += 1) {
    rows += (await gateway.admin<{ rows: number }>('GET', `/v1/replication/heights/${height}`)).rows;
  }
  return rows;
}

async function pause({ signal }: Stage, ms: number): Promise<void> {
  await sleep(systemClock, ms, signal);
  signal.throwIfAborted();
}

async function stayUntilStopped(stage: Stage, io: DemoIo): Promise<void> {
  io.stderr.write('everything keeps running until ^C\n');
  await new Promise<void>(resolve => {
    if (stage.signal.aborted) resolve();
    stage.signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
