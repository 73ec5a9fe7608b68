import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RelayValidatorStatus } from '../model/index.js';
import { createNotifier, sleep, waitFor, type Clock } from '../platform/index.js';
import { base64Of, CHANGESET_CHUNK_BYTES, chunksOf, httpStatusOf, RPC_CODES } from '../protocol/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import { reasonOf } from './errors.js';
import type { Genesis } from './genesis.js';
import { DEFAULT_IDENTITY, type Identity } from './identities.js';
import { mayAnswerChunk1, onChunk0, onMetadata, sameMark, type MarkStore } from './marks.js';
import type { PlanRecord, Terms } from './plan.js';
import { isLoopback, numberOf, readEnvelope, RpcFailure, send, splitAddress, type Params } from './relay-wire.js';
import type { Stream } from './stream.js';

export interface RelayOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  readonly identities: readonly Identity[];
}

export interface RelayPorts {
  readonly stream: Stream;
  readonly genesis: Genesis;
  readonly marks: MarkStore;
  /** Gives the terms of this migration, choosing them now if nobody asked before; null while too little is known. */
  readonly terms: () => Promise<Terms | null>;
  /** What a node of the old network would say of its health, in its own shape. */
  readonly health: () => Record<string, unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The address that new nodes take for a node of the old network. Answers the five methods they ask, and nothing else. */
export interface Relay {
  start(): Promise<string>;
  close(): Promise<void>;
  address(): string | null;
  validators(): readonly RelayValidatorStatus[];
  /** Requests on unknown paths since the start. */
  refused(): number;
  readonly subscribe: (listener: () => void) => () => void;
}

const METHODS = [
  'user.health',
  'user.migration_metadata',
  'user.migration_genesis_chunk',
  'user.changeset_metadata',
  'user.changeset',
] as const;
type Method = (typeof METHODS)[number];

/** A live listener always has a request open, or asks again within 12 s. */
const SILENT_MS = 30_000;
/** The node must have stored chunk 0 before it reads the (empty) chunk 1. */
const CHUNK1_DELAY_MS = 300;
const FOREVER_MS = 2_000_000_000;
const REFUSAL_LOG_MS = 10_000;

/** The client is gone, or the relay closes: there is nobody to answer. */
const GONE = Symbol('gone');

interface Asker {
  readonly identity: Identity;
  lastRequestAt: number | null;
  lastRequestMonotonic: number | null;
  asked: number | null;
  open: number;
  /** When the last chunk 0 had left, monotonic. */
  chunk0At: number | null;
  endGiven: boolean;
  /** Marks are read, decided upon and written one request at a time. */
  turn: Promise<unknown>;
}

export function createRelay(options: RelayOptions, ports: RelayPorts): Relay {
  const { clock, genesis, logger, marks, metrics, stream } = ports;
  const changes = createNotifier();
  const askers = new Map<string, Asker>(options.identities.map(identity => [identity.secret, newAsker(identity)]));
  let server: Server | null = null;
  let address: string | null = null;
  let refused = 0;
  let refusalLoggedAt = -Infinity;
  const stop = new AbortController();
  // Many calls listen at once; they are bounded by their own windows.
  setMaxListeners(0, stop.signal);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asker = askerOf(request);
    if (asker === null || request.method !== 'POST') {
      refuse(response, asker === null ? 404 : 405);
      return;
    }
    asker.lastRequestAt = clock.now();
    asker.lastRequestMonotonic = clock.monotonic();
    asker.open += 1;
    changes.notify();
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, stop.signal]);
    let method: Method | 'other' = 'other';
    let outcome = 'ok';
    let id: unknown = -1;
    try {
      const envelope = await readEnvelope(request);
      id = envelope.id;
      if (!isMethod(envelope.method)) throw new RpcFailure(RPC_CODES.methodNotFound, `unknown method`);
      method = envelope.method;
      const result = await answer(asker, method, envelope.params, signal);
      if (result === GONE) {
        outcome = 'gone';
        if (!response.writableEnded) response.destroy();
        return;
      }
      await send(response, 200, { jsonrpc: '2.0', id, result });
      if (method === 'user.changeset' && envelope.params['index'] === 0) asker.chunk0At = clock.monotonic();
    } catch (error) {
      outcome = 'error';
      const failure = error instanceof RpcFailure ? error : new RpcFailure(RPC_CODES.internal, 'internal error');
      if (!(error instanceof RpcFailure))
        logger.error({ validator: asker.identity.name, method, reason: reasonOf(error) }, 'relay could not answer');
      await send(response, httpStatusOf(failure.rpcCode), {
        jsonrpc: '2.0',
        id,
        error: { code: failure.rpcCode, message: failure.message },
      }).catch(() => undefined);
    } finally {
      asker.open -= 1;
      asker.lastRequestMonotonic = clock.monotonic();
      metrics.relayRequests.inc({ validator: asker.identity.name, method, outcome });
      changes.notify();
    }
  }

  async function answer(asker: Asker, method: Method, params: Params, signal: AbortSignal): Promise<unknown> {
    switch (method) {
      case 'user.health':
        return ports.health();
      case 'user.migration_metadata':
        return migrationMetadata(signal);
      case 'user.migration_genesis_chunk':
        return genesisChunk(numberOf(params, 'chunk_index'), signal);
      case 'user.changeset_metadata':
        return changesetMetadata(asker, numberOf(params, 'height'), signal);
      case 'user.changeset':
        return changeset(asker, numberOf(params, 'height'), numberOf(params, 'index'), signal);
    }
  }

  /** Held until the genesis state is archived: a node asks again only after 30 s. */
  async function migrationMetadata(signal: AbortSignal): Promise<unknown> {
    for (;;) {
      const state = await waitFor(genesis.subscribe, () => genesis.state() ?? undefined, {
        timeoutMs: FOREVER_MS,
        signal,
        clock,
      });
      if (state === undefined) return GONE;
      const terms = await ports.terms();
      if (terms === null) {
        await sleep(clock, 200, signal);
        continue;
      }
      const { metadata, snapshot } = state;
      const shifted = terms.presentedStart !== terms.start;
      return {
        metadata: {
          ...metadata,
          migration_state: {
            ...metadata.migration_state,
            start_height: terms.presentedStart,
            end_height: terms.presentedEnd,
          },
          snapshot_metadata: shifted
            ? Buffer.from(JSON.stringify({ ...snapshot, height: terms.presentedStart })).toString('base64')
            : metadata.snapshot_metadata,
        },
      };
    }
  }

  async function genesisChunk(index: number, signal: AbortSignal): Promise<unknown> {
    const state = await waitFor(genesis.subscribe, () => genesis.state() ?? undefined, {
      timeoutMs: FOREVER_MS,
      signal,
      clock,
    });
    if (state === undefined) return GONE;
    const bytes = index < state.snapshot.chunk_count ? genesis.chunk(index) : undefined;
    if (bytes === undefined) throw new RpcFailure(RPC_CODES.internal, 'failed to load genesis chunk');
    return { chunk: base64Of(bytes) };
  }

  /** Waits for the terms: a node that restarts later asks for heights without asking for the metadata again. */
  async function termsFor(height: number, signal: AbortSignal, message: string): Promise<Terms | null> {
    const terms =
      stream.terms() ??
      (await waitFor(stream.subscribe, () => stream.terms() ?? undefined, { timeoutMs: FOREVER_MS, signal, clock }));
    if (terms === undefined) return null;
    if (height < terms.presentedStart || height > terms.presentedEnd) throw new RpcFailure(RPC_CODES.internal, message);
    return terms;
  }

  async function changesetMetadata(asker: Asker, height: number, signal: AbortSignal): Promise<unknown> {
    asker.asked = height;
    if ((await termsFor(height, signal, 'failed to load changeset metadata')) === null) return GONE;
    const decided = await stream.answerFor(height, signal);
    if (decided === null) return GONE;
    const { record, fresh } = decided;
    if (record.end) asker.endGiven = true;
    if (record.bytes === 0) return { height, changesets: 0, chunk_sizes: null };
    const sizes = cutOf(record, stream.bytesOf(record)).map(chunk => chunk.length);
    // Several chunks (that repair is off) have no cure for a crash in between.
    if (sizes.length > 1) return { height, changesets: sizes.length, chunk_sizes: sizes };
    return inTurn(asker, async () => {
      const before = marks.get(asker.identity.name);
      const { mark, phantom } = onMetadata(before, height, !fresh);
      if (!sameMark(before, mark)) await marks.set(asker.identity.name, mark);
      if (phantom)
        logger.info(
          { validator: asker.identity.name, height },
          'a listener came back inside a height: two chunks announced',
        );
      return phantom
        ? { height, changesets: 2, chunk_sizes: [...sizes, 0] }
        : { height, changesets: 1, chunk_sizes: sizes };
    });
  }

  async function changeset(asker: Asker, height: number, index: number, signal: AbortSignal): Promise<unknown> {
    if ((await termsFor(height, signal, 'failed to load changesets')) === null) return GONE;
    const record = stream.recordOf(height);
    const bytes = record === undefined ? undefined : stream.bytesOf(record);
    const chunks = record === undefined || bytes === undefined ? [] : cutOf(record, bytes);
    if (chunks.length <= 1 && index === 1) return phantomChunk(asker, height, signal);
    const chunk = chunks[index];
    if (chunk === undefined) throw new RpcFailure(RPC_CODES.internal, 'failed to load changesets');
    if (index === 0 && chunks.length === 1) {
      // On disk before the first byte leaves: after a crash of ours the listener may have it or not, and this decides.
      await inTurn(asker, async () => {
        const before = marks.get(asker.identity.name);
        const mark = onChunk0(before, height);
        if (!sameMark(before, mark)) await marks.set(asker.identity.name, mark);
      });
      changes.notify();
    }
    return { changesets: base64Of(chunk) };
  }

  /** Held for good while the node that asks has chunk 0 already: any answer would bring it down. */
  async function phantomChunk(asker: Asker, height: number, signal: AbortSignal): Promise<unknown> {
    const allowed = await waitFor(
      changes.subscribe,
      () => mayAnswerChunk1(marks.get(asker.identity.name), height) || undefined,
      {
        timeoutMs: FOREVER_MS,
        signal,
        clock,
      },
    );
    if (allowed === undefined) return GONE;
    await sleep(clock, CHUNK1_DELAY_MS, signal);
    return signal.aborted ? GONE : { changesets: '' };
  }

  function inTurn<T>(asker: Asker, work: () => Promise<T>): Promise<T> {
    const result = asker.turn.then(work);
    asker.turn = result.catch(() => undefined);
    return result;
  }

  function askerOf(request: IncomingMessage): Asker | null {
    const path = request.url?.split('?', 1)[0] ?? '';
    const match = /^(?:\/([A-Za-z0-9_-]{1,64}))?\/rpc\/v1$/.exec(path);
    if (match === null) return null;
    const asker = askers.get(match[1] ?? '');
    if (asker === undefined) return null;
    return asker.identity !== DEFAULT_IDENTITY || isLoopback(request.socket.remoteAddress) ? asker : null;
  }

  function refuse(response: ServerResponse, status: number): void {
    refused += 1;
    metrics.relayRequests.inc({ validator: 'unknown', method: 'other', outcome: 'refused' });
    if (clock.monotonic() - refusalLoggedAt > REFUSAL_LOG_MS) {
      refusalLoggedAt = clock.monotonic();
      logger.warn({ refused }, 'relay refused a request on an unknown path');
    }
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end('not found\n');
  }

  return {
    async start() {
      if (server !== null) return address!;
      const { host, port } = splitAddress(options.listen);
      server = createServer({ keepAlive: true }, (request, response) => void handle(request, response));
      // Answers are held for as long as it takes; the client has no limit either.
      server.requestTimeout = 0;
      server.timeout = 0;
      await new Promise<void>((resolve, reject) => {
        server!.once('error', reject);
        server!.listen(port, host, () => {
          server!.off('error', reject);
          resolve();
        });
      });
      const bound = server.address() as AddressInfo;
      address = `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
      return address;
    },
    async close() {
      stop.abort();
      const closing = server;
      server = null;
      if (closing === null) return;
      const ended = new Promise<void>(resolve => closing.close(() => resolve()));
      closing.closeAllConnections();
      await ended;
    },
    address: () => address,
    validators() {
      const now = clock.monotonic();
      return [...askers.values()].map(asker => ({
        name: asker.identity.name,
        lastRequestAt: asker.lastRequestAt === null ? null : new Date(asker.lastRequestAt).toISOString(),
        askedHeight: asker.asked,
        health: healthOf(asker, now),
      }));
    },
    refused: () => refused,
    subscribe: changes.subscribe,
  };
}

const newAsker = (identity: Identity): Asker => ({
  identity,
  lastRequestAt: null,
  lastRequestMonotonic: null,
  asked: null,
  open: 0,
  chunk0At: null,
  endGiven: false,
  turn: Promise.resolve(),
});

function healthOf(asker: Asker, now: number): RelayValidatorStatus['health'] {
  if (asker.lastRequestMonotonic === null) return 'unseen';
  if (asker.open > 0 || now - asker.lastRequestMonotonic < SILENT_MS)
    return asker.endGiven && asker.open === 0 ? 'finished' : 'asking';
  return asker.endGiven ? 'finished' : 'silent';
}

/** One chunk of any size, unless that repair was off when the bytes were made. */
const cutOf = (record: PlanRecord, bytes: Uint8Array): readonly Uint8Array[] =>
  bytes.length > CHANGESET_CHUNK_BYTES && record.off.includes('big-height') ? chunksOf(bytes) : [bytes];

const isMethod = (method: string): method is Method => (METHODS as readonly string[]).includes(method);
