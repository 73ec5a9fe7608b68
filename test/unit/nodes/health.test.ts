import { describe, expect, test } from 'vitest';
import {
  INITIAL_HEALTH,
  observe,
  blockTime,
  readHealth,
  readMigration,
  readVersion,
  type HealthEvent,
  type HealthFacts,
  type NodeHealth,
} from '../../../src/nodes/index.js';

const CONTEXT = { chainId: 'kwil-old', head: 100 };
const facts = (change: Partial<HealthFacts> = {}): HealthFacts => ({
  chainId: 'kwil-old',
  height: 100,
  blockHash: 'aa',
  blockTime: 1000,
  syncing: false,
  mode: 'open',
  ...change,
});
const good = (change: Partial<HealthFacts> = {}): HealthEvent => ({ kind: 'answer', facts: facts(change), at: 5 });
const bad = (hard = false): HealthEvent => ({ kind: 'failure', reason: 'did not answer', hard, at: 6 });
const after = (events: readonly HealthEvent[], context = CONTEXT): NodeHealth =>
  events.reduce((health, event) => observe(health, event, context), INITIAL_HEALTH);

describe('states', () => {
  test.each<[string, readonly HealthEvent[], string]>([
    ['one good answer brings a new node up', [good()], 'up'],
    ['one missed probe is not an outage', [good(), bad()], 'up'],
    ['two in a row are', [good(), bad(), bad()], 'down'],
    ['a refused connection is at once', [good(), bad(true)], 'down'],
    ['one good answer does not bring a flickering node back', [good(), bad(true), good()], 'down'],
    ['two do', [good(), bad(true), good(), good()], 'up'],
    ['a failure in between starts the count again', [good(), bad(true), good(), bad(), good()], 'down'],
    ['catching up is not up', [good({ syncing: true })], 'syncing'],
    ['a node that was up may be a few blocks behind', [good(), good({ height: 96 })], 'up'],
    ['but not more', [good(), good({ height: 95 })], 'lagging'],
    [
      'a lagging node has to come closer than that to be up again',
      [good(), good({ height: 95 }), good({ height: 97 })],
      'lagging',
    ],
    ['and then is', [good(), good({ height: 95 }), good({ height: 99 })], 'up'],
    ['another chain is quarantined', [good(), good({ chainId: 'else' })], 'quarantined'],
    ['and stays so while it does not answer', [good({ chainId: 'else' }), bad(true), bad(true)], 'quarantined'],
    ['the right chain again needs two answers', [good({ chainId: 'else' }), good(), good()], 'up'],
    ['taken out by hand beats everything', [good(), { kind: 'drain' }, good(), bad(true)], 'drained'],
    ['put back by hand it is looked at anew', [good(), { kind: 'drain' }, { kind: 'resume' }], 'probing'],
    ['and comes up', [good(), { kind: 'drain' }, { kind: 'resume' }, good()], 'up'],
  ])('%s', (_name, events, state) => {
    const health = after(events);
    expect(health.state).toBe(state);
    expect(health.reason === null).toBe(state === 'up');
  });
});

test('a foreign chain leaves no height behind', () => {
  expect(after([good({ chainId: 'else', height: 9_000_000 })]).facts).toBeNull();
});

test('answers are read carefully: what is not as expected tells nothing', () => {
  expect(
    readHealth({
      chain_id: 'c',
      height: 5,
      block_hash: 'ab',
      block_time: 7,
      syncing: false,
      mode: 'private',
      healthy: false,
    }),
  ).toEqual({ chainId: 'c', height: 5, blockHash: 'ab', blockTime: 7, syncing: false, mode: 'private' });
  for (const broken of [
    null,
    5,
    [],
    {},
    { chain_id: 'c' },
    { chain_id: 'c', height: -1 },
    { chain_id: 'c', height: '5' },
    { chain_id: 5, height: 5 },
  ])
    expect(readHealth(broken)).toBeNull();
  expect(readMigration({ status: { status: 'NoActiveMigration', chain_height: 7 } })).toEqual({
    status: 'NoActiveMigration',
    startHeight: null,
    endHeight: null,
  });
  expect(readMigration({ status: { status: 'MigrationInProgress', start_height: 5, end_height: 9 } })).toEqual({
    status: 'MigrationInProgress',
    startHeight: 5,
    endHeight: 9,
  });
  expect(readMigration({})).toBeNull();
  expect(readVersion({ kwil_ver: '0.10.1' })).toBe('0.10.1');
  expect(readVersion({ kwil_ver: 'a b\n' })).toBeNull();
});

test('block time is measured from header times over the heights between', () => {
  const first = blockTime(null, facts({ height: 10, blockTime: 1000 }), facts({ height: 12, blockTime: 3000 }));
  expect(first).toBe(1000);
  expect(blockTime(first, facts({ height: 12, blockTime: 3000 }), facts({ height: 13, blockTime: 3200 }))).toBe(800);
  expect(blockTime(first, facts({ height: 12 }), facts({ height: 12 }))).toBe(first);
  expect(
    blockTime(null, facts({ height: 0, blockTime: -62135596800000 }), facts({ height: 1, blockTime: 5 })),
  ).toBeNull();
});
