import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../model/index.js';
import { syncFolder } from '../platform/index.js';

/** One validator of the new network, told apart by the path of its own URL, which is also its secret. */
export interface Identity {
  readonly name: string;
  /** First segment of the path; empty for the open address without a list of validators. */
  readonly secret: string;
}

/** Whoever asks when no validators are listed. */
export const DEFAULT_IDENTITY: Identity = { name: 'default', secret: '' };

const KEY_BYTES = 32;

/** Secrets are derived, so that the same list gives the same URLs after every restart. The key file has mode 0600. */
export async function createIdentities(dataDir: string, validators: readonly string[]): Promise<readonly Identity[]> {
  if (validators.length === 0) return [DEFAULT_IDENTITY];
  const key = await relayKey(dataDir);
  return validators.map(name => ({
    name,
    secret: createHmac('sha256', key).update(`relay:${name}`).digest('base64url').slice(0, 32),
  }));
}

async function relayKey(dataDir: string): Promise<Buffer> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, 'relay.key');
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${randomBytes(KEY_BYTES).toString('hex')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(dataDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'hex');
  if (key.length !== KEY_BYTES)
    throw new GatewayError(
      'relay_key',
      'config',
      `${path} does not hold a key; delete it to make a new one (all relay URLs change)`,
    );
  return key;
}
