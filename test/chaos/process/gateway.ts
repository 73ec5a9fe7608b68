/**
 * The torture build of the gateway: the same rooms as `serve`, with a hand on the journal that can end the process at one record,
 * on its disk and on the clock, and the known-broken variants. Only this file, which is no part of the program, reads the TORTURE_ variables.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/index.js';
import { createGateway, type GatewaySeams } from '../../../src/gateway.js';
import { sleep, systemClock, type Clock } from '../../../src/platform/index.js';
import { openRealFile, type Journal, type JournalFile } from '../../../src/storage/index.js';
import { createLogger, createMetrics } from '../../../src/telemetry/index.js';
import { MUTANTS, type MutantName } from './mutants.js';
import {
  CONDITIONS_FILE,
  DEATHS_FILE,
  FOLDER_VARIABLE,
  MUTANT_VARIABLE,
  parsePoint,
  type Conditions,
} from './points.js';

const folder = process.env[FOLDER_VARIABLE]!;
const file = process.argv[process.argv.indexOf('-c') + 1]!;
const { config } = loadConfig({ file, env: {} });
const mutant = process.env[MUTANT_VARIABLE];
const broken: GatewaySeams = mutant === undefined || mutant === '' ? {} : MUTANTS[mutant as MutantName];

let conditions: Conditions = readConditions();
setInterval(() => void (conditions = readConditions()), 25).unref();
const clock: Clock = { ...systemClock, now: () => systemClock.now() + (conditions.clockMs ?? 0) };

const gateway = createGateway(config, {
  clock,
  logger: createLogger({ level: 'info' }),
  metrics: createMetrics({ version: 'torture', commit: 'torture' }),
  version: 'torture',
  fatal(error) {
    console.error('fatal', error);
    process.exit(1);
  },
  seams: {
    ...broken,
    journal: journal => killing(broken.journal?.(journal) ?? journal),
    journalFile: async path => weathered(await openRealFile(path)),
  },
});
process.on('SIGTERM', () => void gateway.close().then(() => process.exit(0)));
await gateway.start();

function readConditions(): Conditions {
  try {
    return JSON.parse(readFileSync(join(folder, CONDITIONS_FILE), 'utf8')) as Conditions;
  } catch {
    return {};
  }
}

const SLOW_MS = 1000;

/** The journal's file on the disk that the conditions say. A full one takes half of a record before it says so, as disks do. */
function weathered(file: JournalFile): JournalFile {
  return {
    ...file,
    async write(bytes, position) {
      if (conditions.disk !== 'full') return file.write(bytes, position);
      await file.write(bytes.subarray(0, bytes.length >> 1), position);
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    },
    async sync() {
      if (conditions.disk === 'slow') await sleep(systemClock, SLOW_MS);
      if (conditions.disk === 'broken') throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
      return file.sync();
    },
  };
}

function killing(journal: Journal): Journal {
  const die = (text: string): never => {
    appendFileSync(join(folder, DEATHS_FILE), `${text}\n`);
    process.kill(process.pid, 'SIGKILL');
    // The signal is on its way; nothing more may happen here.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    throw new Error('unreachable');
  };
  return {
    ...journal,
    async append(entry) {
      const { kill } = readConditions();
      const { event, phase } = entry.data as { event?: { kind: string }; phase?: string };
      if (kill === undefined || `${event?.kind}>${phase}` !== parsePoint(kill).record) return journal.append(entry);
      const { mode } = parsePoint(kill);
      if (mode === 'before') die(kill);
      if (mode === 'torn') {
        appendFileSync(journal.path, '{"a record that nobody fini');
        die(kill);
      }
      const record = await journal.append(entry);
      die(kill);
      return record;
    },
  };
}
