/**
 * storage: bytes that survive a crash. What a call here resolved is on the disk.
 *
 * Owns: the journal of the switch, the ledger of writes in flight, the archive of changesets; their formats, checksums,
 * versions and recovery after a kill. Does not own what the bytes mean: records come and go as plain data, and each edge
 * that stores something states what it needs in its own ports.ts.
 */
export * from './archive.js';
export * from './journal.js';
export * from './ledger-answers.js';
export * from './ledger-format.js';
export * from './ledger.js';
