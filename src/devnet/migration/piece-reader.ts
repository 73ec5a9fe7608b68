/**
 * Re-cuts the chunks of a height into pieces of the new network's size. With `miscounts` like the real node's reader: it
 * opens only as many source chunks as there are pieces, and gives its rest again and again once they are used up (#5).
 */
export function cutPieces(
  chunks: (index: number) => Uint8Array,
  counts: { readonly chunks: number; readonly bytes: number; readonly pieceBytes: number; readonly miscounts: boolean },
): Uint8Array[] {
  const total = Math.ceil(counts.bytes / counts.pieceBytes);
  const opened = counts.miscounts ? total : counts.chunks;
  const pieces: Uint8Array[] = [];
  let data = Buffer.alloc(0);
  let next = 0;
  for (let piece = 0; piece < total; piece++) {
    while (data.length < counts.pieceBytes && next < opened) data = Buffer.concat([data, chunks(next++)]);
    if (data.length < counts.pieceBytes && counts.miscounts) {
      pieces.push(data);
      continue;
    }
    pieces.push(data.subarray(0, counts.pieceBytes));
    data = data.subarray(counts.pieceBytes);
  }
  return pieces;
}
