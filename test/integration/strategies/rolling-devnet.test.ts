import { afterEach, describe, expect, it } from 'vitest';
import { createRollingControl, type RollingControl, type StrategyPorts } from '../../../src/control/index.js';
import type { NetworkHandle, NodeHandle } from '../../../src/devnet/index.js';
import { createNodes, type Nodes } from '../../../src/nodes/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.js';
import { memoryJournal, type MemoryRecord } from '../../unit/control/fakes.js';
import { fakeDevnet, QUICK } from '../../unit/devnet/support.js';

const BUILD = '0.10.2';
const OPERATOR_MS = 5000;
const STEP_MS = 30_000;

interface Scene {
  readonly network: NetworkHandle;
  readonly nodes: Nodes;
  readonly control: RollingControl;
  readonly records: MemoryRecord[];
  /** A new process on the same journal. */
  readonly again: () => Promise<RollingControl>;
}

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** Three validators over HTTP, watched by the real node room; a roll is under way when it resolves. */
async function scene(): Promise<Scene> {
  const devnet = fakeDevnet();
  endings.push(() => devnet.stop());
  const network = devnet.createNetwork({
    name: 'old',
    chainId: 'kwil-old',
    nodes: 3,
    enginePerNode: true,
    ...QUICK,
    blockMs: 100,
  });
  await network.start();
  const shared = { clock: systemClock, logger: silentLogger, metrics: createMetrics({ version: 't', commit: 't' }) };
  const nodes = createNodes(
    {
      networks: { old: { chainId: 'kwil-old', nodes: network.nodes.map(({ name, url }) => ({ name, url })) } },
      probes: { intervalMs: 40, timeoutMs: 1000 },
    },
    shared,
  );
  endings.push(() => nodes.close());
  await nodes.start();
  const records: MemoryRecord[] = [];
  const make = async (): Promise<RollingControl> => {
    const ports: StrategyPorts = {
      ...shared,
      journal: memoryJournal(records, systemClock),
      nodes,
      ledger: { unresolved: () => [], get: () => undefined, lastMined: () => null },
      proxy: { quiesced: async () => undefined, inFlightWrites: () => 0, challenges: () => 0 },
      tables: { compare: async () => ({ tables: 1, rows: 1, differences: [] }), digest: async () => [] },
      fatal: error => {
        throw error;
      },
    };
    const control = createRollingControl(
      { leader: 'old-1', wantedBuild: BUILD, operatorMs: OPERATOR_MS, holdMs: 2000 },
      ports,
    );
    endings.push(() => control.close());
    await control.start();
    return control;
  };
  await network.waitForHeight(3);
  await until(
    () => (nodes.view('old')?.nodes.every(({ state }) => state === 'up') ? true : undefined),
    'nodes to be up',
  );
  const control = await make();
  expect(await control.watch('ann', '')).toEqual({ accepted: true });
  return {
    network,
    nodes,
    control,
    records,
    async again() {
      control.destroy();
      return make();
    },
  };
}

async function until<T>(read: () => T | undefined, what: string): Promise<T> {
  const deadline = performance.now() + STEP_MS;
  while (performance.now() < deadline) {
    const value = read();
    if (value !== undefined) return value;
    await sleep(systemClock, 20);
  }
  throw new Error(`waited ${STEP_MS} ms for ${what}`);
}

const readyNode = (
  control: RollingControl,
  network: NetworkHandle,
  not: ReadonlySet<string> = new Set(),
): Promise<NodeHandle> =>
  until(() => {
    const { state } = control.upgrade();
    if (state.phase === 'stopped') throw new Error(state.stop!.evidence);
    return state.phase === 'ready' && !not.has(state.node!)
      ? network.nodes.find(({ name }) => name === state.node)
      : undefined;
  }, 'a node to be ready');

const evidence = (control: RollingControl): Promise<string> =>
  until(
    () => (control.upgrade().state.phase === 'stopped' ? control.upgrade().state.stop!.evidence : undefined),
    'a doubt',
  );

describe('rolling upgrade of a devnet', { timeout: 90_000 }, () => {
  it('brings three nodes back, the leader last and with writes held, over a kill of the gateway', async () => {
    const { network, nodes, control: first, again } = await scene();
    let control = first;
    const order: string[] = [];
    while (order.length < 3) {
      const node = await readyNode(control, network, new Set(order));
      expect(
        nodes
          .view('old')!
          .nodes.filter(({ state }) => state === 'drained')
          .map(({ name }) => name),
      ).toEqual([node.name]);
      expect(control.intent().writes.kind).toBe(node.index === 0 ? 'hold' : 'send');
      if (order.length === 1) control = await again();
      order.push(node.name);
      await node.stop();
      node.fault({ kind: 'version', version: BUILD });
      await sleep(systemClock, 200);
      await node.restart();
    }
    expect(order).toEqual(['old-2', 'old-3', 'old-1']);
    await until(() => (control.upgrade().state.phase === 'finished' ? true : undefined), 'the end of the roll');
    expect(control.intent()).toMatchObject({ phase: 'settled', writes: { kind: 'send', network: 'old' } });
    await until(
      () => (nodes.view('old')!.nodes.every(({ state }) => state === 'up') ? true : undefined),
      'all nodes in service',
    );
  });

  it.each<[string, (node: NodeHandle) => void, RegExp]>([
    [
      'another chain',
      node => node.fault({ kind: 'chain-id', chainId: 'kwil-testnet' }),
      /is back on chain kwil-testnet/,
    ],
    [
      'a fork',
      node => {
        node.fault({ kind: 'version', version: BUILD });
        node.fault({ kind: 'fork', fromHeight: 1 });
      },
      /another chain of blocks/,
    ],
    [
      'the old build',
      node => node.fault({ kind: 'version', version: '0.10.1' }),
      /is back with build 0\.10\.1, wanted is 0\.10\.2/,
    ],
  ])('stops when a node comes back with %s, and keeps it out', async (_, spoil, words) => {
    const { network, nodes, control } = await scene();
    const node = await readyNode(control, network);
    await node.stop();
    spoil(node);
    await sleep(systemClock, 200);
    await node.restart();
    expect(await evidence(control)).toMatch(words);
    expect(nodes.view('old')!.nodes.find(({ name }) => name === node.name)!.state).toBe('drained');
    expect(control.intent().writes.kind).toBe('send');
  });

  it('names the hand-over crash of a leader that was replaced while it was away', async () => {
    const { network, control } = await scene();
    const done = new Set<string>();
    for (let turn = 0; turn < 2; turn += 1) {
      const node = await readyNode(control, network, done);
      done.add(node.name);
      await node.stop();
      node.fault({ kind: 'version', version: BUILD });
      await sleep(systemClock, 200);
      await node.restart();
    }
    const leader = await readyNode(control, network, done);
    expect(leader.name).toBe('old-1');
    // Right after a block: one that is half made when its leader ends would be the first that it meets.
    await network.waitForHeight(network.height() + 1);
    await leader.kill();
    network.replaceLeader(1, network.height() + 1);
    // Blocks go on under the new leader: writes are let go.
    await until(() => (control.intent().writes.kind === 'send' ? true : undefined), 'writes to be let go');
    await leader.restart();
    await network.waitUntil(() => leader.mode() === 'down', 'the crash');
    expect(leader.lastWords()).toContain('assignment to entry in nil map');
    expect(await evidence(control)).toMatch(
      /^old-1 (did not come back|answered and ended again).*assignment to entry in nil map/,
    );
    expect(control.intent().writes.kind).toBe('send');
  });
});
