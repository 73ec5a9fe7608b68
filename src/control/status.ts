import {
  applyEntry,
  attemptOf,
  initialState,
  intentOf,
  type Entry,
  type State,
  type WakeName,
} from '../cutover/index.js';
import { assertNever, type CutoverStatus, type Epoch, type AnyPhase, type NetworkName } from '../model/index.js';
import { endWarningOf } from './end-warning.js';
import { missingGates, type ConditionSettings } from './conditions.js';
import { appliedHeight, type World } from './world.js';

/** Everything the faces show of the switch. */
export interface ControlStatus extends CutoverStatus {
  readonly phase: AnyPhase;
  readonly epoch: Epoch;
  readonly writeNetwork: NetworkName | 'none';
  readonly postponed: { readonly by: string; readonly reason: string } | null;
  /** Why the journal cannot be written; null in an orderly life. */
  readonly journalFault: string | null;
}

export interface StatusContext {
  readonly world: World;
  readonly settings: ConditionSettings;
  readonly endWarningsMs: readonly number[];
  readonly journalFault: string | null;
  readonly deadlineOf: (name: WakeName) => number | null;
}

export function statusOf(state: State, context: StatusContext): ControlStatus {
  const { writes } = intentOf(state);
  const isOpen =
    state.phase === 'standby' || state.phase === 'syncing' || state.phase === 'ready' || state.phase === 'aborting';
  const deadline = nextDeadline(context);
  return {
    phase: state.phase,
    epoch: state.epoch,
    writeNetwork: writes.kind === 'send' ? writes.network : 'none',
    attempt: attemptOf(state)?.id ?? null,
    waitingFor: waitingFor(state, context.world),
    drainHeight: 'drainHeight' in state ? state.drainHeight : 'decision' in state ? state.decision.drainHeight : null,
    phaseSince: new Date(state.since).toISOString(),
    deadline: deadline === null ? null : new Date(deadline).toISOString(),
    notReady: isOpen ? missingGates(context.world, context.settings) : [],
    endWarning: endWarningOf(state.phase, context.world, context.endWarningsMs)?.text ?? null,
    lastOutcome: state.last === null ? null : `${state.last.attempt} ${state.last.result}: ${state.last.reason}`,
    postponed: state.postponed,
    journalFault: context.journalFault,
  };
}

const SHOWN: readonly WakeName[] = ['arm', 'quiet', 'settle', 'catch-up', 'check', 'hold', 'attempt', 'cool-down'];

function nextDeadline({ deadlineOf }: StatusContext): number | null {
  const running = SHOWN.map(deadlineOf).filter(at => at !== null);
  return running.length === 0 ? null : Math.min(...running);
}

function waitingFor(state: State, world: World): string | null {
  const applied = appliedHeight(world) ?? 'unknown';
  switch (state.phase) {
    case 'standby':
      return 'the migration to begin and the replicator to run';
    case 'syncing':
      return 'the new network to catch up';
    case 'ready':
      return state.postponed === null ? null : `resume: postponed by ${state.postponed.by}`;
    case 'armed':
      return 'the preflight checks';
    case 'holding':
      return 'writes that were sent before the hold to end';
    case 'draining':
      return state.drainHeight === null
        ? `${world.openOld} writes to the old network to be mined, rejected or dead`
        : `old height ${state.drainHeight} on the new network, which shows ${applied}`;
    case 'verifying':
      return 'the final check';
    case 'committed':
      return 'every request to see the new network';
    case 'opening':
      return 'a node of the new network that takes writes';
    case 'switched':
      return 'the end of both networks’ migration and the outcome of every write';
    case 'settled':
      return null;
    case 'aborting':
      return 'the end of the pause after an aborted attempt';
    case 'at-halt':
      return {
        quiet: 'writes that were sent before the halt to end',
        settle: `${world.openOld} writes to the old network to be mined, rejected or dead`,
        'catch-up': `End (old height ${state.endHeight}) on the new network, which shows ${applied}`,
        check: 'the final check',
      }[state.step];
    case 'blocked':
      return `a person: ${state.reason}`;
    default:
      return assertNever(state, 'state');
  }
}

export interface AuditEntry {
  readonly sequence: number;
  readonly at: number;
  readonly command: string;
  readonly actor: string;
  readonly reason: string;
  readonly before: AnyPhase;
  /** Equal to `before` when it was refused. */
  readonly after: AnyPhase;
  /** Code of the refusal; null when it was taken. */
  readonly refused: string | null;
}

/** Who asked for what: read from the journal, so that it cannot differ from what was done. */
export function auditOf(
  records: readonly { readonly sequence: number; readonly at: number; readonly kind: string; readonly data: unknown }[],
): readonly AuditEntry[] {
  const audit: AuditEntry[] = [];
  let state: State = initialState;
  for (const record of records) {
    const entry = record as unknown as Entry;
    const before = state.phase;
    state = applyEntry(state, entry);
    if (entry.kind === 'reset') continue;
    const event = entry.kind === 'event' ? entry.data.event : entry.data.command;
    if (!('actor' in event)) continue;
    audit.push({
      sequence: record.sequence,
      at: record.at,
      command: event.kind,
      actor: event.actor,
      reason: event.reason,
      before,
      after: state.phase,
      refused: entry.kind === 'refused' ? entry.data.code : null,
    });
  }
  return audit;
}
