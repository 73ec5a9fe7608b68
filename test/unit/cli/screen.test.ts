import { describe, expect, test } from 'vitest';
import { statusScreen } from '../../../src/cli/index.js';
import { plainStyle, styleOf, visibleLength } from '../../../src/cli/text/style.js';
import { PHASES, STRATEGY_PHASES } from '../../../src/model/index.js';
import { sampleStatus } from '../../support/sample-status.js';

const NOW = Date.parse('2026-01-01T00:00:41.000Z');
const rich = styleOf({ write: () => true, isTTY: true }, { TERM: 'xterm-256color' });
const draw = (status = sampleStatus(), width = 80): string =>
  statusScreen(status, { width, style: plainStyle, nowMs: NOW });

describe('the status screen', () => {
  test('shows phase, both networks, nodes, lag, time to End, writes', () => {
    const text = draw();
    for (const part of [
      '* READY   writes -> old   epoch 3   for 41 s',
      'OLD  kwil-old',
      'height 12,345',
      'lagging',
      '45 blocks behind old-1',
      '345 of 1,001 applied',
      'archived 12,345   served 12,344   applied 12,344',
      'lag 1 block, 870 ms',
      'to End 655 blocks, about 10 min 57 s',
      'WRITES  in flight 3   held 0 (0 B)   unresolved old 2, new 0   strangers 0',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('says what it waits for, what fails, until when', () => {
    const cutover = {
      ...sampleStatus().cutover,
      attempt: 'a1',
      waitingFor: 'the new network to show old height 12,345',
      deadline: '2026-01-01T00:00:49.000Z',
      drainHeight: 12_345,
      notReady: ['watermark-fresh'],
      lastOutcome: 'a0 aborted: lag too high',
    };
    const text = draw(sampleStatus({ phase: 'draining', writeNetwork: 'none', cutover }));
    for (const part of [
      '* DRAINING   writes -> held or refused',
      'deadline in 8.0 s',
      'drain height 12,345',
      'waits for the new network to show',
      'x watermark-fresh',
      'last attempt: a0 aborted: lag too high',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('a status with nothing known yet can be drawn', () => {
    const { networks, replication } = sampleStatus();
    const text = draw(
      sampleStatus({
        phase: 'standby',
        networks: {
          old: {
            ...networks.old,
            head: 0,
            migrationStatus: null,
            startHeight: null,
            endHeight: null,
            blockTimeMs: null,
            nodes: [],
          },
          new: null,
        },
        replication: {
          ...replication,
          state: 'waiting',
          reason: 'no migration on the old network',
          startHeight: null,
          endHeight: null,
          archived: null,
          served: null,
          applied: null,
          lagBlocks: null,
          lagMs: null,
          blocksToEnd: null,
          msToEnd: null,
          validators: [],
        },
      }),
    );
    expect(text).toContain('NEW  not configured yet');
    expect(text).toContain('waiting: no migration on the old network');
    expect(text).not.toContain('NaN');
    expect(text).not.toContain('null');
  });

  test.each([60, 80, 120])('fits into %i columns in every phase, with long words too', width => {
    const { networks, replication, cutover } = sampleStatus();
    for (const phase of [...PHASES, ...STRATEGY_PHASES]) {
      for (const style of [plainStyle, rich]) {
        const status = sampleStatus({
          phase,
          networks: {
            ...networks,
            old: {
              ...networks.old,
              chainId: 'kwil-a-chain-id-of-some-length',
              nodes: [
                {
                  name: 'old-1',
                  state: 'quarantined',
                  height: 123_456_789,
                  version: '0.10.2-release+build.4711',
                  reason: 'answers for chain another-chain-id-of-some-length, expected kwil-a-chain-id',
                },
              ],
            },
          },
          replication: {
            ...replication,
            state: 'stopped',
            reason: 'old-1 and old-2 differ at height 12,346: sha256 aaaa against bbbb, decide which one is right',
          },
          cutover: {
            ...cutover,
            waitingFor: 'w'.repeat(200),
            notReady: ['one-check', 'x'.repeat(150)],
            lastOutcome: 'an outcome that is told in many words '.repeat(4),
          },
        });
        const lines = statusScreen(status, { width, style, nowMs: NOW, lags: [1, 5, 3], notice: null }).split('\n');
        // Fixed facts may be wider than 60 columns; nothing is wider than 80.
        for (const line of lines)
          expect(visibleLength(line), `${phase}: ${line}`).toBeLessThanOrEqual(Math.max(width, 80));
      }
    }
  });

  test('the path is that of the strategy', () => {
    expect(draw(sampleStatus({ phase: 'frozen', strategy: 'offline' }))).toContain('step 5 of 11, then building');
    expect(draw(sampleStatus({ phase: 'rolling', strategy: 'rolling' }))).not.toContain('step');
  });

  test('a small terminal keeps the top', () => {
    const lines = statusScreen(sampleStatus(), { width: 80, style: plainStyle, nowMs: NOW, height: 10 })
      .trimEnd()
      .split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[2]).toContain('READY');
    expect(lines[9]).toMatch(/^\(\d+ more lines/);
  });

  test('control characters of a node never reach the terminal', () => {
    const { networks } = sampleStatus();
    const evil = {
      name: 'old-1',
      state: 'down' as const,
      height: 1,
      version: '\u001b]0;pwned\u0007',
      reason: '\u001b[2J',
    };
    const text = draw(
      sampleStatus({ networks: { ...networks, old: { ...networks.old, migrationStatus: '\u009b2J', nodes: [evil] } } }),
    );
    // eslint-disable-next-line no-control-regex -- the point of the test
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});

describe('style', () => {
  const terminal = { write: () => true, isTTY: true };

  test.each([
    ['a terminal', terminal, {}, true],
    ['a pipe', { write: () => true }, {}, false],
    ['NO_COLOR', terminal, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR', terminal, { NO_COLOR: '' }, true],
    ['a dumb terminal', terminal, { TERM: 'dumb' }, false],
    ['FORCE_COLOR on a pipe', { write: () => true }, { FORCE_COLOR: '1' }, true],
    ['NO_COLOR and FORCE_COLOR', terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ])('%s', (_, output, env, coloured) => {
    expect(styleOf(output, env).good('x') !== 'x').toBe(coloured);
  });
});
