/** Pieces of old heights that the new network has voted in and not applied yet (reference 6.10, steps 3 to 5). */
export interface ReceivedHeight {
  readonly height: number;
  readonly total: number;
  readonly previous: number;
  /** By piece index; null is a piece without content. */
  readonly pieces: ReadonlyMap<number, Uint8Array | null>;
}

export interface Received {
  readonly heights: ReadonlyMap<number, ReceivedHeight>;
  /** Last old height applied, 0 before the first. */
  readonly lastApplied: number;
}

export interface DecodedPiece {
  readonly height: number;
  readonly chunk: number;
  readonly total: number;
  readonly piece: Uint8Array | null;
  readonly previous: number;
}

export interface ApplicableHeight {
  readonly height: number;
  /** Null: a height whose only piece has no content. */
  readonly bytes: Uint8Array | null;
}

/** The first piece for a place counts; what comes later for the same place is ignored. */
export function addPiece(received: Received, piece: DecodedPiece): Received {
  const known = received.heights.get(piece.height);
  if (known?.pieces.has(piece.chunk)) return received;
  const pieces = new Map(known?.pieces ?? []).set(piece.chunk, piece.piece);
  const height = known
    ? { ...known, pieces }
    : { height: piece.height, total: piece.total, previous: piece.previous, pieces };
  return { ...received, heights: new Map(received.heights).set(piece.height, height) };
}

/**
 * Takes the heights that can be applied now: always the lowest received one, if it is Start or follows the last applied
 * one, and is complete. A height that arrives again after it was applied blocks nothing only when it names itself.
 */
export function takeApplicable(
  received: Received,
  window: { readonly start: number; readonly end: number },
): { readonly received: Received; readonly apply: readonly ApplicableHeight[] } {
  const heights = new Map(received.heights);
  const apply: ApplicableHeight[] = [];
  let lastApplied = received.lastApplied;
  while (heights.size > 0 && lastApplied !== window.end) {
    const lowest = heights.get(Math.min(...heights.keys()))!;
    if (lowest.height !== window.start && lowest.previous !== lastApplied) break;
    if (lowest.total !== lowest.pieces.size) break;
    const parts = Array.from({ length: lowest.total }, (_, index) => lowest.pieces.get(index) ?? null);
    const bytes = parts.every(part => part === null)
      ? null
      : Buffer.concat(parts.map(part => part ?? new Uint8Array(0)));
    apply.push({ height: lowest.height, bytes });
    heights.delete(lowest.height);
    lastApplied = lowest.height;
  }
  return { received: { heights, lastApplied }, apply };
}

/** What a node's reader says when the pieces end inside an element (6.12 #5). */
export const NO_MORE_CHUNKS = 'no more chunks to read';

/**
 * Cuts the stream where the node's reader stops: fewer than five bytes left are the end, a whole element must follow a
 * prefix. `halts` is the error that ends block execution.
 */
export function readableStream(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly halts: string | null } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (bytes.length - at >= 5) {
    const next = at + 5 + view.getUint32(at + 1, true);
    if (next > bytes.length) return { bytes: bytes.subarray(0, at), halts: NO_MORE_CHUNKS };
    at = next;
  }
  return { bytes: bytes.subarray(0, at), halts: null };
}
