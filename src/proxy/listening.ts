import type { Server } from 'node:http';
import { GatewayError, messageOf } from '../model/index.js';

/** Address as configured, `host:port`; a host of IPv6 stands in brackets. */
export function parseAddress(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':');
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) };
}

/** Resolves when the server listens; errors: `listen_failed` (config), with the system's words. */
export const listen = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(
        new GatewayError('listen_failed', 'config', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
          cause: error,
        }),
      );
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
