import type { Height, NetworkName, NodeRef } from '../model/index.js';
import { GatewayError } from '../model/index.js';
import { buildEnvelope } from '../protocol/index.js';
import { RPC_TX_NOT_FOUND, type NodeView } from '../routing/index.js';
import type { NodesPort } from './ports.js';
import { outcomeOf, OWN_ID, resultOf } from './reply.js';

/** What a network says about a hash. */
export type TxSighting =
  | {
      readonly kind: 'mined';
      readonly height: Height;
      readonly code: number;
      readonly log: string;
      readonly node: NodeRef;
    }
  | { readonly kind: 'pooled'; readonly node: NodeRef }
  /** Every node that answered does not know it; `asked` of them. */
  | { readonly kind: 'absent'; readonly asked: number }
  /** Nobody answered. */
  | { readonly kind: 'silent' };

export interface TxLookup {
  /** Asks the nodes of one network, best first, until one knows the hash. */
  find(
    network: NetworkName,
    hash: string,
    options?: { readonly signal?: AbortSignal; readonly timeoutMs?: number },
  ): Promise<TxSighting>;
}

const LOOKUP_TIMEOUT_MS = 2000;

export function createTxLookup(
  nodes: Pick<NodesPort, 'send'>,
  candidates: (network: NetworkName) => readonly NodeView[],
): TxLookup {
  async function ask(
    node: NodeView,
    hash: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<TxSighting> {
    const ref: NodeRef = { network: node.network, name: node.name };
    const body = buildEnvelope(OWN_ID, 'user.tx_query', Buffer.from(`{"tx_hash":"${hash}"}`));
    const answer = await nodes.send(ref, body, { timeoutMs, signal, kind: 'control' });
    const outcome = outcomeOf(answer);
    if (outcome.kind === 'error')
      return outcome.code === RPC_TX_NOT_FOUND ? { kind: 'absent', asked: 1 } : { kind: 'silent' };
    const result = resultOf(answer) as
      { height?: unknown; tx_result?: { code?: unknown; log?: unknown } | null } | undefined;
    if (typeof result?.height !== 'number') return { kind: 'silent' };
    // The block store is ahead of the result for a moment; without one there is no outcome yet.
    if (result.height < 1 || typeof result.tx_result?.code !== 'number') return { kind: 'pooled', node: ref };
    const log = typeof result.tx_result.log === 'string' ? result.tx_result.log : '';
    return { kind: 'mined', height: result.height, code: result.tx_result.code, log, node: ref };
  }

  return {
    async find(network, hash, { signal, timeoutMs = LOOKUP_TIMEOUT_MS } = {}) {
      let asked = 0;
      let pooled: TxSighting | null = null;
      for (const node of candidates(network)) {
        if (signal?.aborted) break;
        try {
          const sighting = await ask(node, hash, timeoutMs, signal);
          if (sighting.kind === 'mined') return sighting;
          if (sighting.kind === 'pooled') pooled ??= sighting;
          if (sighting.kind === 'absent') asked++;
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error;
        }
        if (pooled !== null) return pooled;
      }
      return asked > 0 ? { kind: 'absent', asked } : { kind: 'silent' };
    },
  };
}
