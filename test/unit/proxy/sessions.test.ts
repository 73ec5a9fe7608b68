import { expect, test } from 'vitest';
import { advance, createSessionTokens, createSightings, FRESH_SESSION } from '../../../src/proxy/sessions.js';
import { nodeView } from '../routing/fixtures.js';

test('another node must show what the first may have shown: the block after the one it told counts', () => {
  const sightings = createSightings();
  sightings.note(nodeView('old', 'a', { height: 100, heightMax: 101 }), 0);
  expect(sightings.admits(nodeView('old', 'a', { height: 100 }), true)).toBe(true);
  expect(sightings.admits(nodeView('old', 'b', { height: 100 }), true)).toBe(false);
  expect(sightings.admits(nodeView('old', 'b', { height: 101 }), true)).toBe(true);
  expect(sightings.admits(nodeView('old', 'b', { height: 100 }), false)).toBe(true);
  expect(sightings.admits(nodeView('old', 'b', { height: 99 }), false)).toBe(false);
  expect(sightings.admits(nodeView('new', 'c', { height: 5 }), true)).toBe(true);
});

test('the older the look at a node, the more it may have shown', () => {
  const sightings = createSightings();
  const node = nodeView('old', 'a', { height: 100, heightMax: 101, seenAt: 0, blockTimeMs: 1000 });
  expect(sightings.bound(node, 900)).toBe(101);
  expect(sightings.bound(node, 3500)).toBe(104);
  expect(sightings.bound({ ...node, blockTimeMs: null }, 3500)).toBe(101);
});

test('a look that ended well after the answer settles what was shown; an earlier one does not', () => {
  const sightings = createSightings();
  const a = nodeView('old', 'a', { height: 100, heightMax: 101, seenAt: 1000 });
  const b = nodeView('old', 'b', { height: 100 });
  sightings.note(a, 1000);
  sightings.settle([{ ...a, seenAt: 1100 }]);
  expect(sightings.admits(b, true)).toBe(false);
  sightings.settle([{ ...a, seenAt: 1300 }]);
  expect(sightings.admits(b, true)).toBe(true);
  expect(sightings.floor('old', true)).toBe(100);
});

test('what nobody can settle counts no longer than a wait for it; newer answers still do', () => {
  const sightings = createSightings();
  sightings.note(nodeView('old', 'a', { height: 100, heightMax: 101 }), 1000);
  sightings.relent(900);
  expect(sightings.admits(nodeView('old', 'b', { height: 100 }), true)).toBe(false);
  sightings.relent(1000);
  expect(sightings.admits(nodeView('old', 'b', { height: 100 }), true)).toBe(true);
});

test('a height that was told counts exactly, and no block follows End', () => {
  const sightings = createSightings();
  const ended = nodeView('old', 'a', {
    height: 100,
    heightMax: 101,
    migration: { status: 'MigrationCompleted', startHeight: 5, endHeight: 100 },
  });
  sightings.noteExactly(ended, 90, 0);
  expect(sightings.floor('old', true)).toBe(90);
  sightings.note(ended, 0);
  expect(sightings.floor('old', true)).toBe(100);
});

test('a node that was set back below what it has surely shown does not qualify itself', () => {
  const sightings = createSightings();
  sightings.note(nodeView('old', 'a', { height: 100 }), 0);
  expect(sightings.admits(nodeView('old', 'a', { height: 90 }), true)).toBe(false);
});

test('tokens come back as they were made, and only with our key', () => {
  const tokens = createSessionTokens(Buffer.alloc(32, 1));
  const heights = advance(FRESH_SESSION, nodeView('old', 'old-1'), 101);
  const token = tokens.sign(heights);
  expect(tokens.verify(token)).toEqual({ old: 101, new: 0, oldNode: 'old-1', newNode: '' });
  expect(tokens.sign(heights)).toBe(token);
  expect(createSessionTokens(Buffer.alloc(32, 2)).verify(token)).toBeNull();
  for (const forged of ['', '.', 'x.y', `${token}=`, token.slice(1), token.replace('.', '..'), 'a'.repeat(10_000)])
    expect(tokens.verify(forged)).toBeNull();
});
