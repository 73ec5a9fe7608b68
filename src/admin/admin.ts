import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { addressText, isLoopback, parseAddress } from '../config/index.js';
import { GatewayError } from '../model/index.js';
import { createApp } from './app.js';
import type { AdminPorts } from './ports.js';
import { ensureToken } from './token.js';

export interface AdminOptions {
  /** `host:port`. */
  readonly listen: string;
  readonly tokenFile: string;
  readonly metrics: 'auto' | 'open' | 'token';
  readonly version: string;
}

export interface Admin {
  /** Throws `admin_listen_failed` or `admin_token_unusable` (family config). */
  start(): Promise<{ readonly address: string }>;
  /** Taken address; null before start. */
  address(): string | null;
  /** Takes nothing new, lets what runs end within the deadline, then cuts it. */
  close(deadlineMs?: number): Promise<void>;
  destroy(reason: string): void;
}

const CLOSE_MS = 2_000;

/** Listens on admin.listen; knows the rest of the gateway through its ports only. */
export function createAdmin(options: AdminOptions, ports: AdminPorts): Admin {
  const { logger, clock } = ports;
  const wanted = parseAddress(options.listen);
  let server: Server | null = null;
  let address: string | null = null;
  let ending: Promise<void> | null = null;

  return {
    async start() {
      if (!wanted)
        throw new GatewayError('admin_listen_failed', 'config', `admin.listen ${options.listen} is not host:port`);
      const { token, created, exposed } = await ensureToken(options.tokenFile);
      if (created) logger.info({ file: options.tokenFile }, 'admin token made');
      if (exposed) logger.warn({ file: options.tokenFile }, 'the admin token can be read by other users: chmod 600');

      const metricsOpen = options.metrics === 'open' || (options.metrics === 'auto' && isLoopback(wanted.host));
      const app = createApp({ token, metricsOpen, version: options.version }, ports);
      server = createAdaptorServer({ fetch: app.fetch }) as Server;
      server.headersTimeout = 10_000;
      // Long answers (verify) are sent, not received: only the request has a limit.
      server.requestTimeout = 30_000;
      const { port } = await listen(server, wanted.host, wanted.port);
      address = addressText({ host: wanted.host, port });
      logger.info({ address }, 'admin API listens');
      return { address };
    },

    address: () => address,

    close(deadlineMs = CLOSE_MS) {
      const closing = server;
      ending ??= closing === null ? Promise.resolve() : drain(closing, deadlineMs);
      return ending;
    },

    destroy(reason) {
      if (server) logger.debug({ reason }, 'admin API cut');
      server?.close();
      server?.closeAllConnections();
    },
  };

  function drain(closing: Server, deadlineMs: number): Promise<void> {
    return new Promise(resolve => {
      const cut = clock.after(deadlineMs, () => closing.closeAllConnections());
      // A connection that was busy when close() came and then falls idle would keep the server open (seen on Node 20).
      const sweep = setInterval(() => closing.closeIdleConnections(), 50);
      closing.close(() => {
        cut.cancel();
        clearInterval(sweep);
        resolve();
      });
      closing.closeIdleConnections();
    });
  }
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void =>
      reject(
        new GatewayError(
          'admin_listen_failed',
          'config',
          `cannot listen on admin.listen ${addressText({ host, port })}: ${cause.code}`,
          { cause },
        ),
      );
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve(server.address() as AddressInfo);
    });
  });
}
