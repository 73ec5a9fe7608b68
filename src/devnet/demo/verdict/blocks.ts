import type { NodeClient } from './node-client.js';

/** An `execute` transaction as it stands in a block. */
export interface ChainExecution {
  readonly height: number;
  readonly action: string;
  /** First argument: the operation's own id. */
  readonly op: string;
  readonly code: number;
}

interface BlockAnswer {
  readonly block: {
    readonly txns: readonly { readonly body: { readonly type: string; readonly payload: string } }[] | null;
  };
}
interface BlockResultAnswer {
  readonly tx_results: readonly { readonly code: number }[] | null;
}

const PARALLEL = 8;

/** Every action that was executed in blocks `from` … `to` of one network, in chain order. */
export async function readExecutions(node: NodeClient, from: number, to: number): Promise<ChainExecution[]> {
  const perBlock = new Map<number, ChainExecution[]>();
  let next = from;
  const worker = async (): Promise<void> => {
    for (let height = next++; height <= to; height = next++) perBlock.set(height, await executionsOf(node, height));
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return [...perBlock.entries()].sort(([a], [b]) => a - b).flatMap(([, executions]) => executions);
}

async function executionsOf(node: NodeClient, height: number): Promise<ChainExecution[]> {
  const [{ block }, results] = await Promise.all([
    node.call<BlockAnswer>('chain.block', { height }),
    node.call<BlockResultAnswer>('chain.block_result', { height }),
  ]);
  return (block.txns ?? []).flatMap((tx, index) => {
    if (tx.body.type !== 'execute') return [];
    const payload = readExecutePayload(Buffer.from(tx.body.payload, 'base64'));
    return [{ height, ...payload, code: results.tx_results?.[index]?.code ?? -1 }];
  });
}

/**
 * Reads `u16 version, text namespace, text action, u16 calls, u16 arguments, value…`, lengths as u32, all little-endian; of
 * the first value (`u16, type with u32 length, u16 count, element with u32 length`) the text behind its mark byte.
 */
function readExecutePayload(bytes: Buffer): { action: string; op: string } {
  let at = 2;
  const sized = (): Buffer => {
    const length = bytes.readUInt32LE(at);
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  sized();
  const action = sized().toString('utf8');
  at += 4;
  const value = sized();
  const typeLength = value.readUInt32LE(2);
  const elementAt = 2 + 4 + typeLength + 2;
  const elementLength = value.readUInt32LE(elementAt);
  return { action, op: value.subarray(elementAt + 4 + 1, elementAt + 4 + elementLength).toString('utf8') };
}
