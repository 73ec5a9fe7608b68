import type { IncomingMessage, ServerResponse } from 'node:http';

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

export type BodyReading =
  { readonly ok: true; readonly body: Buffer } | { readonly ok: false; readonly reason: 'too_large' | 'gone' };

/** The whole body, up to `bytesMax`. Node's own request time-out ends a slow one. */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<BodyReading> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > bytesMax) return Promise.resolve({ ok: false, reason: 'too_large' });
  return new Promise(resolve => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        chunks.length = 0;
        request.removeAllListeners('data');
        request.pause();
        resolve({ ok: false, reason: 'too_large' });
      } else chunks.push(chunk);
    });
    request.once('end', () =>
      resolve({ ok: true, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes) }),
    );
    request.once('close', () => resolve({ ok: false, reason: 'gone' }));
    request.once('error', () => resolve({ ok: false, reason: 'gone' }));
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
