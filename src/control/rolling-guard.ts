import type { Height, NodeRef } from '../model/index.js';
import { sleep } from '../platform/index.js';
import { isRolling, type RollingEvent, type RollingState } from '../strategies/index.js';
import type { StrategyPorts } from './strategy-ports.js';
import { attempt, blockTimeOf, createNodeReads, type BlockFacts } from './strategy-reads.js';

const LOOK_MS = 100;
/** A head that stands: long enough to be no slow block. The shorter one is only used to learn who leads. */
const STAND_BLOCKS = 3;
const STAND_MIN_MS = 5000;
const LEARN_MIN_MS = 1500;
/** What was on its way when the leader went may still arrive. */
const SETTLE_MS = 1000;
const AGREE_EVERY_MS = 1000;

/**
 * Watches the network while a roll is under way, whatever the node's own step waits for: blocks, restarts that nobody
 * announced, nodes that disagree. Pushes the first sign; what it leads to is the machine's business.
 */
export async function guardRoll(
  ports: StrategyPorts,
  state: () => RollingState,
  push: (event: RollingEvent) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, nodes } = ports;
  const reads = createNodeReads(nodes, signal);
  let head: Height = nodes.view('old')?.head ?? 0;
  let movedAt = clock.monotonic();
  let stoppedAt: number | null = null;
  let agreedAt = clock.monotonic();
  /** Nodes that were up since the roll began: one that was not is no news. */
  const wereUp = new Set<string>();

  while (!signal.aborted) {
    const now = clock.monotonic();
    const view = nodes.view('old');
    const current = state();
    if (view !== null && isRolling(current)) {
      if (current.moving) stoppedAt = null;
      else stoppedAt ??= now;
      if (view.head > head) {
        head = view.head;
        movedAt = now;
        if (stoppedAt !== null && now - stoppedAt > SETTLE_MS)
          await push({ kind: 'block', height: head, at: clock.now() });
        else if (stoppedAt !== null && current.phase === 'returning')
          await push({ kind: 'block', height: head, at: clock.now() });
      }
      const event = unannounced(current) ?? standing(current, now - movedAt) ?? (await disagreement(current, now));
      if (event !== null && !signal.aborted) await push(event);
    }
    await sleep(clock, LOOK_MS, signal);
  }

  function unannounced(current: RollingState): RollingEvent | null {
    if (current.phase === 'stopped') return null;
    for (const { name, state: health, reason } of nodes.view('old')?.nodes ?? []) {
      if (name === current.node) continue;
      if (health === 'up') wereUp.add(name);
      if (!wereUp.has(name) || (health !== 'down' && health !== 'quarantined')) continue;
      wereUp.delete(name);
      const turn =
        current.phase === 'ready'
          ? `, while ${current.node} was announced`
          : `, while it is the turn of ${current.node}`;
      const danger =
        current.phase === 'away' || current.phase === 'returning' ? '; with both away there may be no majority' : '';
      return {
        kind: 'doubt',
        node: name,
        evidence: `${name} is ${health} (${reason ?? 'no reason'})${turn}: nobody announced that${danger}`,
        at: clock.now(),
      };
    }
    return null;
  }

  function standing(current: RollingState, forMs: number): RollingEvent | null {
    const three = STAND_BLOCKS * blockTimeOf(nodes, 'old');
    const isAway = current.phase === 'away' || current.phase === 'returning';
    const leader = current.roll?.leader ?? null;
    // The leader's own absence, and what comes after a doubt, are known to stop the blocks.
    if (current.phase === 'stopped' || !current.moving) return null;
    if (isAway && leader === null && current.node !== null && forMs > Math.max(three, LEARN_MIN_MS))
      return { kind: 'leads', node: current.node, at: clock.now() };
    if (forMs <= Math.max(three, STAND_MIN_MS)) return null;
    return {
      kind: 'doubt',
      node: null,
      evidence: `no block for ${Math.round(forMs / 1000)} s at height ${head}${leader === null ? '' : ` although ${leader.node} leads and is not away`}: the leader ended, or there is no majority`,
      at: clock.now(),
    };
  }

  /** Hashes of every serving node at one height that all of them have. */
  async function disagreement(current: RollingState, now: number): Promise<RollingEvent | null> {
    if (current.phase === 'stopped' || now - agreedAt < AGREE_EVERY_MS) return null;
    agreedAt = now;
    const serving = (nodes.view('old')?.nodes ?? []).filter(({ state: health }) => health === 'up');
    const height = Math.min(...serving.map(node => node.height));
    if (serving.length < 2 || !Number.isFinite(height) || height === 0) return null;
    const refs = serving.map(({ name }): NodeRef => ({ network: 'old', name }));
    const { odd, blocks } = await compareHashes(refs, height, node => attempt(reads.block(node, height)));
    const [name] = odd;
    if (name === undefined) return null;
    const block = blocks.get(name)!;
    return {
      kind: 'doubt',
      node: name,
      evidence: `${name} has block ${block.hash} and app hash ${block.appHash} at height ${height}, unlike the others: it is on a fork`,
      at: clock.now(),
    };
  }
}

/** Nodes whose hashes at a height differ from those of most, and nodes that did not tell. */
export async function compareHashes(
  refs: readonly NodeRef[],
  height: Height,
  read: (node: NodeRef) => Promise<BlockFacts | null>,
): Promise<{
  readonly height: Height;
  readonly odd: readonly string[];
  readonly silent: readonly string[];
  readonly blocks: ReadonlyMap<string, BlockFacts>;
}> {
  const blocks = new Map<string, BlockFacts>();
  await Promise.all(
    refs.map(async node => {
      const block = await read(node);
      if (block !== null) blocks.set(node.name, block);
    }),
  );
  const silent = refs.filter(({ name }) => !blocks.has(name)).map(({ name }) => name);
  const groups = new Map<string, string[]>();
  for (const [name, { hash, appHash }] of blocks) {
    const key = `${hash} ${appHash}`;
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  const [, ...others] = [...groups.values()].sort((a, b) => b.length - a.length);
  return { height, odd: others.flat(), silent, blocks };
}
