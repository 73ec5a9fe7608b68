import type { Config } from '../config/index.js';
import type { ProxyOptions } from '../proxy/index.js';

/** What the configuration says about the request path, in its own terms. */
export const proxyOptions = ({ listen, writes, limits, shield, http, opaque, drain }: Config): ProxyOptions => {
  const { concurrency, ...rest } = limits;
  const places = Object.entries(concurrency).filter(([, places]) => places !== undefined);
  return {
    listen,
    writes,
    limits: { ...rest, concurrency: Object.fromEntries(places), drainMs: drain.timeoutMs },
    shield,
    hosts: http.hosts,
    origins: http.origins,
    trustedProxies: http.trustedProxies,
    opaque,
    tls: http.tls,
  };
};
