import { expect, test } from 'vitest';
import { createNotifier, systemClock, waitFor } from '../../../src/platform/index.js';

test('a wait ends with the value as soon as a notification makes it true', async () => {
  const notifier = createNotifier();
  const box: { value?: number } = {};
  const waiting = waitFor(notifier.subscribe, () => box.value, { timeoutMs: 10_000, clock: systemClock });
  notifier.notify();
  box.value = 7;
  notifier.notify();
  expect(await waiting).toBe(7);
});

test('a wait that is already over does not look at the clock', async () => {
  expect(await waitFor(createNotifier().subscribe, () => 'now', { timeoutMs: 0, clock: systemClock })).toBe('now');
});

test('a wait ends undefined at its deadline and when it is aborted', async () => {
  const never = (): undefined => undefined;
  const { subscribe } = createNotifier();
  expect(await waitFor(subscribe, never, { timeoutMs: 5, clock: systemClock })).toBeUndefined();
  const stop = new AbortController();
  const waiting = waitFor(subscribe, never, { timeoutMs: 60_000, clock: systemClock, signal: stop.signal });
  stop.abort();
  expect(await waiting).toBeUndefined();
  expect(
    await waitFor(subscribe, never, { timeoutMs: 60_000, clock: systemClock, signal: stop.signal }),
  ).toBeUndefined();
});

test('an error of the looker reaches the waiter', async () => {
  const notifier = createNotifier();
  let broken = false;
  const waiting = waitFor(
    notifier.subscribe,
    () => {
      if (broken) throw new Error('broken');
      return undefined;
    },
    { timeoutMs: 10_000, clock: systemClock },
  );
  broken = true;
  notifier.notify();
  await expect(waiting).rejects.toThrow('broken');
});
