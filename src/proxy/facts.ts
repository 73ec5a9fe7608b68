import { foldName } from '../protocol/index.js';
import { NO_FACTS, type CallFacts } from '../routing/index.js';

/** Larger params are not looked into for hints: they are no look-up, and a challenge or hash is near the front of small ones. */
const LOOK_BYTES_MAX = 1_048_576;
const ACTION_LOOKUP = Buffer.from('info.actions');
const ACTION_LOOKUP_BYTES_MAX = 4096;

/**
 * What classification needs from a call's params. They are the client's bytes and stay untouched; everything here is a
 * hint about where the call belongs, and the node judges the call itself.
 */
export function readFacts(method: string, params: Uint8Array | null): CallFacts {
  if (params === null || params.length > LOOK_BYTES_MAX) return NO_FACTS;
  const bytes = Buffer.from(params.buffer, params.byteOffset, params.length);
  switch (method) {
    case 'user.query':
      return bytes.length <= ACTION_LOOKUP_BYTES_MAX && bytes.includes(ACTION_LOOKUP) ? LOOKUP : NO_FACTS;
    case 'user.call':
      return withChallenge(mentionsChallenge(bytes) ? member(member(parse(bytes), 'body'), 'challenge') : undefined);
    case 'user.authenticated_query':
      return withChallenge(mentionsChallenge(bytes) ? member(parse(bytes), 'challenge') : undefined);
    case 'user.account':
      return member(parse(bytes), 'status') === 1 ? PENDING : NO_FACTS;
    case 'user.tx_query':
      return withHash(member(parse(bytes), 'tx_hash'));
    case 'chain.tx':
    case 'chain.block':
    case 'chain.block_header':
    case 'chain.block_result':
      return withHash(member(parse(bytes), 'hash'));
    default:
      return NO_FACTS;
  }
}

const LOOKUP: CallFacts = Object.freeze({ ...NO_FACTS, actionLookup: true });
const PENDING: CallFacts = Object.freeze({ ...NO_FACTS, pending: true });

const withHash = (value: unknown): CallFacts => {
  const hash = normalHash(value);
  return hash === null ? NO_FACTS : { ...NO_FACTS, hash };
};

function withChallenge(value: unknown): CallFacts {
  if (typeof value !== 'string' || value === '') return NO_FACTS;
  return { ...NO_FACTS, challenge: Buffer.from(value, 'base64').toString('hex') };
}

/** A cheap look first: an escape could spell the name in another way, then it is parsed to be sure. */
const mentionsChallenge = (bytes: Buffer): boolean =>
  bytes.includes('hallenge') || bytes.includes('HALLENGE') || bytes.includes('\\');

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** A member as a node finds it: names match under folding, the last one wins. */
function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  let found: unknown;
  for (const [key, item] of Object.entries(value)) if (key === name || foldName(key) === name) found = item;
  return found;
}

const HASH_TEXT = /^[0-9a-fA-F]{64}$/;
const DOUBLED_TEXT = /^[0-9a-fA-F]{96}$/;

/**
 * A transaction hash in any form that users have in hand: 64 hex digits; the 96 digits into which kwil-js turns them
 * (it takes the hex for base64); or base64 of the 32 bytes. Null when it is none of these.
 */
export function normalHash(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  if (HASH_TEXT.test(value)) return value.toLowerCase();
  if (DOUBLED_TEXT.test(value)) {
    const text = Buffer.from(value, 'hex').toString('base64');
    return HASH_TEXT.test(text) ? text.toLowerCase() : null;
  }
  if (value.length === 44 && value.endsWith('=')) {
    const bytes = Buffer.from(value, 'base64');
    return bytes.length === 32 ? bytes.toString('hex') : null;
  }
  return null;
}
