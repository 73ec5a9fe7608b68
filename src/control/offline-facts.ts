import { messageOf, type Height, type NodeRef } from '../model/index.js';
import { sleep } from '../platform/index.js';
import type { AccountState, Freeze, NetworkFacts, NewNodeFacts, Stranger } from '../strategies/index.js';
import type { StrategyPorts } from './strategy-ports.js';
import { attempt, blockTimeOf, settle, type NodeReads } from './strategy-reads.js';

/** Blocks whose senders are looked up as accounts; older senders are not known by name. */
const SENDER_BLOCKS_MAX = 5000;
const ACCOUNTS_MAX = 10_000;
const LANES = 8;
const STRANGER_BLOCKS_MAX = 1000;
const NEW_BLOCKS = 3;
const LOOK_MS = 100;
const BLOCKS_MIN_MS = 10_000;
const NEW_TX_BLOCKS_MAX = 2000;

/** Everything that the new network is compared with, from one node that stands at F. */
export async function readFreeze(
  ports: StrategyPorts,
  reads: NodeReads,
  node: NodeRef,
  height: Height,
  signal: AbortSignal,
): Promise<Freeze> {
  const block = await reads.block(node, height);
  if (block === null) throw new Error(`${node.name} has no block ${height}`);
  const [params, validators, proposals, count, tables] = await Promise.all([
    reads.parameters(node),
    reads.validators(node),
    reads.proposals(node),
    attempt(reads.accounts(node)),
    ports.tables.digest(node, signal),
  ]);
  const known = await readAccounts(reads, node, await sendersOf(ports, reads, node, height, signal), signal);
  return {
    height,
    blockHash: block.hash,
    appHash: block.appHash,
    params,
    validators,
    proposals,
    accounts: { count, known },
    tables,
    at: ports.clock.now(),
  };
}

/** Senders of the newest blocks, and of whatever our ledger still holds: accounts cannot be listed by RPC. */
async function sendersOf(
  { ledger }: StrategyPorts,
  reads: NodeReads,
  node: NodeRef,
  height: Height,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const senders = new Set(ledger.unresolved('old').map(({ account }) => account));
  const first = Math.max(1, height - SENDER_BLOCKS_MAX + 1);
  await inLanes(rangeOf(first, height), signal, async at => {
    const transactions = (await attempt(reads.transactions(node, at))) ?? [];
    for (const { keyType, sender } of transactions)
      if (sender !== '' && senders.size < ACCOUNTS_MAX) senders.add(`${keyType}:${sender}`);
  });
  return senders;
}

async function readAccounts(
  reads: NodeReads,
  node: NodeRef,
  names: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly AccountState[]> {
  const accounts: AccountState[] = [];
  await inLanes([...names], signal, async name => {
    const colon = name.indexOf(':');
    const id = { keyType: name.slice(0, colon), identifier: name.slice(colon + 1) };
    const found = await attempt(reads.account(node, id));
    if (found !== null) accounts.push({ ...id, ...found });
  });
  return accounts.sort((a, b) => (a.identifier < b.identifier ? -1 : 1));
}

/** Transactions in the old network's blocks above a height. */
export async function readStrangers(
  { nodes }: StrategyPorts,
  reads: NodeReads,
  above: Height,
): Promise<{ readonly head: Height; readonly strangers: readonly Stranger[] }> {
  const best = [...(nodes.view('old')?.nodes ?? [])]
    .filter(({ state }) => state === 'up' || state === 'syncing' || state === 'lagging')
    .sort((a, b) => b.height - a.height)[0];
  const head = best?.height ?? above;
  const strangers: Stranger[] = [];
  for (
    let height = above + 1;
    best !== undefined && height <= Math.min(head, above + STRANGER_BLOCKS_MAX);
    height += 1
  ) {
    const transactions = await reads.transactions({ network: 'old', name: best.name }, height);
    for (const { hash, sender, type } of transactions) strangers.push({ height, hash, sender, type });
  }
  return { head, strangers };
}

/** How every node of the new network answers, looked at until three more blocks came on each or the time is over. */
export async function readNewNodes(
  { clock, nodes }: StrategyPorts,
  reads: NodeReads,
  refs: readonly NodeRef[],
  signal: AbortSignal,
): Promise<readonly NewNodeFacts[]> {
  const first = await Promise.all(refs.map(ref => settle(reads.health(ref))));
  const begin = first.map(seen => ('value' in seen ? seen.value.height : null));
  const until = clock.monotonic() + Math.max(BLOCKS_MIN_MS, (NEW_BLOCKS + 1) * blockTimeOf(nodes, 'new'));
  const heights = [...begin];
  const enough = (): boolean =>
    heights.every((height, i) => height !== null && height >= (begin[i] ?? height) + NEW_BLOCKS);
  while (!signal.aborted && clock.monotonic() < until && heights.some(height => height !== null) && !enough()) {
    await sleep(clock, LOOK_MS, signal);
    await Promise.all(
      refs.map(async (ref, i) => {
        const seen = await attempt(reads.health(ref));
        if (seen === null) return;
        begin[i] ??= seen.height;
        heights[i] = seen.height;
      }),
    );
  }
  return Promise.all(
    refs.map(async (ref, i): Promise<NewNodeFacts> => {
      const seen = await settle(reads.health(ref));
      if (!('value' in seen)) return { ...NOTHING, node: ref.name, error: seen.error };
      const genesis = await attempt(reads.stateHash(ref));
      const { chainId, height } = seen.value;
      const at = (genesis?.initialHeight ?? 0) + 1;
      const block = height >= at ? await attempt(reads.block(ref, at)) : null;
      return {
        node: ref.name,
        chainId,
        height,
        stateHash: genesis?.stateHash ?? null,
        first:
          block === null
            ? null
            : { height: at, prevAppHash: block.prevAppHash, prevHash: block.prevHash, appHash: block.appHash },
        newBlocks: height - (begin[i] ?? height),
        transactions: await countTransactions(reads, ref, at, height, signal),
        error: null,
      };
    }),
  );
}

const NOTHING: Omit<NewNodeFacts, 'node'> = {
  chainId: null,
  height: null,
  stateHash: null,
  first: null,
  newBlocks: 0,
  transactions: null,
  error: null,
};

/** Null when some block could not be read, or there are too many. */
async function countTransactions(
  reads: NodeReads,
  node: NodeRef,
  from: Height,
  to: Height,
  signal: AbortSignal,
): Promise<number | null> {
  if (to - from > NEW_TX_BLOCKS_MAX) return null;
  let count: number | null = 0;
  await inLanes(rangeOf(from, to), signal, async height => {
    const transactions = await attempt(reads.transactions(node, height));
    count = count === null || transactions === null ? null : count + transactions.length;
  });
  return count;
}

/** What the new network as a whole says, from one of its nodes. */
export async function readNetwork(
  reads: NodeReads,
  node: NodeRef,
  freeze: Freeze,
  signal: AbortSignal,
): Promise<NetworkFacts> {
  const [params, validators, proposals, count] = await Promise.all([
    attempt(reads.parameters(node)),
    attempt(reads.validators(node)),
    attempt(reads.proposals(node)),
    attempt(reads.accounts(node)),
  ]);
  const differing: string[] = [];
  await inLanes(freeze.accounts.known, signal, async account => {
    const name = `${account.keyType} ${account.identifier}`;
    try {
      const found = await reads.account(node, account);
      if (found.nonce !== account.nonce) differing.push(`${name} has nonce ${found.nonce}, was ${account.nonce}`);
      if (found.balance !== account.balance)
        differing.push(`${name} has balance ${found.balance}, was ${account.balance}`);
    } catch (error) {
      differing.push(`${name}: ${messageOf(error)}`);
    }
  });
  return {
    params,
    validators: validators ?? [],
    proposals,
    accounts: { compared: freeze.accounts.known.length, count, differing },
  };
}

const rangeOf = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

async function inLanes<T>(items: readonly T[], signal: AbortSignal, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length && !signal.aborted; at = next++) await work(items[at]!);
  };
  await Promise.all(Array.from({ length: Math.min(LANES, items.length) }, lane));
}
