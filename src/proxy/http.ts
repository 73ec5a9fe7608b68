import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Timer } from '../platform/index.js';

/** Header names and values that browsers need; the origin is echoed because credentials forbid a wildcard. */
const ALLOW_HEADERS =
  'Accept, Content-Type, Content-Length, Accept-Encoding, Authorization, ResponseType, Range, x-switchyard-session';
const EXPOSE_HEADERS = 'x-switchyard-network, x-switchyard-epoch, x-switchyard-request, x-switchyard-session';

const ORIGIN_BYTES_MAX = 512;

/** Adds the CORS headers; without an origin there is nothing to allow. */
export function setCors(request: IncomingMessage, headers: Record<string, string>): void {
  const { origin } = request.headers;
  if (typeof origin !== 'string' || origin.length > ORIGIN_BYTES_MAX) return;
  headers['access-control-allow-origin'] = origin;
  headers['access-control-allow-methods'] = 'GET, POST, OPTIONS';
  headers['access-control-allow-headers'] = ALLOW_HEADERS;
  headers['access-control-expose-headers'] = EXPOSE_HEADERS;
  headers['access-control-allow-credentials'] = 'true';
  headers['vary'] = 'Origin';
}

/** Two `Host` headers: somebody in between may go by the other one. Node itself joins or drops the second. */
export function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

/** What a connection ended with before a request could be answered; null when the other side simply left. */
export function connectionFault(
  code: string | undefined,
  inRequest: boolean,
): { readonly reason: string; readonly status: string } | null {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { reason: inRequest ? 'slow_body' : 'slow_header', status: '408 Request Timeout' };
    case 'HPE_HEADER_OVERFLOW':
      return { reason: 'header_too_large', status: '431 Request Header Fields Too Large' };
    case 'ECONNRESET':
    case 'EPIPE':
    case 'HPE_INVALID_EOF_STATE':
      return null;
    default:
      return { reason: 'bad_http', status: '400 Bad Request' };
  }
}

export type BodyReading =
  | { readonly ok: true; readonly body: Buffer }
  | { readonly ok: false; readonly reason: 'too_large' | 'slow_body' | 'gone' };

export interface BodyLimits {
  readonly bodyBytesMax: number;
  /** For the whole body. */
  readonly bodyMs: number;
  /** Least rate of a body, looked at once a second after the first one; 0 is no limit. */
  readonly bodyBytesPerSecond: number;
}

const RATE_LOOK_MS = 1000;

/** The whole body, up to a size and no slower than a rate: a body that drips keeps a place that others need. */
export function readBody(request: IncomingMessage, limits: BodyLimits, clock: Clock): Promise<BodyReading> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.bodyBytesMax) return Promise.resolve({ ok: false, reason: 'too_large' });
  return new Promise(resolve => {
    const chunks: Buffer[] = [];
    const since = clock.monotonic();
    let bytes = 0;
    let timer: Timer | null = null;
    let done = false;
    const finish = (reading: BodyReading): void => {
      if (done) return;
      done = true;
      timer?.cancel();
      request.off('data', onData);
      if (!reading.ok) {
        chunks.length = 0;
        request.pause();
      }
      resolve(reading);
    };
    const look = (): void => {
      const elapsed = clock.monotonic() - since;
      // The first look is free: a connection needs a moment to gain speed.
      const least = ((elapsed - RATE_LOOK_MS) / 1000) * limits.bodyBytesPerSecond;
      if (elapsed >= limits.bodyMs || (elapsed >= 2 * RATE_LOOK_MS && bytes < least))
        finish({ ok: false, reason: 'slow_body' });
      else timer = clock.after(Math.min(RATE_LOOK_MS, limits.bodyMs - elapsed), look);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > limits.bodyBytesMax) return finish({ ok: false, reason: 'too_large' });
      chunks.push(chunk);
    };
    request.on('data', onData);
    request.once('end', () =>
      finish({ ok: true, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes) }),
    );
    request.once('close', () => finish({ ok: false, reason: 'gone' }));
    request.once('error', () => finish({ ok: false, reason: 'gone' }));
    // Nearly every body comes in the packet of its head: only one that does not is watched.
    setImmediate(() => {
      if (!done && !request.complete) timer = clock.after(Math.min(RATE_LOOK_MS, limits.bodyMs), look);
    });
  });
}

export function writeText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    ...headers,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': body.length,
  });
  response.end(body);
}

export function writeJson(
  response: ServerResponse,
  status: number,
  body: Buffer,
  headers: Record<string, string | number>,
): void {
  headers['content-type'] = 'application/json; charset=utf-8';
  headers['content-length'] = body.length;
  response.writeHead(status, headers);
  response.end(body);
}

const SESSION_COOKIE = 'x-switchyard-session=';

/** Session token from the header, else from the cookie of the same name; null when none. */
export function sessionToken({ headers }: IncomingMessage): string | null {
  const header = headers['x-switchyard-session'];
  if (typeof header === 'string' && header !== '') return header;
  const { cookie } = headers;
  if (cookie === undefined) return null;
  for (const part of cookie.split(';')) {
    const text = part.trim();
    if (text.startsWith(SESSION_COOKIE)) return text.slice(SESSION_COOKIE.length);
  }
  return null;
}
