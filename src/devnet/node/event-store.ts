import { resolutionId } from '../../protocol/index.js';

export interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly body: Uint8Array;
}

/** Events one node has witnessed and wants voted on. On a real node's disk: survives kill and restart. */
export interface EventStore {
  /** Gives the event's id; one that is decided already is not kept. */
  add(type: string, body: Uint8Array, isDecided: (id: string) => boolean): string;
  has(id: string): boolean;
  list(): Iterable<StoredEvent>;
  delete(ids: Iterable<string>): void;
  readonly size: number;
}

export function createEventStore(): EventStore {
  const events = new Map<string, StoredEvent>();
  return {
    add(type, body, isDecided) {
      const id = resolutionId(type, body);
      if (!events.has(id) && !isDecided(id)) events.set(id, { id, type, body });
      return id;
    },
    has: id => events.has(id),
    list: () => events.values(),
    delete(ids) {
      for (const id of ids) events.delete(id);
    },
    get size() {
      return events.size;
    },
  };
}
