import { assertNever, otherNetwork, type NetworkName } from '../model/index.js';
import type { CallFacts, RequestClass } from './classes.js';
import { readOrder } from './reads.js';
import type { NetworkView, RoutingSnapshot } from './snapshot.js';

/** Stable words of contract section 3, and ours. */
export type RefuseReason =
  | 'chain_switched'
  | 'chain_not_open'
  | 'chain_id_required'
  | 'chain_unknown'
  | 'halted'
  | 'overloaded'
  | 'no_node'
  | 'method_denied'
  | 'bad_envelope';

/** Why a rule chose what it chose: label of `route_decisions_total`, printed by `explain`. */
export type DecisionReason =
  | RefuseReason
  | 'chain_open'
  | 'switching'
  | 'head_stalled'
  | 'congested'
  | 'affine'
  | 'reads'
  | 'reads_shared'
  | 'pinned'
  | 'unpinned'
  | 'indexed'
  | 'by_hash'
  | 'migration';

export type HoldReason = 'switching' | 'head_stalled' | 'congested';

export type Decision =
  | {
      readonly kind: 'forward';
      readonly reason: DecisionReason;
      /** Networks in the order they are asked; the second only when the first cannot answer (see judge). */
      readonly networks: readonly [NetworkName] | readonly [NetworkName, NetworkName];
    }
  /** Keep until the snapshot changes, within the limits of the hold. */
  | { readonly kind: 'hold'; readonly reason: HoldReason; readonly network: NetworkName }
  | {
      readonly kind: 'refuse';
      readonly reason: RefuseReason;
      readonly retryAfterMs: number | null;
      readonly executed: 'no';
    }
  /** The gateway knows the answer itself: the challenge was not issued here, so no node can know it. */
  | { readonly kind: 'answer'; readonly reason: 'unpinned' };

/** Hints that live in the gateway's memory rather than in the snapshot; all of them optional knowledge. */
export interface Hints {
  /** Network that took the transaction or issued the challenge, when we know. */
  readonly network: NetworkName | null;
  /** 0..99, constant per session: which share of reads this one falls into. */
  readonly bucket: number;
}

export const NO_HINTS: Hints = Object.freeze({ network: null, bucket: 99 });

export interface Rule {
  readonly id: string;
  readonly text: string;
  readonly applies: (call: Call) => boolean;
  readonly decide: (call: Call) => Decision;
}

export interface Call {
  readonly cls: RequestClass;
  readonly facts: CallFacts;
  readonly hints: Hints;
  readonly snapshot: RoutingSnapshot;
}

const RETRY_NO_NODE_MS = 1000;
const RETRY_STALLED_MS = 2000;

const refuse = (reason: RefuseReason, retryAfterMs: number | null = null): Decision => ({
  kind: 'refuse',
  reason,
  retryAfterMs,
  executed: 'no',
});
const forward = (reason: DecisionReason, ...networks: [NetworkName] | [NetworkName, NetworkName]): Decision => ({
  kind: 'forward',
  reason,
  networks,
});

/** Network whose chain id the transaction names. Two networks under one id: the one that takes writes. */
function named({ facts, snapshot }: Call): NetworkName | null {
  const id = facts.write?.chainId ?? '';
  const { old, new: fresh } = snapshot.networks;
  if (fresh !== null && old.chainId === fresh.chainId && id === old.chainId) {
    return snapshot.intent.writes.kind === 'refuse' ? snapshot.intent.affine : snapshot.intent.writes.network;
  }
  if (id === old.chainId) return 'old';
  return id === fresh?.chainId ? 'new' : null;
}

const openNetwork = ({ intent }: RoutingSnapshot): NetworkName | null =>
  intent.writes.kind === 'send' ? intent.writes.network : null;
const isWrite = ({ cls }: Call): boolean => cls === 'write';
const both = (snapshot: RoutingSnapshot, first: NetworkName): [NetworkName] | [NetworkName, NetworkName] =>
  snapshot.networks.new === null ? ['old'] : [first, otherNetwork(first)];

/**
 * The rules, in order: the first that applies decides. They look at the call, the gateway's own knowledge and one
 * snapshot; never at a clock. I1 and I3 are W4 to W7.
 */
export const RULES: readonly Rule[] = [
  {
    id: 'D1',
    text: 'a method that is not in the table, and every admin method, is refused',
    applies: ({ cls }) => cls === 'denied',
    decide: () => refuse('method_denied'),
  },
  {
    id: 'W1',
    text: 'a broadcast whose transaction could not be read is refused',
    applies: call => isWrite(call) && call.facts.write === null,
    decide: () => refuse('bad_envelope'),
  },
  {
    id: 'W2',
    text: 'a transaction without chain id would be valid on both networks: refused',
    applies: call => isWrite(call) && call.facts.write?.chainId === '',
    decide: () => refuse('chain_id_required'),
  },
  {
    id: 'W3',
    text: 'a transaction that names neither network is refused',
    applies: call => isWrite(call) && named(call) === null,
    decide: () => refuse('chain_unknown'),
  },
  {
    id: 'W4',
    text: 'after the commit a transaction for the old chain is refused: sign again for the new one',
    applies: call => isWrite(call) && call.snapshot.intent.committed && named(call) === 'old',
    decide: () => refuse('chain_switched', 0),
  },
  {
    id: 'W5',
    text: 'before the commit a transaction for the new chain is refused',
    applies: call => isWrite(call) && !call.snapshot.intent.committed && named(call) === 'new',
    decide: ({ snapshot }) => refuse('chain_not_open', snapshot.msToEnd ?? null),
  },
  {
    id: 'W6',
    text: 'while writes are refused altogether, the reason and the time are given',
    applies: call => isWrite(call) && call.snapshot.intent.writes.kind === 'refuse',
    decide: ({ snapshot: { intent } }) =>
      intent.writes.kind === 'refuse' ? refuse(intent.writes.reason, intent.writes.retryAfterMs) : refuse('no_node'),
  },
  {
    id: 'W7',
    text: 'while a switch closes the old network, its transactions are held',
    applies: call => isWrite(call) && call.snapshot.intent.writes.kind === 'hold',
    decide: call => ({ kind: 'hold', reason: 'switching', network: named(call) ?? call.snapshot.intent.affine }),
  },
  {
    id: 'W8',
    text: 'a network without a node that can take it refuses a write',
    applies: call => isWrite(call) && !canServe(viewOf(call.snapshot, named(call))),
    decide: () => refuse('no_node', RETRY_NO_NODE_MS),
  },
  {
    id: 'W9',
    text: 'while the head stands, new transactions wait: nodes would start to forget them',
    applies: call => isWrite(call) && call.facts.write?.stalled === true,
    decide: call => ({ kind: 'hold', reason: 'head_stalled', network: named(call) ?? call.snapshot.intent.affine }),
  },
  {
    id: 'W9b',
    text: 'what is more than the network digests waits for its turn: a node never says no',
    applies: call => isWrite(call) && call.facts.write?.congested === true,
    decide: call => ({ kind: 'hold', reason: 'congested', network: named(call) ?? call.snapshot.intent.affine }),
  },
  {
    id: 'W10',
    text: 'a transaction goes to the network it names, which is the one open for writes',
    applies: call => isWrite(call) && openNetwork(call.snapshot) === named(call),
    decide: call => forward('chain_open', named(call) ?? call.snapshot.intent.affine),
  },
  {
    id: 'W11',
    text: 'whatever is left names a network that is not open',
    applies: isWrite,
    decide: () => refuse('chain_not_open'),
  },
  {
    id: 'N1',
    text: 'a call with a challenge goes to the node that issued it; a challenge nobody here issued is unknown',
    applies: ({ cls, facts }) => cls === 'node-affine' && facts.challenge !== null,
    decide: ({ hints }) =>
      hints.network === null ? { kind: 'answer', reason: 'unpinned' } : forward('pinned', hints.network),
  },
  {
    id: 'N2',
    text: 'what lives in one node (challenges, mempool, pending nonces) comes from the write network',
    applies: ({ cls }) => cls === 'node-affine',
    decide: ({ snapshot }) => forward('affine', snapshot.intent.affine),
  },
  {
    id: 'H1',
    text: 'a hash we sent is asked for where we sent it, then on the other network',
    applies: ({ cls, hints }) => cls === 'by-hash' && hints.network !== null,
    decide: ({ snapshot, hints }) => forward('indexed', ...both(snapshot, hints.network ?? 'old')),
  },
  {
    id: 'H2',
    text: 'any other hash is asked for on the write network, then on the other one',
    applies: ({ cls }) => cls === 'by-hash',
    decide: ({ snapshot }) => forward('by_hash', ...both(snapshot, snapshot.intent.affine)),
  },
  {
    id: 'A1',
    text: 'preparation of a write, chain data by height and node status follow the write network, always together',
    applies: ({ cls }) => cls === 'write-affine' || cls === 'chain-data' || cls === 'node-status',
    decide: ({ snapshot }) => forward('affine', snapshot.intent.affine),
  },
  {
    id: 'M1',
    text: 'the migration is asked about on the old network, which records it',
    applies: ({ cls }) => cls === 'migration',
    decide: () => forward('migration', 'old'),
  },
  {
    id: 'R1',
    text: 'a read goes to the network of reads; the other one may stand in while it shows everything',
    applies: ({ cls }) => cls === 'read',
    decide: ({ snapshot, hints }) => {
      const order = readOrder(snapshot, hints.bucket);
      return forward(order[0] === snapshot.intent.reads ? 'reads' : 'reads_shared', ...order);
    },
  },
];

/** First applying rule's answer; total over every class, phase and node state. Clock-free and free of I/O. */
export function decide(
  cls: RequestClass,
  facts: CallFacts,
  snapshot: RoutingSnapshot,
  hints: Hints = NO_HINTS,
): Decision {
  const call: Call = { cls, facts, hints, snapshot };
  return decisionOf(RULES[ruleFor(call)]!, call);
}

export interface Explanation {
  readonly decision: Decision;
  readonly rule: Rule;
  /** Rules that were looked at and did not apply, in order. */
  readonly passed: readonly Rule[];
}

/** The same decision with the rules it went through: what `switchyard explain` prints. */
export function explain(
  cls: RequestClass,
  facts: CallFacts,
  snapshot: RoutingSnapshot,
  hints: Hints = NO_HINTS,
): Explanation {
  const call: Call = { cls, facts, hints, snapshot };
  const index = ruleFor(call);
  const rule = RULES[index]!;
  return { rule, passed: RULES.slice(0, index), decision: decisionOf(rule, call) };
}

const decisionOf = (rule: Rule, call: Call): Decision => withNodes(rule.decide(call), call);

/** Index of the first rule that applies. */
function ruleFor(call: Call): number {
  // Every class has a rule without further condition; the table test walks all of them.
  for (let i = 0; i < RULES.length; i++) if (RULES[i]!.applies(call)) return i;
  throw new Error(`no routing rule for class ${call.cls}`);
}

/** Networks without any node that could answer leave the order; none left is `no_node`. */
function withNodes(decision: Decision, { snapshot }: Call): Decision {
  if (decision.kind !== 'forward') return decision;
  const [first, second] = decision.networks;
  const firstServes = canServe(viewOf(snapshot, first));
  const secondServes = second !== undefined && canServe(viewOf(snapshot, second));
  if (firstServes) return second === undefined || secondServes ? decision : { ...decision, networks: [first] };
  if (secondServes) return { ...decision, networks: [second] };
  return refuse('no_node', RETRY_NO_NODE_MS);
}

export const viewOf = (snapshot: RoutingSnapshot, network: NetworkName | null): NetworkView | null =>
  network === null ? null : snapshot.networks[network];

/**
 * Whether a network has a node worth trying. A node that does not answer now still counts: the last one is never
 * ejected, and "refused" is told to the caller by the attempt itself. Wrong chain and taken out by hand never count.
 */
export function canServe(view: NetworkView | null): boolean {
  if (view === null) return false;
  for (const node of view.nodes) {
    switch (node.state) {
      case 'up':
      case 'syncing':
      case 'lagging':
      case 'probing':
      case 'down':
        return true;
      case 'quarantined':
      case 'drained':
        break;
      default:
        assertNever(node.state);
    }
  }
  return false;
}

export const stalledRetryMs = RETRY_STALLED_MS;
