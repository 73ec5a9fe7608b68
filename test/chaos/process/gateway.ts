/**
 * The torture build of the gateway: the same rooms as `serve`, with a hand on the journal that can end the process at one record,
 * and the known-broken variants. Only this file, which is no part of the program, reads the TORTURE_ variables.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/index.js';
import { createGateway, type GatewaySeams } from '../../../src/gateway.js';
import { systemClock } from '../../../src/platform/index.js';
import type { Journal } from '../../../src/storage/index.js';
import { createLogger, createMetrics } from '../../../src/telemetry/index.js';
import { MUTANTS, type MutantName } from './mutants.js';
import { DEATHS_FILE, FOLDER_VARIABLE, KILL_VARIABLE, MUTANT_VARIABLE, parsePoint } from './points.js';

const file = process.argv[process.argv.indexOf('-c') + 1]!;
const { config } = loadConfig({ file, env: {} });
const mutant = process.env[MUTANT_VARIABLE];
const broken: GatewaySeams = mutant === undefined || mutant === '' ? {} : MUTANTS[mutant as MutantName];

const gateway = createGateway(config, {
  clock: systemClock,
  logger: createLogger({ level: 'info' }),
  metrics: createMetrics({ version: 'torture', commit: 'torture' }),
  version: 'torture',
  fatal(error) {
    console.error('fatal', error);
    process.exit(1);
  },
  seams: { ...broken, journal: journal => killing(broken.journal?.(journal) ?? journal) },
});
process.on('SIGTERM', () => void gateway.close().then(() => process.exit(0)));
await gateway.start();

function killing(journal: Journal): Journal {
  const text = process.env[KILL_VARIABLE];
  if (text === undefined || text === '') return journal;
  const point = parsePoint(text);
  const die = (): never => {
    appendFileSync(join(process.env[FOLDER_VARIABLE]!, DEATHS_FILE), `${text}\n`);
    process.kill(process.pid, 'SIGKILL');
    // The signal is on its way; nothing more may happen here.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    throw new Error('unreachable');
  };
  return {
    ...journal,
    async append(entry) {
      const { event, phase } = entry.data as { event?: { kind: string }; phase?: string };
      if (`${event?.kind}>${phase}` !== point.record) return journal.append(entry);
      if (point.mode === 'before') die();
      if (point.mode === 'torn') {
        appendFileSync(journal.path, '{"a record that nobody fini');
        die();
      }
      const record = await journal.append(entry);
      die();
      return record;
    },
  };
}
