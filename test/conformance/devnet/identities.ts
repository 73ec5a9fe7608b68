import type { NetworkHandle } from '../../../src/devnet/index.js';
import { isObject, recording, resultOf, textOf } from './recordings.js';

/** Node keys of the recorded network, in the order of its genesis. */
export function recordedValidators(file: string): string[] {
  const genesis = recording(file).find(one => one.call?.method === 'chain.genesis');
  const validators = genesis ? resultOf(genesis.answer)?.validators : null;
  if (!Array.isArray(validators)) throw new Error(`${file} shows no genesis`);
  return validators.filter(isObject).map(one => textOf(one.pubkey));
}

/** Recorded node keys and ours in their place. */
export function identitiesOf(file: string, network: NetworkHandle): Map<string, string> {
  return new Map(recordedValidators(file).map((key, index) => [key, network.nodes[index]!.publicKey]));
}
