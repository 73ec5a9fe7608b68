/** A JSON-RPC error answer; `data` goes out as it is. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = data;
  }
}

/** A handler of the real node dies on this request: HTTP 500 with an empty body, the node lives on (reference 1.4). */
export class HandlerPanic extends Error {
  constructor(what: string) {
    super(`handler panic: ${what}`);
    this.name = 'HandlerPanic';
  }
}

export const invalidParams = (message: string): RpcError => new RpcError(-32602, message);

/** HTTP status of an error code (reference 1.4); everything the node answers knowingly is 200. */
export function httpStatusOfCode(code: number): number {
  switch (code) {
    case -32601:
      return 404;
    case -32700:
    case -32600:
    case -32602:
      return 400;
    case -32603:
      return 500;
    default:
      return 200;
  }
}
