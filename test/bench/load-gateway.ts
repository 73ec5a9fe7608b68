/**
 * The gateway's own entry for `npm run bench:load`, with one addition: at SIGUSR2 it collects its garbage and writes what it
 * holds to the file that BENCH_HOLDING_FILE names.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Holding {
  /** Handles and requests that keep the process alive, by type: sockets, timers, servers. */
  readonly resources: Readonly<Record<string, number>>;
  readonly heapUsed: number;
  readonly external: number;
}

const file = process.env['BENCH_HOLDING_FILE'];
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('SIGUSR2', () => {
  if (file === undefined) return;
  collect();
  collect();
  const resources: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1;
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.part`, JSON.stringify({ resources, heapUsed, external } satisfies Holding));
  renameSync(`${file}.part`, file);
});

await import('../../src/main.js');
