/**
 * Faults on request, per node. A fault stays until it is removed or its `times` are used up; `method` limits it to one
 * JSON-RPC method.
 */
export type Fault =
  /** Port closed: connection refused. */
  | { readonly kind: 'refuse' }
  /** The request is read and never answered. */
  | { readonly kind: 'hang' }
  /** Answered after a delay. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** The answer ends in the middle of its body. */
  | { readonly kind: 'cut'; readonly afterBytes?: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** TCP reset: before the request is read, after it is read, or after it was carried out. */
  | { readonly kind: 'reset'; readonly when: 'before-read' | 'after-read' | 'after-handling' }
  /** Handler panic: 500 without a body. */
  | { readonly kind: 'empty-500' }
  /** The node's time-out answer: 503, plain text, id −1. */
  | { readonly kind: 'timeout-503' }
  /** Follows so many blocks behind; what it answers is the older state's as far as it keeps its own. */
  | { readonly kind: 'lag'; readonly blocks: number }
  /** `migration_status` −700, no metadata, no chunks, no changesets. */
  | { readonly kind: 'missing-snapshot' }
  /** Says another chain id. */
  | { readonly kind: 'chain-id'; readonly chainId: string }
  /** Says another build (`kwil_ver`): what an upgraded node does. */
  | { readonly kind: 'version'; readonly version: string }
  /** Goes on, with other blocks, app hashes and changesets from a height on. */
  | { readonly kind: 'fork'; readonly fromHeight?: number }
  /** Its own state differs: its process ends at the next block; as leader, the network's blocks end. */
  | { readonly kind: 'diverge' }
  /** Sync broadcasts end with code 10 at once; the transaction stays in the mempool. */
  | { readonly kind: 'code-10' }
  | { readonly kind: 'mempool-full' }
  /** `syncing`, refuses broadcasts, reads go on. */
  | { readonly kind: 'catching-up' }
  /** Serves a height's changeset with other bytes until the block is committed (reference 6.6 rule 1). */
  | { readonly kind: 'replaced-changeset' }
  /** Changeset chunks come with their last bytes missing. */
  | { readonly kind: 'truncated-chunk'; readonly missingBytes?: number };

export type FaultKind = Fault['kind'];

export type FaultRequest = Fault & { readonly method?: string; readonly times?: number };

export const FAULT_KINDS: readonly FaultKind[] = [
  'refuse',
  'hang',
  'delay',
  'cut',
  'slow',
  'reset',
  'empty-500',
  'timeout-503',
  'lag',
  'missing-snapshot',
  'chain-id',
  'version',
  'fork',
  'diverge',
  'code-10',
  'mempool-full',
  'catching-up',
  'replaced-changeset',
  'truncated-chunk',
];

export interface ActiveFault {
  readonly id: number;
  readonly request: FaultRequest;
  /** Uses left, Infinity without a limit. */
  readonly left: number;
}

export interface Faults {
  add(request: FaultRequest): number;
  remove(id: number): boolean;
  clear(kind?: FaultKind): void;
  list(): readonly ActiveFault[];
  /** The active fault of this kind, without using it up. */
  find<K extends FaultKind>(kind: K): Extract<Fault, { kind: K }> | undefined;
  /** Like `find`, for one request: honours `method`, counts down `times`. */
  take<K extends FaultKind>(kind: K, method: string | null): Extract<Fault, { kind: K }> | undefined;
}

export function createFaults(onChange: () => void): Faults {
  let nextId = 1;
  const active = new Map<number, { request: FaultRequest; left: number }>();
  type Of<K extends FaultKind> = Extract<Fault, { kind: K }>;
  return {
    add(request) {
      const id = nextId++;
      active.set(id, { request, left: request.times ?? Infinity });
      onChange();
      return id;
    },
    remove(id) {
      const removed = active.delete(id);
      if (removed) onChange();
      return removed;
    },
    clear(kind) {
      for (const [id, { request }] of active) if (kind === undefined || request.kind === kind) active.delete(id);
      onChange();
    },
    list: () => [...active].map(([id, { request, left }]) => ({ id, request, left })),
    find<K extends FaultKind>(kind: K) {
      if (active.size === 0) return undefined;
      for (const { request } of active.values()) if (request.kind === kind) return request as Of<K>;
      return undefined;
    },
    take<K extends FaultKind>(kind: K, method: string | null) {
      if (active.size === 0) return undefined;
      for (const [id, fault] of active) {
        const { request } = fault;
        if (request.kind !== kind || (request.method !== undefined && request.method !== method)) continue;
        if (--fault.left <= 0) {
          active.delete(id);
          queueMicrotask(onChange);
        }
        return request as Of<K>;
      }
      return undefined;
    },
  };
}
