import {
  applyEntry,
  budgetsOf,
  eventEntry,
  initialState,
  intentOf,
  isAttempting,
  isCommitted,
  isRejected,
  replay,
  transition,
  type Effect,
  type Entry,
  type MachineEvent,
  type State,
  type SwitchIntent,
  type Transition,
  type WakeName,
} from '../../../src/cutover/index.js';
import type { Phase } from '../../../src/model/index.js';

/** A mistake built in on purpose: the checks have to find each of them. */
export interface Variant {
  readonly name: string;
  /** The drain height is fixed before the open writes are settled. */
  readonly isDrainEarly?: boolean;
  /** Writes go on to the old network while they should be held. */
  readonly hasNoHold?: boolean;
  /** Sends of an older epoch count as ended. */
  readonly hasNoFence?: boolean;
  /** An abort is taken after the commit. */
  readonly canAbortCommitted?: boolean;
  /** A write enters the ledger when its answer is there, not before it is sent. */
  readonly isLedgerLate?: boolean;
  /** The intent is published before its record is durable. */
  readonly isAdoptEarly?: boolean;
  /** A new process goes on with the epochs of its journal. */
  readonly hasNoEpochGap?: boolean;
}

export interface SimulationStats {
  steps: number;
  episodes: number;
  restarts: number;
  commits: number;
  releases: number;
  halts: number;
  oldWrites: number;
  newWrites: number;
  readonly phases: Set<Phase>;
  /** Phases in which the process was killed. */
  readonly killedIn: Set<Phase>;
}

export class Violation extends Error {
  constructor(
    readonly invariant: string,
    detail: string,
  ) {
    super(`${invariant}: ${detail}`);
  }
}

/** Small seeded generator (mulberry32). */
export function randomOf(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const HOLD_MS = 8000;
const BUDGETS = budgetsOf({ attemptMs: 30_000, holdMs: HOLD_MS, coolDownMs: 5000 });
/** A step of virtual time; what is due is looked at after each. */
const STEP_MS_MAX = 200;
const EPISODE_STEPS = 4000;
const AFTER_SWITCH_STEPS = 300;
const OPEN_MAX = 12;

interface Tx {
  readonly id: number;
  place: 'sending' | 'mempool' | 'mined' | 'gone';
  height: number;
  ledger: 'none' | 'open' | 'final';
}

interface Flight {
  readonly epoch: number;
  readonly tx: Tx;
}

interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
  readonly entry: Entry;
}

/**
 * Runs the machine with a loop like control/loop.ts against two model networks, a model proxy and a journal that is slow, fails and
 * survives kills, for at least `steps` steps of random events. Throws `Violation` when an invariant breaks.
 */
export function simulate(seed: number, steps: number, variant: Variant): SimulationStats {
  const stats: SimulationStats = {
    steps: 0,
    episodes: 0,
    restarts: 0,
    commits: 0,
    releases: 0,
    halts: 0,
    oldWrites: 0,
    newWrites: 0,
    phases: new Set(),
    killedIn: new Set(),
  };
  const random = randomOf(seed);
  while (stats.steps < steps) {
    stats.episodes += 1;
    runEpisode(random, Math.min(EPISODE_STEPS, steps - stats.steps), variant, stats);
  }
  return stats;
}

function runEpisode(random: () => number, steps: number, variant: Variant, stats: SimulationStats): void {
  const chance = (probability: number): boolean => random() < probability;
  const below = (bound: number): number => Math.floor(random() * bound);

  // ── the world: what is true, whoever knows it ──
  let now = 1_000_000;
  const old = { head: 100, end: 130 + below(600), isHalted: false };
  const mempool = new Set<Tx>();
  let txs: Tx[] = [];
  let txCount = 0;
  let applied = 99;
  let isStalled = false;
  let isNewUp = true;
  let isStreamBroken = false;
  let isCalm = false;
  let lastMinedTruth = 0;

  // ── the process: gone after a kill ──
  let lastMinedKnown = 0;
  const flights = new Set<Flight>();
  /** Sends whose process is gone; their bytes may still arrive. */
  const orphans = new Set<Tx>();
  let fence = 0;
  let waits: Effect[] = [];
  let timers: { name: WakeName; attempt: string; at: number }[] = [];
  let late: MachineEvent[] = [];
  let queue: MachineEvent[] = [];
  let overdue: Step[] = [];
  let adopted: State = initialState;
  let head: State = initialState;
  let durable: State = initialState;
  let flushing: { step: Step; isReset: boolean; doneAt: number; result: 'ok' | 'no' | 'maybe' } | null = null;
  let retryAt = 0;
  let scopePhase: Phase | null = null;
  let scopeAttempt = '';

  // ── the disk ──
  const journal: Entry[] = [];

  // ── what was seen from outside ──
  let isDecided = false;
  let epochSeen = 0;
  let routingSeen = '';
  let heldSince: number | null = null;

  const move = (state: State, event: MachineEvent): Transition => {
    if (variant.canAbortCommitted === true && event.kind === 'abort' && isCommitted(state)) {
      const { decision, ...rest } = state;
      return {
        state: {
          ...rest,
          phase: 'aborting',
          attempt: decision.attempt,
          epoch: state.epoch + 1,
          seq: state.seq + 1,
        } as State,
        effects: [],
      };
    }
    return transition(state, event);
  };

  const reduce = (state: State, event: MachineEvent): Step | null => {
    const result = move(state, event);
    if (isRejected(result) || result.state === state) return null;
    return { state: result.state, effects: result.effects, entry: eventEntry(event, result.state) };
  };

  const isRelease = (from: State, to: State): boolean =>
    !isCommitted(from) && from.phase !== 'aborting' && to.phase === 'aborting';

  const adopt = (step: Step): void => {
    adopted = head = step.state;
    publish(intentOf(adopted));
    stats.phases.add(adopted.phase);
    const keepsAttempt = isAttempting(adopted) && adopted.attempt.id === scopeAttempt;
    if (adopted.phase !== scopePhase) {
      waits = [];
      timers = timers.filter(timer => keepsAttempt && (timer.name === 'hold' || timer.name === 'attempt'));
    }
    scopePhase = adopted.phase;
    scopeAttempt = 'attempt' in adopted ? adopted.attempt.id : '';
    for (const effect of step.effects) {
      if (effect.kind === 'wake') {
        timers = timers.filter(timer => timer.name !== effect.name);
        timers.push({ name: effect.name, attempt: effect.attempt, at: now + BUDGETS[effect.name] });
      } else if (effect.kind === 'await-quiet' || effect.kind === 'await-adopted') {
        fence = Math.max(fence, effect.epoch);
        waits.push(effect);
      } else if (effect.kind !== 'expedite' && effect.kind !== 'alarm') waits.push(effect);
    }
  };

  const publish = (intent: SwitchIntent): void => {
    const routing = `${intent.writes.kind} ${'network' in intent.writes ? intent.writes.network : ''} ${intent.committed}`;
    if (intent.epoch < epochSeen) throw new Violation('I5', `epoch ${intent.epoch} after ${epochSeen}`);
    if (intent.epoch === epochSeen && routing !== routingSeen)
      throw new Violation('I5', `epoch ${epochSeen} means "${routingSeen}" and "${routing}"`);
    epochSeen = intent.epoch;
    routingSeen = routing;
    if (isDecided && !intent.committed) throw new Violation('I4', `back to ${intent.phase} after the decision`);
    if (intent.committed && !isDecided) throw new Violation('I4', `${intent.phase} without a durable decision`);
    if (intent.writes.kind === 'hold') heldSince ??= now;
    else heldSince = null;
  };

  /** The moment in which the commit record is on the disk. */
  const decide = (state: State): void => {
    if (isDecided || !isCommitted(state)) return;
    isDecided = true;
    stats.commits += 1;
    if (state.decision.attempt.kind === 'rehearsal') throw new Violation('I4', 'a rehearsal was committed');
    const open = txs.find(tx => tx.place === 'sending' || tx.place === 'mempool');
    if (open !== undefined) throw new Violation('I2', `write ${open.id} is ${open.place} at the decision`);
    if (applied < lastMinedTruth)
      throw new Violation('I2', `the new network shows ${applied}, a write is in ${lastMinedTruth}`);
    if (state.decision.applied < state.decision.drainHeight)
      throw new Violation('I2', 'decided below the drain height');
  };

  const startFlush = (step: Step, isReset: boolean): void => {
    const slow = chance(0.08) ? below(6000) : below(15);
    const result = isCalm || !chance(0.01) ? 'ok' : chance(0.7) ? 'no' : 'maybe';
    flushing = { step, isReset, doneAt: now + (isCalm ? 1 : slow), result };
    if (variant.isAdoptEarly === true && !isReset && !overdue.includes(step)) adopt(step);
  };

  const leadsTo = (from: State, step: Step): boolean => {
    try {
      applyEntry(from, step.entry);
      return true;
    } catch {
      return false;
    }
  };

  const pump = (): void => {
    while (flushing === null && now >= retryAt) {
      const due = overdue[0];
      if (due !== undefined) {
        startFlush(due, !leadsTo(durable, due));
        return;
      }
      const event = queue.shift();
      if (event === undefined) return;
      const step = reduce(adopted, event);
      if (step === null) continue;
      if (isRelease(adopted, step.state)) release(step);
      else {
        head = step.state;
        startFlush(step, false);
      }
    }
  };

  const release = (step: Step): void => {
    stats.releases += 1;
    overdue.push(step);
    adopt(step);
  };

  const push = (event: MachineEvent): void => {
    if ((flushing !== null || now < retryAt) && !isCommitted(head)) {
      const step = reduce(head, event);
      if (step !== null && isRelease(head, step.state)) return release(step);
    }
    if (queue.length < 50) queue.push(event);
  };

  const endFlush = (): void => {
    const { step, isReset, result } = flushing!;
    flushing = null;
    const isOverdue = overdue[0] === step;
    if (result === 'maybe') {
      if (chance(0.5)) record(step, isReset);
      return kill();
    }
    if (result === 'no') {
      retryAt = now + 200;
      if (isOverdue) return;
      if (head === step.state) head = adopted;
      const out = reduce(head, { kind: 'journal-failed', at: now, reason: 'full' });
      if (out !== null && isRelease(head, out.state)) release(out);
      return;
    }
    record(step, isReset);
    durable = step.state;
    if (isOverdue) overdue.shift();
    else if (head === step.state && adopted !== step.state) adopt(step);
  };

  const record = (step: Step, isReset: boolean): void => {
    // As JSON, like the real one: what a restart finds is what was written.
    const entry: Entry = isReset ? { kind: 'reset', data: { state: step.state, reason: 'full' } } : step.entry;
    journal.push(JSON.parse(JSON.stringify(entry)) as Entry);
    decide(step.state);
  };

  const kill = (): void => {
    stats.restarts += 1;
    stats.killedIn.add(adopted.phase);
    for (const { tx } of flights) if (tx.place === 'sending') orphans.add(tx);
    flights.clear();
    fence = 0;
    waits = [];
    timers = [];
    late = [];
    queue = [];
    overdue = [];
    flushing = null;
    retryAt = 0;
    scopePhase = null;
    heldSince = null;
    begin();
  };

  const begin = (): void => {
    adopted = head = durable = replay(journal);
    const step = reduce(adopted, { kind: 'restarted', at: now })!;
    if (variant.hasNoEpochGap === true) {
      const epoch = adopted.epoch + (intentOf(adopted).writes.kind === intentOf(step.state).writes.kind ? 0 : 1);
      const state: State = { ...step.state, epoch };
      journal.push({ kind: 'reset', data: { state, reason: 'mutant' } });
      durable = state;
      return adopt({ ...step, state });
    }
    journal.push(step.entry);
    durable = step.state;
    adopt(step);
  };

  // ── the proxy ──

  const write = (): void => {
    const { writes, epoch } = intentOf(adopted);
    const isSentOld =
      (writes.kind === 'send' && writes.network === 'old') || (variant.hasNoHold === true && writes.kind === 'hold');
    if (isSentOld) {
      if (txs.length >= OPEN_MAX || (epoch < fence && variant.hasNoHold !== true)) return;
      const tx: Tx = {
        id: (txCount += 1),
        place: 'sending',
        height: 0,
        ledger: variant.isLedgerLate === true ? 'none' : 'open',
      };
      txs.push(tx);
      flights.add({ epoch, tx });
      stats.oldWrites += 1;
    } else if (writes.kind === 'send' && writes.network === 'new') {
      stats.newWrites += 1;
      const early = txs.find(tx => tx.place === 'sending' || tx.place === 'mempool');
      if (early !== undefined)
        throw new Violation('I1', `a write reaches the new network while ${early.id} may reach the old one`);
    }
  };

  const arrive = (tx: Tx): void => {
    if (tx.place !== 'sending') return;
    if (old.isHalted || (!isCalm && chance(0.1))) tx.place = 'gone';
    else {
      if (isDecided) throw new Violation('I1', `write ${tx.id} reaches the old network after the decision`);
      tx.place = 'mempool';
      mempool.add(tx);
    }
  };

  /** Looks up one write, as the resolver does; it never says dead of what may still arrive. */
  const resolve = (tx: Tx): void => {
    if (tx.ledger !== 'open') return;
    if (tx.place === 'mined') lastMinedKnown = Math.max(lastMinedKnown, tx.height);
    else if (tx.place !== 'gone') return;
    tx.ledger = 'final';
  };

  const openCount = (): number => txs.filter(tx => tx.ledger === 'open').length;

  // ── effects: answered when what they wait for is true ──

  const answerOf = (effect: Effect): MachineEvent | null => {
    const mine = { attempt: effect.attempt, at: now };
    switch (effect.kind) {
      case 'run-preflight':
        return { kind: 'preflight-done', ...mine, failed: !isCalm && chance(0.1) ? ['disk'] : [] };
      case 'await-quiet':
      case 'await-adopted': {
        const isQuiet = variant.hasNoFence === true || ![...flights].some(flight => flight.epoch < effect.epoch);
        if (!isQuiet) return null;
        return { kind: effect.kind === 'await-quiet' ? 'quiet' : 'adopted', ...mine, epoch: effect.epoch };
      }
      case 'await-settled': {
        const open = variant.isDrainEarly === true ? 0 : openCount();
        return open > 0 ? null : { kind: 'writes-settled', ...mine, open, drainHeight: lastMinedKnown };
      }
      case 'await-applied':
        return applied >= effect.height ? { kind: 'reached', ...mine, applied } : null;
      case 'final-check': {
        const open = variant.isDrainEarly === true ? 0 : openCount();
        if (!isNewUp && open === 0) return null;
        return { kind: 'checked', ...mine, open, applied, problems: !isCalm && chance(0.05) ? ['a doubt'] : [] };
      }
      case 'await-open':
        return isNewUp ? { kind: 'opened', ...mine } : null;
      case 'expedite':
      case 'wake':
      case 'alarm':
        return null;
    }
  };

  const answerWaits = (): void => {
    for (const effect of waits.slice()) {
      if (!isCalm && chance(0.4)) continue;
      const event: MachineEvent | null =
        !isCalm && chance(0.005)
          ? { kind: 'failed', attempt: effect.attempt, reason: 'no', at: now }
          : answerOf(effect);
      if (event === null) continue;
      waits = waits.filter(other => other !== effect);
      push(event);
      // Answers may come twice, and long after their step.
      if (chance(0.2) && late.length < 10) late.push(event);
    }
  };

  const observed = (): MachineEvent | null => {
    const { phase } = adopted;
    const lag = old.head - applied;
    if (phase === 'switched')
      return old.isHalted && applied >= old.end && openCount() === 0 ? { kind: 'finished', at: now } : null;
    if (isCommitted(adopted)) return null;
    const knowsEnd = phase === 'at-halt' || (phase === 'blocked' && adopted.halted !== null);
    if (old.isHalted && !knowsEnd) return { kind: 'old-ended', at: now, endHeight: old.end, retryAfterMs: 1000 };
    if (phase === 'blocked') return isStreamBroken ? null : { kind: 'cleared', at: now };
    if (phase === 'standby') return { kind: 'began', at: now };
    if (phase === 'aborting') return null;
    if (isStreamBroken) return { kind: 'doubted', at: now, reason: 'a gap' };
    if (phase === 'syncing') return lag <= 5 && isNewUp ? { kind: 'caught-up', at: now } : null;
    if (phase === 'ready') return lag > 20 || !isNewUp ? { kind: 'fell-behind', at: now, missing: ['lag'] } : null;
    return null;
  };

  // ── time ──

  const block = (): void => {
    if (old.isHalted) return;
    old.head += 1;
    for (const tx of mempool) {
      if (!isCalm && chance(0.3)) continue;
      mempool.delete(tx);
      tx.place = 'mined';
      tx.height = old.head;
      lastMinedTruth = Math.max(lastMinedTruth, old.head);
    }
    if (old.head < old.end) return;
    old.isHalted = true;
    stats.halts += 1;
    for (const tx of mempool) tx.place = 'gone';
    mempool.clear();
  };

  const tick = (ms: number): void => {
    now += ms;
    for (const timer of timers.slice()) {
      if (timer.at > now) continue;
      timers = timers.filter(other => other !== timer);
      push({ kind: 'deadline', name: timer.name, attempt: timer.attempt, at: now });
    }
    if (flushing !== null && flushing.doneAt <= now) endFlush();
    pump();
    // While the record that ends the hold forward (the decision, the old network's End) is being flushed nobody can know it;
    // held writes expire by their own limit.
    const isDeciding =
      flushing !== null && (isCommitted(flushing.step.state) || flushing.step.state.phase === 'at-halt');
    if (heldSince !== null && !isDeciding && now - heldSince > BUDGETS.hold + 2 * STEP_MS_MAX) {
      throw new Violation('I6', `writes are held for ${now - heldSince} ms in ${adopted.phase}`);
    }
  };

  const chaos = (): void => {
    tick(below(chance(0.02) ? STEP_MS_MAX : 30));
    const roll = random();
    if (roll < 0.2) write();
    else if (roll < 0.32) {
      for (const { tx } of flights) if (chance(0.5)) arrive(tx);
    } else if (roll < 0.44) {
      for (const flight of flights) if (chance(0.5)) answer(flight);
    } else if (roll < 0.52) {
      block();
      if (!isStalled && !isStreamBroken && chance(0.9)) applied = Math.max(applied, old.head - below(3));
    } else if (roll < 0.68) {
      for (const tx of txs) if (chance(0.7)) resolve(tx);
      txs = txs.filter(tx => tx.ledger !== 'final');
    } else if (roll < 0.86) answerWaits();
    else if (roll < 0.94) {
      const event = observed();
      if (event !== null) push(event);
    } else if (roll < 0.96) command();
    else if (roll < 0.97 && late.length > 0) push(late.splice(below(late.length), 1)[0]!);
    else if (roll < 0.973) {
      isStalled = chance(0.15);
      isNewUp = !chance(0.1);
      isStreamBroken = chance(0.03);
    } else if (roll < 0.976) {
      if (flushing !== null && chance(0.5) && flushing.result !== 'no') record(flushing.step, flushing.isReset);
      kill();
    } else {
      for (const tx of orphans) {
        arrive(tx);
        orphans.delete(tx);
      }
    }
  };

  /** The answer to a send, or the end of its connection without one: after either nothing of it can arrive any more. */
  const answer = (flight: Flight): void => {
    const { tx } = flight;
    if (tx.place === 'sending') {
      if (!chance(0.1)) return;
      tx.place = 'gone';
    }
    if (tx.ledger === 'none') tx.ledger = 'open';
    flights.delete(flight);
  };

  const command = (): void => {
    const roll = random();
    const kind =
      roll < 0.55 ? 'start' : roll < 0.65 ? 'rehearse' : roll < 0.75 ? 'abort' : roll < 0.8 ? 'postpone' : 'resume';
    push({ kind, at: now, actor: 'sim', reason: '' });
  };

  const calm = (): void => {
    tick(20);
    write();
    for (const tx of orphans) arrive(tx);
    orphans.clear();
    for (const flight of flights) {
      arrive(flight.tx);
      if (flight.tx.ledger === 'none') flight.tx.ledger = 'open';
      flights.delete(flight);
    }
    block();
    applied = old.head;
    for (const tx of txs) resolve(tx);
    txs = txs.filter(tx => tx.ledger !== 'final');
    answerWaits();
    const event = observed();
    if (event !== null) push(event);
    pump();
    // Clients never stop: at every flush a write may be on its way.
    write();
  };

  const phaseNow = (): Phase => adopted.phase;
  begin();
  // Once all is decided there is little left to go wrong: some steps more, then another story.
  let rest = AFTER_SWITCH_STEPS;
  for (let step = 0; step < steps && rest > 0; step += 1) {
    stats.steps += 1;
    chaos();
    if (phaseNow() === 'switched' || phaseNow() === 'settled') rest -= 1;
  }

  // Whatever state the chaos left: in a quiet world it is left again, and a switch works.
  isCalm = true;
  isStalled = isStreamBroken = false;
  isNewUp = true;
  old.end = Math.max(old.end, old.isHalted ? old.end : old.head + 2000);
  push({ kind: 'resume', at: now, actor: 'sim', reason: '' });
  const isOver = (): boolean => phaseNow() === 'switched' || phaseNow() === 'settled';
  for (let turn = 0; turn < 4000 && !isOver(); turn += 1) {
    calm();
    if (phaseNow() === 'ready') push({ kind: turn % 2 === 0 ? 'resume' : 'start', at: now, actor: 'sim', reason: '' });
  }
  if (!isOver()) throw new Violation('I6', `no way out of ${phaseNow()}: ${JSON.stringify(adopted)}`);
}
