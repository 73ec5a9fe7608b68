import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SourceRequest {
  readonly method: string;
  readonly params: { readonly height?: number; readonly index?: number };
  /** Asks the real old network. */
  pass(): Promise<unknown>;
}

/** `undefined`: never answered. */
export type SourceRule = (request: SourceRequest) => Promise<unknown> | 'hold';

/** Stands between a new network's listener and the old network; what it answers can be scripted. */
export interface Source {
  readonly url: string;
  readonly asked: readonly { readonly method: string; readonly height: number; readonly index: number }[];
  rule: SourceRule;
  /** Port closed, connections cut; the port stays the same. */
  away(): Promise<void>;
  back(): Promise<void>;
  close(): Promise<void>;
}

export async function createSource(oldUrl: string): Promise<Source> {
  const asked: { method: string; height: number; index: number }[] = [];
  let server: Server;
  let port = 0;
  const source: Source = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    asked,
    rule: request => request.pass(),
    async away() {
      await new Promise<void>(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
    back: open,
    close: () => source.away(),
  };

  async function open(): Promise<void> {
    server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => void answer(Buffer.concat(parts), response));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    port = (server.address() as AddressInfo).port;
  }

  async function answer(body: Buffer, response: ServerResponse): Promise<void> {
    const { id, method, params } = JSON.parse(body.toString('utf8')) as {
      id: string;
      method: string;
      params: SourceRequest['params'];
    };
    asked.push({ method, height: params.height ?? 0, index: params.index ?? 0 });
    const pass = async (): Promise<unknown> => {
      const answered = await fetch(`${oldUrl}/rpc/v1`, { method: 'POST', body });
      const json = (await answered.json()) as { result?: unknown; error?: { message: string } };
      if (json.error) throw new Error(json.error.message);
      return json.result;
    };
    const ruled = source.rule({ method, params, pass });
    if (ruled === 'hold') return;
    const text = await ruled.then(
      result => JSON.stringify({ jsonrpc: '2.0', id, result }),
      (error: Error) => JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32603, message: error.message } }),
    );
    response.end(text);
  }

  await open();
  return source;
}
