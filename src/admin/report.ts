import type { AttemptStory, AuditEntry, Report } from './contract.js';
import type { AdminPorts, AttemptRecord, AuditRecord } from './ports.js';

/** One value with all that a move leaves behind, of the same sources as status, history, audit and metrics. */
export function reportOf(ports: AdminPorts): Report {
  const status = ports.status();
  return {
    at: isoOf(ports.clock.now()),
    status,
    attempts: (ports.history?.() ?? []).map(toStory),
    commands: (ports.audit?.() ?? []).map(toEntry),
    held: ports.heldWrites === undefined ? null : { since: status.startedAt, ...ports.heldWrites() },
    verification: ports.lastVerification?.() ?? null,
    upgrade: ports.upgrade?.status() ?? null,
    offline: ports.offline?.status() ?? null,
  };
}

export const toStory = (record: AttemptRecord): AttemptStory => ({
  ...record,
  startedAt: isoOf(record.startedAt),
  endedAt: record.endedAt === null ? null : isoOf(record.endedAt),
  steps: record.steps.map(step => ({ ...step, at: isoOf(step.at) })),
});

export const toEntry = (entry: AuditRecord): AuditEntry => ({ ...entry, at: isoOf(entry.at) });

const isoOf = (ms: number): string => new Date(ms).toISOString();
