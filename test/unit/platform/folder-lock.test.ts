import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockFolder } from '../../../src/platform/index.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'lock-'))));
afterEach(() => rm(folder, { recursive: true }));

test('a second holder is refused while the first lives, and welcome after its release', async () => {
  const first = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'data_folder_in_use' });
  await first.release();
  await (await lockFolder(folder)).release();
});

test('the lock of a process that is gone is taken over', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise(resolve => child.once('exit', resolve));
  await writeFile(join(folder, 'gateway.lock'), `${child.pid} 1`);
  const lock = await lockFolder(folder);
  expect(await readFile(join(folder, 'gateway.lock'), 'utf8')).toMatch(new RegExp(`^${process.pid}\\b`));
  await lock.release();
});

test('a living process that merely got the same id does not hold the lock', async () => {
  await writeFile(join(folder, 'gateway.lock'), `${process.pid} 1`);
  await (await lockFolder(folder)).release();
});

test('a release does not take away the lock of somebody else', async () => {
  const lock = await lockFolder(folder);
  await writeFile(join(folder, 'gateway.lock'), '1 1');
  await lock.release();
  expect(await readFile(join(folder, 'gateway.lock'), 'utf8')).toBe('1 1');
});
