/**
 * control: the one loop that feeds the cutover machine and runs its effects.
 *
 * Owns: the order reduce → journal → adopt → publish → effects; turning facts into events (observe.ts); deadlines; the checks of
 * `preflight`; the status of the switch, its history and audit. Does not own what a state or an event means (cutover/), the bytes of
 * the journal (storage/), or who holds and sends writes (proxy/). What it needs from the other rooms is in ports.ts.
 */
export { createControl } from './control.js';
export type { CommandRequest, CommandResult, Control, ControlOptions } from './control.js';
export type { Judgement, Verdict } from './conditions.js';
export type * from './ports.js';
export { PREFLIGHT_IDS } from './preflight.js';
export type { PreflightCheck, PreflightReport } from './preflight.js';
export type { AuditEntry, ControlStatus } from './status.js';
export { createOfflineControl } from './offline-control.js';
export type { CheckRun, OfflineControl, OfflineOptions, OfflineStatus } from './offline-control.js';
export { createRollingControl } from './rolling-control.js';
export type { RollingControl, RollingOptions, StrategyAnswer, UpgradeStatus } from './rolling-control.js';
export type * from './strategy-ports.js';
