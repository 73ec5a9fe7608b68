import { z } from 'zod';

/** `host:port`; port 0 takes a free one, which is logged and shown by `status`. */
const address = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'expected host:port');

const nodeName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens');

const node = z.strictObject({
  name: nodeName,
  url: z.url({ protocol: /^https?$/ }),
});

const network = z.strictObject({
  chainId: z.string().min(1).max(256),
  nodes: z.array(node).min(1).max(32),
});

const onOff = z.enum(['auto', 'off']);

export const configSchema = z.strictObject({
  /** Applications use this address. */
  listen: address.default('127.0.0.1:8480'),
  networks: z.strictObject({ old: network, new: network.optional() }),
  relay: z
    .strictObject({
      /** The new network's nodes use this address as their migrate_from. */
      listen: address.default('127.0.0.1:8481'),
      /** One secret URL each; without a list, /rpc/v1 is open on loopback only. */
      validators: z.array(nodeName).max(100).default([]),
      merge: onOff.default('auto'),
      ownEnd: z.union([onOff, z.int().min(0).max(10_000_000)]).default('auto'),
      timeline: z.union([z.literal('keep'), z.int().min(1).max(99)]).default('keep'),
      repairs: z.union([onOff, z.record(z.string(), onOff)]).default('auto'),
      /** Shortest time between two heights asked by one listener; a property of the new network's nodes (reference 6.13). */
      listenerPaceMs: z.int().min(10).max(60_000).default(1010),
    })
    .prefault({}),
  admin: z
    .strictObject({
      listen: address.default('127.0.0.1:8482'),
      /** Made at first start, mode 0600; default: <dataDir>/admin.token. */
      tokenFile: z.string().optional(),
    })
    .prefault({}),
  dataDir: z.string().default('./data'),
  migration: z
    .strictObject({ strategy: z.enum(['zero-downtime', 'rolling', 'offline']).default('zero-downtime') })
    .prefault({}),
  reads: z
    .strictObject({
      policy: z.enum(['old', 'auto', 'share']).default('auto'),
      share: z.number().min(0).max(100).default(0),
    })
    .prefault({}),
  writes: z
    .strictObject({
      /** A held write waits at most this long; clients give up after 10 s. */
      holdMs: z.int().min(0).max(9_500).default(8000),
      holdMax: z.int().min(0).max(100_000).default(1000),
      holdBytesMax: z.int().min(0).default(67_108_864),
    })
    .prefault({}),
  probes: z
    .strictObject({
      /** Pause between two health probes of one node while it is up. */
      intervalMs: z.int().min(20).max(60_000).default(100),
      timeoutMs: z.int().min(50).max(60_000).default(2000),
    })
    .prefault({}),
  cutover: z
    .strictObject({
      /** A whole attempt, from arm to commit. */
      attemptMs: z.int().min(1000).max(600_000).default(30_000),
      /** Largest lag in old blocks with which a switch may begin. */
      lagBlocksMax: z.int().min(0).max(10_000).default(5),
      /** Old blocks that must be left before End for a switch to begin. */
      reserveBlocks: z.int().min(0).max(100_000).default(10),
      /** Pause after an aborted attempt. */
      coolDownMs: z.int().min(0).max(3_600_000).default(5_000),
    })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info') })
    .prefault({}),
});

/** What people write. */
export type ConfigInput = z.input<typeof configSchema>;
/** Complete and readonly; passed down from the root. */
export type Config = z.output<typeof configSchema>;
export type NetworkConfig = Config['networks']['old'];
export type NodeConfig = NetworkConfig['nodes'][number];
