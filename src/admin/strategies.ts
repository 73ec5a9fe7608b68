import type { OfflineStatus, RouteInput, UpgradeStatus } from './contract.js';
import { refusedCommand } from './errors.js';
import type { Actor, OfflinePorts, StrategyOutcome, UpgradePorts } from './ports.js';
import { Refusal } from './refusal.js';

const nameOf = ({ name, address }: Actor): string => `${name} (${address})`;

/** What the routes of a rolling upgrade do. */
export function upgradeHandlers({ plan, status, watch, end }: UpgradePorts) {
  const after = (outcome: StrategyOutcome): UpgradeStatus | Refusal =>
    outcome.accepted ? status() : new Refusal(refusedCommand(outcome.code, outcome.message));
  return {
    upgradePlan: (_: RouteInput<'upgradePlan'>, __: Actor, signal: AbortSignal) => plan(signal),
    upgradeStatus: () => status(),
    upgradeWatch: async ({ body }: RouteInput<'upgradeWatch'>, actor: Actor) =>
      after(await watch(nameOf(actor), body.reason)),
    upgradeEnd: async ({ body }: RouteInput<'upgradeEnd'>, actor: Actor) =>
      after(await end(nameOf(actor), body.reason)),
  };
}

/** What the routes of an offline migration do. */
export function offlineHandlers({ status, start, files, check, open, abort }: OfflinePorts) {
  const after = (outcome: StrategyOutcome): OfflineStatus | Refusal =>
    outcome.accepted ? status() : new Refusal(refusedCommand(outcome.code, outcome.message));
  return {
    offlineStatus: () => status(),
    offlineStart: async ({ body }: RouteInput<'offlineStart'>, actor: Actor) =>
      after(await start(nameOf(actor), body.reason, body.etaSeconds * 1000)),
    offlineExport: async ({ body }: RouteInput<'offlineExport'>, actor: Actor) => {
      const outcome = await files(body, nameOf(actor));
      if ('findings' in outcome) return { findings: outcome.findings, status: status() };
      return new Refusal(refusedCommand(outcome.code, outcome.message));
    },
    offlineCheck: (_: RouteInput<'offlineCheck'>, actor: Actor) => after(check(nameOf(actor))),
    offlineOpen: async ({ body }: RouteInput<'offlineOpen'>, actor: Actor) =>
      after(await open(nameOf(actor), body.reason)),
    offlineAbort: async ({ body }: RouteInput<'offlineAbort'>, actor: Actor) =>
      after(await abort(nameOf(actor), body.reason)),
  };
}
