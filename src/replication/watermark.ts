import type { Height } from '../model/index.js';
import type { ArchivePort } from './ports.js';
import type { PlanRecord, Terms } from './plan.js';
import type { Bounds } from './tail.js';

/**
 * From asked heights to old heights: what an applied asked height proves about the old network. Everything that its answer and
 * the ones before it carried is applied, and with it the heights behind that changed nothing (they are never announced).
 */
export interface OldHeights {
  /** Greatest old height that is applied once `asked` is (null: only the genesis state is there). */
  through(asked: Height | null): Height | null;
}

interface Cursor {
  readonly height: Height;
  readonly nextAsked: Height;
}

const CURSORS_MAX = 256;

export function createOldHeights(
  archive: ArchivePort,
  terms: () => Terms | null,
  bounds: () => Bounds | null,
): OldHeights {
  /** How far each asked height was followed: what was empty once stays so, thus it is only ever continued. */
  const cursors = new Map<Height, Cursor>();

  return {
    through(asked) {
      const known = terms();
      const range = known ?? bounds();
      if (range === null) return null;
      const presentedStart = known?.presentedStart ?? range.start;
      const key = asked ?? presentedStart - 1;
      let { height, nextAsked } = cursors.get(key) ?? begin(asked, range, presentedStart);
      for (;;) {
        const record = archive.plan(nextAsked) as PlanRecord | undefined;
        if (record !== undefined) {
          if (record.bytes > 0) break;
          height = Math.max(height, record.to);
          nextAsked += 1;
        } else {
          // Beyond the plan (or without a relay): archived heights in which nothing is left to apply.
          if (height >= range.end || archive.info(height + 1)?.effective !== 0) break;
          height += 1;
        }
      }
      cursors.set(key, { height, nextAsked });
      if (cursors.size > CURSORS_MAX) cursors.delete(Math.min(...cursors.keys()));
      return height;
    },
  };

  function begin(asked: Height | null, range: Bounds, presentedStart: Height): Cursor {
    if (asked === null) return { height: range.start - 1, nextAsked: presentedStart };
    const record = archive.plan(asked) as PlanRecord | undefined;
    // A network that was not fed by our relay asked for the old heights themselves.
    return { height: record?.to ?? asked, nextAsked: asked + 1 };
  }
}
