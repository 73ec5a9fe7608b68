import { Pool, type Dispatcher } from 'undici';
import { UpstreamError, upstreamCode } from './errors.js';

export interface UpstreamAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

export interface UpstreamCall {
  readonly method: 'POST' | 'GET';
  /** Constant paths of the gateway only, never a client's. */
  readonly path: string;
  readonly body: Uint8Array | null;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
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
          reject(error);
        };
        const onAbort = (): void => stop('aborted');
        const timer = setTimeout(() => stop('node_timeout'), call.timeoutMs);
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
          onResponseData(_controller, chunk) {
            bytes += chunk.length;
            if (bytes > bytesMax) return stop('node_too_large');
            chunks.push(chunk);
          },
          onResponseEnd() {
            if (finish())
              resolve({ status, headers, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes) });
          },
          onResponseError(_controller, error) {
            if (!finish()) return;
            reject(
              error instanceof UpstreamError
                ? error
                : new UpstreamError(upstreamCode(error, status !== 0), written ? 'maybe' : 'no', error),
            );
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
