import { LRUCache } from 'lru-cache';
import {
  bindMessage,
  closeMessage,
  copyIn,
  DESCRIBE_PORTAL,
  EXECUTE,
  parseMessage,
  PgError,
  readAnswer,
  simpleQuery,
  SYNC,
  type PgField,
} from './wire.js';

/** What an embedded server offers: bytes in, bytes out, at once. */
export interface RawServer {
  execProtocolRawSync(message: Uint8Array): Uint8Array;
}

export interface PgRows {
  readonly fields: readonly PgField[];
  readonly rows: readonly (readonly (string | null)[])[];
}

interface Prepared {
  readonly name: string;
  fields: readonly PgField[];
}

/** Statements kept prepared; each costs the server some ten kilobytes. */
const PREPARED_MAX = 400;

/** One synchronous conversation with the embedded Postgres. Every method throws `PgError`. */
export class PgSession {
  private counter = 0;
  private readonly stale: string[] = [];
  private readonly prepared = new LRUCache<string, Prepared>({
    max: PREPARED_MAX,
    dispose: statement => this.stale.push(statement.name),
  });

  constructor(private readonly server: RawServer) {}

  /** One statement with text parameters; prepared the first time, reused afterwards. */
  run(sql: string, params: readonly (string | null)[] = []): PgRows {
    const known = this.prepared.get(sql);
    if (known !== undefined) {
      const answer = readAnswer(
        this.server.execProtocolRawSync(Buffer.concat([bindMessage(known.name, params), EXECUTE, SYNC])),
      );
      if (answer.error === null) return { fields: known.fields, rows: answer.rows };
      throw answer.error;
    }
    this.counter += 1;
    const name = `s${this.counter}`;
    const closing = this.stale.splice(0).map(closeMessage);
    const batch = [...closing, parseMessage(name, sql), bindMessage(name, params), DESCRIBE_PORTAL, EXECUTE, SYNC];
    const answer = readAnswer(this.server.execProtocolRawSync(Buffer.concat(batch)));
    if (answer.error !== null) {
      this.stale.push(name);
      throw answer.error;
    }
    const fields = answer.fields ?? [];
    this.prepared.set(sql, { name, fields });
    return { fields, rows: answer.rows };
  }

  /** Several statements without parameters or results. */
  script(sql: string): PgRows {
    const answer = readAnswer(this.server.execProtocolRawSync(simpleQuery(sql)));
    if (answer.error !== null) throw answer.error;
    return { fields: answer.fields ?? [], rows: answer.rows };
  }

  /** Rows of a query that is asked once: nothing stays prepared. */
  once(sql: string): PgRows['rows'] {
    return this.script(sql).rows;
  }

  /** Lines of a COPY … TO STDOUT, each with its newline. */
  copyOut(sql: string): readonly Buffer[] {
    const answer = readAnswer(this.server.execProtocolRawSync(simpleQuery(sql)));
    if (answer.error !== null) throw answer.error;
    return answer.copied;
  }

  /** A COPY … FROM STDIN with all its lines. */
  copyIn(sql: string, data: Buffer): void {
    const answer = readAnswer(this.server.execProtocolRawSync(copyIn(sql, data)));
    if (answer.error !== null) throw answer.error;
  }

  /** Drops all prepared statements, at the latest with the next new one; needed after DDL. */
  forget(): void {
    this.prepared.clear();
  }
}

export { PgError };
