import { expect, test } from 'vitest';
import { choosePrimary, rank } from '../../../src/nodes/index.js';
import { nodeView } from '../routing/fixtures.js';

const none = (): number => 0;
const names = (nodes: readonly { name: string }[]): string[] => nodes.map(({ name }) => name);

test('better states first, the sticky one ahead of its equals, then height, then load', () => {
  const nodes = [
    nodeView('old', 'a', { state: 'syncing' }),
    nodeView('old', 'b'),
    nodeView('old', 'c', { height: 101 }),
    nodeView('old', 'd', { state: 'down' }),
    nodeView('old', 'e', { state: 'lagging' }),
  ];
  expect(names(rank(nodes, null, none))).toEqual(['c', 'b', 'e', 'a', 'd']);
  expect(names(rank(nodes, 'old/b', none))).toEqual(['b', 'c', 'e', 'a', 'd']);
  expect(names(rank(nodes, 'old/d', none))[0]).toBe('c');
  const loaded = [nodeView('old', 'a'), nodeView('old', 'b')];
  expect(names(rank(loaded, null, node => (node.name === 'a' ? 5 : 0)))).toEqual(['b', 'a']);
});

test('the last node is never ejected for being down; another chain and a drained one are', () => {
  expect(choosePrimary([nodeView('old', 'a', { state: 'down' })], null, none)?.name).toBe('a');
  expect(
    choosePrimary(
      [nodeView('old', 'a', { state: 'quarantined' }), nodeView('old', 'b', { state: 'drained' })],
      null,
      none,
    ),
  ).toBeNull();
});
