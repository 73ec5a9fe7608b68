import type { MigrationView } from '../routing/index.js';
import type { HealthFacts } from './health.js';

/** Pure readings of the answers that probes get. Anything unexpected is null: a probe that tells nothing. */

export function readHealth(result: unknown): HealthFacts | null {
  if (!isRecord(result)) return null;
  const height = result['height'] ?? result['block_height'];
  if (typeof result['chain_id'] !== 'string' || !isHeight(height)) return null;
  const mode = result['mode'];
  return {
    chainId: result['chain_id'],
    height,
    blockHash: typeof result['block_hash'] === 'string' ? result['block_hash'] : '',
    blockTime: typeof result['block_time'] === 'number' ? result['block_time'] : 0,
    syncing: result['syncing'] === true,
    mode: mode === 'open' || mode === 'private' ? mode : null,
  };
}

/** Zero heights are omitted on the wire. */
export function readMigration(result: unknown): MigrationView | null {
  const status = isRecord(result) ? result['status'] : null;
  if (!isRecord(status) || typeof status['status'] !== 'string') return null;
  return {
    status: status['status'],
    startHeight: isHeight(status['start_height']) && status['start_height'] > 0 ? status['start_height'] : null,
    endHeight: isHeight(status['end_height']) && status['end_height'] > 0 ? status['end_height'] : null,
  };
}

export function readVersion(result: unknown): string | null {
  const version = isRecord(result) ? result['kwil_ver'] : null;
  return typeof version === 'string' && /^[\x21-\x7e]{1,64}$/.test(version) ? version : null;
}

/** Mean time of recent blocks, smoothed: header times lie apart what consensus took. Null until two blocks were seen. */
export function blockTime(previous: number | null, before: HealthFacts | null, now: HealthFacts): number | null {
  if (before === null || before.height <= 0 || now.height <= before.height) return previous;
  const sample = (now.blockTime - before.blockTime) / (now.height - before.height);
  if (!Number.isFinite(sample) || sample <= 0) return previous;
  return previous === null ? sample : previous + (sample - previous) / 4;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isHeight = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
