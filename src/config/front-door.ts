import { isIP } from 'node:net';
import { z } from 'zod';
import { fixed } from './describe.js';

/** Keys of the public listener: who may come in, how much of it, and what is refused for the nodes' sake. */

const places = z.int().min(1).max(100_000).optional();
const rate = z.number().min(0).max(1_000_000);

const limits = z
  .strictObject({
    batchMax: fixed(z.int().min(1).max(50).default(50), 'Greatest number of calls in one batch.'),
    inFlightMax: fixed(
      z.int().min(1).max(100_000).default(4096),
      'Calls in progress in the whole gateway; more are refused as overloaded.',
    ),
    requestsPerSecond: fixed(
      rate.default(10_000),
      'Calls of one client per second, items of a batch one by one; 0 is no limit.',
    ),
    requestsBurst: fixed(z.int().min(1).max(1_000_000).default(20_000), 'Calls of one client at once, after a pause.'),
    challengesPerSecond: fixed(
      rate.default(5),
      'Challenges of one client per second: a node allows 10 to all users of the gateway together. 0 is no limit.',
    ),
    challengesBurst: fixed(z.int().min(1).max(1_000_000).default(20), 'Challenges of one client at once.'),
    concurrency: fixed(
      z
        .strictObject({
          read: fixed(places.default(3072), 'Queries and view calls.'),
          write: fixed(places.default(3072), 'Broadcasts, held ones among them.'),
          'write-affine': fixed(places, 'Accounts, prices, chain information.'),
          'node-affine': fixed(places, 'Challenges and the calls that use them.'),
          'by-hash': fixed(places, 'Transactions and blocks by hash.'),
          'chain-data': fixed(places.default(256), 'Blocks by height.'),
          migration: fixed(places.default(32), 'Genesis and changesets, whose answers are large.'),
          'node-status': fixed(places, 'Versions and health.'),
        })
        .prefault({}),
      'Calls in progress per class of call; without a number only inFlightMax counts.',
    ),
  })
  .prefault({});

const action = (preset: 'warn' | 'refuse') => z.enum(['off', 'warn', 'refuse']).default(preset);

const shield = z
  .strictObject({
    'incomplete-transaction': fixed(action('refuse'), 'A broadcast that lacks parts of its transaction.'),
    'unreadable-payload': fixed(action('refuse'), 'An execution whose payload cannot be read.'),
    'bool-without-value': fixed(action('refuse'), 'A malformed bool.'),
    'empty-array': fixed(action('refuse'), 'An empty array of a type that nodes cannot store empty.'),
    'array-literal': fixed(action('warn'), 'A statement that builds an empty array.'),
    'incomplete-request': fixed(action('refuse'), 'A call that lacks a member its method needs.'),
    'null-parameter': fixed(action('refuse'), 'A parameter that is null instead of a value.'),
    'empty-element': fixed(action('refuse'), 'A value with an empty element.'),
    'null-typed-parameter': fixed(action('warn'), 'A parameter without a type of its own; kwil-js sends such.'),
  })
  .prefault({});

const cidr = z
  .string()
  .refine(text => isCidr(text), 'must be an address or a CIDR')
  .meta({ 'x-form': 'an IP address or a CIDR, such as 10.0.0.0/8' });

const origin = z
  .string()
  .regex(/^[a-z][a-z0-9+.-]*:\/\/[^/\s]+$/i, 'must be scheme://host[:port]')
  .meta({ 'x-form': 'scheme://host[:port], such as https://app.example' });

const http = z
  .strictObject({
    hosts: fixed(
      z
        .array(
          z
            .string()
            .regex(/^[^\s/]+$/)
            .max(255),
        )
        .max(100)
        .default([]),
      'Names and addresses that requests may ask for, without port; none: any. Health checks of a load balancer count.',
    ),
    origins: fixed(
      z.array(origin).max(1000).default([]),
      'Origins of the web pages that may use the gateway, also by WebSocket; none: any.',
    ),
    trustedProxies: fixed(
      z.array(cidr).max(100).default([]),
      'Proxies in front of the gateway: what they report as client (X-Forwarded-For) is believed.',
    ),
    tls: fixed(
      z
        .strictObject({
          cert: fixed(z.string().min(1), 'PEM file with the certificate and its chain.'),
          key: fixed(z.string().min(1), 'PEM file with its private key.'),
        })
        .optional(),
      'Serves HTTPS (TLS 1.2 or later) instead of HTTP. The files are read again at every reload.',
    ),
  })
  .prefault({});

const opaque = z
  .array(
    z.strictObject({
      path: fixed(
        z
          .string()
          .regex(
            /^(?!\/(?:rpc|spec|migration)(?:\/|$))(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/,
            'must be a plain path that is none of our own',
          )
          .meta({ 'x-form': 'a path such as /auth, not below /rpc, /spec or /migration' }),
        'This path and everything below it.',
      ),
      network: fixed(
        z.enum(['affine', 'old', 'new']).default('affine'),
        'Whose nodes answer; affine: those of the network that takes writes.',
      ),
    }),
  )
  .max(100)
  .default([]);

export const frontDoor = {
  limits: fixed(limits, 'How much clients may ask for.'),
  shield: fixed(
    shield,
    'Malformed requests that nodes would suffer from: off, warn (counted) or refuse, rule by rule.',
  ),
  http: fixed(http, 'Who may come in at the public address.'),
  opaque: fixed(opaque, 'Other paths of the nodes, passed on unread with their web sockets: sign-in, REST routes.'),
} as const;

function isCidr(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
