import { setTimeout as pause } from 'node:timers/promises';

const WAIT_MS = 30_000;

/** Looks until a condition holds that nobody announces. Throws at the deadline. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what}`);
    await pause(2);
  }
}
