/** A listening address taken apart. */
export interface Address {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port` or `[v6]:port`; null when it is neither or the port is above 65535. */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return null;
  return { host: match[1] ?? match[2]!, port };
}

/** Whether only programs on this machine can reach a listener on `host`. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host) || /^::ffff:127\./i.test(host);

/** Whether `host` stands for every interface. */
export const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::' || host === '*';

/** Whether two listeners cannot both have their address. Port 0 never collides. */
export const collide = (a: Address, b: Address): boolean =>
  a.port !== 0 && a.port === b.port && (sameHost(a.host, b.host) || isWildcard(a.host) || isWildcard(b.host));

/** `[::1]:8480` or `127.0.0.1:8480`. */
export const addressText = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Base URL by which this machine reaches a listener: a wildcard is asked on loopback. */
export function localUrl({ host, port }: Address): string {
  const reachable = host === '::' ? '::1' : isWildcard(host) ? '127.0.0.1' : host;
  return `http://${addressText({ host: reachable, port })}`;
}

const sameHost = (a: string, b: string): boolean => a === b || (isLoopback(a) && isLoopback(b));
