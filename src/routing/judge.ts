import type { RequestClass } from './classes.js';
import { isRepeatable } from './classes.js';

/** What one attempt came to. */
export type Outcome =
  /** A JSON-RPC result. */
  | { readonly kind: 'result' }
  /** A JSON-RPC error: an answer, not a failure. `inner` is the transaction code of a -201. */
  | { readonly kind: 'error'; readonly code: number; readonly inner: number | null; readonly message: string }
  /** No usable HTTP answer. `no`: provably nothing left for the node. */
  | { readonly kind: 'failed'; readonly sent: 'no' | 'maybe' }
  /** An HTTP answer that is no JSON-RPC answer: a crashed handler (500, empty), a time-out (503, text). */
  | { readonly kind: 'unusable' };

export type Verdict =
  | { readonly kind: 'relay' }
  /** The same call on another node of the same network. */
  | { readonly kind: 'another-node' }
  /** The same call on the decision's second network. */
  | { readonly kind: 'another-network' }
  /** A write that may have arrived: learn its outcome by hash, never send it again here. */
  | { readonly kind: 'look-up' }
  /** Our own earlier copy is already there: the write was accepted. */
  | { readonly kind: 'accepted' }
  | { readonly kind: 'give-up'; readonly executed: 'no' | 'unknown' };

export const RPC_BROADCAST = -201;
export const RPC_TX_NOT_FOUND = -202;
export const RPC_BLOCK_NOT_FOUND = -204;
export const RPC_NODE_INTERNAL = -700;
export const TX_COMMIT_TIMEOUT = 10;
export const TX_HALTED = 201;
export const TX_OTHER = 65535;

const EXISTS = 'transaction already exists';
const CATCHING_UP = 'catching up';
const DEADLINE = 'deadline exceeded';

export interface Room {
  /** Another node of this network that may still be tried. */
  readonly node: boolean;
  /** The decision's second network that may still be asked. */
  readonly network: boolean;
  /** An earlier copy of these bytes may already be with the network. */
  readonly resend: boolean;
}

/** What to do after the latest attempt. Pure; the caller keeps count of nodes and networks left. */
export function judge(cls: RequestClass, outcome: Outcome, room: Room): Verdict {
  if (cls === 'write') return judgeWrite(outcome, room);
  switch (outcome.kind) {
    case 'result':
      return { kind: 'relay' };
    case 'error':
      if (isNotFound(cls, outcome.code)) return room.network ? { kind: 'another-network' } : { kind: 'relay' };
      // -700 of a migration call: this node has no snapshot, or not yet. Not "no migration".
      if (cls === 'migration' && outcome.code === RPC_NODE_INTERNAL && room.node) return { kind: 'another-node' };
      return { kind: 'relay' };
    case 'failed':
    case 'unusable':
      if (cls === 'node-affine') return { kind: 'give-up', executed: 'unknown' };
      if (room.node && isRepeatable(cls)) return { kind: 'another-node' };
      if (room.network && isRepeatable(cls)) return { kind: 'another-network' };
      return { kind: 'give-up', executed: outcome.kind === 'failed' && outcome.sent === 'no' ? 'no' : 'unknown' };
  }
}

function judgeWrite(outcome: Outcome, room: Room): Verdict {
  switch (outcome.kind) {
    case 'result':
      return { kind: 'relay' };
    case 'failed':
      if (outcome.sent === 'maybe') return { kind: 'look-up' };
      return room.node ? { kind: 'another-node' } : { kind: 'give-up', executed: room.resend ? 'unknown' : 'no' };
    case 'unusable':
      return { kind: 'look-up' };
    case 'error':
      if (outcome.code !== RPC_BROADCAST) return { kind: 'relay' };
      if (outcome.inner === TX_COMMIT_TIMEOUT) return { kind: 'look-up' };
      if (outcome.inner !== TX_OTHER) return { kind: 'relay' };
      if (outcome.message.includes(EXISTS)) return room.resend ? { kind: 'accepted' } : { kind: 'relay' };
      if (outcome.message.includes(CATCHING_UP) && room.node) return { kind: 'another-node' };
      if (outcome.message.includes(DEADLINE)) return { kind: 'look-up' };
      return { kind: 'relay' };
  }
}

const isNotFound = (cls: RequestClass, code: number): boolean =>
  cls === 'by-hash' && (code === RPC_TX_NOT_FOUND || code === RPC_BLOCK_NOT_FOUND);

/** Whether a node's refusal of a broadcast means that the bytes are (or may be) with the network all the same. */
export const isAlreadyThere = (outcome: Outcome): boolean =>
  outcome.kind === 'error' &&
  outcome.code === RPC_BROADCAST &&
  outcome.inner === TX_OTHER &&
  outcome.message.includes(EXISTS);
