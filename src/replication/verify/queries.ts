import type { NetworkName, NodeRef } from '../../model/index.js';
import {
  bytesOfBase64,
  dataType,
  encodeEncodedValueJson,
  encodeValue,
  type DataType,
  type Scalar,
} from '../../protocol/index.js';
import { SourceError } from '../errors.js';
import type { NodesPort } from '../ports.js';

/** A value as `user.query` shows it. */
export type Cell = null | boolean | string | readonly Cell[];
export type Row = readonly Cell[];

export interface Rows {
  readonly types: readonly DataType[];
  readonly values: readonly Row[];
}

export interface Parameter {
  readonly type: DataType;
  readonly value: Cell;
}

/** Reads one network by the public query method only. */
export interface Reader {
  readonly network: NetworkName;
  query(sql: string, parameters?: readonly Parameter[]): Promise<Rows>;
}

interface QueryAnswer {
  readonly column_types: readonly { name: string; is_array: boolean; metadata?: readonly number[] }[] | null;
  readonly values: readonly Row[] | null;
}

const TIMEOUT_MS = 30_000;

/** Asks the node of the network that is furthest, another one when it fails. Throws what the last one said. */
export function createReader(nodes: NodesPort, network: NetworkName, signal: AbortSignal): Reader {
  const candidates = (): NodeRef[] =>
    [...(nodes.view(network)?.nodes ?? [])]
      .filter(({ state }) => state === 'up' || state === 'lagging' || state === 'syncing')
      .sort((a, b) => b.height - a.height)
      .map(({ name }) => ({ network, name }));

  return {
    network,
    async query(sql, parameters = []) {
      const params = Object.fromEntries(
        parameters.map(({ type, value }, index) => [`$k${index}`, encodedOf(type, value)]),
      );
      let failure: unknown = new SourceError(`no node of the ${network} network can be asked`);
      for (const node of candidates()) {
        if (signal.aborted) break;
        try {
          const answer = await nodes.call<QueryAnswer>(
            node,
            'user.query',
            { query: sql, params },
            { timeoutMs: TIMEOUT_MS, signal },
          );
          return {
            types: (answer.column_types ?? []).map(({ name, is_array: isArray, metadata = [] }) =>
              dataType(name, isArray, metadata[0] ?? 0, metadata[1] ?? 0),
            ),
            values: answer.values ?? [],
          };
        } catch (error) {
          failure = error;
        }
      }
      throw failure;
    },
  };
}

/** A shown value as a parameter of its own column's type: the type decides how the node plans the statement. */
function encodedOf(type: DataType, cell: Cell): unknown {
  return JSON.parse(encodeEncodedValueJson(encodeValue(type, scalarOf(type, cell))));
}

function scalarOf(type: DataType, cell: Cell): Scalar | null {
  if (cell === null || Array.isArray(cell)) return null;
  if (typeof cell === 'boolean') return cell;
  const text = cell as string;
  if (type.name === 'int8' || type.name === 'int4') return BigInt(text);
  return type.name === 'bytea' ? bytesOfBase64(text) : text;
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
