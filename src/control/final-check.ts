import { messageOf, type Height } from '../model/index.js';
import type { ControlPorts } from './ports.js';
import { appliedHeight, showsHeight, upNodes, type World } from './world.js';

export interface FinalCheck {
  readonly open: number;
  readonly applied: Height;
  /** Whatever speaks against the commit; empty is the yes. */
  readonly problems: readonly string[];
}

interface FinalCheckContext extends Pick<ControlPorts, 'ledger' | 'verifier'> {
  /** As many rows may differ: a value that the stream loses, or a conflict that nobody will mend, must not keep everybody. */
  readonly differencesMax: number;
  readonly world: () => World;
  readonly signal: AbortSignal;
  readonly until: <T>(read: () => T | undefined, signal: AbortSignal) => Promise<T | undefined>;
}

/**
 * The last look before the decision, from facts read now. What may just be late (a node that has not shown the block yet) is
 * waited for; what contradicts the earlier steps is a problem at once. Null when the step is over.
 */
export async function checkFinally(height: Height, context: FinalCheckContext): Promise<FinalCheck | null> {
  const { world, until, signal, ledger, verifier, differencesMax } = context;
  const seen = await until(() => {
    const now = world();
    const isContradicted = now.openOld > 0 || contradictions(now).length > 0;
    return isContradicted || showsHeight(now, height) ? now : undefined;
  }, signal);
  if (seen === undefined) return null;

  const problems = [...contradictions(seen)];
  if (problems.length === 0 && verifier !== undefined) {
    try {
      const recent = await verifier.verifyRecent(appliedHeight(seen) ?? height, signal);
      const { differences, leftOut, heightsLeftOut, examples } = recent;
      if (differences > differencesMax)
        problems.push(
          `${differences} of the rows changed last differ between the networks: ${examples.join(', ')} (cutover.differencesMax accepts ${differencesMax})`,
        );
      // What was not looked at is not known to be equal: writes go on, and a later attempt finds less left to compare.
      if (leftOut > 0 || heightsLeftOut > 0)
        problems.push(`${leftOut} changed rows and ${heightsLeftOut} heights could not be compared in time`);
    } catch (error) {
      if (signal.aborted) return null;
      problems.push(`the rows changed last could not be compared: ${messageOf(error)}`);
    }
  }
  return { open: ledger.unresolved('old').length, applied: appliedHeight(seen) ?? 0, problems };
}

function contradictions(world: World): readonly string[] {
  const problems: string[] = [];
  if (world.new === null) problems.push('the new network is not configured');
  else if (world.new.chainId === world.old?.chainId) problems.push('both networks have the same chain id');
  const isWrong = (world.new?.nodes ?? []).length > 0 && world.new!.nodes.every(node => node.state === 'quarantined');
  if (isWrong) problems.push('every node of the new network is on another chain');
  if (world.replication.state === 'stopped')
    problems.push(`replication stopped: ${world.replication.reason ?? 'no reason given'}`);
  // A node that answers with an older watermark than the network's is waited for; one that shows less after it showed more is not right.
  if (upNodes(world.new).length > 0 && world.watermark.applied === null)
    problems.push('the watermark is not known any more');
  return problems;
}
