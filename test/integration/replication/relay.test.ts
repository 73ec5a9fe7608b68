import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, waitFor } from '../../../src/platform/index.js';
import {
  decodeChangesetEvent,
  decodeElements,
  encodeElements,
  TEXT,
  INT8,
  utf8Bytes,
  type Element,
  type VotableEvent,
} from '../../../src/protocol/index.js';
import { createReplication, type Replication, type ReplicationOptions } from '../../../src/replication/index.js';
import { createChangesetArchive } from '../../../src/storage/index.js';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.js';
import { createScriptedListener, createScriptedNetworks, post, type KillPoint } from './scripted.js';

const START = 71;

/** `row` inserted into lab.users of the recorded genesis state, in a height of its own. */
function insertUser(id: number): Element[] {
  const int = Buffer.alloc(8);
  int.writeBigInt64LE(BigInt(id));
  return [
    {
      kind: 'relation',
      schema: 'lab',
      table: 'users',
      columns: [
        { name: 'id', type: INT8 },
        { name: 'name', type: TEXT },
      ],
    },
    {
      kind: 'row',
      relation: 0,
      old: [],
      new: [
        { kind: 2, data: int },
        { kind: 2, data: utf8Bytes(`user ${id}`) },
      ],
    },
  ];
}

const idsOf = (stream: Uint8Array): number[] =>
  stream.length < 5
    ? []
    : decodeElements(stream).flatMap(element =>
        element.kind === 'row' ? [Number(Buffer.from(element.new[0]!.data!).readBigInt64LE())] : [],
      );

let folder: string;
const open: { close(): Promise<unknown> }[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'switchyard-relay-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map(thing => thing.close()));
  await rm(folder, { recursive: true, force: true });
});

interface Setting {
  readonly window?: number;
  readonly emptyEnd?: boolean;
  readonly relay?: Partial<ReplicationOptions['relay']>;
  readonly oldNodes?: string[];
}

function setUp({ window = 12, emptyEnd = false, relay = {}, oldNodes }: Setting = {}) {
  const end = START + window - 1;
  const streams = new Map<number, Uint8Array>();
  for (let height = START; height <= end; height += 1) {
    const empty = height % 5 === 0 || (emptyEnd && height === end);
    streams.set(height, empty ? new Uint8Array(0) : encodeElements(insertUser(height)));
  }
  const expected = [...streams.values()].flatMap(idsOf);
  const networks = createScriptedNetworks({ start: START, end, streams, ...(oldNodes ? { oldNodes } : {}) });
  let port = 0;
  async function startRelay(): Promise<Replication> {
    const replication = createReplication(
      {
        dataDir: folder,
        oldChainId: 'kwil-old',
        relay: {
          listen: `127.0.0.1:${port}`,
          validators: [],
          merge: 'auto',
          ownEnd: 'auto',
          timeline: 'keep',
          repairs: 'auto',
          listenerPaceMs: 20,
          ...relay,
        },
      },
      {
        nodes: networks.nodes,
        archive: createChangesetArchive({ folder: join(folder, 'archive'), reserveBytes: 0 }),
        clock: systemClock,
        logger: silentLogger,
        metrics: createMetrics({ version: 'test', commit: 'test' }),
      },
    );
    const { relayAddress } = await replication.start();
    port = Number(relayAddress!.split(':').at(-1));
    open.push(replication);
    return replication;
  }
  const received: { height: number; ids: number[] }[] = [];
  const onEvent = (event: VotableEvent): void => {
    const { height, piece } = decodeChangesetEvent(event.body);
    received.push({ height, ids: idsOf(piece ?? new Uint8Array(0)) });
    networks.beginNew(replicationStart());
    networks.newBlock([event]);
  };
  let presentedStart = START;
  const replicationStart = (): number => presentedStart;
  const ticking = setInterval(() => networks.advance(), 30);
  open.push({ close: async () => clearInterval(ticking) });
  return {
    networks,
    streams,
    expected,
    end,
    startRelay,
    received,
    onEvent,
    present: (start: number) => (presentedStart = start),
  };
}

const idsReceived = (received: readonly { ids: number[] }[]): number[] => received.flatMap(({ ids }) => ids);

const until = (replication: Replication, check: () => boolean): Promise<boolean | undefined> =>
  waitFor(
    listener => replication.subscribe(listener),
    () => check() || undefined,
    { timeoutMs: 10_000, clock: systemClock },
  );

describe('relay', () => {
  it('carries a whole migration to a listener, merged, and the watermark reaches the real End', async () => {
    const { networks, expected, end, startRelay, received, onEvent } = setUp();
    const replication = await startRelay();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 20, onEvent });
    expect(await listener.run()).toBe('finished');
    expect(idsReceived(received)).toEqual(expected);
    expect(listener.disk.end).toBeLessThanOrEqual(end);
    networks.finishNew({ start: listener.disk.start, end: listener.disk.end });
    expect(await until(replication, () => replication.watermark().applied === end)).toBe(true);
    expect(replication.status()).toMatchObject({
      state: 'finished',
      archived: end,
      served: end,
      applied: end,
      lagBlocks: 0,
    });
    expect(replication.watermark().perNode).toEqual({ 'new-1': end });
  });

  it('takes its watermark up again after a restart, and forgets it when the new network is another chain', async () => {
    const { networks, startRelay, onEvent, end } = setUp();
    let replication = await startRelay();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 10, onEvent });
    await listener.run();
    expect(await until(replication, () => replication.watermark().applied === end)).toBe(true);
    await replication.close();
    replication = await startRelay();
    expect(await until(replication, () => replication.watermark().applied === end)).toBe(true);
    networks.resetNew();
    for (let block = 0; block < 20; block += 1) networks.newBlock([]);
    expect(await until(replication, () => replication.watermark().applied === START - 1)).toBe(true);
  });

  it('gives every validator the same bytes per height, whoever asks first', async () => {
    const { startRelay, end, onEvent } = setUp({ relay: { validators: ['v1', 'v2', 'v3'] } });
    const replication = await startRelay();
    const events: string[][] = [[], [], []];
    const listeners = replication.relayUrls().map(({ url }, index) =>
      createScriptedListener(url, {
        paceMs: 15 + 5 * index,
        onEvent: event => {
          events[index]!.push(Buffer.from(event.body).toString('hex'));
          if (index === 0) onEvent(event);
        },
      }),
    );
    expect(await Promise.all(listeners.map(listener => listener.run()))).toEqual(['finished', 'finished', 'finished']);
    expect(events[1]).toEqual(events[0]);
    expect(events[2]).toEqual(events[0]);
    expect(replication.status()).toMatchObject({ served: end });
  });

  it.each([
    { what: 'one answer per old height', relay: { merge: 'off' as const } },
    { what: 'the real End announced', relay: { ownEnd: 'off' as const } },
    { what: 'an End lowered by hand', relay: { ownEnd: 5 } },
    { what: 'a shifted timeline', relay: { timeline: 7 } },
  ])('delivers everything with $what', async ({ relay }) => {
    const { expected, startRelay, received, onEvent, present } = setUp({ relay, emptyEnd: true });
    if (relay.timeline !== undefined) present(relay.timeline);
    const replication = await startRelay();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 20, onEvent });
    expect(await listener.run()).toBe('finished');
    expect(idsReceived(received)).toEqual(expected);
    expect(received.at(-1)!.height).toBe(listener.disk.end);
    if (relay.timeline !== undefined) expect(listener.disk.start).toBe(relay.timeline);
    expect(replication.plan(listener.disk.start, listener.disk.end)).toHaveLength(
      listener.disk.end - listener.disk.start + 1,
    );
  });

  it('serves one byte for an End without changes, and no data is lost by it', async () => {
    const { startRelay, onEvent, received } = setUp({ emptyEnd: true, relay: { merge: 'off' } });
    const replication = await startRelay();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 5, onEvent });
    await listener.run();
    const last = replication.plan(listener.disk.end, listener.disk.end)[0]!;
    expect(last).toMatchObject({ bytes: 1, repairs: { 'empty-end': 1 } });
    expect(received.at(-1)!.ids).toEqual([]);
  });

  const points: KillPoint[] = ['metadata', 'chunk', 'event', 'last-height'];
  it.each(points)(
    'brings a listener that was killed after its %s back without a crash and without a loss',
    async point => {
      const { expected, startRelay, received, onEvent } = setUp({ relay: { merge: 'off' } });
      const replication = await startRelay();
      const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 5, onEvent });
      for (const height of [START, START + 3, START + 6]) {
        listener.killAt(height, point);
        expect(await listener.run()).toBe('killed');
      }
      expect(await listener.run()).toBe('finished');
      expect(idsReceived(received).filter((id, index, all) => all.indexOf(id) === index)).toEqual(expected);
    },
  );

  it.each(points)('does the same when the relay is restarted at that moment too (killed after its %s)', async point => {
    const { expected, startRelay, received, onEvent } = setUp({ relay: { merge: 'off' } });
    let replication = await startRelay();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 5, onEvent });
    for (const height of [START, START + 3, START + 6]) {
      listener.killAt(height, point);
      expect(await listener.run()).toBe('killed');
      await replication.close();
      replication = await startRelay();
    }
    expect(await listener.run()).toBe('finished');
    expect(idsReceived(received).filter((id, index, all) => all.indexOf(id) === index)).toEqual(expected);
  });

  it('is restarted again and again under a running listener, and decides nothing twice', async () => {
    const { expected, startRelay, received, onEvent } = setUp({ window: 20 });
    let replication = await startRelay();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 10, onEvent });
    const running = listener.run();
    let finished = false;
    void running.then(() => (finished = true));
    while (!finished) {
      await new Promise(resolve => setTimeout(resolve, 40));
      await replication.close();
      replication = await startRelay();
    }
    expect(await running).toBe('finished');
    expect(idsReceived(received)).toEqual(expected);
  });

  it('keeps answering from its archive when every old node is gone', async () => {
    const { networks, expected, startRelay, received, onEvent } = setUp();
    let replication = await startRelay();
    expect(await until(replication, () => replication.status().archived === START + 11)).toBe(true);
    expect(await post(replication.relayUrls()[0]!.url, 'user.migration_metadata', {})).toHaveProperty('metadata');
    for (const node of networks.old) node.up = false;
    networks.changed();
    await replication.close();
    replication = await startRelay();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 5, onEvent });
    expect(await listener.run()).toBe('finished');
    expect(idsReceived(received)).toEqual(expected);
  });

  it('answers only the five methods, only on known paths, and counts what it refuses', async () => {
    const { startRelay } = setUp({ relay: { validators: ['v1'] } });
    const replication = await startRelay();
    const [{ url }] = replication.relayUrls() as unknown as [{ url: string }];
    const base = url.slice(0, url.lastIndexOf('/'));
    await expect(post(url, 'user.query', { query: 'SELECT 1' })).rejects.toMatchObject({ rpcCode: -32601 });
    await expect(post(url, 'user.health', {})).resolves.toMatchObject({ chain_id: 'kwil-old' });
    await expect(post(base, 'user.health', {})).rejects.toThrow('HTTP 404');
    await expect(post(`${base}/guess`, 'user.health', {})).rejects.toThrow('HTTP 404');
    await expect(post(url, 'user.changeset_metadata', { height: 'x' })).rejects.toMatchObject({ rpcCode: -32602 });
    expect(replication.status().validators).toMatchObject([{ name: 'v1', health: 'asking' }]);
  });

  it('lets go of a held answer when the client hangs up', async () => {
    const { startRelay } = setUp({ window: 400 });
    const replication = await startRelay();
    const { url } = replication.relayUrls()[0]!;
    await post(url, 'user.migration_metadata', {});
    const { presentedEnd } = replication.terms()!;
    const gone = new AbortController();
    const held = post(url, 'user.changeset_metadata', { height: presentedEnd }, gone.signal);
    held.catch(() => undefined);
    await new Promise(resolve => setTimeout(resolve, 50));
    gone.abort();
    await expect(held).rejects.toThrow();
    await expect(post(url, 'user.health', {})).resolves.toBeDefined();
  });
});

describe('tail', () => {
  it('archives nothing above the committed height of the node it asks, and switches sources without a gap', async () => {
    const { networks, startRelay, end } = setUp({ window: 40, oldNodes: ['old-1', 'old-2', 'old-3'] });
    networks.old[1]!.cutEvery = 3;
    const replication = await startRelay();
    let turn = 0;
    const chaos = setInterval(() => {
      const victim = networks.old[turn % 3]!;
      victim.up = !victim.up;
      if (networks.old.every(node => !node.up)) networks.old[0]!.up = true;
      turn += 1;
      networks.changed();
    }, 60);
    open.push({ close: async () => clearInterval(chaos) });
    expect(await until(replication, () => replication.status().archived === end)).toBe(true);
    for (let height = START; height <= end; height += 1) expect(replication.show(height)).not.toBeNull();
  });

  it('stops with an account of both versions when two recorders disagree, and goes on when an operator decides', async () => {
    const { networks, startRelay, end, streams } = setUp();
    const wrong = encodeElements(insertUser(9999));
    networks.old[1]!.lies.set(START + 3, wrong);
    const replication = await startRelay();
    expect(await until(replication, () => replication.status().state === 'stopped')).toBe(true);
    expect(replication.status().reason).toMatch(/height 74 .*old-1: .*old-2: /);
    expect(replication.status().archived).toBe(START + 2);
    const difference = replication.difference()!;
    const right = difference.versions.find(version => version.node === 'old-1')!;
    expect(await replication.decide(START + 3, right.sha256)).toBe(true);
    expect(await until(replication, () => replication.status().archived === end)).toBe(true);
    expect(replication.show(START + 3)!.bytes).toBe(streams.get(START + 3)!.length);
  });

  it('follows the majority of three recorders and does not ask the odd one again', async () => {
    const { networks, startRelay, end } = setUp({ oldNodes: ['old-1', 'old-2', 'old-3'] });
    for (let height = START; height <= end; height += 1)
      networks.old[0]!.lies.set(height, encodeElements(insertUser(9999)));
    const replication = await startRelay();
    expect(await until(replication, () => replication.status().archived === end)).toBe(true);
    for (let height = START; height <= end; height += 1) expect(replication.show(height)!.source).not.toBe('old-1');
  });

  it('stops when the stream names a table that the genesis state does not have', async () => {
    const { streams, startRelay, networks, onEvent } = setUp({ window: 12 });
    const evil: Element[] = insertUser(1).map(element =>
      element.kind === 'relation' ? { ...element, table: 'users; DROP TABLE users --' } : element,
    );
    streams.set(START + 1, encodeElements(evil));
    const replication = await startRelay();
    const stop = new AbortController();
    const listener = createScriptedListener(replication.relayUrls()[0]!.url, { paceMs: 5, onEvent });
    const running = listener.run(stop.signal).catch(() => 'stopped');
    expect(await until(replication, () => replication.status().state === 'stopped')).toBe(true);
    expect(replication.status().reason).toMatch(/genesis state does not have/);
    stop.abort();
    await running;
    networks.changed();
  });
});
