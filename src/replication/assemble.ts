import { createHash } from 'node:crypto';
import type { Height } from '../model/index.js';
import { CHANGESET_CHUNK_BYTES, decodeElements, encodeElements, type Element } from '../protocol/index.js';
import { integrityError } from './errors.js';
import type { ArchivePort } from './ports.js';
import { REPAIRS, relationsOf, type RepairName } from './repairs/index.js';
import type { AnswerMaker, MadeAnswer } from './stream.js';
import type { Schema } from './schema.js';

/** Changes whenever any rewrite would give other bytes for the same input: part of every plan record. */
export const REWRITE_VERSION = 1;

/** Fewer than five bytes left are taken for the end of the stream: what an End without changes is served as. */
const EMPTY_END = Uint8Array.of(0);

export interface RepairedHeight {
  readonly elements: readonly Element[];
  readonly counts: Readonly<Partial<Record<RepairName, number>>>;
  /** Nothing was rewritten: the original bytes can be served. */
  readonly untouched: boolean;
}

/** Runs the repairs that are on over one old height. Pure. Throws integrity errors and CodecError. */
export function repairHeight(bytes: Uint8Array, off: ReadonlySet<string>, schema: Schema | null): RepairedHeight {
  let elements: readonly Element[] = decodeElements(bytes);
  if (schema !== null) schema.check(relationsOf(elements));
  const counts: Partial<Record<RepairName, number>> = {};
  for (const repair of REPAIRS) {
    if (repair.apply === null || off.has(repair.name)) continue;
    const repaired = repair.apply(elements);
    if (repaired.count > 0) counts[repair.name] = repaired.count;
    elements = repaired.elements;
  }
  if (bytes.length > CHANGESET_CHUNK_BYTES && !off.has('big-height')) counts['big-height'] = 1;
  const untouched = Object.keys(counts).every(name => name === 'big-height');
  return { elements, counts, untouched };
}

/**
 * Several heights as one stream: the relations of each are numbered on from those before it; tables without a row left are
 * not announced. Spends may stand anywhere. Pure.
 */
export function mergeHeights(heights: readonly (readonly Element[])[]): Element[] {
  const merged: Element[] = [];
  let next = 0;
  for (const elements of heights) {
    const used = new Set<number>();
    for (const element of elements) if (element.kind === 'row') used.add(element.relation);
    const numbers = new Map<number, number>();
    let number = -1;
    for (const element of elements) {
      if (element.kind === 'relation') {
        number += 1;
        if (!used.has(number)) continue;
        numbers.set(number, next);
        next += 1;
        merged.push(element);
      } else if (element.kind === 'row') {
        const relation = numbers.get(element.relation);
        if (relation === undefined)
          throw integrityError('stream_relation', `a row names relation ${element.relation}, which was not announced`);
        merged.push(relation === element.relation ? element : { ...element, relation });
      } else merged.push(element);
    }
  }
  return merged;
}

/** Length of a height after repairs, and its rows; what the archive keeps to plan with. */
export function effectiveSize(
  bytes: Uint8Array,
  off: ReadonlySet<string>,
  schema: Schema | null,
): { effective: number; rows: number } {
  if (bytes.length === 0) return { effective: 0, rows: 0 };
  const { elements, untouched } = repairHeight(bytes, off, schema);
  const rows = elements.reduce((count, element) => (element.kind === 'row' ? count + 1 : count), 0);
  return { effective: untouched ? bytes.length : encodeElements(mergeHeights([elements])).length, rows };
}

export interface MakerOptions {
  readonly off: ReadonlySet<string>;
  readonly schema: () => Schema | null;
}

export function createAnswerMaker({ off, schema }: MakerOptions, archive: ArchivePort): AnswerMaker {
  return {
    version: REWRITE_VERSION,
    off: [...off].sort(),
    make(from: Height, to: Height, end: boolean): MadeAnswer {
      const parts: (readonly Element[])[] = [];
      const repairs: Record<string, number> = {};
      let untouched: Uint8Array | null = null;
      for (let height = from; height <= to; height += 1) {
        const bytes = archive.bytes(height);
        if (bytes === undefined)
          throw integrityError('archive_gap', `the bytes of height ${height} are not in the archive any more`);
        if (bytes.length === 0) continue;
        const repaired = repairHeight(bytes, off, schema());
        for (const [name, count] of Object.entries(repaired.counts)) repairs[name] = (repairs[name] ?? 0) + count;
        untouched = repaired.untouched && parts.length === 0 && from === to ? bytes : null;
        parts.push(repaired.elements);
      }
      if (untouched !== null) return { bytes: untouched, repairs, original: true };
      const bytes = encodeElements(mergeHeights(parts));
      if (bytes.length > 0 || !end || off.has('empty-end')) return { bytes, repairs, original: bytes.length === 0 };
      return { bytes: EMPTY_END, repairs: { ...repairs, 'empty-end': 1 }, original: false };
    },
  };
}

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
