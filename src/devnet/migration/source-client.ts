import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

/** An answer of the source with a JSON-RPC error. */
export class SourceError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(`jsonrpc error: code: ${code}, message: ${message}`);
    this.name = 'SourceError';
    this.code = code;
  }
}

/**
 * The client of a node's migration code: one URL, one connection per call, string ids, no time limit of its own, the
 * HTTP status ignored when the body is JSON-RPC.
 */
export interface SourceClient {
  /** `result` of a call. Throws SourceError or what the socket throws. Held answers are waited for. */
  call(method: string, params: unknown, signal: AbortSignal): Promise<unknown>;
}

/** A source can send a genesis chunk of 16 MB in base64; far more is a fault. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

export function createSourceClient(url: string): SourceClient {
  const target = new URL(`${url.replace(/\/+$/, '')}/rpc/v1`);
  const request = target.protocol === 'https:' ? httpsRequest : httpRequest;
  let nextId = 1;
  return {
    async call(method, params, signal) {
      const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: String(nextId++), method, params }));
      const text = await new Promise<string>((resolve, reject) => {
        const headers = {
          'content-type': 'application/json',
          'content-length': body.length,
          'user-agent': 'Go-http-client/1.1',
          connection: 'close',
        };
        const sent = request(target, { method: 'POST', headers, agent: false, signal }, response => {
          const parts: Buffer[] = [];
          let size = 0;
          response.on('data', (part: Buffer) => {
            size += part.length;
            if (size > ANSWER_BYTES_MAX) response.destroy(new Error('answer is too large'));
            else parts.push(part);
          });
          response.on('end', () => resolve(Buffer.concat(parts).toString('utf8')));
          response.on('aborted', () => reject(new Error('unexpected EOF')));
          response.on('error', reject);
        });
        sent.on('error', error => reject(new Error(`http post failed: ${error.message}`)));
        sent.end(body);
      });
      const answer = parse(text);
      if (answer.error) throw new SourceError(answer.error.code, answer.error.message);
      if (answer.result === undefined || answer.result === null) throw new Error('answer without a result');
      return answer.result;
    },
  };
}

function parse(text: string): { result?: unknown; error?: { code: number; message: string } } {
  try {
    return JSON.parse(text) as ReturnType<typeof parse>;
  } catch {
    throw new Error(`unexpected answer: ${text.slice(0, 80)}`);
  }
}
