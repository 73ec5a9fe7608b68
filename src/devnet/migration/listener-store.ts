/**
 * What one validator's listener keeps on disk: chunks as they came, the last height it finished, and the last non-empty
 * height it emitted. Survives kill and restart; the order of its writes decides what a crash leaves behind.
 */
export interface ListenerStore {
  chunk(height: number, index: number): Uint8Array | undefined;
  putChunk(height: number, index: number, bytes: Uint8Array): void;
  deleteChunk(height: number, index: number): void;
  /** 0 before the first. */
  lastHeight(): number;
  setLastHeight(height: number): void;
  /** 0 before the first. */
  lastEmitted(): number;
  setLastEmitted(height: number): void;
}

export function createListenerStore(): ListenerStore {
  const chunks = new Map<string, Uint8Array>();
  let lastHeight = 0;
  let lastEmitted = 0;
  return {
    chunk: (height, index) => chunks.get(`${height}-${index}`),
    putChunk: (height, index, bytes) => void chunks.set(`${height}-${index}`, bytes),
    deleteChunk: (height, index) => void chunks.delete(`${height}-${index}`),
    lastHeight: () => lastHeight,
    setLastHeight: height => {
      lastHeight = height;
    },
    lastEmitted: () => lastEmitted,
    setLastEmitted: height => {
      lastEmitted = height;
    },
  };
}
