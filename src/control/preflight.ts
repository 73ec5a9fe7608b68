import { setMaxListeners } from 'node:events';
import { messageOf } from '../model/index.js';
import { waitFor } from '../platform/index.js';
import { CONDITIONS, type ConditionSettings, type Judgement, type Verdict } from './conditions.js';
import type { ControlPorts } from './ports.js';
import { PARITY_PROBES } from './parity.js';
import { PROBES, type Probe, type ProbeContext } from './probes.js';
import type { World } from './world.js';

export interface PreflightCheck extends Judgement {
  readonly id: string;
  readonly title: string;
  readonly ms: number;
}

export interface PreflightReport {
  /** Worst verdict of all checks. */
  readonly verdict: Verdict;
  readonly at: string;
  readonly ms: number;
  readonly checks: readonly PreflightCheck[];
}

export interface PreflightContext extends ProbeContext {
  readonly settings: ConditionSettings;
}

const ALL_PROBES: readonly Probe[] = [...PROBES, ...PARITY_PROBES];

/** Every check, in the order of a report. */
export const PREFLIGHT_IDS: readonly string[] = [...CONDITIONS, ...ALL_PROBES].map(({ id }) => id);

/** No check may take longer; all run at once, so this is nearly the time of a report. The rest of 5 s is for a busy machine. */
const CHECK_MS = 4000;
/**
 * The lag of a relayed network goes up and down with its pace of one height per second, and a write whose connection broke is
 * being looked up: one good moment within this is enough.
 */
const SETTLE_MS = 2500;

/**
 * Runs every check at once. A check that fails to answer has failed: what is not known must not let a switch begin.
 * Never throws; ends within about `CHECK_MS`.
 */
export async function runPreflight(
  context: PreflightContext,
  ports: ControlPorts,
  end: AbortSignal,
): Promise<PreflightReport> {
  // Every check listens at once, which is no leak: Node warns from the eleventh on.
  const signal = AbortSignal.any([end]);
  setMaxListeners(0, signal);
  const { clock, metrics } = ports;
  const begun = clock.monotonic();
  const at = new Date(clock.now()).toISOString();
  const [conditions, probes] = await Promise.all([
    settledWorld(context, ports, signal).then(facts =>
      CONDITIONS.map(({ id, title, judge }): PreflightCheck => ({
        id,
        title,
        ...judge(facts, context.settings),
        ms: Math.round(clock.monotonic() - begun),
      })),
    ),
    Promise.all(
      ALL_PROBES.map(async ({ id, title, run }): Promise<PreflightCheck> => {
        const judgement = await withinTime(run(context, ports, signal), ports, signal);
        return { id, title, ...judgement, ms: Math.round(clock.monotonic() - begun) };
      }),
    ),
  ]);
  const checks = [...conditions, ...probes];
  for (const check of checks) metrics.preflightCheck.set({ check: check.id }, check.verdict === 'fail' ? 0 : 1);
  return { verdict: worst(checks), at, ms: Math.round(clock.monotonic() - begun), checks };
}

/** The facts, at a moment in which what comes and goes by itself is out of the way, if there is one within the time. */
async function settledWorld(
  { world, settings }: PreflightContext,
  { replication, ledger, clock }: ControlPorts,
  signal: AbortSignal,
): Promise<World> {
  const subscribe = (listener: () => void): (() => void) => {
    const stops = [replication.subscribe(listener), ledger.subscribe(listener)];
    return () => stops.forEach(stop => stop());
  };
  const isSettled = ({ watermark, unknownOld }: World): boolean =>
    // Without a watermark there is nothing to wait for.
    (watermark.lagBlocks ?? 0) <= settings.lagBlocksMax && unknownOld === 0;
  const read = (): World | undefined => {
    const now = world();
    return isSettled(now) ? now : undefined;
  };
  return (await waitFor(subscribe, read, { timeoutMs: SETTLE_MS, signal, clock })) ?? world();
}

function withinTime(judgement: Promise<Judgement>, { clock }: ControlPorts, signal: AbortSignal): Promise<Judgement> {
  return new Promise(resolve => {
    const unknown = (why: string): Judgement => ({
      verdict: 'fail',
      value: why,
      threshold: 'an answer',
      remedy: 'run the check again; the log has the cause',
    });
    const timer = clock.after(CHECK_MS, () => resolve(unknown(`no answer within ${CHECK_MS} ms`)));
    const onAbort = (): void => resolve(unknown('ended'));
    signal.addEventListener('abort', onAbort, { once: true });
    judgement
      .catch((error: unknown) => unknown(messageOf(error)))
      .then(resolve, nothing)
      .finally(() => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
      })
      .catch(nothing);
  });
}

const nothing = (): void => undefined;

function worst(checks: readonly PreflightCheck[]): Verdict {
  if (checks.some(check => check.verdict === 'fail')) return 'fail';
  return checks.some(check => check.verdict === 'warn') ? 'warn' : 'pass';
}
