import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { createClients } from '../../../src/proxy/clients.js';
import { createDoor } from '../../../src/proxy/door.js';
import { createLimits } from '../../../src/proxy/limits.js';
import { DEFAULT_LIMITS } from '../../../src/proxy/ports.js';
import { createFakeClock } from './fake-clock.js';

const limitsOf = (change: object) => {
  const clock = createFakeClock();
  return { clock, limits: createLimits({ ...DEFAULT_LIMITS, ...change }, clock) };
};

test('a client has its burst, then its rate, and is told when to come back; others do not notice', () => {
  const { clock, limits } = limitsOf({ requestsPerSecond: 1, requestsBurst: 3 });
  const taken = (client: string): number => {
    let calls = 0;
    while (limits.charge(client, 'user.ping') === null) calls++;
    return calls;
  };
  expect(taken('a')).toBe(3);
  expect(limits.charge('a', 'user.ping')).toEqual({ reason: 'rate_limited', retryAfterMs: 1000 });
  expect(taken('b')).toBe(3);
  clock.advance(750);
  expect(limits.charge('a', 'user.ping')).toMatchObject({ retryAfterMs: 250 });
  clock.advance(250);
  expect(taken('a')).toBe(1);
  clock.advance(60_000);
  expect(taken('a')).toBe(3);
});

test('a look charges nothing and says the same as the charge would', () => {
  const { clock, limits } = limitsOf({ requestsPerSecond: 1, requestsBurst: 2, inFlightMax: 1 });
  for (let i = 0; i < 5; i++) expect(limits.look('a')).toBeNull();
  expect([limits.charge('a', 'user.ping'), limits.charge('a', 'user.ping')]).toEqual([null, null]);
  expect(limits.look('a')).toEqual({ reason: 'rate_limited', retryAfterMs: 1000 });
  expect(limits.look('b')).toBeNull();
  clock.advance(1000);
  expect(limits.look('a')).toBeNull();
  limits.enter('read');
  expect(limits.look('b')).toMatchObject({ reason: 'overloaded' });
  limits.leave('read');
  expect(limits.look('b')).toBeNull();
});

test('challenges have a rate of their own beside that of all calls', () => {
  const { limits } = limitsOf({ challengesPerSecond: 1, challengesBurst: 2 });
  expect(limits.charge('a', 'user.challenge')).toBeNull();
  expect(limits.charge('a', 'user.challenge')).toBeNull();
  expect(limits.charge('a', 'user.challenge')).toEqual({ reason: 'rate_limited', retryAfterMs: 1000 });
  expect(limits.charge('a', 'user.query')).toBeNull();
  expect(limits.charge('b', 'user.challenge')).toBeNull();
});

test('no rate is no limit; a flood of clients does not grow the table', () => {
  const none = limitsOf({ requestsPerSecond: 0, challengesPerSecond: 0 }).limits;
  for (let i = 0; i < 1000; i++) expect(none.charge('a', 'user.challenge')).toBeNull();
  const { limits } = limitsOf({ requestsPerSecond: 1, requestsBurst: 1, clientsMax: 10 });
  expect(limits.charge('first', 'x')).toBeNull();
  expect(limits.charge('first', 'x')).not.toBeNull();
  for (let i = 0; i < 10; i++) limits.charge(`c${i}`, 'x');
  expect(limits.charge('first', 'x')).toBeNull();
});

test('places: one class cannot take those of the others, all together have a bound', () => {
  const { limits } = limitsOf({ inFlightMax: 3, concurrency: { migration: 1 } });
  expect(limits.enter('migration')).toBeNull();
  expect(limits.enter('migration')).toEqual({ reason: 'overloaded', retryAfterMs: 1000 });
  expect(limits.enter('read')).toBeNull();
  expect(limits.enter('read')).toBeNull();
  expect(limits.enter('read')).not.toBeNull();
  expect(limits.inFlight()).toBe(3);
  limits.leave('migration');
  expect(limits.enter('migration')).toBeNull();
});

const request = (peer: string, headers: Record<string, string> = {}): IncomingMessage =>
  ({ socket: { remoteAddress: peer }, headers }) as unknown as IncomingMessage;

test.each<[string, string, string | undefined, string]>([
  ['no proxy in front', '198.51.100.7', undefined, '198.51.100.7'],
  ['a stranger who claims to be somebody', '198.51.100.7', '203.0.113.5', '198.51.100.7'],
  ['a trusted proxy', '10.0.0.1', '203.0.113.5', '203.0.113.5'],
  ['IPv4 in IPv6', '::ffff:10.0.0.1', '::ffff:203.0.113.5', '203.0.113.5'],
  ['a client that made up what stands left', '10.0.0.1', '1.1.1.1, 203.0.113.5', '203.0.113.5'],
  ['two trusted proxies', '10.0.0.1', '203.0.113.5, 10.0.0.2', '203.0.113.5'],
  ['an address with a port', '10.0.0.1', '203.0.113.5:4711', '203.0.113.5'],
  ['nonsense next to the proxy', '10.0.0.1', '203.0.113.5, unknown', '10.0.0.1'],
  ['nonsense behind a second proxy', '10.0.0.1', 'for=x, 10.0.0.2', '10.0.0.2'],
  ['nothing but trusted ones', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['a trusted proxy by IPv6', '2001:db8:1::1', '[2001:db8:2:3:4:5:6:7]:80', '2001:db8:2:3::/64'],
  ['a list without end', '10.0.0.1', `203.0.113.5,${'10.0.0.2,'.repeat(500)}10.0.0.2`, '10.0.0.2'],
])('%s', (_name, peer, forwarded, client) => {
  const clients = createClients(['10.0.0.0/8', '2001:db8:1::/48']);
  expect(clients.of(request(peer, forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }))).toBe(client);
});

test('without trusted proxies nobody is believed; addresses of one IPv6 network are one client', () => {
  const clients = createClients([]);
  expect(clients.of(request('10.0.0.1', { 'x-forwarded-for': '203.0.113.5' }))).toBe('10.0.0.1');
  expect(clients.of(request('2001:db8::1'))).toBe('2001:db8:0:0::/64');
  expect(clients.of(request('2001:db8::ffff:1'))).toBe('2001:db8:0:0::/64');
  expect(clients.of(request('2001:db8:0:1::1'))).not.toBe('2001:db8:0:0::/64');
});

test('hosts and origins are exact; empty lists let everybody in', () => {
  const door = createDoor(['kwil.example', '::1'], ['https://app.example']);
  const check = (headers: Record<string, string>) => door.check(request('::1', headers));
  expect(check({ host: 'KWIL.example:8480', origin: 'https://app.example' })).toBeNull();
  expect(check({ host: '[::1]:8480' })).toBeNull();
  for (const host of ['kwil.example.evil', 'evil', '', 'xkwil.example', 'kwil.example@evil'])
    expect(check({ host })).toBe(421);
  for (const origin of ['https://app.example.evil', 'http://app.example', 'https://app.example:444', 'null', ''])
    expect(check({ host: 'kwil.example', origin })).toBe(403);
  expect(createDoor([], []).check(request('::1', { host: 'x', origin: 'y' }))).toBeNull();
});
