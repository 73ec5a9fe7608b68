/**
 * admin: the operators' side over HTTP. Reads the one status value, gives commands, answers probes and metrics.
 *
 * Owns: routes and payloads (contract.ts, a second door that the CLI imports), the token, problem+json, the audit line of
 * every command. Decides nothing: what a command means is the switch's business (ports.ts says what is needed).
 *
 * Open without token: /livez, /readyz, /startupz, /version, /openapi.json, and /metrics on loopback (admin.metrics).
 * They tell health and shapes, no secrets; everything under /v1 asks for `Authorization: Bearer`.
 */
export { createAdmin, type Admin, type AdminOptions } from './admin.js';
export { createApp } from './app.js';
export { ProblemError } from './errors.js';
export type {
  Actor,
  AdminPorts,
  AttemptRecord,
  AuditRecord,
  CommandOutcome,
  CommandRequest,
  OfflinePorts,
  Readiness,
  StrategyOutcome,
  UpgradePorts,
  VerifyProgress,
} from './ports.js';
export { ensureToken } from './token.js';
