import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/*
 * Readers for test/golden: answers of real nodes, data only. What each file is, and where a recording disagrees with the
 * protocol reference, is described in the README of the recordings; paths here are relative to test/golden.
 */

const ROOT = new URL('../golden/', import.meta.url);

export interface Exchange {
  /** Which network, in which state. */
  readonly stage?: string;
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly bodyBase64?: string;
    readonly bodyLength?: number;
  };
  readonly response: {
    /** 0: no HTTP answer at all. */
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly bodyBase64?: string;
    readonly bodyLength?: number;
  };
}

export interface ManifestHeight {
  readonly height: number;
  readonly metadata: { readonly height: number; readonly changesets: number; readonly chunk_sizes: number[] | null };
  readonly bytes: number;
  readonly sha256: string;
  readonly chunk_sha256: readonly string[];
  /** Absent for a height that changed nothing. */
  readonly file?: string;
  readonly transactions: readonly {
    readonly hash: string;
    readonly sender: string;
    readonly type: string;
    readonly nonce: number;
    readonly code: number;
    readonly log?: string;
    readonly what?: unknown;
    readonly expect?: unknown;
  }[];
}

export interface ChangesetSet {
  readonly name: string;
  readonly heights: readonly ManifestHeight[];
  /** Decoded elements by height, as the recordings' own decoder saw them. */
  readonly decoded: Readonly<Record<string, readonly DecodedElement[]>>;
  /** The whole stream of a height; empty when the height changed nothing. */
  bytes(height: number): Buffer;
}

export interface DecodedElement {
  readonly relation?: {
    readonly schema: string;
    readonly table: string;
    readonly columns: readonly {
      readonly name: string;
      readonly type: string;
      readonly is_array: boolean;
      readonly metadata: number[];
    }[];
  };
  readonly change?: 'insert' | 'update' | 'delete';
  readonly relation_number?: number;
  readonly table?: string;
  readonly old?: readonly (readonly unknown[])[];
  readonly new?: readonly (readonly unknown[])[];
  readonly spends?: readonly {
    readonly account: string;
    readonly key_flag: number;
    readonly amount: string;
    readonly nonce: number;
  }[];
}

export interface TxVector {
  readonly source: string;
  readonly note: string;
  /** As sent. Nonces of the recordings are small enough for JSON.parse. */
  readonly tx: Record<string, unknown>;
  readonly hash_answered_by_node: string;
  readonly sender: string;
  readonly type: string;
  readonly payload_decoded: Record<string, unknown>;
  readonly raw_hex: string;
  readonly raw_from: string;
}

export const goldenBytes = (path: string): Buffer => {
  const bytes = readFileSync(new URL(path, ROOT));
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
};

export const goldenText = (path: string): string => goldenBytes(path).toString('utf8');

export const goldenJson = <T = unknown>(path: string): T => JSON.parse(goldenText(path)) as T;

export const goldenExists = (path: string): boolean => existsSync(new URL(path, ROOT));

/** Names in a folder of the recordings, sorted. */
export const goldenList = (folder: string): string[] => readdirSync(new URL(`${folder}/`, ROOT)).sort();

/** One recording of exchanges, such as `rpc/types.jsonl`. */
export const exchanges = (path: string): Exchange[] =>
  goldenText(path)
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => JSON.parse(line) as Exchange);

/** Every `.jsonl` recording below rpc/ and blocks/. */
export const exchangeFiles = (): string[] =>
  ['rpc', 'blocks'].flatMap(folder =>
    goldenList(folder)
      .filter(name => name.endsWith('.jsonl'))
      .map(name => `${folder}/${name}`),
  );

/** Exact bytes of a recorded body; null when the recording kept only its start. */
export function bodyBytes(message: Exchange['request'] | Exchange['response']): Buffer | null {
  if (message.bodyBase64 !== undefined) return Buffer.from(message.bodyBase64, 'base64');
  return message.body === undefined ? null : Buffer.from(message.body, 'utf8');
}

export const txVectors = (): TxVector[] => goldenJson<TxVector[]>('tx/vectors.json');

export const changesetNames = (): string[] => goldenList('changesets');

export function changesetSet(name: string): ChangesetSet {
  const folder = `changesets/${name}`;
  const { heights } = goldenJson<{ heights: ManifestHeight[] }>(`${folder}/manifest.json`);
  const files = new Map(heights.map(({ height, file }) => [height, file]));
  return {
    name,
    heights,
    decoded: goldenJson(`${folder}/decoded.json`),
    bytes: height => {
      const file = files.get(height);
      return file === undefined ? Buffer.alloc(0) : goldenBytes(`${folder}/${file}`);
    },
  };
}

/** Every stream below changesets/, also those that no manifest names any more. */
export const changesetFiles = (): string[] =>
  changesetNames().flatMap(name =>
    goldenList(`changesets/${name}`)
      .filter(file => /\.bin(?:\.gz)?$/.test(file))
      .map(file => `changesets/${name}/${file}`),
  );
