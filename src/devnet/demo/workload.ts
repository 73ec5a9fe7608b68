import { createRandom, type Random } from './random.js';
import { largeText } from './schema.js';

/** One thing that a writer wants done once. `op` is unique and stands in the transaction and in the rows. */
export type Operation =
  | {
      readonly action: 'put_item';
      readonly op: string;
      readonly id: number;
      readonly owner: number;
      readonly label: string | null;
      readonly amount: string | null;
      readonly flag: boolean | null;
      readonly tag: string | null;
      readonly raw: readonly number[] | null;
      readonly marks: readonly string[] | null;
      readonly body: string | null;
    }
  | {
      readonly action: 'touch_item';
      readonly op: string;
      readonly id: number;
      readonly owner: number;
      readonly label: string;
    }
  | {
      readonly action: 'same_item' | 'drop_item' | 'fail_item';
      readonly op: string;
      readonly id: number;
      readonly owner: number;
    }
  | {
      readonly action: 'add_child';
      readonly op: string;
      readonly id: number;
      readonly owner: number;
      readonly child: number;
      readonly note: string;
    };

/** Keys of writer w are w · 10⁷ + n: no two writers ever touch the same row, so the outcome is known without an order. */
const KEYS_PER_WRITER = 10_000_000;

export interface WriterWorkload {
  next(): Operation;
  /** The operation ran (or failed) for certain: what later operations may build on. */
  settle(operation: Operation, applied: boolean): void;
}

export interface WorkloadOptions {
  readonly seed: number;
  readonly writer: number;
  /** This writer makes one change of more than 1,000,000 bytes as its n-th operation; 0 = never. */
  readonly bigAt: number;
  /** Seed rows that belong to this writer by turns: `id % writers === writer − 1`. */
  readonly seedIds: readonly number[];
}

export function createWorkload({ seed, writer, bigAt, seedIds }: WorkloadOptions): WriterWorkload {
  const random = createRandom(seed, writer);
  const live = new Set<number>(seedIds);
  let count = 0;
  let nextKey = writer * KEYS_PER_WRITER + 1;

  const put = (op: string, bodyLength: number | null): Operation => ({
    action: 'put_item',
    op,
    id: nextKey++,
    owner: writer,
    label: random.next() < 0.1 ? null : `item ${random.int(0, 1_000_000)} of ${writer} — ünïcode ✓`,
    amount: pickAmount(random),
    flag: random.pick([true, false, null]),
    tag: random.next() < 0.3 ? null : uuidOf(random),
    raw: random.next() < 0.3 ? null : [...random.bytes(random.int(1, 40))],
    marks: random.next() < 0.3 ? null : Array.from({ length: random.int(1, 4) }, () => `mark ${random.int(0, 99)}`),
    body: bodyLength === null ? null : largeText(random.int(1, 1e9), bodyLength),
  });

  return {
    next() {
      count += 1;
      const op = `w${writer}-${count}`;
      if (count === bigAt) return put(op, 1_150_000);
      const ids = [...live];
      const dice = random.next();
      if (ids.length < 3 || dice < 0.35) return put(op, random.next() < 0.15 ? random.int(3000, 12_000) : null);
      const id = random.pick(ids);
      if (dice < 0.68) return { action: 'touch_item', op, id, owner: writer, label: `touched ${count}` };
      if (dice < 0.74) return { action: 'same_item', op, id, owner: writer };
      if (dice < 0.86) return { action: 'drop_item', op, id, owner: writer };
      if (dice < 0.95) return { action: 'add_child', op, id, owner: writer, child: nextKey++, note: `child of ${id}` };
      return { action: 'fail_item', op, id, owner: writer };
    },
    settle(operation, applied) {
      if (!applied) return;
      if (operation.action === 'put_item') live.add(operation.id);
      if (operation.action === 'drop_item') live.delete(operation.id);
    },
  };
}

function pickAmount(random: Random): string | null {
  const dice = random.next();
  if (dice < 0.1) return null;
  if (dice < 0.2) return `0.0000000${random.int(1, 9)}`;
  return `${random.int(0, 999_999)}.${String(random.int(0, 99_999_999)).padStart(8, '0')}`;
}

function uuidOf(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
