import { GatewayError } from '../model/index.js';

/** How a call to a node failed. `sent` says whether the node may have read any of it. */
export const UPSTREAM_CODES = {
  node_unknown: 'no such node is configured',
  node_refused: 'the node refused the connection',
  node_unresolved: 'the name of the node could not be resolved',
  node_unreachable: 'there is no way to the node',
  node_connect_timeout: 'the node did not accept a connection in time',
  node_reset: 'the connection to the node broke',
  node_cut: 'the answer of the node broke off',
  node_timeout: 'the node did not answer in time',
  node_malformed: 'the node did not answer in HTTP',
  node_too_large: 'the answer of the node is too large',
  aborted: 'the call was given up',
  closed: 'the gateway is shutting down',
} as const;

export type UpstreamCode = keyof typeof UPSTREAM_CODES;

/** Transport failure of one call. Family `upstream`; an abort by the caller counts against nobody. */
export class UpstreamError extends GatewayError {
  declare readonly sent: 'no' | 'maybe';
  override readonly code: UpstreamCode;

  constructor(code: UpstreamCode, sent: 'no' | 'maybe', cause?: unknown) {
    super(code, 'upstream', UPSTREAM_CODES[code], { sent, ...(cause === undefined ? {} : { cause }) });
    this.name = 'UpstreamError';
    this.code = code;
  }
}

/** A node's own JSON-RPC error, for typed calls: an answer, never a reason to eject the node. */
export class RpcCallError extends GatewayError {
  readonly rpcCode: number;
  readonly data: unknown;

  constructor(rpcCode: number, message: string, data: unknown) {
    super('rpc_error', 'upstream', `${message} (${rpcCode})`, { sent: 'maybe', details: { rpcCode } });
    this.name = 'RpcCallError';
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** Code of a socket or undici error. Whether it was sent is known by the caller, from the moment of the failure. */
export function upstreamCode(error: unknown, responded: boolean): UpstreamCode {
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return 'node_refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'node_unresolved';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return 'node_unreachable';
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'node_connect_timeout';
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'node_timeout';
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
      return 'closed';
    default:
      if (code.startsWith('HPE_') || isParserError(error)) return 'node_malformed';
      return responded ? 'node_cut' : 'node_reset';
  }
}

const isParserError = (error: unknown): boolean => error instanceof Error && error.name === 'HTTPParserError';

/** The first code in an error, its causes and, for several addresses of one name, its parts. */
function codeOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; depth++) {
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string') return code;
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return '';
}
