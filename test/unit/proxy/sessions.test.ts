import { expect, test } from 'vitest';
import {
  advance,
  boundOf,
  createSessionTokens,
  createSightings,
  FRESH_SESSION,
  mergeSessions,
  standing,
} from '../../../src/proxy/sessions.js';
import { nodeView } from '../routing/fixtures.js';

test('another node must show what the first may have shown: the block after the one it told counts', () => {
  const sightings = createSightings();
  sightings.note(nodeView('old', 'a', { height: 100 }), 101, 0);
  expect(sightings.admits(nodeView('old', 'a', { height: 100 }))).toBe(true);
  expect(sightings.admits(nodeView('old', 'b', { height: 100 }))).toBe(false);
  expect(sightings.admits(nodeView('old', 'b', { height: 101 }))).toBe(true);
  expect(sightings.admits(nodeView('new', 'c', { height: 5 }))).toBe(true);
});

test('the older the look at a node, the more it may have shown; the end of a network bounds it', () => {
  const node = nodeView('old', 'a', { height: 100, heightMax: 101, seenAt: 0, blockTimeMs: 1000 });
  expect(boundOf([node], 400)).toBe(101);
  expect(boundOf([node], 460)).toBe(102);
  expect(boundOf([node], 3500)).toBe(108);
  // Nobody knows how fast the blocks of a network come that was idle until now.
  expect(boundOf([{ ...node, blockTimeMs: 60_000 }], 3500)).toBe(108);
  expect(boundOf([{ ...node, blockTimeMs: null }], 400)).toBe(101);
  const migration = { status: 'MigrationInProgress', startHeight: 5, endHeight: 103 };
  expect(boundOf([{ ...node, migration }], 3500)).toBe(103);
});

test('a node that is behind may have caught up; one that is down has shown no more than it could have', () => {
  const behind = nodeView('old', 'a', { height: 80, heightMax: 81, seenAt: 0 });
  const first = nodeView('old', 'b', { height: 100, heightMax: 101, seenAt: 0 });
  expect(boundOf([behind, first], 0)).toBe(101);
  expect(boundOf([behind, { ...first, state: 'down' }], 900)).toBe(101);
});

test('a look that began well after the answer settles what was shown; an earlier one does not', () => {
  const sightings = createSightings();
  const a = nodeView('old', 'a', { height: 100, seenAt: 1000 });
  const b = nodeView('old', 'b', { height: 100 });
  sightings.note(a, 101, 1000);
  sightings.settle([{ ...a, seenAt: 1100 }]);
  expect(sightings.admits(b)).toBe(false);
  sightings.settle([{ ...a, seenAt: 1300 }]);
  expect(sightings.admits(b)).toBe(true);
  expect(sightings.floor('old')).toBe(100);
});

test('what the new network showed of the old one binds every node but the one that showed it', () => {
  const sightings = createSightings();
  const a = nodeView('old', 'a', { height: 100, seenAt: 1000 });
  const c = nodeView('new', 'c', { height: 5 });
  sightings.noteThrough(c, 101, 1000);
  expect(sightings.admits(a)).toBe(false);
  expect(sightings.floor('old', 'new/d')).toBe(101);
  expect(sightings.floor('old', c.id)).toBe(0);
  // It was taken from some node of the old network: only a look at each of them tells which height that was.
  sightings.settle([{ ...a, seenAt: 1300 }, nodeView('old', 'b', { height: 99, seenAt: 1000 })]);
  expect(sightings.admits(a)).toBe(false);
  sightings.settle([{ ...a, seenAt: 1300 }, nodeView('old', 'b', { height: 99, seenAt: 1300 })]);
  expect(sightings.admits(a)).toBe(true);
});

test('what nobody can settle is settled only by most nodes of the network, and nothing newer than the wait', () => {
  const sightings = createSightings();
  const [a, b, c] = ['a', 'b', 'c'].map(name => nodeView('old', name, { height: 100, seenAt: 2000 })) as [
    ReturnType<typeof nodeView>,
    ReturnType<typeof nodeView>,
    ReturnType<typeof nodeView>,
  ];
  const dead = { ...a, state: 'down' as const, seenAt: 900 };
  sightings.note(a, 101, 1000);
  expect(standing([dead, b, { ...c, state: 'down' }], 1500)).toBeNull();
  expect(standing([dead, b, { ...c, seenAt: 1400 }], 1500)).toBeNull();
  const height = standing([dead, b, c], 1500)!;
  sightings.relent('old', height, 900);
  expect(sightings.admits(b)).toBe(false);
  sightings.relent('old', height, 1000);
  expect(sightings.admits(b)).toBe(true);
});

test('a network stands only where most nodes were looked at and none is known to have had more', () => {
  const nodes = (...heights: number[]) => heights.map((height, i) => nodeView('old', `n${i}`, { height, seenAt: 100 }));
  expect(standing(nodes(100, 100, 99), 100)).toBe(100);
  expect(standing(nodes(100, 99, 99), 100)).toBeNull();
  expect(standing(nodes(100, 100, 99), 101)).toBeNull();
  const [first, ...rest] = nodes(101, 100, 100);
  expect(standing([{ ...first!, state: 'down' }, ...rest], 100)).toBeNull();
  expect(standing(nodes(100), 100)).toBe(100);
  expect(standing([], 100)).toBeNull();
});

test('a token keeps a node of its own only as long as that one showed everything; so do joined ones', () => {
  const a = advance(FRESH_SESSION, 'old', 101, 'a');
  expect(advance(a, 'old', 100, '')).toEqual({ old: 101, new: 0, oldNode: '', newNode: '' });
  expect(mergeSessions(a, advance(a, 'new', 5, 'c'))).toEqual({ old: 101, new: 5, oldNode: 'a', newNode: '' });
  expect(mergeSessions(a, advance(FRESH_SESSION, 'old', 102, 'b')).oldNode).toBe('');
});

test('a height that was told counts exactly, and no block follows End', () => {
  const sightings = createSightings();
  const ended = nodeView('old', 'a', {
    height: 100,
    heightMax: 101,
    migration: { status: 'MigrationCompleted', startHeight: 5, endHeight: 100 },
  });
  sightings.noteExactly(ended, 90, 0);
  expect(sightings.floor('old')).toBe(90);
  sightings.note(ended, boundOf([ended], 0), 0);
  expect(sightings.floor('old')).toBe(100);
});

test('a node that was set back below what it has surely shown does not qualify itself', () => {
  const sightings = createSightings();
  sightings.note(nodeView('old', 'a', { height: 100 }), 101, 0);
  expect(sightings.admits(nodeView('old', 'a', { height: 90 }))).toBe(false);
});

test('tokens come back as they were made, and only with our key', () => {
  const tokens = createSessionTokens(Buffer.alloc(32, 1));
  const heights = advance(FRESH_SESSION, 'old', 101, 'old-1');
  const token = tokens.sign(heights);
  expect(tokens.verify(token)).toEqual({ old: 101, new: 0, oldNode: 'old-1', newNode: '' });
  expect(tokens.sign(heights)).toBe(token);
  expect(createSessionTokens(Buffer.alloc(32, 2)).verify(token)).toBeNull();
  for (const forged of ['', '.', 'x.y', `${token}=`, token.slice(1), token.replace('.', '..'), 'a'.repeat(10_000)])
    expect(tokens.verify(forged)).toBeNull();
});
