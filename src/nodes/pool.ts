import { Readable } from 'node:stream';
import { Pool, type Dispatcher } from 'undici';
import { UpstreamError, upstreamCode } from './errors.js';

export interface UpstreamAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string | string[] | undefined>;
  /** All of it, or with `rest` its beginning. */
  readonly body: Buffer;
  /** What follows: paused while nobody reads, destroyed with an error when the answer breaks off. Must be read or destroyed. */
  readonly rest?: Readable;
}

export interface UpstreamCall {
  readonly method: 'POST' | 'GET';
  /** Constant paths of the gateway only, never a client's. */
  readonly path: string;
  readonly body: Uint8Array | null;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Answers of more bytes than this are handed out while they still arrive; from then on `timeoutMs` is for each piece. */
  readonly streamAbove?: number | undefined;
}

/** Connections to one node. */
export interface NodePool {
  /** Any complete HTTP answer resolves; everything else rejects with UpstreamError. */
  readonly request: (call: UpstreamCall) => Promise<UpstreamAnswer>;
  /** Calls that have not ended. */
  readonly inFlight: () => number;
  close(): Promise<void>;
  destroy(): void;
}

export interface PoolOptions {
  readonly url: string;
  readonly connections?: number;
  readonly connectTimeoutMs?: number;
  readonly answerBytesMax?: number;
}

const CONNECTIONS = 512;
const CONNECT_TIMEOUT_MS = 1000;
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
const HEADERS = ['content-type', 'application/json', 'accept', 'application/json', 'user-agent', 'switchyard'];

/**
 * undici without its request/stream layers: the dispatch handler tells the exact moment before the first byte is
 * written (`onRequestStart`), which is the line between "not sent" and "maybe sent". A real node closes every
 * connection after its answer, so a call is a TCP connection; the pool's keep-alive only helps with other servers.
 */
export function createPool(options: PoolOptions): NodePool {
  const origin = new URL(options.url);
  const prefix = origin.pathname.replace(/\/+$/, '');
  const bytesMax = options.answerBytesMax ?? ANSWER_BYTES_MAX;
  const pool = new Pool(origin.origin, {
    connections: options.connections ?? CONNECTIONS,
    pipelining: 1,
    connect: { timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS },
    // Deadlines are ours, by timer: undici's are coarse.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 1000,
    keepAliveMaxTimeout: 4000,
  });
  let inFlight = 0;
  let closed = false;

  return {
    request: call => {
      if (closed) return Promise.reject(new UpstreamError('closed', 'no'));
      if (call.signal?.aborted) return Promise.reject(new UpstreamError('aborted', 'no'));
      inFlight++;
      return new Promise<UpstreamAnswer>((resolve, reject) => {
        let written = false;
        let done = false;
        let controller: Dispatcher.DispatchController | null = null;
        let status = 0;
        let headers: UpstreamAnswer['headers'] = {};
        const chunks: Buffer[] = [];
        let bytes = 0;
        let rest: Readable | null = null;

        const finish = (): boolean => {
          if (done) return false;
          done = true;
          inFlight--;
          clearTimeout(timer);
          call.signal?.removeEventListener('abort', onAbort);
          return true;
        };
        /** Ends the call from our side; when it is still waiting for a connection, nothing of it was or will be sent. */
        const stop = (code: 'node_timeout' | 'aborted' | 'node_too_large'): void => {
          const error = new UpstreamError(
            code === 'node_timeout' && !written ? 'node_connect_timeout' : code,
            written ? 'maybe' : 'no',
          );
          if (!finish()) return;
          controller?.abort(error);
          if (rest === null) reject(error);
          else rest.destroy(error);
        };
        const onAbort = (): void => stop('aborted');
        /** Hands out what there is; the rest follows as fast as it is read. */
        const begin = (source: Dispatcher.DispatchController): void => {
          rest = new Readable({
            read: () => source.resume(),
            // Nobody wants it any more: the node can stop sending.
            destroy(error, done) {
              if (finish()) source.abort(new UpstreamError('aborted', 'maybe'));
              done(error);
            },
          });
          // Whoever reads hears of it too; without any reader it is no reason to end the process.
          rest.on('error', () => undefined);
          resolve({ status, headers, body: Buffer.concat(chunks, bytes), rest });
          chunks.length = 0;
        };
        let timer = setTimeout(() => stop('node_timeout'), call.timeoutMs);
        call.signal?.addEventListener('abort', onAbort, { once: true });

        const handler: Dispatcher.DispatchHandler = {
          onRequestStart(started) {
            // Called synchronously before the request is written: a call that ended meanwhile is stopped here, unsent.
            controller = started;
            if (done) started.abort(new UpstreamError('aborted', 'no'));
            else written = true;
          },
          onResponseStart(_controller, statusCode, responseHeaders) {
            status = statusCode;
            headers = responseHeaders;
          },
          onResponseData(source, chunk) {
            if (done) return;
            bytes += chunk.length;
            if (bytes > bytesMax) return stop('node_too_large');
            if (rest !== null) {
              clearTimeout(timer);
              timer = setTimeout(() => stop('node_timeout'), call.timeoutMs);
              if (!rest.push(chunk)) source.pause();
              return;
            }
            chunks.push(chunk);
            if (call.streamAbove !== undefined && bytes > call.streamAbove && isFramed(headers)) begin(source);
          },
          onResponseEnd() {
            if (!finish()) return;
            if (rest !== null) rest.push(null);
            else resolve({ status, headers, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes) });
          },
          onResponseError(_controller, error) {
            if (!finish()) return;
            const failure =
              error instanceof UpstreamError
                ? error
                : new UpstreamError(upstreamCode(error, status !== 0), written ? 'maybe' : 'no', error);
            if (rest === null) reject(failure);
            else rest.destroy(failure);
          },
        };
        try {
          pool.dispatch({ path: prefix + call.path, method: call.method, headers: HEADERS, body: call.body }, handler);
        } catch (error) {
          if (finish()) reject(new UpstreamError(upstreamCode(error, false), written ? 'maybe' : 'no', error));
        }
      });
    },
    inFlight: () => inFlight,
    async close() {
      if (closed) return;
      closed = true;
      await pool.close();
    },
    destroy() {
      closed = true;
      // Pending calls end through their handlers; the promise only tells that the sockets are gone.
      void pool.destroy().catch(() => undefined);
    },
  };
}

/** Whether the end of a body can be told from a connection that breaks: a body that ends with it cannot be passed on early. */
const isFramed = (headers: UpstreamAnswer['headers']): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
