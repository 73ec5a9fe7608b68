import { EMPTY_RESULT, type AccountId, type EncodedValue, type QueryResult } from '../../../protocol/index.js';
import { EngineError } from '../errors.js';
import { PgError, PgSession, type RawServer } from '../pg/session.js';
import { Accounts } from '../state/accounts.js';
import { GENESIS_SQL } from '../state/bootstrap.js';
import { Catalog } from '../state/catalog.js';
import { dumpState, restoreState } from '../state/dump.js';
import type {
  Account,
  BlockOutcome,
  BlockWork,
  CallContext,
  CallOutcome,
  GenesisOptions,
  NamedValue,
  QueryOptions,
} from '../types.js';
import { cellOf, decodeParameter, ParameterError } from '../value.js';
import { BlockRunner, formatLogs, isRefusal, namedParameters } from './block.js';
import type { Row } from './evaluator.js';
import { Interpreter, UserError } from './interpreter.js';
import type { Surroundings } from './scope.js';
import { StatementCache } from './statements.js';

const ENGINE = -300;
const NAMESPACE_MISSING = -301;
const NAMESPACE_EXISTS = -302;
const INVALID_PARAMS = -32602;

/** What the data or the action's own code raised: a call that meets it still succeeds. */
const USER_SQLSTATE = /^(22|23)|^P0001$/;

/** The whole engine over one embedded server, without the thread around it. */
export class EngineMachine {
  private readonly session: PgSession;
  private readonly catalog: Catalog;
  private readonly accounts: Accounts;
  private readonly statements = new StatementCache();
  private readonly blocks: BlockRunner;

  constructor(server: RawServer) {
    this.session = new PgSession(server);
    this.catalog = new Catalog(this.session);
    this.accounts = new Accounts(this.session);
    this.blocks = new BlockRunner({ ...this.parts(), accounts: this.accounts });
  }

  private parts(): { session: PgSession; catalog: Catalog; statements: StatementCache } {
    return { session: this.session, catalog: this.catalog, statements: this.statements };
  }

  init(options: GenesisOptions): void {
    this.session.script(GENESIS_SQL);
    this.begin(options);
  }

  restore(sql: Uint8Array, options: GenesisOptions): void {
    restoreState(this.session, sql);
    this.begin(options);
  }

  private begin(options: GenesisOptions): void {
    this.session.run(
      `INSERT INTO kwild_engine.user_roles SELECT 'owner', $1 WHERE NOT EXISTS
       (SELECT 1 FROM kwild_engine.user_roles WHERE role_name = 'owner')`,
      [options.owner],
    );
    this.catalog.load();
    this.accounts.load();
    for (const { amount, ...id } of options.alloc ?? []) this.accounts.credit(id, amount);
    this.accounts.flush();
    this.accounts.commit();
  }

  dump(): Buffer {
    return dumpState(this.session);
  }

  executeBlock(work: BlockWork): BlockOutcome {
    return this.blocks.run(work);
  }

  query(sql: string, params: readonly NamedValue[], options: QueryOptions): QueryResult {
    const rows: Row[] = [];
    const surroundings: Surroundings = {
      caller: '',
      signer: new Uint8Array(),
      txid: '',
      height: -1n,
      timestamp: 0n,
      authenticator: '',
      leader: '',
      leaderSender: new Uint8Array(),
    };
    return this.refusing(() => {
      const interpreter = new Interpreter(this.parts(), { surroundings, writable: false, node: options.node ?? null });
      interpreter.execute(sql, namedParameters(params), row => rows.push(row));
      return resultOf(rows);
    });
  }

  call(namespace: string, action: string, args: readonly EncodedValue[], context: CallContext): CallOutcome {
    const rows: Row[] = [];
    const surroundings: Surroundings = {
      caller: context.caller,
      signer: context.signer,
      txid: '',
      height: BigInt(context.height),
      timestamp: context.timestampMs < 0 ? -1n : BigInt(Math.floor(context.timestampMs / 1_000)),
      authenticator: context.authType,
      leader: context.leader === null ? '' : Buffer.from(context.leader.publicKey).toString('hex'),
      leaderSender: context.leader?.publicKey ?? new Uint8Array(),
    };
    const interpreter = new Interpreter(this.parts(), { surroundings, writable: false, node: context.node ?? null });
    return this.refusing(() => {
      const values = args.map(decodeParameter);
      let error: string | null = null;
      try {
        interpreter.call(namespace, action, values, row => rows.push(row));
      } catch (thrown) {
        const isUserError =
          thrown instanceof UserError || (thrown instanceof PgError && USER_SQLSTATE.test(thrown.code));
        if (!isUserError) throw thrown;
        error = thrown.message;
      }
      return { result: resultOf(rows), logs: formatLogs(interpreter.logs), error };
    });
  }

  account(id: AccountId): Account | null {
    return this.accounts.get(id);
  }

  numAccounts(): number {
    return this.accounts.count;
  }

  /** Gives refusals the code that the node's RPC gives them. */
  private refusing<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (error instanceof ParameterError)
        throw new EngineError(INVALID_PARAMS, `failed to decode parameter: ${error.message}`, { cause: error });
      if (error.message.includes('namespace not found: '))
        throw new EngineError(NAMESPACE_MISSING, error.message, { cause: error });
      if (error.message.includes('namespace already exists: '))
        throw new EngineError(NAMESPACE_EXISTS, error.message, { cause: error });
      throw new EngineError(ENGINE, error.message, { cause: error });
    }
  }
}

function resultOf(rows: readonly Row[]): QueryResult {
  const [first] = rows;
  if (first === undefined) return EMPTY_RESULT;
  return {
    columnNames: first.names,
    // an int4 is an int8 to everybody but the changeset stream
    columnTypes: first.values.map(({ type }) => (type.name === 'int4' ? { ...type, name: 'int8' } : type)),
    values: rows.map(row => row.values.map(cellOf)),
  };
}
