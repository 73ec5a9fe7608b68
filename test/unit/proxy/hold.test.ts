import { expect, test } from 'vitest';
import { createHold, type Hold } from '../../../src/proxy/hold.js';
import { createMetrics } from '../../../src/telemetry/index.js';
import { createFakeClock } from './fake-clock.js';

const LIMITS = { holdMs: 1000, holdMax: 20, holdBytesMax: 1000 };

function setUp() {
  const clock = createFakeClock();
  const hold = createHold(LIMITS, { clock, metrics: createMetrics({ version: 't', commit: 't' }) });
  let open = false;
  let seq = 0;
  const enter = (client: string, bytes = 10, signal = new AbortController().signal, at = seq++) =>
    hold.wait({ seq: at, client, bytes, signal, again: () => (open ? at : undefined) });
  return { clock, hold, enter, release: () => ((open = true), hold.look()) };
}

const balanced = (hold: Hold): boolean => {
  const { entered, released, expired, full, gone } = hold.counts();
  return entered === released + expired + full + gone + hold.held().count;
};

test('held writes leave when the decision changes, in the order in which they came', async () => {
  const { hold, enter, release } = setUp();
  const order: number[] = [];
  const waits = [3, 1, 2].map(seq =>
    enter(`c${seq}`, 10, undefined, seq).then(result => result.kind === 'released' && order.push(result.value)),
  );
  expect(hold.held()).toEqual({ count: 3, bytes: 30 });
  release();
  await Promise.all(waits);
  expect(order).toEqual([1, 2, 3]);
  expect(hold.held()).toEqual({ count: 0, bytes: 0 });
});

test('each leaves at its own time when nothing changes', async () => {
  const { clock, hold, enter } = setUp();
  const first = enter('a');
  clock.advance(600);
  const second = enter('a');
  clock.advance(400);
  expect(await first).toEqual({ kind: 'expired' });
  expect(hold.held().count).toBe(1);
  clock.advance(600);
  expect(await second).toEqual({ kind: 'expired' });
});

test('a client that hangs up leaves at once, one that is gone already never enters', async () => {
  const { hold, enter } = setUp();
  const gone = new AbortController();
  const wait = enter('a', 10, gone.signal);
  gone.abort();
  expect(await wait).toEqual({ kind: 'gone' });
  expect(await enter('a', 10, gone.signal)).toEqual({ kind: 'gone' });
  expect(hold.held()).toEqual({ count: 0, bytes: 0 });
});

test('no client takes more than a tenth of the places or bytes, and all together no more than there are', async () => {
  const { hold, enter } = setUp();
  const results = [enter('a'), enter('a'), enter('a')];
  expect(await results[2]).toEqual({ kind: 'full' });
  expect(hold.held().count).toBe(2);
  void enter('b', 90);
  expect(await enter('b', 90)).toEqual({ kind: 'full' });
  for (let client = 0; hold.held().count < 20; client++) void enter(`c${client}`);
  expect(await enter('z')).toEqual({ kind: 'full' });
});

test('whatever happens, entered = released + expired + full + gone', async () => {
  const seed = Number(process.env['SEED'] ?? 11);
  let state = seed;
  const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const clock = createFakeClock();
  const hold = createHold(LIMITS, { clock, metrics: createMetrics({ version: 't', commit: 't' }) });
  let open = new Set<number>();
  const aborts: AbortController[] = [];
  const endings: Promise<unknown>[] = [];
  for (let seq = 0; seq < 3000; seq++) {
    const abort = new AbortController();
    aborts.push(abort);
    endings.push(
      hold.wait({
        seq,
        client: `c${Math.floor(random() * 30)}`,
        bytes: Math.floor(random() * 120),
        signal: abort.signal,
        again: () => (open.has(seq) ? seq : undefined),
      }),
    );
    if (random() < 0.3) aborts[Math.floor(random() * aborts.length)]!.abort();
    if (random() < 0.2) clock.advance(random() * 400);
    if (random() < 0.1) {
      open = new Set(Array.from({ length: 5 }, () => seq - Math.floor(random() * 20)));
      hold.look();
    }
    expect(balanced(hold), `seed ${seed}, step ${seq}`).toBe(true);
  }
  hold.clear();
  await Promise.all(endings);
  const { entered, released, expired, full, gone } = hold.counts();
  expect(entered).toBe(3000);
  expect(released + expired + full + gone).toBe(3000);
  expect(Math.min(released, expired, full, gone)).toBeGreaterThan(0);
  expect(hold.held()).toEqual({ count: 0, bytes: 0 });
});
