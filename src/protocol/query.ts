import { CodecError } from './errors.js';
import { jsonString, membersOf, parseJson, type JsonObject, type JsonValue } from './json.js';
import { dataTypeOfJson, encodeDataTypeJson, type DataType } from './values.js';

/**
 * One cell of a result (reference 5): integers, numerics and uuids are text, bytea is base64 text, bool is boolean,
 * arrays are arrays of these.
 */
export type Cell = null | boolean | string | readonly Cell[];

/** Result of `user.query`, and `query_result` of `user.call`. Without rows all three are null, as on the wire. */
export interface QueryResult {
  readonly columnNames: readonly string[] | null;
  readonly columnTypes: readonly DataType[] | null;
  readonly values: readonly (readonly Cell[])[] | null;
}

export const EMPTY_RESULT: QueryResult = { columnNames: null, columnTypes: null, values: null };

/** Result of `user.call`. */
export interface CallResult {
  readonly queryResult: QueryResult | null;
  /** Numbered NOTICE lines in one text. */
  readonly logs: string;
  /** Error that the action itself raised; the RPC is a success nevertheless. */
  readonly error: string | null;
}

/** A result from its JSON (text, bytes or parsed). Throws CodecError. */
export function decodeQueryResult(json: string | Uint8Array | JsonObject): QueryResult {
  const members = membersOf(parsedOf(json), 'query result', ['column_names', 'column_types', 'values']);
  return {
    columnNames: listOf(members, 'column_names', name => {
      if (typeof name !== 'string') throw new CodecError('a column name is not text', 0);
      return name;
    }),
    columnTypes: listOf(members, 'column_types', dataTypeOfJson),
    values: listOf(members, 'values', row => {
      if (!Array.isArray(row)) throw new CodecError('a row is not an array', 0);
      return (row as readonly JsonValue[]).map(cellOf);
    }),
  };
}

export function decodeCallResult(json: string | Uint8Array | JsonObject): CallResult {
  const members = membersOf(parsedOf(json), 'call result', ['query_result', 'logs', 'error']);
  const inner = members.get('query_result') ?? null;
  const logs = members.get('logs') ?? '';
  const error = members.get('error') ?? null;
  if (typeof logs !== 'string' || (error !== null && typeof error !== 'string'))
    throw new CodecError('logs or error is not text', 0);
  return { queryResult: inner === null ? null : decodeQueryResult(inner as JsonObject), logs, error };
}

/** JSON text as a node writes it. */
export function encodeQueryResult({ columnNames, columnTypes, values }: QueryResult): string {
  const names = columnNames === null ? 'null' : `[${columnNames.map(jsonString).join(',')}]`;
  const types = columnTypes === null ? 'null' : `[${columnTypes.map(encodeDataTypeJson).join(',')}]`;
  const rows = values === null ? 'null' : `[${values.map(cellJson).join(',')}]`;
  return `{"column_names":${names},"column_types":${types},"values":${rows}}`;
}

export const encodeCallResult = ({ queryResult, logs, error }: CallResult): string =>
  `{"query_result":${queryResult === null ? 'null' : encodeQueryResult(queryResult)},` +
  `"logs":${jsonString(logs)},"error":${error === null ? 'null' : jsonString(error)}}`;

const parsedOf = (json: string | Uint8Array | JsonObject): JsonValue =>
  typeof json === 'string' || json instanceof Uint8Array ? parseJson(json) : json;

function listOf<T>(members: JsonObject, name: string, read: (item: JsonValue) => T): T[] | null {
  const list = members.get(name) ?? null;
  if (list === null) return null;
  if (!Array.isArray(list)) throw new CodecError(`${name} is not an array`, 0);
  return (list as readonly JsonValue[]).map(read);
}

function cellOf(value: JsonValue): Cell {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(cellOf);
  throw new CodecError('a cell is neither text, boolean, null nor an array', 0);
}

function cellJson(cell: Cell): string {
  if (typeof cell === 'string') return jsonString(cell);
  if (Array.isArray(cell)) return `[${(cell as readonly Cell[]).map(cellJson).join(',')}]`;
  return String(cell);
}
