import type { Height } from '../model/index.js';

/** Time of one block of a chain, as its validators stamped it; ms since 1970. */
export interface Stamp {
  readonly height: Height;
  readonly at: number;
}

/** Stamps that are kept; the first one may lie far before the others. */
export const STAMPS_MAX = 512;
/** Blocks that a new pace must have lasted before it counts as one. */
const NEW_PACE_BLOCKS = 12;
/** Two paces are different ones when their ratio is above this; what is below is the usual spread. */
const NEW_PACE_RATIO = 1.25;

/**
 * Mean time of a block over as many blocks as have the present pace, ms; null until two blocks are known. A chain whose blocks
 * become faster or slower (load, another timeout) is told by a split: the point at which the means before and after it differ
 * most. Only what is after it counts, so old and new pace are not mixed for longer than it takes to be sure. Pure.
 */
export function blockPace(stamps: readonly Stamp[]): number | null {
  const all = sorted(stamps);
  let from = 0;
  for (;;) {
    const split = changeOf(all, from);
    if (split === null) return meanOf(all[from], all.at(-1));
    from = split;
  }
}

/** Adds a stamp: a height is there once, and the oldest go first. */
export const withStamp = (stamps: readonly Stamp[], stamp: Stamp): readonly Stamp[] =>
  sorted([...stamps.filter(({ height }) => height !== stamp.height), stamp]).slice(-STAMPS_MAX);

const sorted = (stamps: readonly Stamp[]): Stamp[] => [...stamps].sort((a, b) => a.height - b.height);

function meanOf(first: Stamp | undefined, last: Stamp | undefined): number | null {
  if (first === undefined || last === undefined || last.height <= first.height || last.at <= first.at) return null;
  return (last.at - first.at) / (last.height - first.height);
}

/** Index at which another pace begins: where the two means are furthest apart, seen from their spread; null for one pace. */
function changeOf(stamps: readonly Stamp[], from: number): number | null {
  const [first, last] = [stamps[from], stamps.at(-1)];
  if (first === undefined || last === undefined) return null;
  let best: { readonly index: number; readonly weight: number } | null = null;
  for (let index = from + 1; index < stamps.length - 1; index += 1) {
    const here = stamps[index]!;
    const [before, after] = [meanOf(first, here), meanOf(here, last)];
    const [earlier, later] = [here.height - first.height, last.height - here.height];
    if (before === null || after === null || later < NEW_PACE_BLOCKS || earlier < NEW_PACE_BLOCKS) continue;
    const ratio = Math.max(before / after, after / before);
    // How much it explains, as in a test of two means: short runs that differ by chance weigh little.
    const weight = Math.log(ratio) * Math.sqrt((later * earlier) / (later + earlier));
    if (ratio > NEW_PACE_RATIO && weight > (best?.weight ?? 0)) best = { index, weight };
  }
  return best?.index ?? null;
}
