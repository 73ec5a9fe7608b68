import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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

test('of many that ask at once exactly one gets the lock, and nothing but the lock is left in the folder', async () => {
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await readdir(folder)).toEqual(['gateway.lock']);
});

test('a killed process whose parent has not fetched its end does not hold the lock', async () => {
  // The shell's child ends at once, and the program that takes the shell's place never asks for it.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const pid = Number(await new Promise<Buffer>(resolve => parent.stdout.once('data', resolve)));
    const fields = async (): Promise<string[]> => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    };
    await expect.poll(async () => (await fields())[0]).toBe('Z');
    await writeFile(join(folder, 'gateway.lock'), `${pid} ${(await fields())[19]}`);
    await (await lockFolder(folder)).release();
  } finally {
    parent.kill('SIGKILL');
  }
});
