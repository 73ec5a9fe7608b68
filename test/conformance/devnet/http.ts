import { Agent, request } from 'node:http';
import type { Answer, Recorded } from './recordings.js';

/*
 * One recorded request over a real socket: the same bytes, path and headers, and nothing that the recording does not
 * show but what HTTP itself needs.
 */

/** Response headers that recordings keep. */
const KEPT = [
  'content-type',
  'connection',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'retry-after',
];

/** kwild's clients keep connections open if they may; that makes a `connection: close` answer the node's own decision. */
const agent = new Agent({ keepAlive: true, maxSockets: 4, timeout: 60_000 });

export function send(baseUrl: string, { method, path, headers, body }: Recorded['request']): Promise<Answer> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve, reject) => {
    const sent = request({
      agent,
      hostname,
      port,
      method,
      path,
      headers: { ...headers, ...(method === 'GET' ? {} : { 'content-length': body.length }) },
      timeout: 60_000,
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer from ${baseUrl} within 60 s`)));
    sent.on('error', reject);
    sent.on('response', response => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const shown = KEPT.flatMap(name => {
          const value = response.headers[name];
          return typeof value === 'string' ? [[name, value] as const] : [];
        });
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(shown),
          body: Buffer.concat(parts).toString('utf8'),
        });
      });
    });
    sent.end(method === 'GET' ? undefined : body);
  });
}

export function closeConnections(): void {
  agent.destroy();
}
