import { expect, test } from 'vitest';
import { mempoolsLeft } from '../../../src/control/old-mempools.js';
import { GatewayError } from '../../../src/model/index.js';
import { createNotifier, systemClock, waitFor } from '../../../src/platform/index.js';
import { silentLogger } from '../../../src/telemetry/index.js';
import { settle } from './fakes.js';

type Shown = readonly string[] | Error;

/** Two old nodes whose mempools the test fills; `block` moves the head. */
function scene(first: Shown, second: Shown) {
  const changes = createNotifier();
  const shown: Record<string, Shown> = { a: first, b: second };
  const stop = new AbortController();
  let head = 10;
  let asked = 0;
  const nodes = {
    view: () => ({
      head,
      nodes: [
        { name: 'a', state: 'up' },
        { name: 'b', state: 'up' },
        { name: 'c', state: 'down' },
      ],
    }),
    async call({ name }: { name: string }) {
      asked += 1;
      const hashes = shown[name]!;
      if (hashes instanceof Error) throw hashes;
      return Promise.resolve({ txs: hashes.length === 0 ? null : hashes.map(hash => ({ hash })) });
    },
  };
  const result = mempoolsLeft({
    nodes: nodes as never,
    logger: silentLogger,
    signal: stop.signal,
    until: (read, signal) =>
      waitFor(listener => changes.subscribe(listener), read, { timeoutMs: 10_000, signal, clock: systemClock }),
  });
  let value: number | 'waits' | undefined = 'waits';
  void result.then(height => (value = height));
  return {
    shown,
    stop,
    asked: () => asked,
    value: () => value,
    block: async () => {
      await settle();
      head += 1;
      changes.notify();
      await settle();
    },
  };
}

test('empty mempools cost one look at every usable node and no block', async () => {
  const { value, asked } = scene([], []);
  await settle();
  expect(value()).toBe(0);
  expect(asked()).toBe(2);
});

test('what lies in a mempool is waited for; what strangers add later is not', async () => {
  const { shown, value, block } = scene([], ['late']);
  await block();
  expect(value()).toBe('waits');
  shown['a'] = ['stranger'];
  shown['b'] = [];
  await block();
  expect(value()).toBe(12);
});

test('a node that does not answer is asked again after a block', async () => {
  const { shown, value, block } = scene([], new GatewayError('upstream_down', 'upstream', 'connection refused'));
  await block();
  expect(value()).toBe('waits');
  shown['b'] = [];
  await block();
  expect(value()).toBe(12);
});

test('a node that never shows its mempool is no reason to wait', async () => {
  const { value } = scene([], new GatewayError('rpc_error', 'upstream', 'unknown method'));
  await settle();
  expect(value()).toBe(0);
});

test('the end of the step ends the wait', async () => {
  const { value, stop } = scene(['late'], []);
  await settle();
  stop.abort();
  await settle();
  expect(value()).toBeUndefined();
});
