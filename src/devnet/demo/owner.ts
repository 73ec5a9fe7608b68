import {
  encodePayload,
  encodeTxJson,
  int8Value,
  signTx,
  textValue,
  type Payload,
  type Signer,
} from '../../protocol/index.js';
import type { NetworkHandle } from '../devnet.js';
import type { Operation } from './workload.js';
import { NAMESPACE } from './schema.js';
import { createNodeClient } from './verdict/node-client.js';

/** Statements by the network's owner, one transaction each, in a block when it resolves. Throws with the node's words. */
export async function runAsOwner(network: NetworkHandle, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    await submit(network.urls[0]!, network.chainId, network.ownerSigner, {
      kind: 'raw_statement',
      statement,
      params: [],
    });
  }
}

/** A barrier: one more receipt, straight to a node, since it measures what the networks need without the gateway. Gives its hash. */
export const BARRIER: Operation = { action: 'same_item', op: 'w0-barrier', id: 0, owner: 0 };

export async function sendBarrier(network: NetworkHandle): Promise<string> {
  return submit(network.urls[0]!, network.chainId, network.ownerSigner, {
    kind: 'execute',
    namespace: NAMESPACE,
    action: BARRIER.action,
    calls: [[textValue(BARRIER.op), int8Value(BigInt(BARRIER.id)), int8Value(BigInt(BARRIER.owner))]],
  });
}

async function submit(url: string, chainId: string, signer: Signer, payload: Payload): Promise<string> {
  const node = createNodeClient(url);
  const id = { identifier: Buffer.from(signer.sender).toString('hex'), key_type: signer.keyType };
  const account = await node.call<{ nonce: number }>('user.account', { id });
  const tx = signTx(
    {
      desc: '',
      payload: encodePayload(payload),
      type: payload.kind,
      fee: 0n,
      nonce: BigInt(account.nonce + 1),
      chainId,
    },
    signer,
  );
  const params: unknown = JSON.parse(`{"tx":${encodeTxJson(tx)},"sync":1}`);
  const answer = await node.call<{ tx_hash: string; result?: { code: number; log?: string } }>(
    'user.broadcast',
    params,
  );
  if (answer.result?.code !== 0) throw new Error(`set-up transaction failed: ${answer.result?.log ?? 'no result'}`);
  return answer.tx_hash;
}
