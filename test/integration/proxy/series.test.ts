import { expect, test } from 'vitest';
import { METHOD_CLASSES } from '../../../src/routing/index.js';
import { createHarness } from './harness.js';

test('random methods, origins, ids, hosts and tokens do not add series to the metrics', async () => {
  const { post, metrics, close } = await createHarness({
    proxy: { trustedProxies: ['127.0.0.1'], opaque: [{ path: '/auth', network: 'new' }] },
  });
  const seriesOf = async (): Promise<number> =>
    (await metrics.registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#')).length;
  try {
    // Every method once, so that what is legitimately there is there before the flood.
    const warm = Object.keys(METHOD_CLASSES).map(
      method => `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"height":3}}`,
    );
    await post(`[${warm.join(',')}]`);
    const flood = async (rounds: number, salt: string): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        const items = Array.from({ length: 50 }, (_, i) => {
          const word = `${salt}${round}x${i}`;
          const method = i % 3 === 0 ? 'user.query' : i % 3 === 1 ? `user.${word}` : `${word}.${word}`;
          return `{"jsonrpc":"2.0","id":"${word}","method":"${method}","params":{"query":"SELECT ${word}"}}`;
        });
        await post(`[${items.join(',')}]`, {
          origin: `https://${salt}${round}.example`,
          'x-forwarded-for': `203.0.113.${round % 250}`,
          'x-switchyard-session': `${salt}${round}`,
          'user-agent': `${salt}${round}`,
        });
        await post(`{"jsonrpc":"2.0","id":1,"method":"user.broadcast","params":{"tx":"${salt}${round}"}}`);
        await post(`${salt}${round}`);
      }
    };
    await flood(2, 'a');
    const before = await seriesOf();
    await flood(60, 'b');
    expect(await seriesOf()).toBe(before);
    expect(before).toBeLessThan(5000);
    expect(await metrics.registry.metrics()).not.toMatch(/b59x|a1x|203\.0\.113/);
  } finally {
    await close();
  }
}, 60_000);
