import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { messageOf } from '../model/index.js';
import { CliError, EXIT } from './errors.js';

export interface SnapshotFile {
  /** SHA-256 of the uncompressed SQL, hex. */
  readonly hash: string;
  readonly bytes: number;
  /** Height that the statement at its end takes off pending expiries; null when there is none. */
  readonly height: number | null;
  /** False: the file ends too early, or is no gzip. */
  readonly complete: boolean;
}

/** The statement is the last thing in the file. */
const TAIL_BYTES = 64 * 1024;
const HEIGHT = /expir\w*\s*=\s*expir\w*\s*-\s*(\d+)/gi;

/** Hashes the uncompressed SQL as a stream: a snapshot may be larger than memory. */
export async function readSnapshot(path: string): Promise<SnapshotFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  let tail = Buffer.alloc(0);
  let complete = true;
  const source = createReadStream(path);
  try {
    await pipeline(source, createGunzip(), async parts => {
      for await (const part of parts as AsyncIterable<Buffer>) {
        hash.update(part);
        bytes += part.length;
        tail = Buffer.concat([tail, part]).subarray(-TAIL_BYTES);
      }
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!code.startsWith('Z_'))
      throw new CliError(EXIT.failure, 'unreadable', `cannot read ${path}: ${messageOf(error)}`);
    complete = false;
  }
  const last = [...tail.toString('latin1').matchAll(HEIGHT)].at(-1);
  return { hash: hash.digest('hex'), bytes, height: last === undefined ? null : Number(last[1]), complete };
}

export async function readGenesis(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new CliError(EXIT.failure, 'unreadable', `cannot read ${path}: ${messageOf(error)}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new CliError(EXIT.failure, 'not_json', `${path} is not a JSON object`);
}
