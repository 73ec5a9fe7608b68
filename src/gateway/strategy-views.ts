import type { OfflinePorts, UpgradePorts } from '../admin/index.js';
import type { OfflineStatus, UpgradeStatus } from '../admin/contract.js';
import type { OfflineControl, RollingControl } from '../control/index.js';
import { alarmText } from '../strategies/index.js';

const isoOf = (ms: number): string => new Date(ms).toISOString();

/** A rolling upgrade as operators see it. */
export const upgradePorts = (rolling: RollingControl): UpgradePorts => ({
  plan: signal => rolling.plan(signal),
  watch: (actor, reason) => rolling.watch(actor, reason),
  end: (actor, reason) => rolling.end(actor, reason),
  status(): UpgradeStatus {
    const { state, waitingFor, handWork } = rolling.upgrade();
    const { roll, stop, last } = state;
    return {
      step: state.phase,
      node: state.node,
      order: roll?.order ?? [],
      done: roll?.done ?? [],
      leader: roll?.leader ?? null,
      writes: state.hold,
      waitingFor,
      handWork,
      stop: stop === null ? null : { ...stop, at: isoOf(stop.at) },
      last: last === null ? null : { result: last.result, reason: last.reason },
    };
  },
});

/** An offline migration as operators see it. */
export const offlinePorts = (offline: OfflineControl): OfflinePorts => ({
  start: (actor, reason, etaMs) => offline.begin(actor, reason, etaMs),
  files: (files, actor) => offline.files(files, actor),
  check: actor => offline.check(actor),
  open: (actor, reason) => offline.open(actor, reason),
  abort: (actor, reason) => offline.abort(actor, reason),
  status(): OfflineStatus {
    const { state, waitingFor, handWork, check } = offline.move();
    const { freeze, alarm, last, move } = state;
    return {
      step: state.phase,
      move: move?.id ?? null,
      writes: state.hold,
      eta: move === null || state.hold === 'none' ? null : isoOf(move.eta),
      waitingFor,
      handWork,
      freeze:
        freeze === null
          ? null
          : {
              height: freeze.height,
              blockHash: freeze.blockHash,
              appHash: freeze.appHash,
              accounts: freeze.accounts.count,
              tables: freeze.tables.length,
              rows: freeze.tables.reduce((sum, { rows }) => sum + rows, 0),
            },
      export: state.export,
      check,
      alarm: alarm === null ? null : { ...alarm, text: alarmText(alarm) },
      last: last === null ? null : { result: last.result, reason: last.reason },
    };
  },
});
