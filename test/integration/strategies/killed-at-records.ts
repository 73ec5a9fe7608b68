import type { MemoryRecord, memoryJournal } from '../../unit/control/fakes.js';

/** A process ends at this record of its journal: before it is on the disk, or after it and before anything is done about it. */
export interface KillPoint {
  /** Counted from 1 over all processes of the story. */
  readonly record: number;
  readonly when: 'before' | 'after';
}

/** What a journal throws in the name of `kill -9`; whoever runs the story begins a new process. */
export class Killed extends Error {}

/** Counts the records of a story and ends its process at one of them. Survives that process: wrap each journal with it. */
export function createKiller(point: KillPoint | null) {
  let records = 0;
  let reached: MemoryRecord | null = null;
  return {
    /** The record at which the process ended; null while it did not. */
    reached: (): MemoryRecord | null => reached,
    wrap(journal: ReturnType<typeof memoryJournal>): void {
      const append = journal.append.bind(journal);
      journal.append = async entry => {
        records += 1;
        if (point === null || records !== point.record) return append(entry);
        if (point.when === 'after') await append(entry);
        reached = { sequence: records, at: 0, ...entry };
        throw new Killed(`${point.when} record ${records}`);
      };
    },
  };
}

/** Every record of a story of so many, before and after it, as often as `runs` allows. */
export function killPoints(records: number, runs: number): readonly KillPoint[] {
  const all = Array.from({ length: records }, (_, at) =>
    (['before', 'after'] as const).map((when): KillPoint => ({ record: at + 1, when })),
  ).flat();
  return Array.from({ length: Math.max(runs, all.length) }, (_, run) => all[run % all.length]!);
}

/** Words for a step: which event led where. */
export const stepOf = ({ data }: Pick<MemoryRecord, 'data'>): string => {
  const { event, phase } = data as { event: { kind: string }; phase: string };
  return `${event.kind} → ${phase}`;
};
