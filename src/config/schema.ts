import { z } from 'zod';
import { fixed, live } from './describe.js';
import { frontDoor } from './front-door.js';

/** `host:port`; port 0 takes a free one, which is logged and shown by `status`. */
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:\s/[\]]+):\d{1,5}$/, 'must be host:port')
  .meta({ 'x-form': 'host:port (port 0 takes a free one), such as 127.0.0.1:8480 or [::1]:8480' });

const nodeName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens')
  .meta({ 'x-form': '1 to 63 lower-case letters, digits and hyphens, such as old-1' });

const node = z.strictObject({
  name: fixed(nodeName, 'Label in commands, logs and metrics; unique within its network.'),
  url: fixed(
    z.url({ protocol: /^https?$/ }).meta({ 'x-form': 'http://host:port or https://host:port' }),
    "The node's JSON-RPC address, without /rpc/v1.",
  ),
});

const network = z.strictObject({
  chainId: fixed(
    z.string().min(1).max(256),
    'Checked against every node, always; a node of another chain is quarantined.',
  ),
  nodes: fixed(z.array(node).min(1).max(32), 'JSON-RPC endpoints of this network, in no particular order.'),
});

const onOff = z.enum(['auto', 'off']);

export const configSchema = z.strictObject({
  listen: fixed(address.default('127.0.0.1:8480'), 'Applications use this address.'),
  networks: fixed(
    z.strictObject({
      old: fixed(network, 'The network that applications use now.'),
      new: live(
        network.optional(),
        'The network that the migration leads to; may be absent at first and be added while running.',
      ),
    }),
    'The two networks of the migration.',
  ),
  relay: fixed(
    z
      .strictObject({
        listen: fixed(
          address.default('127.0.0.1:8481'),
          "The new network's nodes use this address as their migrate_from.",
        ),
        validators: fixed(
          z.array(nodeName).max(100).default([]),
          'Validators of the new network: each gets one secret URL (`relay urls`). Without a list the relay is open, on loopback only.',
        ),
        merge: fixed(
          onOff.default('auto'),
          'One answer may carry several old heights: the new network follows within about a second.',
        ),
        ownEnd: fixed(
          z.union([onOff, z.int().min(0).max(10_000_000)]).default('auto'),
          'Announce End lower by so many heights, which are spare ones to wait with.',
        ),
        timeline: fixed(
          z.union([z.literal('keep'), z.int().min(1).max(99)]).default('keep'),
          'Present Start and End shifted so that Start is this height; keep: as they are.',
        ),
        repairs: fixed(
          z.union([onOff, z.record(z.string(), onOff)]).default('auto'),
          'Rewrites that keep the meaning of the stream and spare the new nodes a defect; a map switches single ones.',
        ),
        listenerPaceMs: fixed(
          z.int().min(10).max(60_000).default(1010),
          "Shortest time in ms between two heights asked by one listener; a property of the new network's nodes.",
        ),
      })
      .prefault({}),
    "What the new network's nodes see of the old network.",
  ),
  admin: fixed(
    z
      .strictObject({
        listen: fixed(
          address.default('127.0.0.1:8482'),
          'Admin API, /livez /readyz /startupz /metrics. Plain HTTP: keep it on loopback or behind TLS.',
        ),
        tokenFile: fixed(
          z.string().min(1).optional(),
          'File with the bearer token, made at first start with mode 0600. Default: admin.token in dataDir.',
        ),
        metrics: fixed(
          z.enum(['auto', 'open', 'token']).default('auto'),
          'Whether GET /metrics asks for the token. auto: only when admin.listen is not a loopback address.',
        ),
      })
      .prefault({}),
    'The operators’ side.',
  ),
  dataDir: fixed(
    z.string().min(1).default('./data'),
    'Journal, ledger, archive, token; relative to where the program starts. Local disk, one process, not NFS.',
  ),
  migration: fixed(
    z
      .strictObject({
        strategy: fixed(
          z.enum(['zero-downtime', 'rolling', 'offline']).default('zero-downtime'),
          'How the network is moved.',
        ),
        leader: fixed(
          nodeName.optional(),
          "Rolling, offline: the node of the old network with the leader's key, which no RPC tells. Without it a rolling upgrade finds it when the blocks stop with it.",
        ),
        build: fixed(
          z.string().min(1).max(64).optional(),
          'Rolling: the version (kwil_ver) that every node is to tell afterwards.',
        ),
        operatorMs: fixed(
          z.int().min(1000).max(86_400_000).default(1_800_000),
          'Rolling, offline: longest wait for a person to stop, start or check something, ms.',
        ),
      })
      .prefault({}),
    'What kind of move this is.',
  ),
  reads: fixed(
    z
      .strictObject({
        policy: live(
          z.enum(['old', 'auto', 'share']).default('auto'),
          'Reads before the switch. old: old network only; auto: either while the new one has everything; share: by percent.',
        ),
        share: live(
          z.number().min(0).max(100).default(0),
          'Percent of reads for the new network; used with policy share.',
        ),
      })
      .prefault({}),
    'Where reads go before the switch.',
  ),
  writes: fixed(
    z
      .strictObject({
        holdMs: fixed(
          z.int().min(0).max(9_500).default(8000),
          'Longest wait of a write during the switch, ms. Clients give up after 10 s; 0 refuses at once.',
        ),
        holdMax: fixed(z.int().min(0).max(100_000).default(1000), 'Greatest number of writes that wait.'),
        holdBytesMax: fixed(z.int().min(0).default(67_108_864), 'Greatest number of bytes that wait.'),
        unminedMax: fixed(
          z.int().min(0).max(100_000).default(5000),
          'Greatest number of writes of one network that wait for a block; fewer while its blocks are late. What is more waits or is refused as overloaded. 0 is no limit.',
        ),
        keepDays: fixed(z.int().min(1).max(3650).default(30), 'Days that the final outcome of a write is remembered.'),
      })
      .prefault({}),
    'Limits of writes that wait for the switch, and how long outcomes are kept.',
  ),
  ...frontDoor,
  probes: fixed(
    z
      .strictObject({
        intervalMs: fixed(
          z.int().min(20).max(60_000).default(100),
          'Pause between two health probes of one node while it is up, ms.',
        ),
        timeoutMs: fixed(z.int().min(50).max(60_000).default(2000), 'A probe that takes longer has failed, ms.'),
      })
      .prefault({}),
    'How nodes are watched.',
  ),
  cutover: fixed(
    z
      .strictObject({
        attemptMs: fixed(
          z.int().min(1000).max(600_000).default(30_000),
          'Budget of a whole attempt, from arm to commit, ms.',
        ),
        lagBlocksMax: fixed(
          z.int().min(0).max(10_000).default(5),
          'Largest lag in old blocks with which a switch may begin.',
        ),
        reserveBlocks: fixed(
          z.int().min(0).max(100_000).default(10),
          'Old blocks that must be left before End for a switch to begin.',
        ),
        coolDownMs: fixed(z.int().min(0).max(3_600_000).default(5_000), 'Pause after an aborted attempt, ms.'),
        differencesMax: fixed(
          z.int().min(0).max(1_000_000).default(0),
          'Rows known to differ between the networks with which a switch may commit all the same; `verify` lists them.',
        ),
        endWarningsMs: fixed(
          z.array(z.int().min(0).max(31_536_000_000)).length(3).default([86_400_000, 3_600_000, 600_000]),
          'Time left until the old network ends at which status, log and metrics warn, ms: three margins.',
        ),
      })
      .prefault({}),
    'Limits of the switch.',
  ),
  drain: fixed(
    z
      .strictObject({
        delayMs: fixed(
          z.int().min(0).max(60_000).default(0),
          'After SIGTERM: time between "not ready" and the closed door, ms, for a load balancer to notice.',
        ),
        timeoutMs: fixed(
          z.int().min(100).max(300_000).default(10_000),
          'After that: longest wait for requests in flight, ms.',
        ),
      })
      .prefault({}),
    'How the program ends.',
  ),
  log: fixed(
    z
      .strictObject({
        level: live(
          z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
          'Lowest level that is written.',
        ),
        format: fixed(
          z.enum(['auto', 'json', 'pretty']).default('auto'),
          'auto: pretty on a terminal, JSON lines elsewhere.',
        ),
      })
      .prefault({}),
    'Structured log on standard error.',
  ),
});

/** What people write. */
export type ConfigInput = z.input<typeof configSchema>;
/** Complete and readonly; passed down from the root. */
export type Config = z.output<typeof configSchema>;
export type NetworkConfig = Config['networks']['old'];
export type NodeConfig = NetworkConfig['nodes'][number];
