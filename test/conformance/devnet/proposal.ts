import { isObject, recording, resultOf } from './recordings.js';

/** Payload of the migration proposal that a recorded block shows: activation, duration and time of the proposal. */
export function recordedProposal(file: string): Buffer {
  for (const { call, answer } of recording(file)) {
    const block = call?.method === 'chain.block' ? resultOf(answer)?.block : undefined;
    if (!isObject(block) || !Array.isArray(block.txns)) continue;
    for (const tx of block.txns) {
      if (!isObject(tx) || !isObject(tx.body) || tx.body.type !== 'create_resolution') continue;
      return Buffer.from(String(tx.body.payload), 'base64');
    }
  }
  throw new Error(`${file} shows no proposal`);
}
