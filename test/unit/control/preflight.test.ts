import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createControl,
  PREFLIGHT_IDS,
  type Control,
  type ControlOptions,
  type ControlPorts,
  type PreflightReport,
  type Verdict,
} from '../../../src/control/index.js';
import type { RelayValidatorStatus } from '../../../src/model/index.js';
import type { NodeView } from '../../../src/routing/index.js';
import { fakeWorld, settle } from './fakes.js';

let dataDir: string;
let control: Control | undefined;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sy-preflight-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));
afterEach(() => control?.close());

const COLUMNS = [
  ['main', 'users', 'id', 'int8', false, true],
  ['main', 'users', 'name', 'text', true, false],
];
const ACTIONS = [['main', 'add', 'CREATE ACTION add …']];

/** Everything that a test can put wrong. The defaults are a migration ready to switch. */
interface Setting {
  readonly world: ReturnType<typeof fakeWorld>;
  readonly options: { -readonly [K in keyof ControlOptions]: ControlOptions[K] };
  old: Partial<NodeView>[];
  new: Partial<NodeView>[];
  validators: RelayValidatorStatus[];
  announced: { startHeight: number; endHeight: number } | null;
  flushMs: number;
  /** What a node says about its time, relative to ours. */
  skewMs: number;
  columns: Record<string, unknown[][]>;
  actions: Record<string, unknown[][]>;
  isPrivate: boolean;
  movesHead: boolean;
  hangs: boolean;
  /** The lag grows for 40 s, and is still within the limit. */
  isFallingBack: boolean;
  /** Writes without a chain id that were refused. */
  unnamed: number;
  /** What the last whole comparison found. */
  differences: number;
  before?: (control: Control) => Promise<unknown>;
}

async function reportOf(change: (setting: Setting) => void): Promise<PreflightReport> {
  const world = fakeWorld();
  const setting: Setting = {
    world,
    options: {
      strategy: 'zero-downtime',
      cutover: {
        attemptMs: 30_000,
        lagBlocksMax: 5,
        reserveBlocks: 10,
        coolDownMs: 5_000,
        differencesMax: 0,
        endWarningsMs: [3_600_000, 600_000, 60_000],
      },
      writes: { holdMs: 8_000, holdBytesMax: 1024 },
      dataDir,
    },
    old: [{}],
    new: [{}],
    validators: [{ name: 'v1', lastRequestAt: null, askedHeight: 140, health: 'asking' }],
    announced: { startHeight: 100, endHeight: 1000 },
    flushMs: 2,
    skewMs: 0,
    columns: { old: COLUMNS, new: COLUMNS },
    actions: { old: ACTIONS, new: ACTIONS },
    isPrivate: false,
    movesHead: true,
    hangs: false,
    isFallingBack: false,
    unnamed: 0,
    differences: 0,
  };
  change(setting);
  const ports = world.ports();
  const withNodes = (network: 'old' | 'new', changes: Partial<NodeView>[]) => {
    const view = ports.nodes.view(network);
    if (view === null || changes.length === 0) return null;
    const nodes = changes.map((nodeChange, index): NodeView => ({
      ...view.nodes[0]!,
      name: `${network}-${index + 1}`,
      id: `${network}/${network}-${index + 1}`,
      ...nodeChange,
    }));
    return { ...view, nodes };
  };
  const call = async (node: { network: string }, method: string, params: unknown): Promise<unknown> => {
    if (setting.hangs) return new Promise(() => undefined);
    if (method === 'user.health') return { block_time: world.clock.now() - 500 + setting.skewMs, block_age: 500 };
    if (setting.isPrivate) throw new Error('private mode');
    const { query } = params as { query: string };
    return { values: (query.includes('info.actions') ? setting.actions : setting.columns)[node.network] };
  };
  const made: ControlPorts = {
    ...ports,
    journal: { ...world.journal, probeMs: async () => setting.flushMs },
    nodes: {
      ...ports.nodes,
      view: network => withNodes(network, setting[network]),
      call: call as ControlPorts['nodes']['call'],
    },
    replication: {
      ...ports.replication,
      status: () => ({ ...ports.replication.status(), validators: setting.validators }),
      announced: () => setting.announced,
    },
  };
  if (setting.unnamed > 0) made.metrics.rejections.inc({ reason: 'chain_id_required' }, setting.unnamed);
  made.metrics.rejections.inc({ reason: 'overloaded' }, 3);
  made.metrics.verificationDifferences.set(setting.differences);
  control = createControl(setting.options, made);
  await control.start();
  await settle();
  if (setting.movesHead) world.newHead += 1;
  await world.changed();
  await setting.before?.(control);
  if (setting.isFallingBack) {
    for (const lag of [1, 2, 4, 5]) {
      world.oldHead = world.applied! + lag;
      await world.clock.advance(10_000);
      await world.changed();
    }
    world.newHead += 1;
    await world.changed();
  }
  const report = control.preflight();
  let isDone = false;
  void report.then(() => (isDone = true));
  for (let turn = 0; turn < 500 && !isDone; turn += 1) {
    await world.clock.advance(50);
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  return report;
}

const verdicts = (report: PreflightReport): Record<string, Verdict> =>
  Object.fromEntries(report.checks.filter(check => check.verdict !== 'pass').map(check => [check.id, check.verdict]));
const migration = (status: string, startHeight = 100, endHeight = 1000) => ({ status, startHeight, endHeight });

describe('preflight', () => {
  it('passes when nothing is wrong, with at least 20 checks that each say what they saw', async () => {
    const report = await reportOf(() => undefined);
    // What the machine of the test is short of is not what this is about.
    const { disk: _disk, memory: _memory, ...rest } = verdicts(report);
    expect(rest).toEqual({});
    expect(report.checks.length).toBeGreaterThanOrEqual(20);
    expect(report.checks.map(check => check.id)).toEqual(PREFLIGHT_IDS);
    expect(new Set(PREFLIGHT_IDS).size).toBe(PREFLIGHT_IDS.length);
    for (const check of report.checks) {
      expect(check.value, check.id).not.toBe('');
      expect(check.threshold, check.id).not.toBe('');
      expect(check.remedy === '', check.id).toBe(check.verdict === 'pass');
    }
  });

  it.each<[string, string, Verdict, (setting: Setting) => void]>([
    [
      'an old node on another chain',
      'chain-old',
      'fail',
      s => void (s.old = [{}, { state: 'quarantined', reason: 'chain id is kwil-x' }]),
    ],
    [
      'a new node on another chain',
      'chain-new',
      'fail',
      s => void (s.new = [{}, { state: 'quarantined', reason: 'chain id is kwil-x' }]),
    ],
    ['no new network in the configuration', 'chain-new', 'fail', s => void (s.new = [])],
    ['two networks with one chain id', 'chains-differ', 'fail', s => void (s.world.newChain = 'kwil-old')],
    ['every old node down', 'nodes-old', 'fail', s => void (s.old = [{ state: 'down' }])],
    ['every new node down', 'nodes-new', 'fail', s => void (s.new = [{ state: 'down' }])],
    ['every new node behind', 'nodes-new', 'fail', s => void (s.new = [{ state: 'lagging' }])],
    ['one of two new nodes down', 'all-nodes', 'warn', s => void (s.new = [{}, { state: 'down', reason: 'refused' }])],
    [
      'an old network without a migration',
      'status-old',
      'fail',
      s => void (s.old = [{ migration: migration('NoActiveMigration') }]),
    ],
    [
      'an old network before Start',
      'status-old',
      'fail',
      s => void (s.old = [{ migration: migration('ActivationPeriod') }]),
    ],
    [
      'an old network that has halted',
      'not-halted',
      'fail',
      s => void (s.old = [{ migration: migration('MigrationCompleted'), height: 1000 }]),
    ],
    [
      'a new network that never migrated',
      'status-new',
      'fail',
      s => void (s.new = [{ migration: { status: 'NoActiveMigration', startHeight: null, endHeight: null } }]),
    ],
    ['a new node that tells no status', 'status-new', 'fail', s => void (s.new = [{ migration: null }])],
    [
      'old nodes that disagree on End',
      'heights-old',
      'fail',
      s => void (s.old = [{}, { migration: migration('MigrationInProgress', 100, 999) }]),
    ],
    [
      'a replicator with another Start',
      'heights-old',
      'fail',
      s => void (s.old = [{ migration: migration('MigrationInProgress', 90, 1000) }]),
    ],
    [
      'a new network from another genesis',
      'heights-new',
      'fail',
      s => void (s.new = [{ migration: migration('GenesisMigration', 50, 900) }]),
    ],
    [
      'new nodes that disagree on End',
      'heights-new',
      'fail',
      s => void (s.new = [{}, { migration: migration('GenesisMigration', 100, 990) }]),
    ],
    [
      'an own End that was announced',
      'heights-new',
      'pass',
      s => {
        s.new = [{ migration: migration('GenesisMigration', 10, 880) }];
        s.announced = { startHeight: 10, endHeight: 880 };
      },
    ],
    ['a replicator that waits', 'replication', 'fail', s => void (s.world.replicationState = 'waiting')],
    ['a replicator that stopped', 'replication', 'fail', s => void (s.world.replicationState = 'stopped')],
    ['an unknown watermark', 'watermark', 'fail', s => void (s.world.applied = null)],
    [
      'a listener that fell silent',
      'listeners',
      'fail',
      s => void (s.validators = [{ name: 'v1', lastRequestAt: null, askedHeight: 140, health: 'silent' }]),
    ],
    [
      'one silent listener of two',
      'listeners',
      'warn',
      s =>
        void (s.validators = [...s.validators, { name: 'v2', lastRequestAt: null, askedHeight: 9, health: 'silent' }]),
    ],
    ['new nodes that follow past the relay', 'listeners', 'warn', s => void (s.validators = [])],
    ['a lag above the limit', 'lag', 'fail', s => void (s.world.applied = 140)],
    ['a lag that grows', 'lag-trend', 'warn', s => void (s.isFallingBack = true)],
    ['writes that name no chain', 'empty-chain-ids', 'warn', s => void (s.unnamed = 2)],
    ['tables that differ', 'verification', 'warn', s => void (s.differences = 3)],
    ['End too near', 'reserve', 'fail', s => void (s.world.oldHead = s.world.applied = 995)],
    ['time for one attempt only', 'time-left', 'warn', s => void (s.world.oldHead = s.world.applied = 960)],
    [
      'a write with unknown outcome',
      'unknown-writes',
      'fail',
      s => void (s.world.open = [{ state: 'unknown', at: 0 }]),
    ],
    ['writes still held', 'held-writes', 'fail', s => void (s.world.held = 3)],
    ['a new network that makes no blocks', 'new-blocks', 'fail', s => void (s.movesHead = false)],
    ['a slow disk', 'journal-flush', 'warn', s => void (s.flushMs = 300)],
    ['a disk that hardly flushes', 'journal-flush', 'fail', s => void (s.flushMs = 3000)],
    ['a folder that is gone', 'disk', 'fail', s => void (s.options.dataDir = join(dataDir, 'nowhere'))],
    [
      'more held bytes allowed than memory',
      'memory',
      'warn',
      s => void (s.options.writes = { holdMs: 8000, holdBytesMax: 2 ** 50 }),
    ],
    ['a clock that is off', 'clock', 'warn', s => void (s.skewMs = 60_000)],
    ['nodes of two versions', 'versions', 'warn', s => void (s.old = [{}, { version: '0.10.0' }])],
    ['clients that write past the gateway', 'strangers', 'warn', s => void (s.options.strangers = () => 4)],
    [
      'a postponed switch',
      'left-overs',
      'fail',
      s => void (s.before = it => it.command({ kind: 'postpone', actor: 'a', reason: 'b' })),
    ],
    ['a missing column', 'schemas', 'fail', s => void (s.columns = { old: COLUMNS, new: COLUMNS.slice(1) })],
    [
      'a column of another type',
      'schemas',
      'fail',
      s => void (s.columns = { old: COLUMNS, new: [['main', 'users', 'id', 'text', false, true], COLUMNS[1]!] }),
    ],
    [
      'a table only on the new network',
      'schemas',
      'warn',
      s => void (s.columns = { old: COLUMNS, new: [...COLUMNS, ['main', 'extra', 'id', 'int8', false, true]] }),
    ],
    ['a changed action', 'actions', 'fail', s => void (s.actions = { old: ACTIONS, new: [['main', 'add', 'other']] })],
    ['networks in private mode', 'schemas', 'warn', s => void (s.isPrivate = true)],
    [
      'a table without a key',
      'row-identity',
      'warn',
      s =>
        void (s.columns = {
          old: [['main', 'log', 'line', 'text', true, false]],
          new: [['main', 'log', 'line', 'text', true, false]],
        }),
    ],
    ['nodes that never answer', 'schemas', 'fail', s => void (s.hangs = true)],
  ])('%s: %s says %s', async (_name, id, verdict, change) => {
    const report = await reportOf(change);
    const check = report.checks.find(one => one.id === id);
    expect({ id, verdict: check?.verdict, value: check?.value }).toMatchObject({ verdict });
    expect(report.ms).toBeLessThanOrEqual(5_000);
    if (verdict === 'fail') expect(report.verdict).toBe('fail');
  });
});
