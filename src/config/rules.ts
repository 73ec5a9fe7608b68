import { NETWORK_NAMES } from '../model/index.js';
import { collide, isLoopback, parseAddress, type Address } from './addresses.js';
import type { Config } from './schema.js';
import type { ConfigPath } from './shape.js';

/** What types cannot say: one broken rule. */
export interface RuleFinding {
  readonly path: ConfigPath;
  readonly message: string;
  readonly allowed?: string;
}

/** A configuration that breaks one of these is refused. */
export function brokenRules(config: Config): readonly RuleFinding[] {
  return [...chainIds(config), ...nodes(config), ...listeners(config), ...relay(config)];
}

/** What works and is probably not meant; `config check` and the log at start show it. */
export function doubts(config: Config): readonly RuleFinding[] {
  const found: RuleFinding[] = [];
  const admin = parseAddress(config.admin.listen);
  if (admin && !isLoopback(admin.host)) {
    found.push({
      path: ['admin', 'listen'],
      message: 'the admin API is plain HTTP and reachable from outside: put TLS in front of it',
    });
  }
  if (config.reads.policy !== 'share' && config.reads.share > 0) {
    found.push({ path: ['reads', 'share'], message: `has no effect with policy ${config.reads.policy}` });
  }
  const { leader, strategy } = config.migration;
  if (leader !== undefined && !config.networks.old.nodes.some(({ name }) => name === leader)) {
    found.push({ path: ['migration', 'leader'], message: `is no node of the old network` });
  }
  if (strategy === 'rolling' && config.networks.new !== undefined) {
    found.push({
      path: ['networks', 'new'],
      message: 'has no part in a rolling upgrade, which stays on one network',
    });
  }
  if (config.networks.old.nodes.length === 1) {
    found.push({
      path: ['networks', 'old', 'nodes'],
      message: 'with one old node, changesets cannot be compared and nothing replaces it',
    });
  }
  if (config.writes.holdMs >= config.cutover.attemptMs) {
    found.push({
      path: ['writes', 'holdMs'],
      message: 'is not below cutover.attemptMs: an attempt ends before its writes give up',
    });
  }
  return found;
}

function* chainIds({ networks }: Config): Iterable<RuleFinding> {
  if (networks.new && networks.new.chainId === networks.old.chainId) {
    yield {
      path: ['networks', 'new', 'chainId'],
      message: 'both networks have this chain id: transactions could not be told apart',
      allowed: 'a chain id of its own',
    };
  }
}

function* nodes(config: Config): Iterable<RuleFinding> {
  const urls = new Map<string, string>();
  const own = (['listen', 'relay', 'admin'] as const).map(name => [name, ownAddress(config, name)] as const);
  for (const network of NETWORK_NAMES) {
    const names = new Set<string>();
    for (const [index, node] of (config.networks[network]?.nodes ?? []).entries()) {
      const path = ['networks', network, 'nodes', index];
      if (names.has(node.name))
        yield { path: [...path, 'name'], message: 'another node of this network has this name' };
      names.add(node.name);

      const url = new URL(node.url);
      const key = url.origin + url.pathname.replace(/\/+$/, '');
      const twin = urls.get(key);
      if (twin !== undefined) yield { path: [...path, 'url'], message: `node ${twin} has this URL already` };
      urls.set(key, `${network}/${node.name}`);

      if (url.search !== '' || url.hash !== '') {
        yield {
          path: [...path, 'url'],
          message: 'must not have a query or a fragment',
          allowed: 'http://host:port or https://host:port',
        };
      }
      const target: Address = {
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
      };
      const loop = own.find(([, address]) => address && collide(address, target) && isLoopback(target.host));
      if (loop)
        yield {
          path: [...path, 'url'],
          message: `is this gateway's own address (${loop[0]}): requests would go round in a circle`,
        };
    }
  }
}

function* listeners(config: Config): Iterable<RuleFinding> {
  const seen: { name: string; address: Address }[] = [];
  for (const name of ['listen', 'relay', 'admin'] as const) {
    const path = name === 'listen' ? ['listen'] : [name, 'listen'];
    const address = ownAddress(config, name);
    if (!address) {
      yield { path, message: 'has no port up to 65535', allowed: 'host:port with a port of 0 to 65535' };
      continue;
    }
    const other = seen.find(taken => collide(taken.address, address));
    if (other)
      yield { path, message: `is the address of ${other.name === 'listen' ? 'listen' : `${other.name}.listen`} too` };
    seen.push({ name, address });
  }
}

function* relay({ relay }: Config): Iterable<RuleFinding> {
  const address = parseAddress(relay.listen);
  if (address && !isLoopback(address.host) && relay.validators.length === 0) {
    yield {
      path: ['relay', 'listen'],
      message:
        'is reachable from outside, and without relay.validators everybody could read the old network’s changesets there',
      allowed: 'a loopback address, or a list of relay.validators (each gets a secret URL)',
    };
  }
  const names = new Set<string>();
  for (const [index, name] of relay.validators.entries()) {
    if (names.has(name)) yield { path: ['relay', 'validators', index], message: 'this validator is listed twice' };
    names.add(name);
  }
}

const ownAddress = (config: Config, name: 'listen' | 'relay' | 'admin'): Address | null =>
  parseAddress(name === 'listen' ? config.listen : config[name].listen);
