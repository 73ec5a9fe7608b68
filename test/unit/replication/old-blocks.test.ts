import { afterEach, expect, test, vi } from 'vitest';
import { createNotifier, systemClock } from '../../../src/platform/index.js';
import { base64Of, blockHash, decodeBlock, encodeBlock, ZERO_HASH } from '../../../src/protocol/index.js';
import type { NodesPort } from '../../../src/replication/index.js';
import { createOldBlocks, type OldBlocks } from '../../../src/replication/old-blocks.js';
import type { NodeView } from '../../../src/routing/index.js';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.js';
import { createMemoryArchive } from './memory-archive.js';

/** One old node whose chain can be replaced by another one; every block carries one transaction that nobody can read. */
function scriptedChain(): NodesPort & { grow(by: number): void; reset(length: number): void; wrong: number } {
  const changes = createNotifier();
  let salt = 0;
  let blocks: Uint8Array[] = [];
  const grow = (by: number): void => {
    for (let index = 0; index < by; index += 1) {
      const before = blocks.at(-1);
      const header = {
        version: 0,
        height: blocks.length + 1,
        txCount: 1,
        prevHash: before === undefined ? ZERO_HASH : blockHash(decodeBlock(before)),
        prevAppHash: salt.toString(16).padStart(64, '0'),
        valsHash: ZERO_HASH,
        paramsHash: ZERO_HASH,
        stampMs: 1_000_000 + blocks.length * 500,
        merkleRoot: ZERO_HASH,
        newLeader: null,
      };
      blocks.push(encodeBlock({ header, signature: new Uint8Array(0), txs: [new Uint8Array([9, salt])] }));
    }
    changes.notify();
  };
  const node = (): NodeView => ({
    network: 'old',
    id: 'old/old-1',
    name: 'old-1',
    state: 'up',
    height: blocks.length,
    heightMax: blocks.length,
    reason: null,
    blockHash: null,
    blockTimeMs: null,
    mode: 'open',
    version: null,
    seenAt: 0,
    migration: null,
  });
  const port = {
    wrong: 0,
    view: () => ({ name: 'old' as const, chainId: 'kwil-old', head: blocks.length, nodes: [node()] }),
    subscribe: changes.subscribe,
    async call<T>(_: unknown, __: string, params: unknown): Promise<T> {
      const { height } = params as { height: number };
      // A node (or something in front of it) that answers with another block than the one it was asked for.
      const given = port.wrong > 0 ? height - 1 : height;
      port.wrong = Math.max(0, port.wrong - 1);
      return { raw_block: base64Of(blocks[given - 1]!) } as T;
    },
    grow,
    reset(length: number) {
      salt += 1;
      blocks = [];
      grow(length);
    },
  };
  return port;
}

let running: OldBlocks | null = null;
afterEach(async () => await running?.close());

function follow(nodes: NodesPort, archive = createMemoryArchive()): OldBlocks {
  const metrics = createMetrics({ version: 't', commit: 't' });
  running = createOldBlocks({ nodes, archive, clock: systemClock, logger: silentLogger, metrics, isOurs: () => false });
  running.start();
  return running;
}

const until = (read: () => unknown, value: unknown): Promise<void> =>
  vi.waitFor(() => expect(read()).toEqual(value), { timeout: 15_000 });

test('I9: a block of another height than asked is not counted in its place', async () => {
  const chain = scriptedChain();
  chain.grow(10);
  const blocks = follow(chain);
  await until(() => blocks.strangers().total, 1);
  chain.wrong = 1;
  chain.grow(3);
  await until(() => blocks.strangers().total, 4);
  expect(blocks.strangers()).toEqual({ total: 4, bySender: { unreadable: 4 }, since: 10 });
});

test('I9: a chain that was set up anew and is shorter is followed again, what was counted stays', async () => {
  const chain = scriptedChain();
  chain.grow(40);
  const blocks = follow(chain);
  await until(() => blocks.strangers().total, 1);
  chain.reset(5);
  await until(() => blocks.strangers().since, 5);
  chain.grow(2);
  await until(() => blocks.strangers().total, 4);
});

test('I9: another chain of the same length shows by the hash of the block before', async () => {
  const chain = scriptedChain();
  chain.grow(10);
  const archive = createMemoryArchive();
  const first = follow(chain, archive);
  await until(() => first.strangers().total, 1);
  await first.close();
  chain.reset(12);
  const blocks = follow(chain, archive);
  await until(() => blocks.strangers(), { total: 2, bySender: { unreadable: 2 }, since: 12 });
});
