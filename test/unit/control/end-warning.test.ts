import { describe, expect, it } from 'vitest';
import { createEndWatch, endWarningOf } from '../../../src/control/end-warning.js';
import { PHASES, type ReplicationStatus } from '../../../src/model/index.js';
import { createMetrics, type Logger } from '../../../src/telemetry/index.js';

const MARGINS = [86_400_000, 3_600_000, 600_000];
const left = (msToEnd: number | null, blocksToEnd: number | null = 42) => ({
  replication: { blocksToEnd, msToEnd } as ReplicationStatus,
});
const marginOf = (msToEnd: number | null): number => endWarningOf('ready', left(msToEnd), MARGINS)?.margin ?? 0;

describe('the old network’s End', () => {
  it('is warned of at three margins', () => {
    expect([86_400_001, 86_400_000, 3_600_001, 3_600_000, 600_001, 600_000, 1].map(marginOf)).toEqual([
      0, 1, 1, 2, 2, 3, 3,
    ]);
    expect(endWarningOf('ready', left(3_500_000), MARGINS)?.text).toMatch(
      /^the old network ends in 42 blocks, about 58 minutes: switch before/,
    );
    expect(endWarningOf('ready', left(900, 1), MARGINS)?.text).toContain('in 1 block, about 1 s:');
  });

  it('is nobody’s concern while it is not known, when it has come, and once a switch runs or is decided', () => {
    expect(marginOf(null)).toBe(0);
    expect(endWarningOf('ready', left(1, 0), MARGINS)).toBe(null);
    const warned = PHASES.filter(phase => endWarningOf(phase, left(1), MARGINS) !== null);
    expect(warned).toEqual(['standby', 'syncing', 'ready', 'aborting', 'blocked']);
  });

  it('is told once per margin, and again when it had gone away', async () => {
    const metrics = createMetrics({ version: '0', commit: 'test' });
    const said: unknown[] = [];
    const logger = { warn: (details: unknown) => void said.push(details) } as unknown as Logger;
    const watch = createEndWatch({ logger, metrics });
    const shown = async (): Promise<number> => (await metrics.endMargin.get()).values[0]!.value;
    for (const ms of [90_000_000, 80_000_000, 70_000_000, 3_000_000, 2_000_000])
      watch(endWarningOf('ready', left(ms), MARGINS));
    expect(said).toEqual([{ margin: 1 }, { margin: 2 }]);
    expect(await shown()).toBe(2);
    watch(endWarningOf('switched', left(1_000_000), MARGINS));
    expect([said.length, await shown()]).toEqual([2, 0]);
  });
});
