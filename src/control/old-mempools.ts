import { GatewayError, messageOf, type Height, type NodeRef } from '../model/index.js';
import type { ControlPorts } from './ports.js';
import { upNodes } from './world.js';

interface MempoolContext extends Pick<ControlPorts, 'nodes' | 'logger'> {
  readonly until: <T>(read: () => T | undefined, signal: AbortSignal) => Promise<T | undefined>;
  readonly signal: AbortSignal;
}

interface Unconfirmed {
  readonly txs: readonly { readonly hash: string }[] | null;
}

/** As many as a node shows at once. */
const SHOWN = 50;
const CALL_MS = 1000;

/**
 * Waits until everything that lies in the old nodes' mempools now has left them: a write that the ledger has given up, or one
 * that came past us, may still be mined. What arrives later does not count, or strangers could keep the switch from ever
 * happening. Gives the head at which they were gone, 0 when nothing was there; undefined when the step is over.
 */
export async function mempoolsLeft(context: MempoolContext): Promise<Height | undefined> {
  const { nodes, until, signal } = context;
  const head = (): Height => nodes.view('old')?.head ?? 0;
  let seen = head();
  let waiting = await look(context);
  if (waiting?.size === 0) return 0;
  for (;;) {
    // Only a block empties a mempool, so the next look is worth while after one.
    const next = await until(() => (head() > seen ? head() : undefined), signal);
    if (next === undefined) return undefined;
    seen = next;
    const now = await look(context);
    if (now === null) continue;
    const open = waiting ?? now;
    waiting = new Set([...open].filter(hash => now.has(hash)));
    if (waiting.size === 0) return head();
  }
}

/** Hashes in the mempools of all usable old nodes; null when one of them did not answer. */
async function look({ nodes, logger, signal }: MempoolContext): Promise<ReadonlySet<string> | null> {
  const refs = upNodes(nodes.view('old')).map(({ name }): NodeRef => ({ network: 'old', name }));
  const answers = await Promise.all(
    refs.map(async ref => {
      try {
        const { txs } = await nodes.call<Unconfirmed>(
          ref,
          'chain.unconfirmed_txs',
          { limit: SHOWN },
          { timeoutMs: CALL_MS, signal },
        );
        return (txs ?? []).map(({ hash }) => hash);
      } catch (error) {
        logger.warn({ node: ref.name, error: messageOf(error) }, 'an old node did not show its mempool');
        // A node that answers and does not show it never will.
        return error instanceof GatewayError && error.code === 'rpc_error' ? [] : null;
      }
    }),
  );
  signal.throwIfAborted();
  return answers.includes(null) ? null : new Set(answers.flatMap(hashes => hashes ?? []));
}
