import type { Height, Phase } from '../model/index.js';
import { attemptOf, type Attempt, type Outcome, type State } from './state.js';

/** One attempt, told from its states: what `cutover history` and the report show. */
export interface AttemptStory {
  readonly id: string;
  readonly kind: Attempt['kind'];
  readonly by: string;
  readonly reason: string;
  readonly startedAt: number;
  readonly steps: readonly StepStory[];
  readonly drainHeight: Height | null;
  /** Watermark at the decision; null when there was none. */
  readonly applied: Height | null;
  /** Null while it runs. */
  readonly result: Outcome['result'] | null;
  readonly outcome: string | null;
  readonly endedAt: number | null;
  /** From the hold to the decision or the release, ms by the wall clock. */
  readonly holdMs: number | null;
}

export interface StepStory {
  readonly phase: Phase;
  readonly at: number;
  /** Null while it lasts. */
  readonly ms: number | null;
}

/** Attempts kept; the journal has them all. */
const STORIES_MAX = 200;

/** Stories after a step of the machine. Phases that belong to no attempt end the last story's last step. */
export function tell(stories: readonly AttemptStory[], from: State, to: State, at: number): readonly AttemptStory[] {
  const attempt = attemptOf(to);
  const before = attemptOf(from);
  let next = stories;
  // Whatever comes after an attempt ends its last step.
  if (before !== null && before.id !== attempt?.id)
    next = update(next, before.id, story => ({ ...story, steps: closeSteps(story.steps, at) }));
  if (attempt !== null) {
    if (!next.some(story => story.id === attempt.id)) next = [...next.slice(1 - STORIES_MAX), begun(attempt)];
    next = update(next, attempt.id, story => withStep(story, to, at));
  }
  const { last } = to;
  return last === null || last === from.last ? next : update(next, last.attempt, story => ended(story, last));
}

const withStep = (story: AttemptStory, to: State, at: number): AttemptStory => ({
  ...story,
  ...('drainHeight' in to ? { drainHeight: to.drainHeight } : {}),
  ...('decision' in to ? { drainHeight: to.decision.drainHeight, applied: to.decision.applied } : {}),
  steps:
    to.phase === story.steps.at(-1)?.phase
      ? story.steps
      : [...closeSteps(story.steps, at), { phase: to.phase, at, ms: null }],
});

const begun = (attempt: Attempt): AttemptStory => ({
  id: attempt.id,
  kind: attempt.kind,
  by: attempt.by,
  reason: attempt.reason,
  startedAt: attempt.at,
  steps: [],
  drainHeight: null,
  applied: null,
  result: null,
  outcome: null,
  endedAt: null,
  holdMs: null,
});

const ended = (story: AttemptStory, { result, reason, at, holdMs }: Outcome): AttemptStory => ({
  ...story,
  result,
  outcome: reason,
  endedAt: at,
  holdMs,
});

/** The step that lasts ends now. */
export const closeSteps = <T extends Pick<StepStory, 'at' | 'ms'>>(steps: readonly T[], at: number): readonly T[] =>
  steps.map(step => (step.ms === null ? { ...step, ms: Math.max(0, at - step.at) } : step));

const update = (
  stories: readonly AttemptStory[],
  id: string,
  change: (story: AttemptStory) => AttemptStory,
): readonly AttemptStory[] => stories.map(story => (story.id === id ? change(story) : story));
