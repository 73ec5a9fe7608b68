import { decodePayload } from '../../../src/protocol/index.js';
import { isObject, recording, resultOf, textOf } from './recordings.js';

/** Payload of the migration proposal that a recorded block shows: activation, duration and time of the proposal. */
export const recordedProposal = (file: string): Buffer => payloadIn(file, 'create_resolution');

/** Id that the recorded approvals name: the id of that proposal, which does not depend on keys. */
export function recordedApproval(file: string): string {
  const payload = decodePayload('approve_resolution', payloadIn(file, 'approve_resolution'));
  if (payload?.kind !== 'approve_resolution') throw new Error(`${file} shows no approval`);
  return payload.id;
}

function payloadIn(file: string, type: string): Buffer {
  for (const { call, answer } of recording(file)) {
    const block = call?.method === 'chain.block' ? resultOf(answer)?.block : undefined;
    if (!isObject(block) || !Array.isArray(block.txns)) continue;
    for (const tx of block.txns) {
      if (!isObject(tx) || !isObject(tx.body) || tx.body.type !== type) continue;
      return Buffer.from(textOf(tx.body.payload), 'base64');
    }
  }
  throw new Error(`${file} shows no ${type}`);
}
