import { messageOf } from '../model/index.js';
import type { Logger } from '../telemetry/index.js';

/** Runs one piece of work at a time: the one that the newest state asks for. */
export interface WorkRunner {
  /** Begins `work` unless work of this name is running; ends what ran under another name. Null: nothing is to be done. */
  run(name: string | null, work: (signal: AbortSignal) => Promise<void>): void;
  close(): void;
}

export function createWorkRunner(logger: Logger, failed: (name: string, error: unknown) => void): WorkRunner {
  let current: { readonly name: string; readonly stop: AbortController } | null = null;
  return {
    run(name, work) {
      if (current?.name === name) return;
      current?.stop.abort();
      current = null;
      if (name === null) return;
      const stop = new AbortController();
      const mine = { name, stop };
      current = mine;
      void work(stop.signal).catch((error: unknown) => {
        if (stop.signal.aborted) return;
        logger.warn({ work: name, error: messageOf(error) }, 'a step could not be done; it is tried again');
        if (current === mine) current = null;
        failed(name, error);
      });
    },
    close() {
      current?.stop.abort();
      current = null;
    },
  };
}
