import { createHash } from 'node:crypto';
import { encodeElements, type Element } from '../../../protocol/index.js';
import { EngineHalt } from '../errors.js';
import { Applier } from '../state/apply.js';
import type { Accounts } from '../state/accounts.js';
import { readChanges } from '../state/record.js';
import type { BlockOutcome, BlockWork, EngineOp, OpResult } from '../types.js';
import { decodeParameter, ParameterError, type KwilValue } from '../value.js';
import type { Machine } from './evaluator.js';
import { Interpreter } from './interpreter.js';
import type { Surroundings } from './scope.js';

const CODE_OK = 0;
const CODE_ENCODING = 1;
const CODE_NAMESPACE_MISSING = 110;
const CODE_NAMESPACE_EXISTS = 120;
const CODE_UNKNOWN = 65535;

/** Captured rows after which their table is vacuumed. */
const VACUUM_ROWS = 5_000;

export interface BlockMachine extends Machine {
  readonly accounts: Accounts;
}

/** Executes blocks: one Postgres transaction each, a savepoint per transaction. */
export class BlockRunner {
  private recording = false;
  private sinceVacuum = 0;

  constructor(private readonly machine: BlockMachine) {}

  run(work: BlockWork): BlockOutcome {
    const { session, catalog, accounts } = this.machine;
    if (work.record !== this.recording) {
      session.script(`SET kwil.record = '${work.record ? 'on' : 'off'}'`);
      this.recording = work.record;
    }
    const schema = catalog.state;
    session.script('BEGIN');
    try {
      const results = work.ops.map(op => this.op(op, work));
      const applier = new Applier(session, accounts, work.defects);
      for (const { height, bytes } of work.apply) applier.apply(height, bytes);
      accounts.flush();
      const captured = readChanges(session, catalog, work.defects);
      const changes: Element[] = work.record ? captured : [];
      const spends = accounts.blockSpends();
      if (work.record && spends.length > 0) changes.push({ kind: 'spends', spends });
      const changed = accounts.blockChanges();
      const stateDigest = digest(work, results, changes, changed);
      session.script('COMMIT');
      accounts.commit();
      this.tidy(captured.length);
      return { results, changes, stateDigest, accounts: changed };
    } catch (error) {
      session.script('ROLLBACK');
      accounts.rollback();
      this.resetSchema(schema);
      throw error;
    }
  }

  /** The embedded server has no vacuum of its own, and captured rows are deleted in every block. */
  private tidy(rows: number): void {
    this.sinceVacuum += rows;
    if (this.sinceVacuum < VACUUM_ROWS) return;
    this.sinceVacuum = 0;
    this.machine.session.script('VACUUM kwild_capture.change');
  }

  private resetSchema(schema: Machine['catalog']['state']): void {
    const { session, catalog, statements } = this.machine;
    if (catalog.state === schema) return;
    catalog.state = schema;
    statements.clear();
    session.forget();
  }

  private op(op: EngineOp, work: BlockWork): OpResult {
    const charge = this.machine.accounts.charge(op, work.gas);
    if (charge.code !== CODE_OK) return { ...charge, log: errorLog('', charge.log) };
    const outcome = this.body(op, work);
    return { code: outcome.code, log: outcome.log, gas: charge.gas };
  }

  private body(op: EngineOp, work: BlockWork): { code: number; log: string } {
    const { work: task } = op;
    if (task.kind === 'none')
      return { code: task.code, log: task.code === CODE_OK || task.log === '' ? task.log : errorLog('', task.log) };
    if (task.kind === 'transfer') {
      const refused = this.machine.accounts.transfer(
        { identifier: op.sender, keyType: op.keyType },
        task.to,
        task.amount,
      );
      return refused === null ? { code: CODE_OK, log: '' } : { code: refused.code, log: errorLog('', refused.log) };
    }
    const { session, catalog } = this.machine;
    const schema = catalog.state;
    const logs: string[] = [];
    session.run('SAVEPOINT op');
    try {
      if (task.kind === 'raw') this.raw(task, op, work);
      else this.execute(task, op, work, logs);
      session.run('RELEASE SAVEPOINT op');
      return { code: CODE_OK, log: logs.join('\n') };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      session.run('ROLLBACK TO SAVEPOINT op');
      session.run('RELEASE SAVEPOINT op');
      this.resetSchema(schema);
      return { code: codeOf(error), log: errorLog(logs.join('\n'), error.message) };
    }
  }

  private interpreter(op: EngineOp, work: BlockWork): Interpreter {
    const leaderKey = work.leader === null ? '' : Buffer.from(work.leader.publicKey).toString('hex');
    const surroundings: Surroundings = {
      caller: op.caller,
      signer: op.sender,
      txid: op.hash,
      height: BigInt(work.height),
      timestamp: BigInt(Math.floor(work.timestampMs / 1_000)),
      authenticator: op.authType,
      leader: leaderKey,
      leaderSender: work.leader?.publicKey ?? new Uint8Array(),
    };
    return new Interpreter(this.machine, { surroundings, writable: true, node: null });
  }

  private raw(task: Extract<EngineOp['work'], { kind: 'raw' }>, op: EngineOp, work: BlockWork): void {
    const params = namedParameters(task.params);
    this.interpreter(op, work).execute(task.statement, params, () => undefined);
  }

  private execute(
    task: Extract<EngineOp['work'], { kind: 'execute' }>,
    op: EngineOp,
    work: BlockWork,
    logs: string[],
  ): void {
    const calls = task.calls.map(args => args.map(decodeParameter));
    for (const args of calls.length === 0 ? [[]] : calls) {
      const interpreter = this.interpreter(op, work);
      try {
        interpreter.call(task.namespace, task.action, args, () => undefined);
      } finally {
        if (interpreter.logs.length > 0) logs.push(formatLogs(interpreter.logs));
      }
    }
  }
}

/** Parameters by their variable's name, in a fixed order. */
export function namedParameters(
  params: readonly { name: string; value: Parameters<typeof decodeParameter>[0] }[],
): Map<string, KwilValue> {
  const values = new Map<string, KwilValue>();
  for (const { name, value } of [...params].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const lower = name.toLowerCase();
    const variable = lower.startsWith('$') ? lower : `$${lower}`;
    if (!/^\$[a-z][a-z0-9_]*$/.test(variable))
      throw new Error('variable name must only contain letters, numbers, and underscores');
    values.set(variable, decodeParameter(value));
  }
  return values;
}

/** NOTICE lines as they stand in a call's answer. */
export const formatLogs = (logs: readonly string[]): string =>
  logs.map((log, index) => `${index + 1}. ${log}`).join('\n');

/** Log of a failed transaction: what was logged before, then the error. */
function errorLog(before: string, message: string): string {
  const line = message.startsWith('ERROR: ') ? message : `ERROR: ${message}`;
  return before === '' ? line : `${before}\n${line}`;
}

/** Faults of the statement or its data, not of this program: those must not pass for a refusal. */
export function isRefusal(error: unknown): error is Error {
  if (!(error instanceof Error) || error instanceof EngineHalt) return false;
  return !(error instanceof TypeError) && !(error instanceof RangeError) && !(error instanceof ReferenceError);
}

function codeOf(error: Error): number {
  if (error instanceof ParameterError) return CODE_ENCODING;
  if (error.message.includes('namespace not found: ')) return CODE_NAMESPACE_MISSING;
  if (error.message.includes('namespace already exists: ')) return CODE_NAMESPACE_EXISTS;
  return CODE_UNKNOWN;
}

function digest(
  work: BlockWork,
  results: readonly OpResult[],
  changes: readonly Element[],
  accounts: BlockOutcome['accounts'],
): Uint8Array {
  const hash = createHash('sha256');
  hash.update(
    `${results.map(result => `${result.code} ${result.gas} ${result.log.length} ${result.log}`).join('\n')}\n`,
  );
  hash.update(work.ops.map(op => op.hash).join(' '));
  hash.update(encodeElements(changes));
  for (const { height, bytes } of work.apply) hash.update(`\n${height} `).update(bytes ?? new Uint8Array());
  for (const account of accounts)
    hash.update(account.identifier).update(` ${account.keyType} ${account.balance} ${account.nonce}\n`);
  return hash.digest();
}
