import { mkdir } from 'node:fs/promises';
import { open, type Database, type RootDatabase } from 'lmdb';
import { GatewayError, type NetworkName, type TxHash } from '../model/index.js';

/** A node's final answer about a transaction, as it was given. */
export interface KeptAnswer {
  readonly network: NetworkName;
  readonly body: Buffer;
}

/**
 * Final answers about transactions, so that they outlive the network they come from and a restart. Bounded in bytes (what
 * one flush carries may come on top until the next answer): the oldest go first. Losing one costs nothing while a node can still be asked, so writes are not waited for.
 */
export interface AnswerStore {
  open(): Promise<void>;
  close(): Promise<void>;
  get(method: string, hash: TxHash): KeptAnswer | null;
  keep(method: string, hash: TxHash, answer: KeptAnswer): void;
  counts(): { readonly answers: number; readonly bytes: number };
}

export interface AnswerStoreOptions {
  readonly folder: string;
  /** Bytes kept in all (default 256 MiB). */
  readonly bytesMax?: number;
}

const BYTES_MAX = 256 * 1024 * 1024;
const MAP_BYTES = 16 * 1024 * 1024;
const NETWORK_OF = { o: 'old', n: 'new' } as const;

/** `order` holds `<bytes> <key>` by a growing number, so that the oldest is found and the sum known without reading bodies. */
export function createAnswerStore({ folder, bytesMax = BYTES_MAX }: AnswerStoreOptions): AnswerStore {
  let root: RootDatabase<Buffer, string> | null = null;
  let bodies: Database<Buffer, string> | null = null;
  let order: Database<string, number> | null = null;
  let next = 0;
  /** What is before it was removed, on the disk perhaps a moment later. */
  let oldest = 0;
  let bytes = 0;
  let answers = 0;

  const keyOf = (method: string, hash: TxHash): string => `${method} ${hash}`;

  /** Forgets from the oldest on until `room` more bytes fit. */
  function makeRoom(room: number): void {
    if (bodies === null || order === null) return;
    for (const { key, value } of order.getRange({ start: oldest })) {
      if (bytes + room <= bytesMax) return;
      const [size = '0', ...rest] = value.split(' ');
      bytes -= Number(size);
      answers--;
      oldest = key + 1;
      void bodies.remove(rest.join(' '));
      void order.remove(key);
    }
  }

  return {
    async open() {
      if (root !== null) return;
      await mkdir(folder, { recursive: true });
      root = open<Buffer, string>({ path: folder, encoding: 'binary', mapSize: MAP_BYTES, maxDbs: 2 });
      bodies = root.openDB<Buffer, string>({ name: 'bodies', encoding: 'binary' });
      order = root.openDB<string, number>({ name: 'order', encoding: 'string' });
      for (const { key, value } of order.getRange({})) {
        next = key + 1;
        bytes += Number(value.slice(0, value.indexOf(' ')));
        answers++;
      }
    },

    async close() {
      const closing = root;
      if (closing === null) return;
      root = bodies = order = null;
      await closing.flushed;
      await closing.close();
    },

    get(method, hash) {
      const found = bodies?.get(keyOf(method, hash));
      if (found === undefined) return null;
      const network = NETWORK_OF[String.fromCharCode(found[0] ?? 0) as keyof typeof NETWORK_OF];
      if (network === undefined)
        throw new GatewayError('answer_damaged', 'integrity', `the kept answer about ${hash} cannot be read`);
      return { network, body: Buffer.from(found.subarray(1)) };
    },

    keep(method, hash, { network, body }) {
      const key = keyOf(method, hash);
      if (bodies === null || order === null || body.length > bytesMax || bodies.doesExist(key)) return;
      makeRoom(body.length);
      bytes += body.length;
      answers++;
      // One tick: lmdb puts both into one transaction.
      void bodies.put(key, Buffer.concat([Buffer.from(network === 'old' ? 'o' : 'n'), body]));
      void order.put(next++, `${body.length} ${key}`);
    },

    counts: () => ({ answers, bytes }),
  };
}
