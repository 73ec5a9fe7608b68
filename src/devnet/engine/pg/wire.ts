/** The part of Postgres' protocol that the engine speaks to its embedded server: text format only. */

export interface PgField {
  readonly name: string;
  readonly oid: number;
  readonly modifier: number;
}

/** An error of Postgres, worded as the node's driver words it. */
export class PgError extends Error {
  /** SQLSTATE. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(`ERROR: ${message} (SQLSTATE ${code})`);
    this.name = 'PgError';
    this.code = code;
  }
}

export interface PgAnswer {
  fields: PgField[] | null;
  rows: (string | null)[][];
  /** Lines of a COPY … TO STDOUT, each with its newline. */
  copied: Buffer[];
  error: PgError | null;
}

const cstring = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf8');

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const head = Buffer.allocUnsafe(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(length, 1);
  return Buffer.concat([head, ...parts], length + 1);
}

const NO_SHORTS = Buffer.alloc(2);

export const SYNC = message('S');
export const DESCRIBE_PORTAL = message('D', Buffer.from('P'), cstring(''));
export const EXECUTE = message('E', cstring(''), Buffer.alloc(4));

export const parseMessage = (name: string, sql: string): Buffer => message('P', cstring(name), cstring(sql), NO_SHORTS);
export const closeMessage = (name: string): Buffer => message('C', Buffer.from('S'), cstring(name));
export const simpleQuery = (sql: string): Buffer => message('Q', cstring(sql));

export function bindMessage(name: string, params: readonly (string | null)[]): Buffer {
  const texts = params.map(param => (param === null ? null : Buffer.from(param, 'utf8')));
  let length = 2;
  for (const text of texts) length += 4 + (text?.length ?? 0);
  const body = Buffer.allocUnsafe(length);
  let at = body.writeInt16BE(params.length, 0);
  for (const text of texts) {
    at = body.writeInt32BE(text === null ? -1 : text.length, at);
    if (text !== null) at += text.copy(body, at);
  }
  return message('B', cstring(''), cstring(name), NO_SHORTS, body, NO_SHORTS);
}

/** A COPY … FROM STDIN together with all its data. */
export const copyIn = (sql: string, data: Buffer): Buffer =>
  Buffer.concat([simpleQuery(sql), message('d', data), message('c')]);

/** Reads everything the server said to one batch of messages. The last rows win when there were several statements. */
export function readAnswer(bytes: Uint8Array): PgAnswer {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const answer: PgAnswer = { fields: null, rows: [], copied: [], error: null };
  for (let at = 0; at + 5 <= input.length; at += 1 + input.readInt32BE(at + 1)) {
    const body = at + 5;
    switch (input[at]) {
      case 0x54: // RowDescription
        answer.fields = readFields(input, body);
        answer.rows = [];
        break;
      case 0x44: // DataRow
        answer.rows.push(readRow(input, body));
        break;
      case 0x64: // CopyData
        answer.copied.push(input.subarray(body, at + 1 + input.readInt32BE(at + 1)));
        break;
      case 0x45: // ErrorResponse
        answer.error ??= readError(input, body);
        break;
      default:
    }
  }
  return answer;
}

function readFields(input: Buffer, start: number): PgField[] {
  const fields: PgField[] = [];
  let at = start + 2;
  for (let left = input.readInt16BE(start); left > 0; left -= 1) {
    const end = input.indexOf(0, at);
    const name = input.toString('utf8', at, end);
    fields.push({ name, oid: input.readInt32BE(end + 7), modifier: input.readInt32BE(end + 13) });
    at = end + 19;
  }
  return fields;
}

function readRow(input: Buffer, start: number): (string | null)[] {
  const row: (string | null)[] = [];
  let at = start + 2;
  for (let left = input.readInt16BE(start); left > 0; left -= 1) {
    const length = input.readInt32BE(at);
    at += 4;
    if (length === -1) row.push(null);
    else {
      row.push(input.toString('utf8', at, at + length));
      at += length;
    }
  }
  return row;
}

function readError(input: Buffer, start: number): PgError {
  let code = 'XX000';
  let text = 'unknown error';
  for (let at = start; input[at] !== 0;) {
    const end = input.indexOf(0, at + 1);
    const value = input.toString('utf8', at + 1, end);
    if (input[at] === 0x43) code = value;
    if (input[at] === 0x4d) text = value;
    at = end + 1;
  }
  return new PgError(code, text);
}
