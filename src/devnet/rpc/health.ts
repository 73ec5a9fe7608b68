import { KWIL_VERSION, ZERO_HASH, type MethodContext } from './context.js';
import { goJson } from './go-json.js';

/** Go's zero time, and the largest age its arithmetic gives (reference 2.3). */
const ZERO_TIME_MS = -62135596800000;
const LARGEST_AGE_MS = 9223372036854;

export function userHealth(context: MethodContext): { readonly healthy: boolean; readonly json: string } {
  const { node, network, disguise } = context;
  const block = context.headBlock();
  const height = block?.header.height ?? 0;
  const stamp = block?.header.stampMs ?? ZERO_TIME_MS;
  const age = block ? Math.max(0, node.ports.clock.now() - stamp) : LARGEST_AGE_MS;
  const syncing = node.syncing();
  const healthy = !syncing && age < network.options.timing.unhealthyAfter;
  const json =
    `{"chain_id":${goJson(context.chainId())},"block_height":${height},` +
    `"block_hash":"${block ? disguise.hash(height, block.hash) : ZERO_HASH}","gas":false,"healthy":${healthy},` +
    `"version":"0.2.0","block_time":${stamp},"block_age":${age},"syncing":${syncing},"height":${height},` +
    `"app_hash":"${block ? disguise.hash(height, block.appHash) : ZERO_HASH}","peer_count":${peerCount(context)},` +
    `"mode":"${network.options.privateMode ? 'private' : 'open'}"}`;
  return { healthy, json };
}

const peerCount = ({ node, network }: MethodContext): number =>
  network.nodes.filter(other => other !== node && other.mode() !== 'down').length;

export const chainHealth = (context: MethodContext): string =>
  `{"chain_id":${goJson(context.chainId())},"height":${context.storedBlock()?.header.height ?? 0},"healthy":true}`;

const FUNCTION_HEALTH = '{"healthy":true,"version":"0.1.0"}';

export function allHealth(context: MethodContext): { readonly healthy: boolean; readonly json: string } {
  const user = userHealth(context);
  const services = `{"chain":${chainHealth(context)},"function":${FUNCTION_HEALTH},"user":${user.json}}`;
  return { healthy: user.healthy, json: `{"kwil_alive":true,"healthy":${user.healthy},"services":${services}}` };
}

export function restHealth(
  context: MethodContext,
  service: string | null,
): { status: number; json: string } | undefined {
  switch (service) {
    case null: {
      const all = allHealth(context);
      return { status: all.healthy ? 200 : 503, json: all.json };
    }
    case 'user': {
      const user = userHealth(context);
      return { status: user.healthy ? 200 : 503, json: user.json };
    }
    case 'chain':
      return { status: 200, json: chainHealth(context) };
    case 'function':
      return { status: 200, json: FUNCTION_HEALTH };
    default:
      return undefined;
  }
}

export function versionJson(service: 'user' | 'chain' | 'function', build: string = KWIL_VERSION): string {
  const minor = service === 'function' ? 1 : 2;
  return `{"service":"${service}","api_ver":"0.${minor}.0","major":0,"minor":${minor},"patch":0,"kwil_ver":${goJson(build)}}`;
}
