import type { Phase } from '../model/index.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import type { World } from './world.js';

/**
 * The old network's End comes by itself and refuses writes until the new one has everything: whoever wants a switch of their
 * own choosing has to be told in time.
 */
export interface EndWarning {
  /** 1 at the first and widest margin. */
  readonly margin: number;
  readonly text: string;
}

/** States in which a person can still switch before End. */
const UNDECIDED: ReadonlySet<Phase> = new Set(['standby', 'syncing', 'ready', 'aborting', 'blocked']);

/** Null while End is far, unknown or nobody's concern any more. `margins`: time left, ms, widest first. */
export function endWarningOf(
  phase: Phase,
  { replication }: Pick<World, 'replication'>,
  margins: readonly number[],
): EndWarning | null {
  const { blocksToEnd, msToEnd } = replication;
  if (!UNDECIDED.has(phase) || blocksToEnd === null || blocksToEnd === 0 || msToEnd === null) return null;
  const margin = margins.filter(limit => msToEnd <= limit).length;
  if (margin === 0) return null;
  const blocks = `${blocksToEnd} ${blocksToEnd === 1 ? 'block' : 'blocks'}`;
  return {
    margin,
    text: `the old network ends in ${blocks}, about ${inWords(msToEnd)}: switch before (\`switchyard cutover start\`), or writes are refused from then until the new network has everything`,
  };
}

/** Says each margin once, when it is reached; shows it in the metric for as long as it holds. */
export function createEndWatch({ logger, metrics }: { readonly logger: Logger; readonly metrics: Metrics }) {
  let told = 0;
  return (warning: EndWarning | null): void => {
    const margin = warning?.margin ?? 0;
    if (margin === told) return;
    metrics.endMargin.set(margin);
    if (warning !== null && margin > told) logger.warn({ margin }, warning.text);
    told = margin;
  };
}

const inWords = (ms: number): string => {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 2) return `${Math.max(1, Math.round(ms / 1000))} s`;
  return minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
};
