import { describe, expect, test } from 'vitest';
import { NODE_STATES, PHASES, type NodeState, type Phase } from '../../../src/model/index.js';
import {
  decide,
  explain,
  NO_FACTS,
  NO_HINTS,
  RULES,
  type CallFacts,
  type Decision,
  type RequestClass,
} from '../../../src/routing/index.js';
import { snapshotOf } from './fixtures.js';

/** Classes, with writes apart by the network they name. */
type Subject =
  | Exclude<RequestClass, 'write' | 'node-affine'>
  | 'write old'
  | 'write new'
  | 'write empty'
  | 'write foreign'
  | 'write unread'
  | 'node-affine'
  | 'challenge unknown';

/** Networks in order (`old`, `old,new`), `hold`, a reason of refusal, or `answer`. */
type Cell = string;
type Row = Readonly<Record<NodeState, Cell>>;
/** A class, a phase or a node state without an entry does not compile. */
type Table = Readonly<Record<Subject, Readonly<Record<Phase, Row>>>>;

/** All nodes are in the same state: whoever may be tried is; those of another chain and those taken out never. */
const row = (usable: Cell, otherwise: Cell = 'no_node'): Row => ({
  up: usable,
  syncing: usable,
  lagging: usable,
  probing: usable,
  down: usable,
  quarantined: otherwise,
  drained: otherwise,
});

const always = (cell: Cell): Row => row(cell, cell);

const phases = (rows: {
  before: Row;
  held: Row;
  halted: Row;
  opening: Row;
  after: Row;
}): Readonly<Record<Phase, Row>> => ({
  standby: rows.before,
  syncing: rows.before,
  ready: rows.before,
  armed: rows.before,
  holding: rows.held,
  draining: rows.held,
  verifying: rows.held,
  committed: rows.opening,
  opening: rows.opening,
  switched: rows.after,
  settled: rows.after,
  aborting: rows.before,
  'at-halt': rows.halted,
  blocked: rows.before,
});

const split = (before: Row, after: Row): Readonly<Record<Phase, Row>> =>
  phases({ before, held: before, halted: before, opening: after, after });
const same = (every: Row): Readonly<Record<Phase, Row>> => split(every, every);

const TABLE: Table = {
  read: split(row('old'), row('new,old')),
  'write old': phases({
    before: row('old'),
    held: always('hold'),
    halted: always('halted'),
    opening: always('chain_switched'),
    after: always('chain_switched'),
  }),
  'write new': phases({
    before: always('chain_not_open'),
    held: always('chain_not_open'),
    halted: always('chain_not_open'),
    opening: always('hold'),
    after: row('new'),
  }),
  'write empty': same(always('chain_id_required')),
  'write foreign': same(always('chain_unknown')),
  'write unread': same(always('bad_envelope')),
  'write-affine': split(row('old'), row('new')),
  'node-affine': split(row('old'), row('new')),
  'challenge unknown': same(always('answer')),
  'by-hash': split(row('old,new'), row('new,old')),
  'chain-data': split(row('old'), row('new')),
  migration: same(row('old')),
  'node-status': split(row('old'), row('new')),
  denied: same(always('method_denied')),
};

const write = (chainId: string): CallFacts => ({ ...NO_FACTS, write: { chainId, stalled: false, congested: false } });

const SUBJECTS: Readonly<Record<Subject, { cls: RequestClass; facts: CallFacts }>> = {
  read: { cls: 'read', facts: NO_FACTS },
  'write old': { cls: 'write', facts: write('kwil-old') },
  'write new': { cls: 'write', facts: write('kwil-new') },
  'write empty': { cls: 'write', facts: write('') },
  'write foreign': { cls: 'write', facts: write('else') },
  'write unread': { cls: 'write', facts: NO_FACTS },
  'write-affine': { cls: 'write-affine', facts: NO_FACTS },
  'node-affine': { cls: 'node-affine', facts: NO_FACTS },
  'challenge unknown': { cls: 'node-affine', facts: { ...NO_FACTS, challenge: 'ab'.repeat(32) } },
  'by-hash': { cls: 'by-hash', facts: { ...NO_FACTS, hash: 'cd'.repeat(32) } },
  'chain-data': { cls: 'chain-data', facts: NO_FACTS },
  migration: { cls: 'migration', facts: NO_FACTS },
  'node-status': { cls: 'node-status', facts: NO_FACTS },
  denied: { cls: 'denied', facts: NO_FACTS },
};

const cellOf = (decision: Decision): Cell => {
  if (decision.kind === 'forward') return decision.networks.join(',');
  if (decision.kind === 'refuse') return decision.reason;
  return decision.kind;
};

describe.each(Object.keys(TABLE) as Subject[])('%s', subject => {
  test.each(PHASES)('in %s, for every node state', phase => {
    const { cls, facts } = SUBJECTS[subject];
    const decided = Object.fromEntries(
      NODE_STATES.map(state => [state, cellOf(decide(cls, facts, snapshotOf({ phase, state })))]),
    );
    expect(decided).toEqual(TABLE[subject][phase]);
  });
});

test('no write can be sent to a network that is not open, whatever phase, chain or state (I1, I3)', () => {
  for (const phase of PHASES) {
    for (const state of NODE_STATES) {
      const snapshot = snapshotOf({ phase, state });
      for (const chainId of ['', 'kwil-old', 'kwil-new', 'else']) {
        const decision = decide('write', write(chainId), snapshot);
        if (decision.kind !== 'forward') continue;
        expect(decision.networks).toHaveLength(1);
        expect(snapshot.networks[decision.networks[0]]?.chainId).toBe(chainId);
        expect(snapshot.intent.writes).toEqual({ kind: 'send', network: decision.networks[0] });
      }
    }
  }
});

test('one network alone: everything goes to it, also what would ask the other one', () => {
  const snapshot = snapshotOf({ alone: true });
  for (const cls of ['read', 'by-hash', 'write-affine', 'migration'] as const) {
    expect(cellOf(decide(cls, NO_FACTS, snapshot))).toBe('old');
  }
  expect(cellOf(decide('write', write('kwil-new'), snapshot))).toBe('chain_unknown');
});

test('a network without nodes that may be tried is left out when the other one can answer', () => {
  const snapshot = snapshotOf({ phase: 'switched', oldState: 'drained' });
  expect(cellOf(decide('read', NO_FACTS, snapshot))).toBe('new');
  expect(cellOf(decide('by-hash', NO_FACTS, snapshot, { ...NO_HINTS, network: 'old' }))).toBe('new');
});

test('a standing head holds writes; every other call goes on', () => {
  const stalled: CallFacts = { ...NO_FACTS, write: { chainId: 'kwil-old', stalled: true, congested: true } };
  expect(decide('write', stalled, snapshotOf())).toMatchObject({ kind: 'hold', reason: 'head_stalled' });
  expect(cellOf(decide('read', NO_FACTS, snapshotOf()))).toBe('old');
});

test('more than the network digests is held, for that network only and after every reason to refuse', () => {
  const congested = (chainId: string): CallFacts => ({
    ...NO_FACTS,
    write: { chainId, stalled: false, congested: true },
  });
  expect(decide('write', congested('kwil-old'), snapshotOf())).toEqual({
    kind: 'hold',
    reason: 'congested',
    network: 'old',
  });
  expect(cellOf(decide('write', congested('kwil-new'), snapshotOf()))).toBe('chain_not_open');
  expect(cellOf(decide('write', congested('kwil-old'), snapshotOf({ phase: 'switched' })))).toBe('chain_switched');
});

test('reads are shared only while the new network shows everything, in the share asked for', () => {
  const all = { applied: 100, perNode: {}, lagBlocks: 0 };
  const policy = { policy: 'share', share: 30 } as const;
  const at = (bucket: number, watermark = all): Cell =>
    cellOf(decide('read', NO_FACTS, snapshotOf({ policy, watermark }), { network: null, bucket }));
  expect(at(29)).toBe('new,old');
  expect(at(30)).toBe('old,new');
  expect(at(0, { ...all, lagBlocks: 1 })).toBe('old');
  expect(at(0, { ...all, applied: 99 })).toBe('old');
  const old = snapshotOf({ policy: { policy: 'old', share: 100 }, watermark: all });
  expect(cellOf(decide('read', NO_FACTS, old))).toBe('old');
});

test('explain gives the decision that the proxy takes, and the rules it passed by', () => {
  const snapshot = snapshotOf({ phase: 'switched' });
  const { decision, rule, passed } = explain('write', write('kwil-old'), snapshot);
  expect(decision).toEqual(decide('write', write('kwil-old'), snapshot));
  expect(rule.id).toBe('W4');
  expect(passed.map(({ id }) => id)).toEqual(['D1', 'W1', 'W2', 'W3']);
  expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
});
