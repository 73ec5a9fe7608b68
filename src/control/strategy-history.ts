import { closeSteps } from '../cutover/index.js';
import type { AnyPhase, Height } from '../model/index.js';

/** One roll or offline migration, told from its states: what the report shows beside attempts of the switch. */
export interface StrategyStory {
  readonly id: string;
  readonly kind: 'roll' | 'offline';
  readonly by: string;
  readonly reason: string;
  readonly startedAt: number;
  readonly steps: readonly StrategyStep[];
  /** Freeze point of an offline migration. */
  readonly drainHeight: Height | null;
  readonly applied: null;
  /** Null while it runs. */
  readonly result: 'finished' | 'ended' | 'switched' | 'aborted' | null;
  readonly outcome: string | null;
  readonly endedAt: number | null;
  /** From the first write that was held or refused until writes went on, ms by the wall clock; null when none was. */
  readonly holdMs: number | null;
}

export interface StrategyStep {
  readonly phase: AnyPhase;
  /** The strategy's own word for it, and which node it is about. */
  readonly about: string;
  readonly at: number;
  /** Null while it lasts. */
  readonly ms: number | null;
}

/** How the states of a strategy are told. */
export interface StoryTeller<S> {
  readonly kind: StrategyStory['kind'];
  readonly phaseOf: (state: S) => AnyPhase;
  readonly aboutOf: (state: S) => string;
  /** What is under way. */
  readonly attemptOf: (state: S) => { readonly id: string; readonly by: string; readonly reason: string } | null;
  /** How the newest that is over ended. */
  readonly lastOf: (state: S) => {
    readonly id: string;
    readonly result: NonNullable<StrategyStory['result']>;
    readonly reason: string;
    readonly at: number;
  } | null;
  readonly heightOf: (state: S) => Height | null;
  /** Whether clients' writes go through. */
  readonly isOpen: (state: S) => boolean;
}

/** Attempts told; the journal has them all. */
const STORIES_MAX = 200;

/** Stories of all states that a journal tells, oldest first. */
export function tellStories<S>(
  states: readonly { readonly at: number; readonly state: S }[],
  teller: StoryTeller<S>,
): readonly StrategyStory[] {
  const stories: StrategyStory[] = [];
  let closedAt: number | null = null;
  let told: ReturnType<StoryTeller<S>['lastOf']> = null;
  for (const { at, state } of states) {
    const attempt = teller.attemptOf(state);
    if (attempt !== null && attempt.id !== stories.at(-1)?.id) {
      stories.push(begun(teller.kind, attempt, at));
      closedAt = null;
    }
    const story = stories.at(-1);
    if (story === undefined) continue;
    let next: StrategyStory = { ...story, drainHeight: teller.heightOf(state) ?? story.drainHeight };
    if (attempt !== null) next = { ...next, steps: withStep(next.steps, teller, state, at) };
    const isOpen = teller.isOpen(state);
    if (!isOpen) closedAt ??= at;
    else if (closedAt !== null) {
      next = { ...next, holdMs: (next.holdMs ?? 0) + Math.max(0, at - closedAt) };
      closedAt = null;
    }
    const last = teller.lastOf(state);
    if (last !== null && last !== told && last.id === next.id) {
      next = {
        ...next,
        result: last.result,
        outcome: last.reason,
        endedAt: last.at,
        steps: closeSteps(next.steps, at),
      };
    }
    told = last;
    stories[stories.length - 1] = next;
  }
  return stories.slice(-STORIES_MAX);
}

const begun = (
  kind: StrategyStory['kind'],
  attempt: { readonly id: string; readonly by: string; readonly reason: string },
  at: number,
): StrategyStory => ({
  id: attempt.id,
  kind,
  by: attempt.by,
  reason: attempt.reason,
  startedAt: at,
  steps: [],
  drainHeight: null,
  applied: null,
  result: null,
  outcome: null,
  endedAt: null,
  holdMs: null,
});

function withStep<S>(
  steps: readonly StrategyStep[],
  teller: StoryTeller<S>,
  state: S,
  at: number,
): readonly StrategyStep[] {
  const [phase, about] = [teller.phaseOf(state), teller.aboutOf(state)];
  const last = steps.at(-1);
  return last?.phase === phase && last.about === about
    ? steps
    : [...closeSteps(steps, at), { phase, about, at, ms: null }];
}
