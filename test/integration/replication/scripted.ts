import { request as httpRequest } from 'node:http';
import { gunzipSync } from 'node:zlib';
import type { NetworkName, NodeRef } from '../../../src/model/index.js';
import { createNotifier } from '../../../src/platform/index.js';
import {
  base64Of,
  blockHash,
  decodeBlock,
  encodeBlock,
  encodeChangesetEvent,
  encodePayload,
  encodeTx,
  EVENT_TYPES,
  chunksOf,
  ZERO_HASH,
  type VotableEvent,
} from '../../../src/protocol/index.js';
import type { NodesPort } from '../../../src/replication/index.js';
import type { NetworkView, NodeView } from '../../../src/routing/index.js';
import { goldenBytes, goldenJson } from '../../unit/replication/golden.js';

class Answered extends Error {
  constructor(
    readonly rpcCode: number,
    message: string,
  ) {
    super(message);
  }
}

export interface ScriptedNode {
  readonly name: string;
  height: number;
  up: boolean;
  /** Streams this node gives for a height instead of the network's. */
  readonly lies: Map<number, Uint8Array>;
  /** Whether it keeps the migration's records. */
  recording: boolean;
  /** Cuts every n-th chunk short. */
  cutEvery: number;
  calls: number;
}

/** Old and new network in memory, behind the port that nodes/ provides in the real gateway. */
export function createScriptedNetworks(setting: {
  start: number;
  end: number;
  streams: ReadonlyMap<number, Uint8Array>;
  oldNodes?: string[];
}) {
  const changes = createNotifier();
  const old = (setting.oldNodes ?? ['old-1', 'old-2']).map((name): ScriptedNode => ({
    name,
    height: setting.start - 1,
    up: true,
    lies: new Map(),
    recording: true,
    cutEvery: 0,
    calls: 0,
  }));
  const blocks: Uint8Array[] = [];
  const oldBlocks: Uint8Array[] = [];
  let newStart = setting.start;
  let newFinished: { start: number; end: number } | null = null;

  const viewOf = (network: NetworkName): NetworkView => {
    const base = {
      network,
      reason: null,
      blockHash: null,
      blockTimeMs: 50,
      mode: 'open' as const,
      version: null,
      seenAt: 0,
    };
    const nodes: NodeView[] =
      network === 'old'
        ? old.map(node => ({
            ...base,
            id: `old/${node.name}`,
            name: node.name,
            state: node.up ? 'up' : 'down',
            height: node.height,
            heightMax: node.height,
            migration: node.recording
              ? {
                  status: node.height >= setting.end ? 'MigrationCompleted' : 'MigrationInProgress',
                  startHeight: setting.start,
                  endHeight: setting.end,
                }
              : null,
          }))
        : blocks.length === 0
          ? []
          : [
              {
                ...base,
                id: 'new/new-1',
                name: 'new-1',
                state: 'up',
                height: newStart + blocks.length,
                heightMax: newStart + blocks.length,
                migration: newFinished
                  ? { status: 'NoActiveMigration', startHeight: newFinished.start, endHeight: newFinished.end }
                  : { status: 'GenesisMigration', startHeight: newStart, endHeight: setting.end },
              },
            ];
    return { name: network, chainId: `kwil-${network}`, head: Math.max(0, ...nodes.map(node => node.height)), nodes };
  };

  const nodes: NodesPort = {
    view: viewOf,
    subscribe: changes.subscribe,
    async call<T>(ref: NodeRef, method: string, params: unknown): Promise<T> {
      await new Promise(resolve => setImmediate(resolve));
      return (ref.network === 'old' ? oldAnswer(ref.name, method, params) : newAnswer(method, params)) as T;
    },
  };

  function oldAnswer(name: string, method: string, params: unknown): unknown {
    const node = old.find(candidate => candidate.name === name)!;
    node.calls += 1;
    if (!node.up) throw new Error('connect ECONNREFUSED');
    const {
      height = 0,
      index = 0,
      chunk_index: chunkIndex = 0,
    } = params as { height?: number; index?: number; chunk_index?: number };
    switch (method) {
      case 'user.migration_metadata': {
        const { result } = goldenJson<{ result: { metadata: { migration_state: object } } }>(
          'genesis/migration_metadata.json',
        );
        return {
          metadata: {
            ...result.metadata,
            migration_state: { status: 'MigrationInProgress', start_height: setting.start, end_height: setting.end },
          },
        };
      }
      case 'user.migration_genesis_chunk':
        return { chunk: goldenBytes(`genesis/chunk-${chunkIndex}.bin`).toString('base64') };
      case 'user.changeset_metadata':
      case 'user.changeset': {
        // Real nodes store a height while they execute it, and may store it again: asking for it before it is committed is a bug.
        if (height > node.height) throw new Error(`asked for ${height}, committed is ${node.height}`);
        if (!node.recording) throw new Answered(-32603, 'failed to load changeset metadata');
        const chunks = chunksOf(node.lies.get(height) ?? setting.streams.get(height) ?? new Uint8Array(0));
        if (method === 'user.changeset_metadata') {
          return {
            height,
            changesets: chunks.length,
            chunk_sizes: chunks.length === 0 ? null : chunks.map(chunk => chunk.length),
          };
        }
        const chunk = chunks[index]!;
        const cut = node.cutEvery > 0 && node.calls % node.cutEvery === 0;
        return { changesets: base64Of(cut ? chunk.subarray(0, chunk.length - 1) : chunk) };
      }
      case 'chain.block':
        while (oldBlocks.length < height) oldBlocks.push(blockOf(oldBlocks.length + 1, [], oldBlocks.at(-1)));
        return { raw_block: base64Of(oldBlocks[height - 1]!) };
      default:
        throw new Answered(-32601, 'unknown method');
    }
  }

  function newAnswer(method: string, params: unknown): unknown {
    const { height = 0 } = (params ?? {}) as { height?: number };
    const validators = [{ pubkey: VALIDATOR.toString('hex'), type: 'secp256k1', power: 1 }];
    switch (method) {
      case 'chain.genesis':
        return { initial_height: newStart, validators };
      case 'chain.validators':
        return { height: newStart + blocks.length, validators };
      case 'chain.block':
        return { raw_block: base64Of(blocks[height - newStart - 1]!) };
      case 'chain.block_result':
        return { tx_results: [{ code: 0 }] };
      default:
        throw new Answered(-32601, 'unknown method');
    }
  }

  return {
    nodes,
    old,
    changed: changes.notify,
    advance(by = 1) {
      for (const node of old)
        if (node.up)
          node.height = Math.min(setting.end, Math.max(...old.map(({ height }) => height), node.height + by));
      changes.notify();
    },
    beginNew(start: number) {
      newStart = start;
      if (blocks.length === 0) blocks.push(blockOf(start + 1, []));
      changes.notify();
    },
    /** The new network puts these events into its next block, voted by its only validator. */
    newBlock(events: readonly VotableEvent[]) {
      blocks.push(blockOf(newStart + blocks.length + 1, events, blocks.at(-1)));
      changes.notify();
    },
    /** Somebody sets the new network up anew: its blocks begin again. */
    resetNew() {
      blocks.splice(0, blocks.length, blockOf(newStart + 1, []));
      changes.notify();
    },
    finishNew(state: { start: number; end: number }) {
      newFinished = state;
      changes.notify();
    },
  };
}

const VALIDATOR = Buffer.alloc(33, 2);

function blockOf(height: number, events: readonly VotableEvent[], before?: Uint8Array): Uint8Array {
  const txs =
    events.length === 0
      ? []
      : [
          encodeTx({
            signature: { sig: new Uint8Array(64), type: 'secp256k1' },
            body: {
              desc: '',
              payload: encodePayload({ kind: 'validator_vote_bodies', events }),
              type: 'validator_vote_bodies',
              fee: 0n,
              nonce: 1n,
              chainId: 'kwil-new',
            },
            serialization: 'concat',
            sender: VALIDATOR,
          }),
        ];
  const header = {
    version: 0,
    height,
    txCount: txs.length,
    prevHash: before === undefined ? ZERO_HASH : blockHash(decodeBlock(before)),
    prevAppHash: ZERO_HASH,
    valsHash: ZERO_HASH,
    paramsHash: ZERO_HASH,
    stampMs: height * 50,
    merkleRoot: ZERO_HASH,
    newLeader: null,
  };
  return encodeBlock({ header, signature: new Uint8Array(0), txs });
}

/** Where a listener can be killed inside a height; `null` lives on. */
export type KillPoint = 'metadata' | 'chunk' | 'event' | 'last-height';

/**
 * The listener of a real node, with its habits and its crash: one URL, one height after another, everything it keeps on disk
 * survives a kill, and a chunk that is already there makes its worker count down twice, which ends the process.
 */
export function createScriptedListener(
  url: string,
  options: { paceMs: number; onEvent: (event: VotableEvent, height: number) => void },
) {
  const disk = {
    last: 0,
    lastContent: 0,
    chunks: new Map<string, Buffer>(),
    events: new Set<string>(),
    start: 0,
    end: 0,
  };
  const asked: number[] = [];
  let kill: { height: number; at: KillPoint } | null = null;

  class Killed extends Error {}
  const dieAt = (height: number, at: KillPoint): void => {
    if (kill?.height === height && kill.at === at) {
      kill = null;
      throw new Killed();
    }
  };

  async function call<T>(method: string, params: unknown, signal: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await post<T>(url, method, params, signal);
      } catch (error) {
        if (signal.aborted || attempt >= 200) throw error;
        await new Promise(resolve => setTimeout(resolve, 20));
      }
    }
  }

  async function prepare(signal: AbortSignal): Promise<void> {
    await call('user.health', {}, signal);
    const { metadata } = await call<{
      metadata: { migration_state: { start_height: number; end_height: number }; snapshot_metadata: string };
    }>('user.migration_metadata', {}, signal);
    disk.start = metadata.migration_state.start_height;
    disk.end = metadata.migration_state.end_height;
    const snapshot = JSON.parse(Buffer.from(metadata.snapshot_metadata, 'base64').toString()) as {
      chunk_count: number;
    };
    const parts: Buffer[] = [];
    for (let index = 0; index < snapshot.chunk_count; index += 1) {
      const { chunk } = await call<{ chunk: string }>(
        'user.migration_genesis_chunk',
        { height: disk.start, chunk_index: index },
        signal,
      );
      parts.push(Buffer.from(chunk, 'base64'));
    }
    gunzipSync(Buffer.concat(parts));
  }

  /** Runs until its End or until it is killed; gives how it ended. */
  async function run(signal: AbortSignal = new AbortController().signal): Promise<'finished' | 'killed'> {
    try {
      if (disk.end === 0) await prepare(signal);
      for (let height = disk.last === 0 ? disk.start : disk.last + 1; height <= disk.end; height += 1) {
        asked.push(height);
        await take(height, signal);
        await new Promise(resolve => setTimeout(resolve, options.paceMs));
      }
      return 'finished';
    } catch (error) {
      if (error instanceof Killed) return 'killed';
      throw error;
    }
  }

  async function take(height: number, signal: AbortSignal): Promise<void> {
    const process = new AbortController();
    const alive = AbortSignal.any([signal, process.signal]);
    try {
      const { changesets, chunk_sizes: sizes } = await call<{ changesets: number; chunk_sizes: number[] | null }>(
        'user.changeset_metadata',
        { height },
        alive,
      );
      dieAt(height, 'metadata');
      // sync.WaitGroup: one per chunk; a worker that finds its chunk stored counts down twice.
      let waiting = changesets;
      let received = 0;
      const settled = createNotifier();
      const done = (): void => {
        waiting -= 1;
        if (waiting < 0) throw new Error('panic: sync: negative WaitGroup counter');
        settled.notify();
      };
      const failures: Error[] = [];
      for (let index = 0; index < changesets; index += 1) {
        const stored = disk.chunks.get(`${height}-${index}`);
        if (stored !== undefined && stored.length > 0) {
          received += stored.length;
          done();
          done();
          continue;
        }
        void (async () => {
          const { changesets: body } = await call<{ changesets: string }>('user.changeset', { height, index }, alive);
          const chunk = Buffer.from(body, 'base64');
          if (chunk.length !== sizes![index]) throw new Error('changeset size mismatch');
          disk.chunks.set(`${height}-${index}`, chunk);
          received += chunk.length;
          done();
        })().catch((error: unknown) => {
          if (alive.aborted) return;
          failures.push(error as Error);
          settled.notify();
        });
      }
      await new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (failures.length > 0) reject(failures[0]!);
          else if (waiting === 0 || alive.aborted) resolve();
        };
        settled.subscribe(look);
        alive.addEventListener('abort', look, { once: true });
        look();
      });
      if (signal.aborted) throw new Error('stopped');
      dieAt(height, 'chunk');
      if (changesets > 0 || height === disk.end) {
        const bytes = disk.chunks.get(`${height}-0`) ?? null;
        if (changesets > 0 && bytes?.length !== received) throw new Error('the pieces do not make the event');
        const body = encodeChangesetEvent({ height, chunk: 0, total: 1, piece: bytes, previous: disk.lastContent });
        const key = body.toString();
        // Broadcasting the same event again changes nothing.
        if (!disk.events.has(key)) {
          disk.events.add(key);
          options.onEvent({ type: EVENT_TYPES.changeset, body }, height);
        }
        dieAt(height, 'event');
        disk.lastContent = height;
        disk.chunks.delete(`${height}-0`);
      }
      dieAt(height, 'last-height');
      disk.last = height;
    } finally {
      process.abort();
    }
  }

  return {
    run,
    disk,
    asked,
    killAt(height: number, at: KillPoint) {
      kill = { height, at };
    },
  };
}

export function post<T>(url: string, method: string, params: unknown, signal?: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const request = httpRequest(
      `${url}/rpc/v1`,
      {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        ...(signal ? { signal } : {}),
      },
      response => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          try {
            const { result, error } = JSON.parse(Buffer.concat(parts).toString()) as {
              result?: T;
              error?: { code: number; message: string };
            };
            if (error) reject(new Answered(error.code, error.message));
            else resolve(result as T);
          } catch {
            reject(new Error(`HTTP ${response.statusCode}: ${Buffer.concat(parts).toString().slice(0, 100)}`));
          }
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
