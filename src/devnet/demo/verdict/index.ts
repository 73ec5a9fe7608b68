/**
 * The judge of the demo: reads both chains' blocks and tables straight from nodes and compares them with what the clients
 * were told. Uses nothing of the gateway.
 */
import { readFile } from 'node:fs/promises';
import type { AttemptRecord } from '../load/records.js';
import type { Operation } from '../workload.js';
import { readExecutions, type ChainExecution } from './blocks.js';
import { createNodeClient, NodeAnswerError, type NodeClient } from './node-client.js';
import {
  applyOperation,
  compareNetworks,
  compareWithExpected,
  copyState,
  readTables,
  seedState,
  touchedRows,
} from './tables.js';

export interface VerdictInput {
  readonly oldUrl: string;
  readonly newUrl: string;
  readonly oldChainId: string;
  readonly oldHead: number;
  /** First and last block of the new network. */
  readonly newFirst: number;
  readonly newHead: number;
  readonly seedRows: number;
  readonly recordFile: string;
  /** Operations that the demo itself sent beside the clients. */
  readonly ownOperations: readonly Operation[];
}

export interface Verdict {
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly refused: number;
  readonly unknown: number;
  readonly differences: number;
  readonly tables: number;
  readonly rows: number;
  /** First differences, losses and doubles in words. */
  readonly problems: readonly string[];
  readonly outage: { readonly firstTrouble: number; readonly firstNewAck: number } | null;
}

const PROBLEMS_MAX = 30;
const LOOKUPS_PARALLEL = 16;

export async function judge(input: VerdictInput): Promise<Verdict> {
  const attempts = await readAttempts(input.recordFile);
  const oldNode = createNodeClient(input.oldUrl);
  const newNode = createNodeClient(input.newUrl);
  const [oldRuns, newRuns] = await Promise.all([
    readExecutions(oldNode, 1, input.oldHead),
    readExecutions(newNode, input.newFirst, input.newHead),
  ]);
  const problems: string[] = [];
  const lost = await findLost(attempts, oldNode, newNode, problems);
  const duplicated = findDoubled(attempts, oldRuns, newRuns, problems);

  const operations = new Map<string, Operation>(
    [...attempts.map(({ operation }) => operation), ...input.ownOperations].map(operation => [operation.op, operation]),
  );
  const expectedOld = seedState(input.seedRows);
  replay(oldRuns, operations, operation => applyOperation(expectedOld, operation));
  const expectedNew = copyState(expectedOld);
  const touched = new Set<string>();
  replay(newRuns, operations, operation => {
    for (const row of touchedRows(operation, expectedNew.children)) touched.add(row);
    applyOperation(expectedNew, operation);
  });
  const [oldTables, newTables] = await Promise.all([readTables(oldNode), readTables(newNode)]);
  const differences = [
    ...compareWithExpected('old', oldTables, expectedOld),
    ...compareWithExpected('new', newTables, expectedNew),
    ...compareNetworks(oldTables, newTables, touched),
  ];
  return {
    acknowledged: attempts.filter(({ acknowledged }) => acknowledged).length,
    lost,
    duplicated,
    refused: attempts.filter(({ outcome }) => outcome === 'refused').length,
    unknown: attempts.filter(({ outcome }) => outcome === 'unknown').length,
    differences: differences.length,
    tables: newTables.size,
    rows: [...newTables.values()].reduce((sum, rows) => sum + rows.size, 0),
    problems: [...problems, ...differences].slice(0, PROBLEMS_MAX),
    outage: outageOf(attempts, input.oldChainId),
  };
}

async function readAttempts(file: string): Promise<AttemptRecord[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as AttemptRecord);
}

/** Acknowledged writes that no chain has, or that ended otherwise than the client was told. */
async function findLost(
  attempts: readonly AttemptRecord[],
  oldNode: NodeClient,
  newNode: NodeClient,
  problems: string[],
): Promise<number> {
  const acknowledged = attempts.filter(attempt => attempt.acknowledged && attempt.hash !== null);
  let lost = 0;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < acknowledged.length; at = next++) {
      const attempt = acknowledged[at]!;
      const code = (await codeOnChain(oldNode, attempt.hash!)) ?? (await codeOnChain(newNode, attempt.hash!));
      const told =
        attempt.outcome === 'applied'
          ? code === 0
          : attempt.outcome === 'failed'
            ? code !== 0 && code !== null
            : code !== null;
      if (told) continue;
      lost += 1;
      problems.push(
        `lost: ${attempt.operation.op} ${attempt.hash} was told ${attempt.outcome}, chain says ${code ?? 'nothing'}`,
      );
    }
  };
  await Promise.all(Array.from({ length: LOOKUPS_PARALLEL }, worker));
  return lost;
}

async function codeOnChain(node: NodeClient, hash: string): Promise<number | null> {
  try {
    return (await node.call<{ tx_result: { code: number } }>('chain.tx', { hash })).tx_result.code;
  } catch (error) {
    if (error instanceof NodeAnswerError && error.code === -202) return null;
    throw error;
  }
}

/**
 * An operation that took effect more than once, or that took effect although its client was told that it was not executed
 * and never tried again.
 */
function findDoubled(
  attempts: readonly AttemptRecord[],
  oldRuns: readonly ChainExecution[],
  newRuns: readonly ChainExecution[],
  problems: string[],
): number {
  const effects = new Map<string, number>();
  for (const { op, code } of [...oldRuns, ...newRuns]) if (code === 0) effects.set(op, (effects.get(op) ?? 0) + 1);
  const lastOutcome = new Map<string, AttemptRecord['outcome']>();
  const unknownOps = new Set<string>();
  for (const { operation, outcome } of attempts) {
    lastOutcome.set(operation.op, outcome);
    if (outcome === 'unknown') unknownOps.add(operation.op);
  }
  let doubled = 0;
  for (const [op, count] of effects) {
    const deniedYetDone = lastOutcome.get(op) === 'refused' && !unknownOps.has(op);
    if (count < 2 && !deniedYetDone) continue;
    doubled += 1;
    problems.push(
      deniedYetDone ? `${op}: told "not executed" but it took effect` : `${op}: took effect ${count} times`,
    );
  }
  return doubled;
}

function replay(
  runs: readonly ChainExecution[],
  operations: ReadonlyMap<string, Operation>,
  apply: (operation: Operation) => void,
): void {
  for (const { op, code } of runs) {
    if (code !== 0) continue;
    const operation = operations.get(op);
    if (operation === undefined) throw new Error(`block holds operation ${op} that no client recorded`);
    apply(operation);
  }
}

/** From the first write that was held or refused because of the switch to the first one that the new network took. */
function outageOf(attempts: readonly AttemptRecord[], oldChainId: string): Verdict['outage'] {
  const switched = attempts.filter(
    ({ reason, outcome }) =>
      outcome === 'refused' && (reason === 'chain_switched' || reason === 'halted' || reason === 'hold_expired'),
  );
  const fresh = attempts.filter(({ chainId, acknowledged }) => chainId !== oldChainId && acknowledged);
  if (switched.length === 0 || fresh.length === 0) return null;
  const firstTrouble = Math.min(...switched.map(({ sentAt }) => sentAt));
  const firstNewAck = Math.min(...fresh.map(({ answeredAt }) => answeredAt));
  return { firstTrouble, firstNewAck };
}
