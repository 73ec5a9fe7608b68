import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const MAIN = resolve(import.meta.dirname, '../../../src/main.ts');

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Resolves with the first line of stderr that fits. */
  line(pattern: RegExp): Promise<string>;
}

let folder: string;
let running: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-serve-'));
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running = [];
  rmSync(folder, { recursive: true, force: true });
});

function start(...args: string[]): Run {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    cwd: resolve(MAIN, '../..'),
    env: { PATH: process.env['PATH'], HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => {
    stderr += part.toString();
    for (const listener of listeners) listener();
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>(done =>
    child.on('close', code => done({ code, stdout, stderr })),
  );
  return {
    child,
    ended,
    line: pattern =>
      new Promise((done, fail) => {
        const look = (): void => {
          const found = stderr.split('\n').find(line => pattern.test(line));
          if (found === undefined) return;
          listeners.delete(look);
          done(found);
        };
        listeners.add(look);
        void ended.then(() => fail(new Error(`ended without ${pattern}: ${stderr}`)));
        look();
      }),
  };
}

function configFile(more = ''): string {
  const file = join(folder, 'switchyard.yaml');
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
relay: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
dataDir: ${join(folder, 'data')}
networks:
  old: { chainId: kwil-old, nodes: [{ name: old-1, url: "http://127.0.0.1:9" }] }
${more}`,
  );
  return file;
}

describe('the process', () => {
  test('serve: listens, makes the token 0600, reads its configuration again at SIGHUP, ends with 0 at SIGTERM', async () => {
    const file = configFile();
    const run = start('serve', '-c', file);
    const { address } = JSON.parse(await run.line(/admin API listens/)) as { address: string };
    await run.line(/gateway started/);
    expect((statSync(join(folder, 'data', 'admin.token')).mode & 0o777).toString(8)).toBe('600');
    expect((await fetch(`http://${address}/livez`)).status).toBe(200);
    const token = readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim();
    const status = (await (
      await fetch(`http://${address}/v1/status`, { headers: { authorization: `Bearer ${token}` } })
    ).json()) as {
      listeners: { public: string; admin: string };
    };
    expect(status.listeners.admin).toBe(address);
    expect(status.listeners.public).toMatch(/^127\.0\.0\.1:[1-9]\d+$/);

    configFile('log: { level: debug }\nwrites: { holdMs: 5 }\n');
    run.child.kill('SIGHUP');
    expect(await run.line(/"setting":"log.level"/)).toContain('"to":"\\"debug\\""');
    configFile('listen: again\n');
    run.child.kill('SIGHUP');
    expect(await run.line(/nothing was changed/)).toContain('switchyard.yaml:7:1');

    run.child.kill('SIGTERM');
    const { code, stdout, stderr } = await run.ended;
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).not.toContain(token);
  });

  test('a second process on the same data folder ends with 75', async () => {
    const file = configFile();
    const first = start('serve', '-c', file);
    await first.line(/gateway started/);
    const second = await start('serve', '-c', file).ended;
    expect(second.code).toBe(75);
    expect(second.stderr).toContain('in use by process');
    first.child.kill('SIGINT');
    expect((await first.ended).code).toBe(0);
  });

  test.each([
    ['a bad configuration', ['serve', '-c', 'BAD'], 78, /switchyard\.yaml:7:1/],
    ['a missing file', ['serve', '-c', '/nonexistent.yaml'], 78, /there is no file/],
    ['an unknown command', ['sevre'], 64, /Did you mean serve/],
    [
      'nobody there',
      ['status', '-c', 'GOOD', '--admin', 'http://127.0.0.1:9', '--token-file', 'TOKEN'],
      69,
      /no gateway answers/,
    ],
  ])('%s ends with its exit code', async (_, args, code, words) => {
    const token = join(folder, 't');
    writeFileSync(token, 'x'.repeat(64));
    const file = configFile(args.includes('BAD') ? 'liten: x\n' : '');
    const names: Record<string, string> = { BAD: file, GOOD: file, TOKEN: token };
    const run = await start(...args.map(arg => names[arg] ?? arg)).ended;
    expect([run.code, run.stdout]).toEqual([code, '']);
    expect(run.stderr).toMatch(words);
  });

  test('a reader that goes away early is no error', async () => {
    const run = start('completion', 'fish');
    run.child.stdout!.destroy();
    expect([0, null]).toContain((await run.ended).code);
  });
});
