import { encodeChangesetEvent } from '../../protocol/index.js';
import { sleep, type Clock } from '../../platform/index.js';
import type { MigrationWindow } from '../chain/consensus-state.js';
import type { DevNode } from '../node/node.js';
import type { NodeDefects } from '../options.js';
import { createListenerStore, type ListenerStore } from './listener-store.js';
import { cutPieces } from './piece-reader.js';
import { createSourceClient } from './source-client.js';

/** Moments in a height at which a crash leaves something different behind (relay, phantom chunk: A, B, C). */
export const LISTENER_STEPS = [
  'chunk-stored',
  'event-stored',
  'emitted-marked',
  'chunks-deleted',
  'height-marked',
] as const;
export type ListenerStep = (typeof LISTENER_STEPS)[number];

export interface ListenerOptions {
  readonly node: DevNode;
  readonly url: string;
  readonly clock: Clock;
  readonly window: MigrationWindow;
  /** Size of a piece: a third of the new network's largest block. */
  readonly pieceBytes: number;
  /** Pause after each height. */
  readonly paceMs: number;
  readonly backoffMs: readonly [min: number, max: number];
  readonly defects: NodeDefects;
  /** An id that is decided already is not stored again. */
  readonly isDecided: (id: string) => boolean;
  /** The node has a new event to vote on. */
  readonly emitted: () => void;
  readonly log: (line: string) => void;
}

/**
 * The real listener's habits (reference 6.10, 6.12, relay): one URL, one height after another, a pause after each, all chunks
 * of a height at once, metadata retried for ever, chunks about ten times, then the process ends.
 */
export interface Listener {
  /** At every start of the process. */
  start(): void;
  /** The process is gone: connections close, the store stays. */
  stop(): void;
  /** Height that it asks for now; End + 1 when it is through. */
  asks(): number;
  /** Kills the process when it gets to this step of this height (any height when absent). Once. */
  killAt(step: ListenerStep, height?: number): void;
  readonly store: ListenerStore;
}

/** Failed tries of one chunk before the process gives up. */
const RETRIES_MAX = 10;

export function createListener(options: ListenerOptions): Listener {
  const { node, clock, window } = options;
  const store = createListenerStore();
  const client = createSourceClient(options.url);
  let life: AbortController | null = null;
  let current = window.start;
  let trap: { step: ListenerStep; height: number | undefined } | null = null;

  async function run(signal: AbortSignal): Promise<void> {
    const last = store.lastHeight();
    current = last === 0 ? window.start : last + 1;
    if (last >= window.end) return;
    await client.call('user.health', {}, signal);
    while (current <= window.end && !signal.aborted) {
      await unpaused(signal);
      const sizes = await metadata(signal);
      if (!sizes) continue;
      const bytes = await download(sizes, signal);
      if (signal.aborted) return;
      await emit(sizes.length, bytes, signal);
      if (signal.aborted) return;
      store.setLastHeight(current);
      await step('height-marked', signal);
      current++;
      await sleep(clock, options.paceMs, signal);
    }
    options.log(`changesets have been synchronized with the old chain, height ${current}`);
  }

  /** Chunk sizes of the current height; null after a round of failures, which starts the next round. */
  async function metadata(signal: AbortSignal): Promise<readonly number[] | null> {
    try {
      return await retry(signal, async () => {
        const answer = await client.call('user.changeset_metadata', { height: current }, signal);
        const { changesets, chunk_sizes } = answer as { changesets: number; chunk_sizes: number[] | null };
        return (chunk_sizes ?? []).slice(0, changesets);
      });
    } catch {
      return null;
    }
  }

  /**
   * Fetches what is missing, all chunks at once, and gives the bytes of the height. A chunk that is stored already counts
   * its worker down twice: with one chunk the process panics, with two the height goes on before the other worker is
   * back, which panics when it comes back (6.12 #2 and its cure).
   */
  function download(sizes: readonly number[], signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      let waiting = sizes.length;
      let bytes = 0;
      let over = waiting === 0;
      const errors: Error[] = [];
      const finish = (): void => {
        over = true;
        if (errors.length > 0) reject(errors[0]!);
        else resolve(bytes);
      };
      const done = (times: number): void => {
        waiting -= times;
        if (waiting < 0) return die('panic: sync: negative WaitGroup counter');
        if (waiting === 0 && !over) finish();
      };
      if (over) return finish();
      sizes.forEach((size, index) => {
        const stored = store.chunk(current, index);
        if (stored && stored.length > 0) {
          if (stored.length !== size) {
            errors.push(new Error(`changeset size mismatch: expected ${size}, got ${stored.length}`));
            return done(1);
          }
          bytes += size;
          return done(options.defects.storedChunkPanics ? 2 : 1);
        }
        void load(index, size, signal)
          .then(async chunk => {
            if (signal.aborted) return;
            store.putChunk(current, index, chunk);
            await step('chunk-stored', signal);
            if (signal.aborted) return;
            bytes += size;
            done(1);
          })
          .catch((error: Error) => {
            if (signal.aborted) return;
            if (over) return die('panic: send on closed channel');
            errors.push(error);
            done(1);
          });
      });
    });
  }

  /** Each try asks for the height that the listener is at by then. */
  function load(index: number, size: number, signal: AbortSignal): Promise<Uint8Array> {
    return retry(
      signal,
      async () => {
        const answer = await client.call('user.changeset', { height: current, index }, signal);
        const chunk = Buffer.from((answer as { changesets: string | null }).changesets ?? '', 'base64');
        if (chunk.length === size) return chunk;
        throw new Error(`changeset size mismatch: expected ${size}, got ${chunk.length}. Maybe try other rpc provider`);
      },
      options.defects.chunkDownloadGivesUp ? RETRIES_MAX : Infinity,
    );
  }

  /** Events of the current height: none for an empty one, but always one for End. */
  async function emit(chunkCount: number, bytes: number, signal: AbortSignal): Promise<void> {
    const height = current;
    if (height !== window.end && chunkCount === 0) return;
    const previous = store.lastEmitted();
    const pieces: (Uint8Array | null)[] =
      chunkCount === 0
        ? [null]
        : cutPieces(index => store.chunk(height, index) ?? new Uint8Array(0), {
            chunks: chunkCount,
            bytes,
            pieceBytes: options.pieceBytes,
            miscounts: options.defects.piecesMiscounted,
          });
    pieces.forEach((piece, chunk) => {
      const body = encodeChangesetEvent({ height, chunk, total: pieces.length, piece, previous });
      node.events.add('changeset_migration', body, options.isDecided);
    });
    options.emitted();
    await step('event-stored', signal);
    if (signal.aborted) return;
    store.setLastEmitted(height);
    await step('emitted-marked', signal);
    if (signal.aborted) return;
    const opened = options.defects.piecesMiscounted ? pieces.length : chunkCount;
    for (let index = 0; index < opened; index++) store.deleteChunk(height, index);
    await step('chunks-deleted', signal);
  }

  async function retry<T>(signal: AbortSignal, work: () => Promise<T>, retriesMax = RETRIES_MAX): Promise<T> {
    const [min, max] = options.backoffMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted || attempt > retriesMax) throw error;
        const longest = Math.min(max, min * 2 ** attempt);
        await sleep(clock, min + Math.random() * (longest - min), signal);
        if (signal.aborted) throw error;
      }
    }
  }

  /** A moment between two writes: here a kill can come in between. */
  async function step(name: ListenerStep, signal: AbortSignal): Promise<void> {
    if (trap && trap.step === name && (trap.height === undefined || trap.height === current)) {
      trap = null;
      await node.kill();
      return;
    }
    await sleep(clock, 1, signal);
  }

  async function unpaused(signal: AbortSignal): Promise<void> {
    while (node.paused() && !signal.aborted) await sleep(clock, 20, signal);
  }

  function die(words: string): void {
    node.crash(words);
  }

  return {
    store,
    start() {
      life?.abort();
      const own = new AbortController();
      life = own;
      run(own.signal).catch((error: unknown) => {
        if (own.signal.aborted) return;
        die(`node stopped with error: ${error instanceof Error ? error.message : String(error)}`);
      });
    },
    stop() {
      life?.abort();
      life = null;
    },
    asks: () => current,
    killAt(step, height) {
      trap = { step, height };
    },
  };
}
