import { describe, expect, test, vi } from 'vitest';
import { gatewayStatus, routes, verifyLine } from '../../../src/admin/contract.js';
import { createApp, type AdminPorts, type CommandRequest } from '../../../src/admin/index.js';
import { GatewayError } from '../../../src/model/index.js';
import { samplePorts } from '../../support/admin-ports.js';
import { sampleStatus } from '../../support/sample-status.js';

const TOKEN = 'a'.repeat(64);

const appOf = (features: Partial<AdminPorts> = {}, metricsOpen = true) =>
  createApp({ token: TOKEN, metricsOpen, version: '1.2.3' }, samplePorts(features));

const authorized = { authorization: `Bearer ${TOKEN}` };
const get = (app: ReturnType<typeof appOf>, path: string) => app.request(path, { headers: authorized });
const post = (app: ReturnType<typeof appOf>, path: string, body?: unknown) =>
  app.request(path, {
    method: 'POST',
    headers: { ...authorized, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

describe('token', () => {
  const guarded = Object.values(routes).map(
    ({ method, path }) =>
      [
        method,
        path.replace('{height}', '1').replace('{hash}', 'a'.repeat(64)).replace('{network}/{name}', 'old/old-1'),
      ] as const,
  );

  test.each([...guarded, ['post', '/v1/verify'], ['post', '/v1/explain'], ['get', '/v1/nothing']] as const)(
    '%s %s asks for it',
    async (method, path) => {
      for (const authorization of [
        undefined,
        'Bearer ',
        `Bearer ${TOKEN}x`,
        `Bearer ${TOKEN.slice(1)}`,
        `Basic ${TOKEN}`,
        TOKEN,
      ]) {
        const answer = await appOf().request(path, {
          method: method.toUpperCase(),
          headers: authorization ? { authorization } : {},
        });
        expect(answer.status).toBe(401);
        expect(answer.headers.get('www-authenticate')).toContain('Bearer');
        expect(await answer.json()).toMatchObject({ code: 'unauthorized' });
      }
    },
  );

  test.each(['/livez', '/readyz', '/startupz', '/version', '/openapi.json', '/metrics'])('%s is open', async path => {
    expect((await appOf().request(path)).status).toBe(200);
  });

  test('metrics can ask for it too', async () => {
    const app = appOf({}, false);
    expect((await app.request('/metrics')).status).toBe(401);
    expect(await (await get(app, '/metrics')).text()).toBe('switchyard_epoch 3\n');
  });

  test('no way of writing a path gets around it', async () => {
    for (const path of [
      '/v1/../v1/status',
      '//v1/status',
      '/v1//status',
      '/V1/status',
      '/v1/status/',
      '/%76%31/status',
      '/livez/../v1/status',
      '/v1%2fstatus',
    ]) {
      const answer = await appOf().request(path);
      expect([401, 404], path).toContain(answer.status);
    }
  });
});

describe('probes', () => {
  test('readyz says why not', async () => {
    const app = appOf({ ready: () => ({ ready: false, reasons: ['shutting down'] }), started: () => false });
    const plain = await app.request('/readyz');
    expect([plain.status, await plain.text()]).toEqual([503, 'not ready: shutting down']);
    expect(await (await app.request('/readyz?verbose')).json()).toEqual({ ready: false, reasons: ['shutting down'] });
    expect((await app.request('/startupz')).status).toBe(503);
    expect((await app.request('/livez')).status).toBe(200);
  });
});

describe('routes', () => {
  test('status is the one value, as the contract describes it', async () => {
    const answer = await get(appOf(), '/v1/status');
    const value: unknown = await answer.json();
    expect(value).toEqual(sampleStatus());
    expect(gatewayStatus.parse(value)).toEqual(value);
    expect(answer.headers.get('x-switchyard-request')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a feature that this gateway lacks answers 501 with a stable code', async () => {
    const app = appOf();
    const answers = await Promise.all([
      get(app, '/v1/preflight'),
      post(app, '/v1/cutover/start', {}),
      get(app, '/v1/relay/urls'),
      post(app, '/v1/verify', {}),
      post(app, '/v1/explain', '{}'),
      post(app, '/v1/config/reload'),
    ]);
    for (const answer of answers) {
      expect(answer.status).toBe(501);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(await answer.json()).toMatchObject({ code: 'not_available', status: 501 });
    }
  });

  test('an unknown path is a problem, not a page', async () => {
    const answer = await get(appOf(), '/v1/nothing');
    expect(await answer.json()).toMatchObject({ code: 'not_found', status: 404 });
  });

  test('an error of a known family keeps its code and words; our own mistake shows nothing', async () => {
    const lines: unknown[] = [];
    const logger = { error: (...args: unknown[]) => lines.push(args), info: () => undefined } as never;
    const known = appOf({
      preflight: () => Promise.reject(new GatewayError('stale_epoch', 'control', 'another epoch')),
    });
    expect(await (await get(known, '/v1/preflight')).json()).toMatchObject({
      status: 409,
      code: 'stale_epoch',
      detail: 'another epoch',
    });
    const broken = appOf({ logger, preflight: () => Promise.reject(new TypeError('secret at 0x7f')) });
    const answer = await get(broken, '/v1/preflight');
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
    expect(lines).toHaveLength(1);
  });
});

describe('commands', () => {
  const accepted = { accepted: true, phase: 'armed', epoch: 4, attempt: 'a1' } as const;

  test('reach the switch with who, from where and why, and are audited', async () => {
    const command = vi.fn<(request: CommandRequest) => Promise<typeof accepted>>(() => Promise.resolve(accepted));
    const info = vi.fn();
    const app = appOf({ command, logger: { info, error: vi.fn() } as never });
    const answer = await app.request('/v1/cutover/start', {
      method: 'POST',
      headers: { ...authorized, 'content-type': 'application/json', 'x-switchyard-actor': 'ann@ops\u00e4' },
      body: JSON.stringify({ reason: 'CHG-1', newChainId: 'kwil-new' }),
    });
    expect(await answer.json()).toEqual({ phase: 'armed', epoch: 4, attempt: 'a1' });
    expect(command).toHaveBeenCalledWith({
      kind: 'start',
      actor: 'ann@ops? (unknown)',
      reason: 'CHG-1',
      dryRun: false,
    });
    expect(info).toHaveBeenCalledWith(
      expect.objectContaining({ audit: 'start', by: 'ann@ops?', refused: null }),
      'command',
    );
  });

  test('need no body', async () => {
    const app = appOf({ command: () => Promise.resolve(accepted) });
    expect((await post(app, '/v1/cutover/abort')).status).toBe(200);
  });

  test('refused by the switch are 409 with its code', async () => {
    const app = appOf({
      command: () => Promise.resolve({ accepted: false, code: 'cooling_down', message: '3 s left' }),
    });
    expect(await (await post(app, '/v1/cutover/start', {})).json()).toMatchObject({
      status: 409,
      code: 'cooling_down',
      detail: '3 s left',
    });
  });

  test('meant for another network do not reach the switch', async () => {
    const command = vi.fn();
    const answer = await post(appOf({ command }), '/v1/cutover/start', { newChainId: 'kwil-newer' });
    expect(await answer.json()).toMatchObject({ status: 409, code: 'wrong_gateway' });
    expect(command).not.toHaveBeenCalled();
  });

  test('are refused when they are not understood', async () => {
    const command = vi.fn();
    const app = appOf({ command });
    for (const body of [
      '{',
      '[]',
      '{"dryRun":"yes"}',
      '{"dryrun":true}',
      '"x"',
      JSON.stringify({ reason: 'x'.repeat(501) }),
    ]) {
      const answer = await post(app, '/v1/cutover/start', body);
      expect([answer.status, ((await answer.json()) as { code: string }).code], body).toEqual([400, 'bad_request']);
    }
    const form = await app.request('/v1/cutover/start', {
      method: 'POST',
      headers: { ...authorized, 'content-type': 'text/plain', 'content-length': '2' },
      body: '{}',
    });
    expect(form.status).toBe(415);
    const large = await post(app, '/v1/cutover/start', { reason: 'x'.repeat(70_000) });
    expect(large.status).toBe(413);
    expect((await post(app, '/v1/cutover/abort', { dryRun: true })).status).toBe(400);
    expect(command).not.toHaveBeenCalled();
  });
});

describe('values from other rooms', () => {
  test('the report is made of the same values as status, history and audit', async () => {
    const write = { hash: 'f'.repeat(64), at: '1970-01-01T00:00:01.000Z', heldMs: 40, wait: 'released' as const };
    const app = appOf({
      audit: () => [
        {
          sequence: 1,
          at: 0,
          command: 'start',
          actor: 'ann',
          reason: '',
          before: 'ready',
          after: 'armed',
          refused: null,
        },
      ],
      heldWrites: () => ({
        entered: 1,
        released: 1,
        expired: 0,
        full: 0,
        gone: 0,
        waiting: 0,
        forgotten: 0,
        writes: [{ ...write, ending: 'chain_switched', network: 'none', state: null, height: null }],
      }),
    });
    const report = routes.report.response.parse(await (await get(app, '/v1/cutover/report')).json());
    const status: unknown = await (await get(app, '/v1/status')).json();
    const audit = routes.audit.response.parse(await (await get(app, '/v1/cutover/audit')).json());
    expect(report.status).toEqual(status);
    expect(report.commands).toEqual(audit.entries);
    expect(report.attempts).toEqual([]);
    expect(report.held).toMatchObject({
      entered: 1,
      writes: [{ ending: 'chain_switched' }],
      since: sampleStatus().startedAt,
    });
    expect(report).toMatchObject({ verification: null, upgrade: null, offline: null });
  });

  test('history has ISO times', async () => {
    const app = appOf({
      history: () => [
        {
          id: 'a1',
          kind: 'switch',
          by: 'ann',
          reason: '',
          startedAt: 0,
          endedAt: null,
          result: null,
          outcome: null,
          drainHeight: null,
          applied: null,
          holdMs: null,
          steps: [{ phase: 'armed', at: 1000, ms: null }],
        },
      ],
    });
    const { attempts } = routes.history.response.parse(await (await get(app, '/v1/cutover/history')).json());
    expect(attempts[0]).toMatchObject({
      startedAt: '1970-01-01T00:00:00.000Z',
      endedAt: null,
      steps: [{ at: '1970-01-01T00:00:01.000Z' }],
    });
  });

  test('nodes are drained by network and name', async () => {
    const drainNode = vi.fn(({ name }: { name: string }) => (name === 'old-1' ? true : undefined));
    const app = appOf({ drainNode });
    expect(await (await post(app, '/v1/nodes/old/old-1/drain')).json()).toEqual({
      network: 'old',
      name: 'old-1',
      changed: true,
    });
    expect((await post(app, '/v1/nodes/old/nope/drain')).status).toBe(404);
    expect((await post(app, '/v1/nodes/other/old-1/drain')).status).toBe(400);
  });

  test('a transaction is asked for in lower case without 0x', async () => {
    const tx = vi.fn((hash: string) =>
      Promise.resolve({
        hash,
        state: 'not-found' as const,
        network: null,
        height: null,
        code: null,
        log: null,
        node: null,
        admittedAt: null,
        explanation: 'x',
      }),
    );
    await get(appOf({ tx }), `/v1/tx/0x${'AB'.repeat(32)}`);
    expect(tx).toHaveBeenCalledWith('ab'.repeat(32));
    expect((await get(appOf({ tx }), '/v1/tx/zz')).status).toBe(400);
  });

  test('verification tells progress line by line and the report last', async () => {
    const report = { equal: true, tables: 1, rows: 2, differences: 0, differing: [], durationMs: 3 };
    const app = appOf({
      verify: (what, progress) => {
        progress({ text: `${what.table ?? ''}`, tablesDone: 0, tablesTotal: 1 });
        return Promise.resolve(report);
      },
    });
    const answer = await post(app, '/v1/verify', { table: 't' });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await answer.text())
      .trim()
      .split('\n')
      .map(line => verifyLine.parse(JSON.parse(line)));
    expect(lines).toEqual([
      { kind: 'progress', text: 't', tablesDone: 0, tablesTotal: 1 },
      { kind: 'report', report },
    ]);
  });

  test('a verification that fails ends with a problem line', async () => {
    const app = appOf({
      verify: () => Promise.reject(new GatewayError('no_node', 'upstream', 'no node of the new network')),
    });
    const text = await (await post(app, '/v1/verify', {})).text();
    expect(JSON.parse(text)).toMatchObject({ kind: 'problem', problem: { code: 'no_node' } });
  });
});

test('the OpenAPI document has every route with its answer', async () => {
  const document = (await (await appOf().request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    components: { schemas: Record<string, unknown> };
  };
  for (const { method, path } of Object.values(routes))
    expect(document.paths[path]?.[method]?.responses).toHaveProperty('200');
  expect(document.paths).toHaveProperty(['/v1/verify', 'post']);
  expect(document.paths).toHaveProperty(['/v1/explain', 'post']);
  expect(document.components.schemas).toHaveProperty('GatewayStatus');
});
