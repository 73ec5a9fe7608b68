import { describe, expect, it } from 'vitest';
import { createStream, type Stream } from '../../../src/replication/stream.js';
import type { Terms } from '../../../src/replication/plan.js';
import type { ArchivePort } from '../../../src/replication/index.js';
import { createFakeClock } from '../proxy/fake-clock.js';
import { createMemoryArchive } from './memory-archive.js';

const START = 10;
const PACE_MS = 1010;
const TERMS: Terms = {
  start: START,
  end: 200,
  presentedStart: START,
  presentedEnd: 180,
  merge: true,
  chosenAt: 0,
  restMs: 190_000,
  blockMs: 1000,
};

interface Scene {
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly stream: Stream;
  /** The next old height, with content. */
  readonly record: () => Promise<void>;
  /** A listener's request; what it carried once it is answered. */
  readonly ask: (asked: number) => { carried: readonly [number, number] | null };
}

function scene(terms = TERMS): Scene {
  const clock = createFakeClock();
  const archive: ArchivePort = createMemoryArchive();
  const maker = {
    version: 1,
    off: [],
    make: (from: number, to: number) => ({ bytes: Buffer.from(`${from}…${to}`), repairs: {}, original: false }),
  };
  const stream = createStream({ paceMs: PACE_MS }, { archive, maker, clock, restMs: () => 100_000 });
  stream.adopt(terms);
  let height = START;
  return {
    clock,
    stream,
    async record() {
      const info = { bytes: 7, effective: 7, sha256: '', rows: 1, source: 'old-1', confirmedBy: null, at: 0 };
      await archive.append([{ info: { ...info, height: height++ }, bytes: Buffer.from('changes') }]);
      stream.wake();
      await settle();
    },
    ask(asked) {
      const answer: { carried: readonly [number, number] | null } = { carried: null };
      void stream.answerFor(asked, new AbortController().signal).then(given => {
        if (given !== null) answer.carried = [given.record.from, given.record.to];
      });
      return answer;
    },
  };
}

const settle = (): Promise<void> => new Promise(resolve => setImmediate(() => setImmediate(resolve)));

describe('before a switch the stream', () => {
  it('holds answers back until every listener waits, and then until the drain height is named', async () => {
    const { clock, stream, record, ask } = scene();
    await record();
    let isRallied = false;
    void stream.rally(() => 2, new AbortController().signal).then(() => (isRallied = true));
    const first = ask(START);
    await record();
    expect([isRallied, first.carried]).toEqual([false, null]);
    // The second listener has slept off its pace.
    const second = ask(START);
    await settle();
    expect([isRallied, first.carried]).toEqual([true, null]);
    clock.advance(500);
    stream.expedite(START + 2);
    await settle();
    expect(first.carried).toBe(null);
    await record();
    expect([first.carried, second.carried]).toEqual([
      [START, START + 2],
      [START, START + 2],
    ]);
  });

  it('waits little more than a pace for a listener that does not come', async () => {
    const { clock, stream, record, ask } = scene();
    await record();
    let isRallied = false;
    void stream.rally(() => 2, new AbortController().signal).then(() => (isRallied = true));
    const only = ask(START);
    clock.advance(PACE_MS);
    await settle();
    expect(isRallied).toBe(false);
    clock.advance(PACE_MS / 2);
    await settle();
    expect([isRallied, only.carried]).toEqual([true, null]);
  });

  it('goes on by itself when the switch never names a height, and at once when it is given up', async () => {
    for (const giveUp of [false, true]) {
      const { clock, stream, record, ask } = scene();
      void stream.rally(() => 1, new AbortController().signal);
      const answer = ask(START);
      await record();
      expect(answer.carried).toBe(null);
      if (giveUp) stream.expedite(null);
      else clock.advance(3_000);
      await settle();
      expect(answer.carried).toEqual([START, START]);
    }
  });

  it('holds nothing back when heights are not merged', async () => {
    const { stream, record, ask } = scene({ ...TERMS, merge: false });
    await stream.rally(() => 1, new AbortController().signal);
    const answer = ask(START);
    await record();
    expect(answer.carried).toEqual([START, START]);
  });
});
