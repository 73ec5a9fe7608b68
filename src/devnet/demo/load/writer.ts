import { NodeKwil, KwilSigner, Utils } from '@kwilteam/kwil-js';
import { Wallet } from 'ethers';
import { sha256 } from '@noble/hashes/sha2';
import { systemClock, sleep } from '../../../platform/index.js';
import { createWorkload, type Operation, type WriterWorkload } from '../workload.js';
import { NAMESPACE } from '../schema.js';
import { isCut, readRefusal, type Refusal } from './refusal.js';
import type { AttemptRecord, Outcome } from './records.js';

/** One attempt at a write may be refused and repeated this often before the writer turns to its next operation. */
const ATTEMPTS_MAX = 60;
/** A transaction that was acknowledged without waiting is looked for in blocks this long. */
const FOLLOW_MS = 20_000;

const types = Utils.DataType;

export interface WriterPorts {
  record(attempt: AttemptRecord): void;
  resigned(): void;
  readDone(problem: 'none' | 'stale' | 'error' | 'cut', note?: string): void;
}

export interface Writer {
  /** Writes at its pace until the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export interface WriterSettings {
  readonly url: string;
  readonly chainId: string;
  readonly seed: number;
  readonly index: number;
  readonly intervalMs: number;
  readonly startAfterMs: number;
  readonly bigAt: number;
  readonly seedIds: readonly number[];
}

/** Test key of writer `index`: derived from the seed, worthless anywhere else. */
export const writerKey = (seed: number, index: number): string =>
  '0x' + Buffer.from(sha256(`switchyard demo writer ${seed} ${index}`)).toString('hex');

/** An application as people write them: kwil-js, one account, its own rows; when told that the chain has moved it signs again. */
export function createWriter(settings: WriterSettings, ports: WriterPorts): Writer {
  const wallet = new Wallet(writerKey(settings.seed, settings.index));
  const signer = new KwilSigner(wallet, wallet.address);
  const workload: WriterWorkload = createWorkload({
    seed: settings.seed,
    writer: settings.index,
    bigAt: settings.bigAt,
    seedIds: settings.seedIds,
  });
  let chainId = settings.chainId;
  let kwil = connect();

  function connect(): NodeKwil {
    return new NodeKwil({ kwilProvider: settings.url, chainId, timeout: 25_000 });
  }

  return {
    async run(signal) {
      await sleep(systemClock, settings.startAfterMs, signal);
      let due = performance.now();
      for (let count = 0; !signal.aborted; count += 1) {
        await perform(workload.next(), count, signal);
        due = Math.max(due + settings.intervalMs, performance.now() - settings.intervalMs);
        await sleep(systemClock, due - performance.now(), signal);
      }
    },
  };

  async function perform(operation: Operation, count: number, signal: AbortSignal): Promise<void> {
    // A quarter of the writes does not wait for its block: the client looks its transaction up afterwards.
    const synchronous = count % 4 !== 3;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const result = await send(operation, synchronous, count);
      if (result.refusal === null || result.refusal.executed === 'unknown') {
        workload.settle(operation, result.outcome === 'applied');
        if (result.outcome === 'applied' && count % 2 === 0) await readOwnWrite(operation);
        return;
      }
      if (signal.aborted) return;
      const next = result.refusal.chainId;
      if (next !== null && next !== chainId) {
        chainId = next;
        kwil = connect();
        ports.resigned();
        continue;
      }
      await sleep(systemClock, result.refusal.retryAfterMs, signal);
    }
  }

  async function send(
    operation: Operation,
    synchronous: boolean,
    count: number,
  ): Promise<{ outcome: Outcome; refusal: Refusal | null }> {
    const sentAt = Date.now();
    const note = (outcome: Outcome, hash: string | null, acknowledged: boolean, reason: string | null): void =>
      ports.record({
        operation: slim(operation),
        outcome,
        chainId,
        hash,
        acknowledged,
        sentAt,
        answeredAt: Date.now(),
        reason,
      });
    try {
      const answer = await kwil.execute(bodyOf(operation, count % 3 === 0), signer, synchronous);
      const hash = wireHash(answer.data!.tx_hash);
      if (synchronous) {
        note('applied', hash, true, null);
        return { outcome: 'applied', refusal: null };
      }
      const outcome = await follow(answer.data!.tx_hash);
      note(outcome, hash, true, outcome === 'unknown' ? 'not found in a block in time' : null);
      return { outcome, refusal: null };
    } catch (error) {
      const failed = failedExecution(error);
      if (failed !== null) {
        note('failed', failed.hash, true, failed.log);
        return { outcome: 'failed', refusal: null };
      }
      const refusal = readRefusal(error);
      const outcome = refusal.executed === 'no' ? 'refused' : 'unknown';
      note(outcome, refusal.hash, false, refusal.reason);
      return { outcome, refusal };
    }
  }

  /** Looks an acknowledged transaction up until it is in a block. */
  async function follow(hash: string): Promise<Outcome> {
    const end = performance.now() + FOLLOW_MS;
    while (performance.now() < end) {
      await sleep(systemClock, 200);
      try {
        const info = await kwil.txInfo(hash);
        const height = Number(info.data?.height ?? -1);
        if (height > 0) return info.data?.tx_result?.code === 0 ? 'applied' : 'failed';
      } catch {
        // Not found yet, or the gateway is being restarted: asked again until the deadline.
      }
    }
    return 'unknown';
  }

  /** The receipt of an acknowledged write must be visible to its writer at once (I8). */
  async function readOwnWrite(operation: Operation): Promise<void> {
    try {
      const rows = await kwil.selectQuery<{ op: string }>(`{${NAMESPACE}}SELECT op FROM receipts WHERE op = $op`, {
        $op: operation.op,
      });
      ports.readDone(rows.data?.length === 1 ? 'none' : 'stale', `${operation.op} not visible to its writer`);
    } catch (error) {
      ports.readDone(isCut(error) ? 'cut' : 'error', String((error as Error).message).slice(0, 200));
    }
  }
}

/** The record file needs no large bodies: their digest tells enough. */
function slim(operation: Operation): Operation {
  if (operation.action !== 'put_item' || operation.body === null) return operation;
  return { ...operation, body: `sha256:${Buffer.from(sha256(operation.body)).toString('hex')}` };
}

/** A synchronous write whose execution failed is thrown by kwil-js as the JSON text of the broadcast result. */
function failedExecution(error: unknown): { hash: string; log: string } | null {
  try {
    const value = JSON.parse((error as Error).message) as { tx_hash?: string; result?: { code: number; log?: string } };
    if (typeof value.tx_hash !== 'string' || value.result === undefined || value.result.code === 0) return null;
    return { hash: value.tx_hash.length === 64 ? value.tx_hash : wireHash(value.tx_hash), log: value.result.log ?? '' };
  } catch {
    return null;
  }
}

/** kwil-js 0.9.4 reads the 64 hex digits as base64 and shows their hex (96 digits): turned back here. */
const wireHash = (shown: string): string =>
  shown.length === 64 ? shown : Buffer.from(shown, 'hex').toString('base64');

/** By name kwil-js first asks which parameters the action has; by position it does not. Applications do both. */
function bodyOf(operation: Operation, byName: boolean): Parameters<NodeKwil['execute']>[0] {
  const common = { $op: operation.op, $id: operation.id, $owner: operation.owner };
  const commonTypes = { $op: types.Text, $id: types.Int, $owner: types.Int };
  const of = (inputs: object, inputTypes: object) => {
    const named = { ...common, ...inputs };
    const namedTypes = { ...commonTypes, ...inputTypes };
    return {
      namespace: NAMESPACE,
      name: operation.action,
      inputs: [byName ? named : Object.values(named)],
      types: byName ? namedTypes : Object.values(namedTypes),
    } as Parameters<NodeKwil['execute']>[0];
  };
  switch (operation.action) {
    case 'put_item':
      return of(
        {
          $label: operation.label,
          $amount: operation.amount,
          $flag: operation.flag,
          $tag: operation.tag,
          $raw: operation.raw === null ? null : Uint8Array.from(operation.raw),
          $marks: operation.marks,
          $body: operation.body,
        },
        {
          $label: types.Text,
          $amount: types.Numeric(20, 8),
          $flag: types.Boolean,
          $tag: types.Uuid,
          $raw: types.Bytea,
          $marks: types.TextArray,
          $body: types.Text,
        },
      );
    case 'touch_item':
      return of({ $label: operation.label }, { $label: types.Text });
    case 'add_child':
      return of({ $child: operation.child, $note: operation.note }, { $child: types.Int, $note: types.Text });
    case 'same_item':
    case 'drop_item':
    case 'fail_item':
      return of({}, {});
  }
}
