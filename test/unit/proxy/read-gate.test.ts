import { expect, test } from 'vitest';
import { rank } from '../../../src/nodes/pick.js';
import type { NodesPort } from '../../../src/proxy/ports.js';
import { createReadGate, SHARED_READER, type Reader } from '../../../src/proxy/read-gate.js';
import { FRESH_SESSION } from '../../../src/proxy/sessions.js';
import type { NodeView } from '../../../src/routing/index.js';
import { nodeView, snapshotOf } from '../routing/fixtures.js';
import { createFakeClock } from './fake-clock.js';

const WAIT_MS = 3000;

/** Two nodes of an old network that makes no more blocks; the first one answered a read and died before it was looked at again. */
function standingPair(readers: { token: boolean }) {
  const clock = createFakeClock();
  let nodes: readonly NodeView[] = ['a', 'b'].map(name => nodeView('old', name));
  const port = {
    view: () => ({ name: 'old', chainId: 'kwil-old', head: 100, nodes }),
    rank: (_network: string, sticky: string | null) => rank(nodes, sticky, () => 0),
    subscribe: () => () => undefined,
    subscribeProbes: () => () => undefined,
  } as unknown as NodesPort;
  const gate = createReadGate(
    { sessionWaitMs: WAIT_MS },
    { nodes: port, clock, snapshot: snapshotOf, onSnapshot: () => () => undefined },
  );
  const first = gate.delivered(readers.token ? { token: FRESH_SESSION } : SHARED_READER, nodes[0]!);
  const reader: Reader = readers.token ? { token: first } : SHARED_READER;
  const look = (): void => {
    nodes = [
      { ...nodes[0]!, state: 'down' },
      { ...nodes[1]!, seenAt: clock.monotonic() },
    ];
  };
  look();
  return {
    /** One read that may wait; the living node is looked at all the time. */
    async read(): Promise<string | null> {
      const answer = gate.await(reader, ['old'], snapshotOf(), new Set(), new AbortController().signal);
      for (let ms = 0; ms < WAIT_MS; ms += 100) {
        clock.advance(100);
        look();
      }
      return (await answer)?.name ?? null;
    },
    moveOn(height: number): void {
      nodes = [nodes[0]!, { ...nodes[1]!, height, heightMax: height + 1 }];
    },
  };
}

test.each([{ token: false }, { token: true }])(
  'a node that is left alone on a standing network answers after a while, not at once (%o)',
  async readers => {
    const pair = standingPair(readers);
    const answers = [];
    for (let turn = 0; turn < 5; turn += 1) answers.push(await pair.read());
    expect(answers).toEqual([null, null, null, null, 'b']);
  },
);

test('it answers at once when it has the block that may have been shown', async () => {
  const pair = standingPair({ token: false });
  expect(await pair.read()).toBeNull();
  pair.moveOn(101);
  expect(await pair.read()).toBe('b');
});
