import type { IncomingMessage } from 'node:http';

/** Which hosts and origins may come in; an empty list means any. */
export interface Door {
  /** Null when the request may pass, else the status it is answered with. */
  check(request: IncomingMessage): 403 | 421 | null;
}

/**
 * A browser that was lured onto our address by another name (DNS rebinding) tells that name as host; a page that has no
 * business here tells its origin. Both are exact: no patterns, no suffixes.
 *
 * @param hosts   names or addresses without a port
 * @param origins such as `https://app.example`
 */
export function createDoor(hosts: readonly string[], origins: readonly string[]): Door {
  const knownHosts = new Set(hosts.map(host => host.toLowerCase()));
  const knownOrigins = new Set(origins.map(origin => origin.toLowerCase()));
  return {
    check({ headers }) {
      if (knownHosts.size > 0 && !knownHosts.has(hostOf(headers.host ?? ''))) return 421;
      const { origin } = headers;
      if (knownOrigins.size > 0 && origin !== undefined && !knownOrigins.has(origin.toLowerCase())) return 403;
      return null;
    },
  };
}

const hostOf = (header: string): string =>
  header
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[|\]$/g, '');
