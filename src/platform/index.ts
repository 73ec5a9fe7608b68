/**
 * platform: what Node gives us, behind small interfaces, so that tests can hand in their own.
 *
 * Owns: clock, cancellable waits, backoff, change notification, atomic files. Knows nothing of Kwil or of migrations.
 */
export * from './backoff.js';
export * from './clock.js';
export * from './files.js';
export * from './folder-lock.js';
export * from './notifier.js';
