import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAdmin, ensureToken, type Admin, type AdminPorts } from '../../../src/admin/index.js';
import { samplePorts } from '../../support/admin-ports.js';

let folder: string;
const ends: (() => Promise<void>)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-admin-'));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

async function started(
  features: Partial<AdminPorts> = {},
  listen = '127.0.0.1:0',
): Promise<{ admin: Admin; url: string; token: string }> {
  const tokenFile = join(folder, 'admin.token');
  const admin = createAdmin({ listen, tokenFile, metrics: 'auto', version: '1.2.3' }, samplePorts(features));
  ends.push(() => admin.close(200));
  const { address } = await admin.start();
  return { admin, url: `http://${address}`, token: (await ensureToken(tokenFile)).token };
}

const bearer = (token: string): { headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${token}` },
});

test('listens on a free port, makes the token, answers over a real socket', async () => {
  const { url, token, admin } = await started();
  expect(admin.address()).toMatch(/^127\.0\.0\.1:\d+$/);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect((await fetch(`${url}/v1/status`)).status).toBe(401);
  expect(await (await fetch(`${url}/v1/status`, bearer(token))).json()).toMatchObject({ phase: 'ready' });
});

test('a token survives a restart', async () => {
  const first = await started();
  await first.admin.close();
  expect((await started()).token).toBe(first.token);
});

test('a taken port is told as a problem of the configuration', async () => {
  const other: Server = createServer();
  await new Promise<void>(done => other.listen(0, '127.0.0.1', done));
  ends.push(() => new Promise(done => other.close(() => done())));
  const { port } = other.address() as AddressInfo;
  await expect(started({}, `127.0.0.1:${port}`)).rejects.toMatchObject({
    code: 'admin_listen_failed',
    family: 'config',
  });
});

test('the audit has the address that a command came from', async () => {
  const actors: string[] = [];
  const { url, token } = await started({
    command: ({ actor }) => {
      actors.push(actor);
      return Promise.resolve({ accepted: true, phase: 'ready', epoch: 1, attempt: null });
    },
  });
  await fetch(`${url}/v1/cutover/postpone`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-switchyard-actor': 'ann@ops-1' },
  });
  expect(actors).toEqual(['ann@ops-1 (127.0.0.1)']);
});

test('hanging up ends a verification', async () => {
  const began = deferred<AbortSignal>();
  const aborted = deferred<string>();
  const { url, token } = await started({
    verify: (_, progress, signal) => {
      progress({ text: 'begins', tablesDone: 0, tablesTotal: 2 });
      began.resolve(signal);
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.resolve('aborted');
          reject(new Error('aborted'));
        });
      });
    },
  });
  const call = request(`${url}/v1/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
  call.on('error', () => undefined);
  call.on('response', answer => answer.once('data', () => call.destroy()));
  call.end('{}');
  await began.promise;
  expect(await aborted.promise).toBe('aborted');
});

test('close lets a running answer end, then nobody is let in', async () => {
  const asked = deferred<void>();
  const release = deferred<void>();
  const { admin, url, token } = await started({
    preflight: async () => {
      asked.resolve();
      await release.promise;
      return { verdict: 'pass', at: '2026-01-01T00:00:00.000Z', ms: 1, checks: [] };
    },
  });
  const answer = fetch(`${url}/v1/preflight`, bearer(token));
  await asked.promise;
  const closing = admin.close(5000);
  release.resolve();
  expect((await answer).status).toBe(200);
  await (await answer).text();
  await closing;
  await expect(fetch(`${url}/livez`)).rejects.toThrow();
  await admin.close();
  admin.destroy('again');
});

test('close cuts what does not end within its deadline; ending before the start is fine', async () => {
  const asked = deferred<void>();
  const { admin, url, token } = await started({
    preflight: () => {
      asked.resolve();
      return new Promise(() => undefined);
    },
  });
  const answer = fetch(`${url}/v1/preflight`, bearer(token)).then(
    () => 'answered',
    () => 'cut',
  );
  await asked.promise;
  await admin.close(50);
  expect(await answer).toBe('cut');
  const never = createAdmin(
    { listen: '127.0.0.1:0', tokenFile: join(folder, 't'), metrics: 'auto', version: '1' },
    samplePorts(),
  );
  never.destroy('never started');
  await never.close();
});

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>(done => (resolve = done));
  return { promise, resolve };
}
