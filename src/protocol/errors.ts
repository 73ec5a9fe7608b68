import { GatewayError } from '../model/index.js';

/**
 * Bytes that are not what the protocol says they are: cut short, lying about a length, or of an unknown version.
 * The only error that decoders throw. `offset` counts bytes from the start of the outermost input that was handed in.
 */
export class CodecError extends GatewayError {
  readonly offset: number;
  /** What was wrong, without the offset; safe to print, never holds input bytes. */
  readonly problem: string;

  constructor(problem: string, offset: number) {
    super('malformed_bytes', 'caller', `${problem} (at byte ${offset})`, { details: { offset } });
    this.name = 'CodecError';
    this.offset = offset;
    this.problem = problem;
  }
}

/** JSON-RPC error codes of a node (reference 3.1). Ours are −32040 … −32069 and live with their owners. */
export const RPC_CODES = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  resultEncoding: -32000,
  timeout: -32001,
  txInternal: -200,
  txRejected: -201,
  txNotFound: -202,
  txPayloadInvalid: -203,
  blockNotFound: -204,
  engine: -300,
  namespaceNotFound: -301,
  namespaceExists: -302,
  dbInternal: -400,
  accountInternal: -500,
  identInternal: -600,
  identInvalid: -601,
  nodeInternal: -700,
  validatorsInternal: -800,
  validatorNotFound: -801,
  kgwInternal: -900,
  kgwNotAuthorised: -901,
  kgwInvalidPayload: -902,
  kgwNotAllowed: -903,
  kgwNotFound: -904,
  kgwTooManyRequests: -905,
  kgwMethodNotAllowed: -906,
  callChallengeUnknown: -1001,
  callChallengeInvalid: -1002,
  callChallengeExpired: -1003,
  callSignatureInvalid: -1004,
  callAuthTypesDiffer: -1005,
  tooManyChallenges: -1006,
  rawQueriesDenied: -1007,
} as const;

export type RpcCodeName = keyof typeof RPC_CODES;

/** Transaction codes (reference 3.2): `tx_result.code`, `result.code` of a sync broadcast, `data.code` of a −201. */
export const TX_CODES = {
  ok: 0,
  encoding: 1,
  payloadType: 2,
  signature: 3,
  nonce: 4,
  wrongChain: 5,
  insufficientBalance: 6,
  insufficientFee: 7,
  invalidAmount: 8,
  invalidSender: 9,
  commitTimeout: 10,
  mempoolFull: 11,
  invalidSchema: 100,
  namespaceMissing: 110,
  namespaceExists: 120,
  resolutionType: 130,
  inMigration: 200,
  halted: 201,
  unknown: 65535,
} as const;

export type TxCodeName = keyof typeof TX_CODES;

/**
 * HTTP status with which a node answers a JSON-RPC error code (reference 1.4). The handler time-out (503), a panic (500,
 * empty body) and an oversized body (400, text) are no envelopes and not covered.
 */
export function httpStatusOf(code: number): 200 | 400 | 404 | 500 {
  switch (code) {
    case RPC_CODES.methodNotFound:
      return 404;
    case RPC_CODES.parse:
    case RPC_CODES.invalidRequest:
    case RPC_CODES.invalidParams:
      return 400;
    case RPC_CODES.internal:
      return 500;
    default:
      return 200;
  }
}
