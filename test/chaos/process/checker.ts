import { readFile } from 'node:fs/promises';
import type { AttemptRecord } from '../../../src/devnet/demo/load/records.js';
import { BARRIER } from '../../../src/devnet/demo/owner.js';
import { readExecutions, type ChainExecution } from '../../../src/devnet/demo/verdict/blocks.js';
import { judge } from '../../../src/devnet/demo/verdict/index.js';
import { NAMESPACE } from '../../../src/devnet/demo/schema.js';
import { createNodeClient, queryRows } from '../../../src/devnet/demo/verdict/node-client.js';
import type { NetworkHandle } from '../../../src/devnet/index.js';
import { sleep, systemClock } from '../../../src/platform/index.js';
import type { Pair } from '../../support/pair.js';
import { readDecision } from './decision.js';

export interface Finding {
  readonly lost: number;
  readonly duplicated: number;
  /** Outcomes that the gateway never found out, or writes on a chain that it does not know of. */
  readonly unresolved: number;
  readonly acknowledged: number;
  /** Everything that is wrong, in words; empty when all is well. */
  readonly problems: readonly string[];
}

/**
 * How many receipts of writers the new network had at each of its heights, read from its node from outside the gateway. Its own word
 * on the heights it applied says less: an answer of the relay may carry several.
 */
export interface ReceiptLog {
  /** First reading at this height or later; null when there is none. */
  from(newHeight: number): { readonly height: number; readonly receipts: number } | null;
  close(): void;
}

const SAMPLE_MS = 25;

export function watchReceipts(fresh: NetworkHandle): ReceiptLog {
  const node = createNodeClient(fresh.urls[0]!);
  const seen: { height: number; receipts: number }[] = [];
  let isClosed = false;
  void (async () => {
    while (!isClosed) {
      const height = fresh.height();
      const rows = await queryRows(node, COUNT).catch(() => null);
      // Only a reading that no block came into belongs to a height.
      if (rows !== null && fresh.height() === height) seen.push({ height, receipts: Number(rows[0]![0]) });
      await sleep(systemClock, SAMPLE_MS);
    }
  })();
  return {
    from: newHeight => seen.find(({ height }) => height >= newHeight) ?? null,
    close: () => void (isClosed = true),
  };
}

const COUNT = `{${NAMESPACE}}SELECT count(*) FROM receipts WHERE writer > 0`;

/**
 * Reads both chains and asks: acknowledged exactly once, refused never, tables as the chains say; every write on the old
 * network applied on the new one before the first of its own, and none above the height on which the switch was decided (I1, I2); a
 * decision never taken back (I4); every write on a chain known to the gateway, but for the given strangers.
 */
export async function check(
  pair: Pair,
  recordFile: string,
  rows: number,
  log: ReceiptLog,
  strangers: ReadonlySet<string>,
): Promise<Finding> {
  const { old } = pair;
  const fresh = pair.fresh();
  const problems: string[] = [];
  const newFirst = pair.window().start + 1;
  const verdict = await judge({
    oldUrl: old.urls[0]!,
    newUrl: fresh.urls[0]!,
    oldChainId: pair.oldChainId,
    oldHead: old.height(),
    newFirst,
    newHead: fresh.height(),
    seedRows: rows,
    recordFile,
    ownOperations: [BARRIER],
  });
  problems.push(...verdict.problems);

  const onOld = await readExecutions(createNodeClient(old.urls[0]!), 1, old.height());
  const { decision, problems: undecided } = await readDecision(pair.folder);
  problems.push(...undecided);
  if (decision === null) problems.push('undecided: the journal has no commit');
  else {
    const { drainHeight } = decision;
    const above = onOld.filter(({ op, height }) => op !== BARRIER.op && height > drainHeight);
    if (above.length > 0)
      problems.push(
        `order: decided on old height ${drainHeight}, but ${above.length} writes are above it on the old network, ` +
          `the first (${above[0]!.op}) in block ${above[0]!.height}`,
      );
  }
  const oldRuns = done(onOld);
  const newRuns = done(await readExecutions(createNodeClient(fresh.urls[0]!), newFirst, fresh.height()));
  const firstNew = newRuns[0];
  const reading = firstNew === undefined ? null : log.from(firstNew.height - 1);
  if (firstNew !== undefined && reading !== null) {
    const arrived = reading.receipts - newRuns.filter(({ height }) => height <= reading.height).length;
    if (arrived < oldRuns.length)
      problems.push(
        `order: the first write of the new network is in its block ${firstNew.height}, but at ${reading.height} it had only ` +
          `${arrived} of the ${oldRuns.length} writes that the old network took`,
      );
  }

  const unresolved = await unresolvedWrites(pair, await readAttempts(recordFile), strangers, problems);
  return {
    lost: verdict.lost,
    duplicated: verdict.duplicated,
    unresolved,
    acknowledged: verdict.acknowledged,
    problems,
  };
}

/** Writers' operations that took effect. */
const done = (runs: readonly ChainExecution[]): readonly ChainExecution[] =>
  runs.filter(({ op, code }) => op !== BARRIER.op && code === 0);

const TX_PARALLEL = 8;

async function unresolvedWrites(
  { old, fresh, gateway }: Pair,
  attempts: readonly AttemptRecord[],
  strangers: ReadonlySet<string>,
  problems: string[],
): Promise<number> {
  let count = 0;
  const { writes } = await gateway.status();
  for (const network of ['old', 'new'] as const) {
    const open = writes.unresolved[network];
    if (open === 0) continue;
    count += open;
    problems.push(`unresolved: ${open} writes to the ${network} network have no outcome`);
  }
  // Everything that clients sent went through the gateway, so it must know every transaction of theirs on a chain. The owner's
  // own (schema, stranger) came another way; the load's first block is the first with an operation of a writer.
  const firstAt = Math.min(...attempts.map(({ sentAt }) => sentAt));
  const hashes = [old, fresh()].flatMap(network =>
    network
      .blocks()
      .filter(({ stampMs }) => stampMs >= firstAt)
      .flatMap(({ txs }) => txs.filter(({ type }) => type === 'execute').map(({ hash }) => hash)),
  );
  let next = 0;
  const unknown: string[] = [];
  const worker = async (): Promise<void> => {
    for (let at = next++; at < hashes.length; at = next++) {
      const tx = await gateway.admin<{ admittedAt: string | null }>('GET', `/v1/tx/${hashes[at]!}`);
      if (tx.admittedAt === null && !strangers.has(hashes[at]!)) unknown.push(hashes[at]!);
    }
  };
  await Promise.all(Array.from({ length: TX_PARALLEL }, worker));
  if (unknown.length > 0) {
    count += unknown.length;
    problems.push(
      `unresolved: the gateway has no record of ${unknown.length} writes that are on a chain: ${unknown[0]}`,
    );
  }
  return count;
}

async function readAttempts(file: string): Promise<AttemptRecord[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as AttemptRecord);
}
