import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../golden/', import.meta.url));

export const goldenBytes = (path: string): Buffer => readFileSync(root + path);
export const goldenJson = <T>(path: string): T => JSON.parse(goldenBytes(path).toString('utf8')) as T;

export interface ManifestHeight {
  readonly height: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly file?: string;
  readonly transactions: readonly { readonly what?: string; readonly expect?: unknown }[];
}

export interface Manifest {
  readonly migration_status: { readonly start_height: number; readonly end_height: number };
  readonly heights: readonly ManifestHeight[];
}

export const changesetNames = [
  'small',
  'types',
  'big',
  'gas',
  'three',
  'apply-soft',
  'apply-numarr',
  'apply-big',
] as const;

/** All heights of a recorded migration with their streams; empty heights have no bytes. */
export function goldenChangesets(name: (typeof changesetNames)[number]): {
  manifest: Manifest;
  streams: Map<number, Uint8Array>;
} {
  const manifest = goldenJson<Manifest>(`changesets/${name}/manifest.json`);
  const streams = new Map<number, Uint8Array>();
  for (const { height, file } of manifest.heights) {
    if (file === undefined) streams.set(height, new Uint8Array(0));
    else {
      const bytes = goldenBytes(`changesets/${name}/${file}`);
      streams.set(height, file.endsWith('.gz') ? gunzipSync(bytes) : bytes);
    }
  }
  return { manifest, streams };
}

/** `result` of the recorded exchanges of one kind, in order of the file. */
export function goldenResults<T>(path: string, name: string): T[] {
  return goldenBytes(path)
    .toString('utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as { name: string; response: { body: string } })
    .filter(exchange => exchange.name === name)
    .map(exchange => (JSON.parse(exchange.response.body) as { result: T }).result);
}
