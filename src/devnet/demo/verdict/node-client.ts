/**
 * The verdict's own way to a node: plain JSON-RPC over fetch. Nothing in this folder uses the gateway or its codecs, so a
 * mistake there cannot hide itself here.
 */
export interface NodeClient {
  call<T>(method: string, params: unknown): Promise<T>;
}

const CALL_MS = 20_000;
const TRIES = 5;

export function createNodeClient(url: string): NodeClient {
  let id = 0;
  return {
    async call<T>(method: string, params: unknown): Promise<T> {
      id += 1;
      const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
      for (let attempt = 1; ; attempt += 1) {
        try {
          const answer = await fetch(`${url}/rpc/v1`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body,
            signal: AbortSignal.timeout(CALL_MS),
          });
          const json = (await answer.json()) as { result?: T; error?: { code: number; message: string } };
          if (json.error !== undefined) throw new NodeAnswerError(method, json.error.code, json.error.message);
          return json.result as T;
        } catch (error) {
          if (error instanceof NodeAnswerError || attempt === TRIES) throw error;
          await new Promise(resolve => setTimeout(resolve, 100 * attempt));
        }
      }
    },
  };
}

export class NodeAnswerError extends Error {
  constructor(
    method: string,
    readonly code: number,
    message: string,
  ) {
    super(`${method}: ${code} ${message}`);
  }
}

/** Rows of a query as the node gives them: text, booleans, null, arrays. */
export async function queryRows(node: NodeClient, statement: string): Promise<unknown[][]> {
  const result = await node.call<{ values: unknown[][] | null }>('user.query', { query: statement, params: {} });
  return result.values ?? [];
}
