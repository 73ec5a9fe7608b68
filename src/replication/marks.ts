import type { Height } from '../model/index.js';
import type { ArchivePort } from './ports.js';

/**
 * What the relay must remember about one validator to cure a crash of its node inside a height. Kept on disk before the answer
 * that makes it true leaves: a relay that forgot would bring the restarted node down, or hold it for ever.
 */
export interface Mark {
  /** Asked height whose chunk 0 was given out last. */
  readonly chunk0: Height | null;
  /** Asked height whose last metadata answer announced the phantom second chunk; null when it was an ordinary one. */
  readonly two: Height | null;
  /** Chunk 0 of that height was asked for after the two-chunk answer: then, and only then, chunk 1 may be answered. */
  readonly chunk0AfterTwo: boolean;
}

const NEW: Mark = { chunk0: null, two: null, chunk0AfterTwo: false };

export interface MarkStore {
  get(identity: string): Mark | null;
  set(identity: string, mark: Mark): Promise<void>;
}

export const createMarkStore = (archive: ArchivePort): MarkStore => ({
  get: identity => (archive.record(`mark/${identity}`) as Mark | undefined) ?? null,
  set: (identity, mark) => archive.setRecord(`mark/${identity}`, mark),
});

/**
 * Metadata of a height with content is asked for. Asked again after its chunk was given: the node was killed inside the
 * height. Without any mark of this validator (they were lost) a height that was decided earlier counts as asked again.
 */
export function onMetadata(
  mark: Mark | null,
  asked: Height,
  decidedBefore: boolean,
): { readonly mark: Mark; readonly phantom: boolean } {
  const phantom = mark === null ? decidedBefore : mark.chunk0 === asked;
  const known = mark ?? NEW;
  return phantom
    ? { phantom, mark: { ...known, two: asked, chunk0AfterTwo: false } }
    : { phantom, mark: { ...known, two: null, chunk0AfterTwo: false } };
}

export const onChunk0 = (mark: Mark | null, asked: Height): Mark => {
  const known = mark ?? NEW;
  return { chunk0: asked, two: known.two, chunk0AfterTwo: known.chunk0AfterTwo || known.two === asked };
};

/** Any second chunk is held, unless this very height was announced with two and its first was asked for since. */
export const mayAnswerChunk1 = (mark: Mark | null, asked: Height): boolean =>
  mark !== null && mark.two === asked && mark.chunk0AfterTwo;

export const sameMark = (a: Mark | null, b: Mark): boolean =>
  a !== null && a.chunk0 === b.chunk0 && a.two === b.two && a.chunk0AfterTwo === b.chunk0AfterTwo;
