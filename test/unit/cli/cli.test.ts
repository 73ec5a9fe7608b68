import { createServer, type Server } from 'node:http';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAdmin, type AdminPorts, type CommandRequest } from '../../../src/admin/index.js';
import type { AttemptRecord } from '../../../src/admin/index.js';
import type { Programs } from '../../../src/cli/index.js';
import { GatewayError } from '../../../src/model/index.js';
import { samplePorts } from '../../support/admin-ports.js';
import { runCliWith, type CliOptions, type CliRun } from '../../support/run-cli.js';
import { sampleStatus } from '../../support/sample-status.js';

let folder: string;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-cli-'));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

const cli = (args: string, options: Partial<CliOptions> = {}): Promise<CliRun> =>
  runCliWith(args.split(' ').filter(Boolean), { cwd: folder, ...options });

/** An admin API on a free port, and the configuration that leads to it. */
async function gateway(features: Partial<AdminPorts> = {}): Promise<string> {
  const tokenFile = join(folder, 'admin.token');
  const admin = createAdmin(
    { listen: '127.0.0.1:0', tokenFile, metrics: 'auto', version: '1.2.3' },
    samplePorts(features),
  );
  ends.push(() => admin.close(100));
  const { address } = await admin.start();
  configFor(`admin: { listen: "${address}", tokenFile: "${tokenFile}" }\n`);
  return `http://${address}`;
}

const configFor = (more = ''): void =>
  writeFileSync(
    join(folder, 'switchyard.yaml'),
    `networks:\n  old: { chainId: kwil-old, nodes: [{ name: old-1, url: "http://127.0.0.1:8484" }] }\n  new: { chainId: kwil-new, nodes: [{ name: new-1, url: "http://127.0.0.1:8584" }] }\n${more}`,
  );

/** Exactly one JSON object and nothing else. */
function oneObject(stdout: string): Record<string, unknown> {
  const value: unknown = JSON.parse(stdout);
  expect(value).toBeTypeOf('object');
  expect(Array.isArray(value)).toBe(false);
  return value as Record<string, unknown>;
}

const story = (change: Partial<AttemptRecord> = {}): AttemptRecord => ({
  id: 'a1',
  kind: 'switch',
  by: 'ann',
  reason: '',
  startedAt: 0,
  endedAt: 900,
  result: 'switched',
  outcome: 'writes go to the new network',
  drainHeight: 12_345,
  applied: 12_345,
  holdMs: 640,
  steps: [{ phase: 'holding', at: 0, ms: 100 }],
  ...change,
});

describe('usage', () => {
  test.each([
    ['nope', "unknown command 'nope'"],
    ['status --nope', "unknown option '--nope'"],
    ['cutover', 'Usage: switchyard cutover'],
    ['tx', "missing required argument 'hash'"],
    ['tx xyz', '64 hex digits'],
    ['demo --writers many', 'whole number'],
    ['demo --strategy sideways', 'zero-downtime, rolling, offline'],
    ['config check --set nonsense', 'path=value'],
    ['replication show tall', 'not a height'],
    ['status --admin not-a-url --token-file x', 'is not a URL'],
    ['completion tcsh', 'bash'],
    ['', 'Usage: switchyard'],
  ])('%j ends with 64', async (args, words) => {
    await gateway();
    const { code, stdout, stderr } = await cli(args);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain(words);
  });

  test.each(['--help', 'serve --help', 'cutover start --help', 'config --help', '--version'])(
    '%s ends with 0 on stdout',
    async args => {
      const { code, stdout, stderr } = await cli(args);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout.length).toBeGreaterThan(3);
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(84);
    },
  );

  test('a near miss is suggested', async () => {
    expect((await cli('statsu')).stderr).toContain('Did you mean status?');
  });

  test('with --json even a usage error is one object on stdout', async () => {
    expect(oneObject((await cli('status --nope --json')).stdout)).toMatchObject({ error: { code: 'usage' } });
  });
});

describe('finding the gateway', () => {
  test('by the configuration, by flags, by the environment', async () => {
    const url = await gateway();
    expect((await cli('status')).code).toBe(0);
    rmSync(join(folder, 'switchyard.yaml'));
    expect((await cli(`status --admin ${url} --token-file admin.token`)).code).toBe(0);
    expect(
      (await cli('status', { env: { SWITCHYARD_ADMIN_URL: url, SWITCHYARD_TOKEN_FILE: 'admin.token' } })).code,
    ).toBe(0);
  });

  test('nobody there: 69 and what to do', async () => {
    const url = await gateway();
    for (const end of ends.splice(0)) await end();
    const { code, stdout, stderr } = await cli('status');
    expect([code, stdout]).toEqual([69, '']);
    expect(stderr).toContain(`no gateway answers at ${url}: ECONNREFUSED`);
    expect(stderr).toContain('switchyard serve -c FILE');
    expect(oneObject((await cli('status --json')).stdout)).toMatchObject({ error: { code: 'unreachable' } });
  });

  test('a wrong token: 1 and where the right one is', async () => {
    const url = await gateway();
    writeFileSync(join(folder, 'other.token'), 'x'.repeat(64));
    const { code, stderr } = await cli(`status --admin ${url} --token-file other.token`);
    expect(code).toBe(1);
    expect(stderr).toContain('does not take this token');
  });

  test('something else on that port: 1, not a stack', async () => {
    const server: Server = createServer((_, answer) => answer.end('<html>')).listen(0, '127.0.0.1');
    await new Promise(done => server.once('listening', done));
    ends.push(() => server.close());
    writeFileSync(join(folder, 'admin.token'), 'x'.repeat(64));
    const { code, stderr } = await cli(
      `status --admin http://127.0.0.1:${(server.address() as AddressInfo).port} --token-file admin.token`,
    );
    expect(code).toBe(1);
    expect(stderr).toContain('not what this program expects');
  });

  test('port 0 in the configuration: 64, the log knows the port', async () => {
    configFor('admin: { listen: "127.0.0.1:0" }\n');
    const { code, stderr } = await cli('status');
    expect(code).toBe(64);
    expect(stderr).toContain('--admin');
  });

  test('a bad configuration: 78 with every problem', async () => {
    configFor('listen: nope\nwrites: { holdMs: -1 }\n');
    const { code, stderr } = await cli('status');
    expect(code).toBe(78);
    expect(stderr).toContain('switchyard.yaml:4:9: listen');
    expect(stderr).toContain('writes.holdMs');
  });
});

describe('status', () => {
  test('prints the one value, or a screen', async () => {
    await gateway();
    const json = await cli('status --json');
    expect(oneObject(json.stdout)).toEqual(sampleStatus());
    expect(json.stderr).toBe('');
    const text = await cli('status');
    expect(text.stdout).toContain('READY');
    expect(text.stdout).not.toContain('\u001b');
  });

  test('--watch prints a line per change where there is no terminal, and ends with the signal', async () => {
    const stop = new AbortController();
    let looks = 0;
    await gateway({
      status: () => {
        looks += 1;
        if (looks === 6) stop.abort('SIGTERM');
        return sampleStatus({ phase: looks < 4 ? 'syncing' : 'ready' });
      },
    });
    const { code, stdout } = await cli('status --watch --interval 50', { signal: stop.signal });
    expect(code).toBe(143);
    expect(
      stdout
        .trim()
        .split('\n')
        .map(line => line.split(' ')[0]),
    ).toEqual(['phase=syncing', 'phase=ready']);
  });
});

describe('checks', () => {
  const check = (verdict: 'pass' | 'fail') => ({
    id: 'lag',
    title: 'Lag',
    verdict,
    value: '9 blocks',
    threshold: '5 blocks',
    remedy: verdict === 'pass' ? '' : 'wait',
    ms: 1,
  });
  const report = (verdict: 'pass' | 'fail') => ({
    verdict,
    at: '2026-01-01T00:00:00.000Z',
    ms: 12,
    checks: [check(verdict)],
  });

  test.each([
    ['pass', 0, 'Ready to switch'],
    ['fail', 2, 'would not begin'],
  ] as const)('preflight that says %s ends with %i', async (verdict, code, words) => {
    await gateway({ preflight: () => Promise.resolve(report(verdict)) });
    const text = await cli('preflight');
    expect(text.code).toBe(code);
    expect(text.stdout).toContain(words);
    if (verdict === 'fail') expect(text.stdout).toContain('> wait');
    const json = await cli('preflight --json');
    expect([json.code, oneObject(json.stdout)]).toEqual([code, report(verdict)]);
  });

  test('verify that finds a difference ends with 2 and lists it; progress is on stderr', async () => {
    const found = {
      equal: false,
      tables: 1,
      rows: 2,
      differences: 1,
      differing: [{ namespace: 'main', table: 't', key: 'id=1', side: 'old-only' as const }],
      durationMs: 3,
    };
    const verify = vi.fn<NonNullable<AdminPorts['verify']>>((_, progress) => {
      progress({ text: 'main.t', tablesDone: 0, tablesTotal: 1 });
      return Promise.resolve(found);
    });
    await gateway({ verify });
    const json = await cli('verify --namespace main --table t --json');
    expect([json.code, oneObject(json.stdout)]).toEqual([2, found]);
    expect(json.stderr).toContain('0 of 1 tables  main.t');
    expect(verify.mock.calls[0]?.[0]).toEqual({ namespace: 'main', table: 't' });
    const text = await cli('verify');
    expect(text.stdout).toContain('main.t  only in old  id=1');
  });

  test('verify says why tables are not equal when no row differs, and shows both rows when asked', async () => {
    const verify = vi.fn<NonNullable<AdminPorts['verify']>>(({ rows }) =>
      Promise.resolve({
        equal: false,
        tables: 1,
        rows: 2,
        differences: rows ? 1 : 0,
        differing: rows
          ? [
              {
                namespace: 'main',
                table: 't',
                key: 'id=1',
                side: 'different' as const,
                old: ['1', 'a'],
                new: ['1', 'b'],
              },
            ]
          : [],
        structure: [{ what: 'action', line: 'main.note(text)', side: 'old-only' as const }],
        notCompared: ['main.log: it has no primary key'],
        durationMs: 3,
      }),
    );
    await gateway({ verify });
    const text = await cli('verify');
    expect(text.code).toBe(2);
    expect(text.stdout).toMatch(/action +only in old +main\.note\(text\)/);
    expect(text.stdout).toContain('main.log: it has no primary key');
    expect(text.stdout).toContain('0 differences, 1 definition unlike, 1 not compared.');
    expect((await cli('verify --rows')).stdout).toContain('id=1; old: ["1","a"]; new: ["1","b"]');
    expect(verify.mock.calls[1]?.[0]).toEqual({ rows: true });
  });

  test('equal tables end with 0; a failed comparison is neither', async () => {
    await gateway({
      verify: () => Promise.resolve({ equal: true, tables: 1, rows: 2, differences: 0, differing: [], durationMs: 3 }),
    });
    expect((await cli('verify')).code).toBe(0);
    for (const end of ends.splice(0)) await end();
    await gateway({
      verify: () => Promise.reject(new GatewayError('no_node', 'upstream', 'no node of the new network')),
    });
    const failed = await cli('verify');
    expect([failed.code, failed.stdout]).toEqual([69, '']);
    expect(failed.stderr).toContain('no node of the new network');
  });
});

describe('cutover', () => {
  const accepting = (requests: CommandRequest[] = []): Partial<AdminPorts> => ({
    command: request => {
      requests.push(request);
      const steps = [{ phase: 'holding' as const, writes: 'held', work: ['hold new writes'] }];
      return Promise.resolve({
        accepted: true,
        phase: 'armed',
        epoch: 4,
        attempt: 'a1',
        ...(request.dryRun && { steps }),
      });
    },
    status: () => sampleStatus({ phase: 'switched' }),
    history: () => [story()],
  });

  test('start without a terminal needs --yes, and then follows the attempt to its end', async () => {
    const requests: CommandRequest[] = [];
    await gateway(accepting(requests));
    const asked = await cli('cutover start');
    expect(asked.code).toBe(64);
    expect(requests).toEqual([]);
    const done = await cli('cutover start --yes --reason night --json');
    expect(done.code).toBe(0);
    expect(oneObject(done.stdout)).toMatchObject({ attempt: 'a1', story: { result: 'switched', holdMs: 640 } });
    expect(done.stderr).toContain('switched');
    expect(requests).toMatchObject([{ kind: 'start', reason: 'night', dryRun: false }]);
  });

  test.each([
    ['kwil-new\n', 0],
    ['kwil-old\n', 1],
    ['yes\n', 1],
  ])('on a terminal the new chain id must be typed: %j ends with %i', async (stdin, code) => {
    const requests: CommandRequest[] = [];
    await gateway(accepting(requests));
    const run = await cli('cutover start', { isTTY: true, stdin });
    expect(run.code).toBe(code);
    expect(requests).toHaveLength(code === 0 ? 1 : 0);
    expect(run.stderr).toContain('cannot be taken back after the commit');
  });

  test('an attempt that ends on the old network ends with 1 and says why', async () => {
    await gateway({
      ...accepting(),
      status: () => sampleStatus(),
      history: () => [story({ result: 'aborted', outcome: 'the new network stood still' })],
    });
    const run = await cli('cutover start --yes');
    expect(run.code).toBe(1);
    expect(run.stdout).toContain('the new network stood still');
  });

  test('an attempt is followed until its story is told', async () => {
    let looks = 0;
    await gateway({
      ...accepting(),
      status: () => sampleStatus({ phase: ++looks < 3 ? 'holding' : 'switched' }),
      history: () => [story({ result: looks < 5 ? null : 'switched' })],
    });
    expect((await cli('cutover start --yes')).code).toBe(0);
    expect(looks).toBeGreaterThanOrEqual(5);
  });

  test('--dry-run of any other change says what would be asked, and asks it not', async () => {
    const requests: string[] = [];
    await gateway({
      command: request => {
        requests.push(request.kind);
        return Promise.reject(new GatewayError('not_ready', 'refused', 'no'));
      },
    });
    const run = await cli('cutover abort --dry-run --reason late --json');
    expect(run.code).toBe(0);
    expect(oneObject(run.stdout)).toEqual({
      dryRun: true,
      method: 'POST',
      path: '/v1/cutover/abort',
      body: { reason: 'late' },
    });
    expect((await cli('offline open --dry-run')).stdout).toBe(
      'would send POST /v1/offline/open {"reason":""}; nothing was changed\n',
    );
    expect((await cli('nodes list --dry-run')).code).toBe(64);
    expect(requests).toEqual([]);
    expect((await cli('nodes list --yes')).code).toBe(0);
  });

  test('--dry-run prints the steps, asks nothing and changes nothing', async () => {
    const requests: CommandRequest[] = [];
    await gateway(accepting(requests));
    const text = await cli('cutover start --dry-run');
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('- hold new writes');
    expect(text.stdout).toContain('Nothing was changed.');
    expect(requests).toMatchObject([{ dryRun: true }]);
    expect(oneObject((await cli('cutover start --dry-run --json')).stdout)).toMatchObject({ dryRun: true });
  });

  test.each([
    ['not_ready', 75],
    ['cooling_down', 75],
    ['already_committed', 1],
  ])('refused with %s ends with %i', async (code, exit) => {
    await gateway({ command: () => Promise.resolve({ accepted: false, code, message: 'because' }) });
    const run = await cli('cutover abort');
    expect([run.code, run.stderr]).toEqual([exit, 'switchyard: because\n']);
  });

  test('report: one page for people, the whole value for programs', async () => {
    const fate = (n: number) => ({
      hash: String(n).padStart(64, '0'),
      at: '1970-01-01T00:00:00.000Z',
      heldMs: 1200,
      wait: 'released' as const,
      ending: 'accepted',
      network: 'new' as const,
      state: 'mined',
      height: 7,
    });
    await gateway({
      history: () => [story()],
      heldWrites: () => ({
        entered: 26,
        released: 25,
        expired: 1,
        full: 0,
        gone: 0,
        waiting: 0,
        forgotten: 0,
        writes: Array.from({ length: 25 }, (_, n) => fate(n)),
      }),
      lastVerification: () => ({
        at: '1970-01-01T00:00:00.000Z',
        report: { equal: false, tables: 2, rows: 9, differences: 1, differing: [], durationMs: 1 },
      }),
    });
    const page = (await cli('report')).stdout.replace(/\s+/g, ' ');
    expect(page).toContain('a1 switch switched');
    expect(page).toContain('26 held = 25 released + 1 expired + 0 turned away + 0 gone');
    expect(page).toContain('accepted, new, mined, block 7');
    expect(page).toContain('5 earlier ones: --json');
    expect(page).toContain('DIFFERENT, 2 tables, 9 rows, 1 difference');
    const value = oneObject((await cli('report --json')).stdout) as { held: { writes: unknown[] } };
    expect(value.held.writes).toHaveLength(25);
  });

  test('history and audit', async () => {
    await gateway({
      history: () => [story()],
      audit: () => [
        {
          sequence: 1,
          at: 0,
          command: 'start',
          actor: 'ann',
          reason: 'CHG-1',
          before: 'ready',
          after: 'armed',
          refused: null,
        },
      ],
    });
    expect((await cli('cutover history')).stdout).toContain('a1  switch  switched  1970-01-01 00:00:00Z  by ann');
    expect((await cli('cutover history --audit')).stdout).toContain('ready > armed  ann: CHG-1');
    expect(oneObject((await cli('cutover history --json')).stdout)).toHaveProperty('attempts');
  });
});

describe('nodes, tx, explain', () => {
  test('a node is found by its bare name; a wrong one gets a suggestion', async () => {
    const drainNode = vi.fn(() => true);
    await gateway({ drainNode });
    expect((await cli('nodes drain old-2')).stdout).toBe('old/old-2 is now out of service\n');
    expect(drainNode).toHaveBeenCalledWith({ network: 'old', name: 'old-2' });
    const wrong = await cli('nodes drain odl-2');
    expect([wrong.code, wrong.stderr]).toEqual([1, 'switchyard: there is no node odl-2\n  did you mean old-2?\n']);
    expect((await cli('nodes list')).stdout).toContain('old/old-2  lagging');
  });

  test('tx: known 0, unknown 2; the hash of kwil-js is understood', async () => {
    const hash = 'ab'.repeat(32);
    const tx = vi.fn((asked: string) =>
      Promise.resolve({
        hash: asked,
        state: asked === hash ? ('mined' as const) : ('not-found' as const),
        network: null,
        height: null,
        code: 0,
        log: null,
        node: null,
        admittedAt: null,
        explanation: 'words',
      }),
    );
    await gateway({ tx });
    expect((await cli(`tx ${hash.toUpperCase()}`)).code).toBe(0);
    expect((await cli(`tx ${'00'.repeat(32)} --json`)).code).toBe(2);
    expect((await cli(`tx ${Buffer.from(hash, 'base64').toString('hex')}`)).code).toBe(0);
    expect(tx).toHaveBeenLastCalledWith(hash);
  });

  const explained = {
    method: 'user.chain_info',
    class: 'write-affine',
    decision: { kind: 'forward', reason: 'affine', networks: ['old'] },
    rule: { id: 'A1', text: 'follows the write network' },
    passed: [{ id: 'D1', text: 'denied' }],
    facts: [],
  };

  test('explain sends the bytes of stdin as they are', async () => {
    const explain = vi.fn<(request: Uint8Array) => Promise<typeof explained>>(() => Promise.resolve(explained));
    await gateway({ explain });
    const { code, stdout } = await cli('explain', { stdin: '{"id": 1 ,ſ' });
    expect(code).toBe(0);
    expect(stdout).toContain('forward (affine; networks old)');
    expect(Buffer.from(explain.mock.calls[0]![0]).toString()).toBe('{"id": 1 ,ſ');
  });

  test('explain works offline where the program can', async () => {
    configFor();
    const explain = (): Promise<typeof explained> => Promise.resolve(explained);
    expect((await cli('explain --offline --json', { stdin: '{}', programs: { explain } })).code).toBe(0);
    const fallback = await cli('explain', { stdin: '{}', programs: { explain } });
    expect(fallback.code).toBe(0);
    expect(fallback.stderr).toContain('no gateway answers');
    expect((await cli('explain --offline', { stdin: '{}' })).code).toBe(64);
  });

  test('a command whose feature the gateway lacks says so', async () => {
    await gateway();
    const run = await cli('relay urls');
    expect([run.code, run.stderr]).toEqual([1, 'switchyard: This gateway does not have this feature\n']);
  });
});

describe('replication and relay', () => {
  test('every view in words and as one object', async () => {
    await gateway({
      changeset: height =>
        Promise.resolve(
          height === 7
            ? {
                height: 7,
                bytes: 10,
                rows: 1,
                sha256: 'f'.repeat(64),
                source: 'old/old-1',
                archivedAt: null,
                askedHeight: 3,
                elements: [{ kind: 'insert', text: 'main.t {"id":1}' }],
                repairs: [],
              }
            : undefined,
        ),
      decide: (_, prefix) => Promise.resolve('f'.repeat(64).startsWith(prefix) ? 'f'.repeat(64) : undefined),
      insight: () => ({
        findings: [{ id: 'x', text: 'the listener of v1 has not asked for 30 s', cure: 'start its kwild again' }],
        losses: {
          lost: 1,
          unknown: 0,
          fine: 2,
          unlisted: 0,
          listed: [
            {
              height: 7,
              table: 'main.t',
              column: 'note',
              key: { id: '1' },
              state: 'lost',
              text: "the text 'NULL'",
              statement: "{main}UPDATE t SET note = 'NULL' WHERE id = 1",
            },
          ],
        },
        strangers: { total: 3, bySender: { ab12: 3 }, since: 5 },
        archive: { first: 5, last: 9, bytes: 4096 },
      }),
      repairs: () => [{ repair: 'pad-deletes', setting: 'auto', count: 3, reason: 'the node stops at it' }],
      relayUrls: () => [{ validator: 'v1', url: 'http://127.0.0.1:8481/secret' }],
      relayPlan: (from, to) => [
        { askedHeight: from ?? 0, from: 5, to: to ?? 9, bytes: 1000, sha256: null, at: '2026-01-01T00:00:00.000Z' },
      ],
    });
    for (const [args, words] of [
      ['replication status', 'archived  12,345'],
      ['replication status', '3 by ab12'],
      ['replication repairs', "{main}UPDATE t SET note = 'NULL' WHERE id = 1"],
      ['relay status', 'start its kwild again'],
      ['replication show 7', 'insert main.t {"id":1}'],
      ['replication repairs', 'pad-deletes  auto'],
      ['relay urls', 'v1  http://127.0.0.1:8481/secret'],
      ['relay status', 'relay 127.0.0.1:8481'],
      ['relay plan --from 2 --to 8', '5 to 8'],
    ] as const) {
      const text = await cli(args);
      expect([text.code, text.stderr], args).toEqual([0, '']);
      expect(text.stdout).toContain(words);
      oneObject((await cli(`${args} --json`)).stdout);
    }
    expect((await cli('replication show 8')).code).toBe(1);
    const chosen = await cli('replication decide 7 ffffffffffffffff');
    expect([chosen.code, chosen.stdout]).toEqual([0, `height 7: ${'f'.repeat(64)} is taken; the stream goes on\n`]);
    expect((await cli('replication decide 7 eeeeeeeeeeeeeeee')).code).toBe(1);
    expect((await cli('replication decide 7 ff')).code).toBe(64);
  });
});

describe('config', () => {
  test('init writes a file that check accepts, and never overwrites one', async () => {
    expect((await cli('config init')).code).toBe(0);
    expect((await cli('config check')).code).toBe(0);
    const before = readFileSync(join(folder, 'switchyard.yaml'), 'utf8');
    expect((await cli('config init')).code).toBe(1);
    expect((await cli('config init --force')).code).toBe(0);
    expect(readFileSync(join(folder, 'switchyard.yaml'), 'utf8')).toBe(before);
  });

  test('check: 0 or 78, with line and column', async () => {
    configFor('reads: { policy: atuo }\n');
    const text = await cli('config check');
    expect(text.code).toBe(78);
    expect(text.stdout).toContain('switchyard.yaml:4:18: reads.policy');
    const json = await cli('config check --json');
    expect(json.code).toBe(78);
    expect(oneObject(json.stdout)).toMatchObject({
      ok: false,
      problems: [{ path: 'reads.policy', line: 4, column: 18, suggestion: 'auto' }],
    });
    expect((await cli('config check --set reads.policy=auto')).code).toBe(0);
  });

  test('show says where each value comes from', async () => {
    configFor();
    const { stdout } = await cli('config show --listen 127.0.0.1:1 --json', {
      env: { SWITCHYARD_LOG__LEVEL: 'debug' },
    });
    const values = oneObject(stdout)['values'] as { path: string; value: string; origin: string }[];
    expect(values).toContainEqual({ path: 'listen', value: '"127.0.0.1:1"', origin: 'flag --listen' });
    expect(values).toContainEqual({ path: 'log.level', value: '"debug"', origin: 'environment SWITCHYARD_LOG__LEVEL' });
    expect(values).toContainEqual({
      path: 'networks.old.chainId',
      value: '"kwil-old"',
      origin: 'switchyard.yaml:2:19',
    });
    expect(values).toContainEqual({ path: 'writes.holdMs', value: '8000', origin: 'default' });
  });

  test('schema is one JSON object', async () => {
    expect(oneObject((await cli('config schema')).stdout)).toHaveProperty('properties.networks');
  });
});

describe('programs', () => {
  test('serve gets the whole configuration; what it gives is the exit code', async () => {
    configFor();
    const serve = vi.fn<Programs['serve']>(() => Promise.resolve(0));
    expect((await cli('serve --set writes.holdMs=5 --log-level debug', { programs: { serve } })).code).toBe(0);
    const [loaded, reload] = serve.mock.calls[0]!;
    expect(loaded.config).toMatchObject({ writes: { holdMs: 5 }, log: { level: 'debug' } });
    expect(reload().config).toEqual(loaded.config);
    expect((await cli('serve', { programs: { serve: () => Promise.resolve(3) } })).code).toBe(3);
  });

  test.each([
    ['config', 78],
    ['upstream', 69],
    ['refused', 75],
    ['integrity', 1],
  ] as const)('an error of family %s that ends serve is exit %i', async (family, code) => {
    configFor();
    const serve = (): Promise<number> => Promise.reject(new GatewayError('some_code', family, 'words'));
    const run = await cli('serve', { programs: { serve } });
    expect([run.code, run.stdout, run.stderr]).toEqual([code, '', 'switchyard: words\n']);
  });

  test('demo passes its flags on', async () => {
    const demo = vi.fn<Programs['demo']>(() => Promise.resolve(0));
    await cli('demo --seed 7 --writers 3 --block-ms 100 --keep --json', { programs: { demo } });
    expect(demo.mock.calls[0]![0]).toEqual({
      strategy: 'zero-downtime',
      seed: 7,
      writers: 3,
      blockMs: 100,
      keep: true,
      json: true,
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('a command that %s interrupts ends with %i', async (signal, code) => {
    const stop = new AbortController();
    await gateway({
      preflight: () => {
        stop.abort(signal);
        return new Promise(() => undefined);
      },
    });
    const run = await cli('preflight', { signal: stop.signal });
    expect([run.code, run.stdout]).toEqual([code, '']);
  });
});

test('doctor looks at every node and says no when one is on another chain', async () => {
  const chain = (id: string): Promise<string> =>
    new Promise(done => {
      const server: Server = createServer((_, answer) =>
        answer.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { chain_id: id, block_height: 5 } })),
      );
      ends.push(() => server.close());
      server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    });
  const [right, wrong] = [await chain('kwil-old'), await chain('other')];
  writeFileSync(
    join(folder, 'switchyard.yaml'),
    `listen: 127.0.0.1:0\nrelay: { listen: "127.0.0.1:0" }\nadmin: { listen: "127.0.0.1:0" }\nnetworks:\n  old: { chainId: kwil-old, nodes: [{ name: old-1, url: "${right}" }, { name: old-2, url: "${wrong}" }] }\n`,
  );
  const run = await cli('doctor --json');
  expect(run.code).toBe(2);
  const findings = oneObject(run.stdout)['findings'] as { id: string; verdict: string; text: string }[];
  expect(findings.find(({ id }) => id === 'old/old-1')).toMatchObject({ verdict: 'pass' });
  expect(findings.find(({ id }) => id === 'old/old-2')).toMatchObject({
    verdict: 'fail',
    text: 'is on chain "other", not "kwil-old"',
  });
});

test.each(['bash', 'zsh', 'fish'])('completion for %s names every command', async shell => {
  const { code, stdout } = await cli(`completion ${shell}`);
  expect(code).toBe(0);
  for (const word of ['cutover', 'start', 'replication', 'urls', 'verify']) expect(stdout).toContain(word);
});
