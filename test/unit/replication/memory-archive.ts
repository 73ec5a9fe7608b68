import type { ArchivedInfo, ArchivePort } from '../../../src/replication/index.js';

/** The archive's port in memory, with its rules: append only without gaps, plan records and `createRecord` only once. */
export function createMemoryArchive(): ArchivePort {
  const infos = new Map<number, ArchivedInfo>();
  const contents = new Map<number, Uint8Array>();
  const plans = new Map<number, unknown>();
  const served = new Map<number, Uint8Array>();
  const records = new Map<string, unknown>();
  const blobs = new Map<string, Uint8Array>();
  const copy = <T>(value: T): T => (value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T));
  return {
    open: async () => undefined,
    close: async () => undefined,
    first: () => (infos.size === 0 ? null : Math.min(...infos.keys())),
    last: () => (infos.size === 0 ? null : Math.max(...infos.keys())),
    async append(changesets) {
      for (const { info, bytes } of changesets) {
        if (infos.size > 0 && !infos.has(info.height - 1)) throw new Error(`gap before ${info.height}`);
        infos.set(info.height, info);
        contents.set(info.height, bytes);
      }
    },
    info: height => infos.get(height),
    bytes: height => contents.get(height),
    async prune(before) {
      const keys = [...contents.keys()].filter(height => height < before);
      keys.forEach(height => contents.delete(height));
      return keys.length;
    },
    async createPlan(asked, record, bytes) {
      if (!plans.has(asked)) {
        plans.set(asked, copy(record));
        if (bytes !== null && bytes.length > 0) served.set(asked, bytes);
      }
      return copy(plans.get(asked));
    },
    plan: asked => copy(plans.get(asked)),
    served: asked => served.get(asked),
    lastPlanned: () => (plans.size === 0 ? null : Math.max(...plans.keys())),
    plans: (from, to) =>
      [...plans.entries()].filter(([asked]) => asked >= from && asked <= to).map(([, record]) => copy(record)),
    record: name => copy(records.get(name)),
    async setRecord(name, value) {
      records.set(name, copy(value));
    },
    async createRecord(name, value) {
      if (!records.has(name)) records.set(name, copy(value));
      return copy(records.get(name));
    },
    blob: name => blobs.get(name),
    async setBlob(name, bytes) {
      blobs.set(name, bytes);
    },
    sizeBytes: () => 0,
  };
}
