import { describe, expect, test } from 'vitest';
import { createMetrics, prettyLine } from '../../../src/telemetry/index.js';

/** Contract section 4: dashboards and alerts rely on these names and labels. */
const CONTRACT: Readonly<Record<string, readonly string[]>> = {
  rpc_requests_total: ['method', 'class', 'network', 'outcome'],
  rpc_request_duration_seconds: ['class', 'network', 'outcome'],
  overhead_seconds: ['class'],
  route_decisions_total: ['class', 'network', 'reason'],
  upstream_attempts_total: ['network', 'node', 'kind', 'outcome'],
  node_up: ['network', 'node'],
  node_state: ['network', 'node', 'state'],
  node_height: ['network', 'node'],
  network_height: ['network'],
  migration_status: ['network', 'status'],
  migration_remaining_blocks: [],
  replication_height: ['stage'],
  replication_lag_blocks: [],
  replication_lag_seconds: [],
  replication_repairs_total: ['repair'],
  phase: ['phase'],
  epoch: [],
  preflight_check: ['check'],
  held_writes: [],
  held_writes_total: ['result'],
  write_hold_seconds: ['result'],
  writes_total: ['network', 'outcome'],
  write_resolutions_total: ['result'],
  misrouted_writes_total: [],
  bypass_transactions_total: [],
  verification_differences: [],
  cache_requests_total: ['result'],
  rejections_total: ['reason'],
  cutover_step_seconds: ['step'],
  build_info: ['version', 'commit', 'node'],
};

describe('metrics', () => {
  test.each(Object.entries(CONTRACT))('switchyard_%s has the labels of the contract', (name, labels) => {
    const { registry } = createMetrics({ version: '1', commit: 'c' });
    const metric = registry.getSingleMetric(`switchyard_${name}`) as { labelNames?: readonly string[] } | undefined;
    expect(metric?.labelNames).toEqual(labels);
  });

  test('every metric says what it is and has our prefix', async () => {
    const { registry } = createMetrics({ version: '1', commit: 'c' });
    for (const { name, help } of await registry.getMetricsAsJSON()) {
      expect(name).toMatch(/^switchyard_[a-z_]+$/);
      expect(help.length, name).toBeGreaterThan(5);
    }
  });

  test('build_info is always 1 and names version, commit and Node', async () => {
    const text = await createMetrics({ version: '1.2.3', commit: 'abc' }).registry.metrics();
    expect(text).toContain(`switchyard_build_info{version="1.2.3",commit="abc",node="${process.version}"} 1`);
  });

  test('two gateways in one process count for themselves', async () => {
    const [one, two] = [createMetrics({ version: '1', commit: 'c' }), createMetrics({ version: '1', commit: 'c' })];
    one.epoch.set(5);
    expect(await one.registry.metrics()).toContain('switchyard_epoch 5');
    expect(await two.registry.metrics()).toContain('switchyard_epoch 0');
  });
});

describe('the log on a terminal', () => {
  test('is one line with time, level, component, words and facts', () => {
    const json =
      '{"level":"warn","time":"2026-01-01T21:16:03.123Z","component":"nodes","node":"old/old-1","height":5,"msg":"node state changed"}';
    expect(prettyLine(json, false)).toBe('21:16:03.123 WARN  nodes: node state changed  node=old/old-1 height=5\n');
  });

  test('shows the stack of an error', () => {
    const json =
      '{"level":"fatal","time":"2026-01-01T21:16:03.123Z","err":{"type":"Error","message":"x","stack":"Error: x\\n    at y"},"msg":"ended"}';
    expect(prettyLine(json, false)).toBe('21:16:03.123 FATAL ended\n  Error: x\n      at y\n');
  });

  test('leaves what is no JSON as it is', () => expect(prettyLine('plain\n', true)).toBe('plain\n'));
});
