/** The two networks of a migration, in their users' words. */
export type NetworkName = 'old' | 'new';

export const NETWORK_NAMES: readonly NetworkName[] = ['old', 'new'];

export const otherNetwork = (network: NetworkName): NetworkName => (network === 'old' ? 'new' : 'old');

/** Block height on one network; never compared across networks. 0 means "before the first block". */
export type Height = number;

/** Rises whenever the routing intent changes; whoever has seen epoch e ignores anything older (I5). */
export type Epoch = number;

/** Transaction hash: 64 lower-case hex digits. */
export type TxHash = string;

/** A node of one network, as named in the configuration. */
export interface NodeRef {
  readonly network: NetworkName;
  /** Unique within its network; label of metrics. */
  readonly name: string;
}

/** `old/old-1`: the form in logs, journals and maps. */
export type NodeId = string;

export const nodeId = (node: NodeRef): NodeId => `${node.network}/${node.name}`;

/** For exhaustive switches over discriminated unions. */
export function assertNever(value: never, what = 'value'): never {
  throw new Error(`unexpected ${what}: ${JSON.stringify(value)}`);
}
