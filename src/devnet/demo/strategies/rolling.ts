import type { NodeHandle } from '../../devnet.js';
import type { GatewayProcess } from '../gateway-process.js';
import { judge } from '../verdict/index.js';
import { createNodeClient } from '../verdict/node-client.js';
import { compareNetworks, readTables } from '../verdict/tables.js';
import { longestSilence, readAttempts, type Span } from './attempts.js';
import { buildStrategyResult, type StrategyResult } from './result.js';
import {
  expectExit,
  pause,
  startClients,
  startGateway,
  startOld,
  until,
  warmUp,
  watchStatus,
  type Load,
  type Stage,
} from './stage.js';

const NODES = 3;
const AFTER_MS = 3_000;
/** How long the operator needs to put the new build in place. */
const UPGRADE_MS = 300;
const NEW_BUILD = '0.10.2';
/** What the outage of a restart may still touch. */
const AROUND_MS = 1_000;

interface UpgradeStatus {
  readonly step: string;
  readonly node: string | null;
  readonly waitingFor: string | null;
  readonly done: readonly unknown[];
  readonly stop: { readonly evidence: string } | null;
}

/** Three validators restarted one by one under load, by an operator who does what the gateway says. */
export async function tellRolling(stage: Stage): Promise<StrategyResult> {
  const { options, screen, recordFile, problems } = stage;
  const startedAt = performance.now();
  const network = await startOld(stage, NODES, true);
  const gateway = await startGateway(
    stage,
    { old: { chainId: network.chainId, urls: network.urls } },
    { strategy: 'rolling', leader: 'old-1', build: NEW_BUILD },
  );
  let load: Load | null = null;
  watchStatus(stage, gateway, () => load);
  const loadStarted = performance.now();
  load = startClients(stage, gateway.url, network.chainId);
  await warmUp(stage, load);

  await expectExit(stage, gateway, ['upgrade', 'plan'], 0);
  // The command tells every step and ends when every node is back; it runs beside the operator's own work.
  const watching = expectExit(stage, gateway, ['upgrade', 'watch'], 0);
  const [restarts] = await Promise.all([restartAll(stage, gateway, network.nodes), watching]);
  screen.say('every node is back');
  await pause(stage, AFTER_MS);
  const [writers, readers] = await Promise.all([load.writers.stop(), load.readers.stop()]);
  const loadMs = performance.now() - loadStarted;
  screen.say(`load ended: ${writers.acknowledged} writes acknowledged, ${readers.total} reads`);
  await network.waitForHeight(network.height() + 1);

  const verdict = await judge({
    oldUrl: network.urls[1]!,
    newUrl: network.urls[2]!,
    oldChainId: network.chainId,
    oldHead: network.height(),
    // One network: the second node stands for the other side, with no blocks of its own.
    newFirst: 1,
    newHead: 0,
    seedRows: options.rows,
    recordFile,
    ownOperations: [],
  });
  const [leader, follower] = await Promise.all([0, 1].map(i => readTables(createNodeClient(network.urls[i]!))));
  problems.push(...compareNetworks(leader!, follower!, new Set()).slice(0, 10));

  const attempts = await readAttempts(recordFile);
  const nodes = restarts.map(({ node, role, span }) => ({
    node,
    role,
    downMs: Math.round(span.to - span.from),
    writeOutageMs: longestSilence(attempts, { from: span.from - AROUND_MS, to: span.to + AROUND_MS }),
  }));
  const turnedAway = restarts
    .filter(({ role }) => role === 'follower')
    .map(({ node, span }) => ({
      node,
      count: attempts.filter(
        ({ outcome, sentAt }) =>
          outcome !== 'applied' && outcome !== 'failed' && sentAt >= span.from && sentAt <= span.to,
      ).length,
    }))
    .filter(({ count }) => count > 0);
  for (const { node, count } of turnedAway)
    problems.push(`${count} writes were turned away while ${node}, a follower, was down`);
  return buildStrategyResult({
    strategy: 'rolling',
    options,
    oldChainId: network.chainId,
    newChainId: network.chainId,
    endHeight: network.height(),
    verdict,
    writers,
    readers,
    loadMs,
    outageMs: nodes.find(({ role }) => role === 'leader')?.writeOutageMs ?? 0,
    heldWrites: await heldWrites(gateway),
    durationMs: performance.now() - startedAt,
    problems,
    more: { nodes },
  });
}

interface Restart {
  readonly node: string;
  readonly role: 'leader' | 'follower';
  /** From the stop until it answered again. */
  readonly span: Span;
}

/** The operator: restarts a node when the gateway says that it is ready, and nothing before. */
async function restartAll(
  stage: Stage,
  gateway: GatewayProcess,
  nodes: readonly NodeHandle[],
): Promise<readonly Restart[]> {
  const restarts: Restart[] = [];
  while (restarts.length < nodes.length) {
    const { node } = await untilStep(
      stage,
      gateway,
      ({ step, node: name }) => step === 'ready' && !restarts.some(one => one.node === name),
    );
    const handle = nodes[Number(node!.split('-')[1]) - 1]!;
    const from = Date.now();
    await handle.stop();
    handle.fault({ kind: 'version', version: NEW_BUILD });
    await pause(stage, UPGRADE_MS);
    await handle.restart();
    restarts.push({ node: node!, role: handle.index === 0 ? 'leader' : 'follower', span: { from, to: Date.now() } });
    stage.screen.say(`${node} restarted with build ${NEW_BUILD}`);
  }
  await untilStep(stage, gateway, ({ step }) => step === 'finished');
  return restarts;
}

async function untilStep(
  stage: Stage,
  gateway: GatewayProcess,
  test: (status: UpgradeStatus) => boolean,
): Promise<UpgradeStatus> {
  const status = await until<UpgradeStatus>(
    stage,
    gateway,
    '/v1/upgrade/status',
    value => value.step === 'stopped' || test(value),
    'the next step of the roll',
  );
  if (status.step === 'stopped') throw new Error(`the roll stopped: ${status.stop?.evidence}`);
  return status;
}

/** Writes that waited, however it ended. */
export async function heldWrites(gateway: GatewayProcess): Promise<number> {
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const entered = /^switchyard_held_writes_total\{result="entered"\} (\d+)/m.exec(metrics);
  return Number(entered?.[1] ?? 0);
}
