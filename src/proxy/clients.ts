import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Who a request is charged to. */
export interface Clients {
  of(request: IncomingMessage): string;
}

/** Proxies in a row that are looked through; a longer list is somebody's invention. */
const HOPS_MAX = 10;

/**
 * The client is the address of the connection. Only when that belongs to a trusted proxy, the address it reports is taken
 * instead, and so on: read from the right, since everything left of the first untrusted address can be made up.
 *
 * @param trusted CIDRs such as `10.0.0.0/8`, or single addresses
 */
export function createClients(trusted: readonly string[]): Clients {
  const proxies = new BlockList();
  for (const cidr of trusted) addCidr(proxies, cidr);
  const isTrusted = (address: string): boolean => proxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

  return {
    of({ socket, headers }) {
      const peer = plainAddress(socket.remoteAddress ?? '');
      if (peer === null) return 'unknown';
      const forwarded = headers['x-forwarded-for'];
      if (trusted.length === 0 || forwarded === undefined || !isTrusted(peer)) return keyOf(peer);
      const hops = (Array.isArray(forwarded) ? forwarded.join(',') : forwarded).split(',');
      let client = peer;
      for (let i = hops.length - 1; i >= 0 && i >= hops.length - HOPS_MAX; i--) {
        const address = plainAddress(hops[i]!.trim());
        // Not an address: the last one that a trusted proxy vouched for has to answer for it.
        if (address === null) break;
        client = address;
        if (!isTrusted(address)) break;
      }
      return keyOf(client);
    },
  };
}

/** An address without port, brackets and the IPv4-in-IPv6 prefix; null when it is none. */
function plainAddress(text: string): string | null {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  const address = bare.toLowerCase().startsWith('::ffff:') && isIP(bare.slice(7)) === 4 ? bare.slice(7) : bare;
  return isIP(address) === 0 ? null : address;
}

/** Whoever has an IPv6 address has 2^64 of them: they count as one. */
function keyOf(address: string): string {
  if (isIP(address) === 4) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...rest];
  return `${all
    .slice(0, 4)
    .map(group => parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

function addCidr(list: BlockList, cidr: string): void {
  const [address = '', bits] = cidr.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
}
