import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { MigrationPublic } from './ports.js';

/** The migration value as it changes, for applications: server-sent events and WebSocket. */
export interface Feed {
  /** A new value may be there; sent only when it differs from the last one. */
  look(): void;
  events(request: IncomingMessage, response: ServerResponse, headers: Record<string, string>): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

const CLIENTS_MAX = 1000;
const PING_MS = 30_000;
const PAYLOAD_BYTES_MAX = 1024 * 1024;
/** A reader that is so far behind is let go: it connects again and gets the latest value. */
const BUFFERED_BYTES_MAX = 256 * 1024;

export function createFeed(value: () => MigrationPublic): Feed {
  const streams = new Set<ServerResponse>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: PAYLOAD_BYTES_MAX,
    perMessageDeflate: false,
    clientTracking: true,
  });
  const answered = new WeakSet<WebSocket>();
  let last = '';
  let timer: NodeJS.Timeout | null = null;

  const latest = (): string => JSON.stringify(value());
  const count = (): number => streams.size + sockets.clients.size;

  function keepAlive(): void {
    timer ??= setInterval(ping, PING_MS).unref();
  }

  function ping(): void {
    if (count() === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
    for (const response of streams) response.write(':\n\n');
    for (const socket of sockets.clients) {
      if (!answered.has(socket)) socket.terminate();
      else {
        answered.delete(socket);
        socket.ping();
      }
    }
  }

  function send(text: string): void {
    for (const response of streams) {
      if (response.writableLength > BUFFERED_BYTES_MAX) response.destroy();
      else response.write(`data: ${text}\n\n`);
    }
    for (const socket of sockets.clients) {
      if (socket.bufferedAmount > BUFFERED_BYTES_MAX) socket.terminate();
      else socket.send(text);
    }
  }

  return {
    look() {
      if (count() === 0) return;
      const text = latest();
      if (text === last) return;
      last = text;
      send(text);
    },
    events(request, response, headers) {
      if (count() >= CLIENTS_MAX) {
        response.writeHead(503, { ...headers, 'retry-after': '5', 'content-length': 0 }).end();
        return;
      }
      response.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      last = latest();
      response.write(`data: ${last}\n\n`);
      streams.add(response);
      response.once('close', () => streams.delete(response));
      keepAlive();
    },
    upgrade(request, socket, head) {
      if (count() >= CLIENTS_MAX) {
        socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(request, socket, head, client => {
        answered.add(client);
        client.on('pong', () => answered.add(client));
        client.on('error', () => client.terminate());
        last = latest();
        client.send(last);
        keepAlive();
      });
    },
    close() {
      if (timer !== null) clearInterval(timer);
      timer = null;
      for (const response of streams) response.end();
      for (const socket of sockets.clients) socket.close(1001);
      sockets.close();
    },
  };
}
