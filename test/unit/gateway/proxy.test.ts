import { expect, test } from 'vitest';
import { configSchema } from '../../../src/config/index.js';
import { proxyOptions } from '../../../src/gateway/proxy.js';
import { DEFAULT_LIMITS, SHIELD_RULES } from '../../../src/proxy/index.js';

const network = { chainId: 'a', nodes: [{ name: 'n', url: 'http://127.0.0.1:1' }] };

test('an empty configuration is what the request path does by itself', () => {
  const { limits, shield, ...rest } = proxyOptions(configSchema.parse({ networks: { old: network } }));
  expect(limits).toEqual({
    ...Object.fromEntries(Object.keys(limits!).map(key => [key, DEFAULT_LIMITS[key as keyof typeof DEFAULT_LIMITS]])),
    drainMs: 10_000,
  });
  expect(shield).toEqual(Object.fromEntries(SHIELD_RULES.map(({ name, action }) => [name, action])));
  expect(rest).toMatchObject({ hosts: [], origins: [], trustedProxies: [] });
});

test.each(['10.0.0.0/33', '10.0.0/8', 'proxy.example', '10.0.0.0/8/8', '::1/129'])(
  '%s is no network of proxies',
  text => {
    const { success } = configSchema.safeParse({ networks: { old: network }, http: { trustedProxies: [text] } });
    expect(success).toBe(false);
  },
);
