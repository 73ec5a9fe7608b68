import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../model/index.js';

const LOCK_NAME = 'gateway.lock';
const TRIES = 3;

export interface FolderLock {
  release(): Promise<void>;
}

/**
 * One process per data folder: two would each believe they alone decide. The lock names its holder by process id and start
 * time, so that the lock of a process that was killed is taken over at once and a reused id is not mistaken for it. The file
 * appears with its content in one step: one that is still empty would look like the lock of a process that is gone.
 * Throws GatewayError `data_folder_in_use` (family config) while the holder lives.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, LOCK_NAME);
  const own = identityOf(process.pid);
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    if (await place(path, own)) return { release: () => releaseIfOwn(path, own) };
    const holder = await readFile(path, 'utf8').catch(() => '');
    const pid = Number(holder.split(' ')[0]);
    if (holder !== '' && identityOf(pid) === holder) {
      throw new GatewayError(
        'data_folder_in_use',
        'config',
        `the data folder ${folder} is in use by process ${pid}; stop it, or give this gateway another dataDir`,
        {
          details: { folder, pid },
        },
      );
    }
    await rm(path, { force: true });
  }
  throw new GatewayError(
    'data_folder_in_use',
    'config',
    `the lock in ${folder} keeps changing hands; is another gateway starting there?`,
  );
}

/** False when somebody's lock is there. */
async function place(path: string, own: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, own, { mode: 0o644 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

async function releaseIfOwn(path: string, own: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => '')) === own) await rm(path, { force: true });
}

/** `pid start-time`; the start time (field 22 of /proc/<pid>/stat, in clock ticks) is left out where there is no /proc. */
function identityOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program name in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A killed process whose parent has not fetched its end yet runs nothing any more.
    return fields[0] === 'Z' ? `${pid} gone` : `${pid} ${fields[19]}`;
  } catch {
    return isAlive(pid) ? `${pid}` : `${pid} gone`;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
