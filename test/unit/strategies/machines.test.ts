import { describe, expect, it } from 'vitest';
import {
  isOfflineCommitted,
  isRefused,
  OFFLINE_EVENTS,
  OFFLINE_PHASES,
  offline,
  ROLLING_EVENTS,
  ROLLING_PHASES,
  rolling,
  type Freeze,
  type OfflineEvent,
  type OfflineState,
  type RollingEvent,
  type RollingState,
} from '../../../src/strategies/index.js';
import { dice, type Dice } from '../protocol/property.js';

const SEED = Number(process.env['STRATEGIES_SEED'] ?? Math.floor(Math.random() * 0x7fffffff));
const REPEAT = `STRATEGIES_SEED=${SEED} npx vitest run --config test/vitest.config.ts test/unit/strategies`;
const WALKS = 400;
const STEPS = 120;

const FREEZE: Freeze = {
  height: 423,
  blockHash: 'b'.repeat(64),
  appHash: 'a'.repeat(64),
  params: { leader: 'secp256k1:02', maxBlockSize: 1, joinExpiry: '1h', disabledGasCosts: false, maxVotesPerTx: 1 },
  validators: [],
  proposals: [],
  accounts: { count: 0, known: [] },
  tables: [],
  at: 0,
};
const STRANGER = { height: 424, hash: 'c'.repeat(64), sender: 'dd', type: 'execute' };

const NODES = ['n1', 'n2', 'n3'];

/** What takes a node's turn one step further: random events alone hardly ever get to the end. */
const FURTHER: Readonly<Record<RollingState['phase'], RollingEvent['kind']>> = {
  idle: 'start',
  draining: 'drained',
  securing: 'secured',
  quieting: 'quiet',
  ready: 'gone',
  away: 'answered',
  returning: 'agreed',
  comparing: 'compared',
  stopped: 'start',
  finished: 'start',
};

const OFFLINE_FURTHER: Readonly<Record<OfflineState['phase'], OfflineEvent['kind']>> = {
  idle: 'start',
  draining: 'drained',
  stopping: 'frozen',
  frozen: 'export',
  building: 'checked',
  verified: 'open',
  committed: 'adopted',
  opening: 'opened',
  switched: 'moved',
};

function rollingEvent(kind: RollingEvent['kind'], state: RollingState, at: number, random: Dice): RollingEvent {
  // Mostly about the node whose turn it is, sometimes a late answer about another.
  const node = random.next(5) === 0 ? random.pick(NODES) : (state.node ?? 'n1');
  const person = { actor: 'ann', reason: '', at };
  switch (kind) {
    case 'start':
      return {
        kind,
        ...person,
        order: NODES,
        leader: random.next(2) === 0 ? null : { node: 'n3', source: 'configured' },
      };
    case 'end':
      return { kind, ...person };
    case 'drained':
      return { kind, node, left: 0, at };
    case 'secured':
      return { kind, node, offered: 0, build: null, at };
    case 'quiet':
      return { kind, node, height: 5, at };
    case 'agreed':
      return { kind, node, height: 5, build: null, at };
    case 'compared':
      return { kind, node, height: 5, build: null, tables: 1, rows: 1, at };
    case 'gone':
    case 'answered':
    case 'leads':
      return { kind, node, at };
    case 'block':
      return { kind, height: 6, at };
    case 'hold-over':
      return { kind, at };
    case 'late':
      return { kind, text: 'late', at };
    case 'doubt':
      return { kind, node: random.next(2) === 0 ? null : node, evidence: 'odd', at };
  }
}

function offlineEvent(kind: OfflineEvent['kind'], at: number, random: Dice): OfflineEvent {
  const person = { actor: 'ann', reason: '', at };
  switch (kind) {
    case 'start':
    case 'eta':
      return { kind, ...person, eta: at + 60_000 };
    case 'abort':
    case 'open':
      return { kind, ...person };
    case 'export':
      return { kind, ...person, export: { stateHash: 'e'.repeat(64), chainId: 'new', initialHeight: 0, at } };
    case 'drained':
      return { kind, height: 420, at };
    case 'frozen':
      return { kind, freeze: FREEZE, at };
    case 'moved':
      return { kind, head: 424, strangers: random.next(2) === 0 ? [] : [STRANGER], at };
    case 'checked':
      return { kind, check: { nodes: [], tables: 0, rows: 0, accounts: 0, at }, at };
    case 'doubted':
    case 'gave-up':
      return { kind, reason: 'no', at };
    case 'late':
      return { kind, text: 'late', at };
    case 'hold-over':
    case 'adopted':
    case 'opened':
      return { kind, at };
  }
}

describe(`random walks (repeat with: ${REPEAT})`, () => {
  it('rolling: epochs only grow, one node is out at a time, nothing ever leaves the old network', () => {
    const seen = new Set<string>();
    for (let walk = 0; walk < WALKS; walk += 1) {
      const random = dice(SEED + walk);
      let state: RollingState = rolling.initial;
      for (let step = 1; step < STEPS; step += 1) {
        const kind = random.next(4) > 0 ? FURTHER[state.phase] : random.pick(ROLLING_EVENTS);
        const event = rollingEvent(kind, state, step, random);
        const next = rolling.transition(state, event);
        if (isRefused(next)) continue;
        const [before, after] = [rolling.routing(state, step), rolling.routing(next, step)];
        expect(next.epoch).toBe(state.epoch + (before.writes.kind === after.writes.kind ? 0 : 1));
        expect(after).toMatchObject({ affine: 'old', reads: 'old', committed: false });
        expect(after.drained.length).toBeLessThanOrEqual(1);
        // Writes are only held or refused around the leader's turn.
        if (after.writes.kind !== 'send') expect(next.roll?.leader).not.toBeNull();
        if (next.phase === 'idle' || next.phase === 'finished')
          expect([after.writes.kind, after.drained]).toEqual(['send', []]);
        if (next.phase === 'finished' && state.phase !== 'finished')
          expect(next.roll?.done.map(({ node }) => node).toSorted()).toEqual(NODES);
        seen.add(next.phase);
        state = next;
      }
    }
    expect([...seen].toSorted()).toEqual([...ROLLING_PHASES].toSorted());
  });

  it('offline: epochs only grow, the decision is never taken back, and none is taken without freeze, files and check', () => {
    const seen = new Set<string>();
    for (let walk = 0; walk < WALKS; walk += 1) {
      const random = dice(SEED + walk);
      let state: OfflineState = offline.initial;
      for (let step = 1; step < STEPS; step += 1) {
        const kind = random.next(3) > 0 ? OFFLINE_FURTHER[state.phase] : random.pick(OFFLINE_EVENTS);
        const event = offlineEvent(kind, step, random);
        const next = offline.transition(state, event);
        if (isRefused(next)) continue;
        expect(next.epoch).toBeGreaterThanOrEqual(state.epoch);
        const routing = offline.routing(next, step);
        expect(routing.committed).toBe(isOfflineCommitted(next));
        if (isOfflineCommitted(state)) expect(isOfflineCommitted(next)).toBe(true);
        else if (isOfflineCommitted(next)) {
          expect(event.kind).toBe('open');
          expect(next.epoch).toBe(state.epoch + 1);
          expect([state.freeze, state.export, state.check].includes(null)).toBe(false);
        } else expect(routing.writes).not.toMatchObject({ kind: 'send', network: 'new' });
        // I1: between the drain and the decision no write is taken anywhere.
        if (!isOfflineCommitted(next) && next.phase !== 'idle') expect(routing.writes.kind).not.toBe('send');
        seen.add(next.phase);
        state = next;
      }
    }
    expect([...seen].toSorted()).toEqual([...OFFLINE_PHASES].toSorted());
  });
});

describe('offline', () => {
  const after = (...events: OfflineEvent[]): OfflineState =>
    events.reduce<OfflineState>((state, event) => {
      const next = offline.transition(state, event);
      if (isRefused(next)) throw new Error(next.refused.message);
      return next;
    }, offline.initial);
  const random = dice(1);
  const event = (kind: OfflineEvent['kind'], at = 1000): OfflineEvent => offlineEvent(kind, at, random);
  const moved: OfflineEvent = { kind: 'moved', head: 424, strangers: [STRANGER], at: 1000 };
  const frozen = [event('start'), event('hold-over'), event('drained'), event('frozen')];

  it('tells refused clients how long it takes', () => {
    expect(offline.routing(after(...frozen), 11_000).writes).toEqual({
      kind: 'refuse',
      reason: 'halted',
      retryAfterMs: 50_000,
    });
  });

  it('goes back to draining and forgets files and check when the old network makes a block after the freeze', () => {
    const state = after(...frozen, event('export'), event('checked'), moved);
    expect(state).toMatchObject({ phase: 'draining', freeze: null, export: null, check: null });
    expect(state.alarm).toMatchObject({ head: 424, frozenAt: 423, strangers: [STRANGER] });
    expect(offline.transition(state, event('open'))).toMatchObject({ refused: { code: 'not_yet' } });
  });

  it('after the decision only tells it', () => {
    const state = after(
      ...frozen,
      event('export'),
      event('checked'),
      event('open'),
      event('adopted'),
      event('opened'),
      moved,
    );
    expect(state).toMatchObject({ phase: 'switched', alarm: { strangers: [STRANGER] } });
    expect(offline.transition(state, event('abort'))).toMatchObject({ refused: { code: 'committed' } });
  });

  it('does not give up by itself once the leader is stopped', () => {
    expect(after(...frozen, event('gave-up'))).toMatchObject({ phase: 'frozen', late: 'no' });
    expect(after(event('start'), event('gave-up'))).toMatchObject({ phase: 'idle', last: { result: 'aborted' } });
  });
});
