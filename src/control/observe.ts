import type { Observation, State } from '../cutover/index.js';
import { missingGates, type ConditionSettings } from './conditions.js';
import { newFinished, oldEnd, type World } from './world.js';

/** Ready ends only when the lag is this much above what lets it begin, so that a sawtooth does not flap. */
const LAG_SLACK = 4;
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 10_000;

/**
 * What the facts mean for a machine in `state`, as at most one event: each one changes the state, after which the
 * facts are looked at again. Pure.
 */
export function observe(state: State, world: World, settings: ConditionSettings): Observation | null {
  const { at, replication } = world;
  if (state.phase === 'settled') return null;
  if (state.phase === 'switched') {
    return oldEnd(world) !== null && newFinished(world.new) && world.openOld === 0 ? { kind: 'finished', at } : null;
  }
  if (state.phase === 'committed' || state.phase === 'opening') return null;

  const end = oldEnd(world);
  const knowsEnd = state.phase === 'at-halt' || (state.phase === 'blocked' && state.halted !== null);
  if (end !== null && !knowsEnd) return { kind: 'old-ended', at, endHeight: end, retryAfterMs: retryAfterMs(world) };

  const doubt =
    replication.state === 'stopped' ? `replication stopped: ${replication.reason ?? 'no reason given'}` : null;
  if (state.phase === 'blocked') return doubt === null ? { kind: 'cleared', at } : null;
  if (state.phase === 'standby') {
    const isRunning = world.new !== null && (replication.state === 'running' || replication.state === 'finished');
    return isRunning ? { kind: 'began', at } : null;
  }
  if (state.phase === 'aborting') return null;
  if (doubt !== null) return { kind: 'doubted', at, reason: doubt };

  if (state.phase === 'syncing') return missingGates(world, settings).length === 0 ? { kind: 'caught-up', at } : null;
  if (state.phase === 'ready') {
    const missing = missingGates(world, { ...settings, lagBlocksMax: settings.lagBlocksMax * LAG_SLACK });
    return missing.length === 0 ? null : { kind: 'fell-behind', at, missing };
  }
  return null;
}

/** When a refused client may try again: about the time the rest of the changes needs. */
const retryAfterMs = (world: World): number =>
  Math.round(Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, world.replication.lagMs ?? RETRY_MIN_MS)));
