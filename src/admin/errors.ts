import { GatewayError, type ErrorFamily } from '../model/index.js';
import type { Problem } from './contract.js';

/** code → [HTTP status, title]. Codes are stable: scripts match on them. */
const PROBLEMS = {
  unauthorized: [401, 'A valid token is needed'],
  bad_request: [400, 'The request is not understood'],
  too_large: [413, 'The request is too large'],
  unsupported_media_type: [415, 'The body must be application/json'],
  not_found: [404, 'There is no such thing'],
  method_not_allowed: [405, 'This path does not have this method'],
  wrong_gateway: [409, 'This gateway leads to another network'],
  not_available: [501, 'This gateway does not have this feature'],
  invariant: [500, 'The gateway has made a mistake'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** An answer that is not what was asked for; rendered as application/problem+json. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(code: ProblemCode, detail: string, more: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.name = 'ProblemError';
    const [status, title] = PROBLEMS[code];
    this.problem = { type: 'about:blank', title, status, code, detail, ...more };
  }
}

const FAMILY_STATUS: Record<ErrorFamily, number> = {
  caller: 400,
  refused: 409,
  upstream: 502,
  integrity: 409,
  control: 409,
  config: 422,
  invariant: 500,
};

/** Any thrown value as a problem. What is not one of ours is our mistake: its text stays in the log. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof ProblemError) return thrown.problem;
  if (thrown instanceof GatewayError && thrown.family !== 'invariant') {
    return {
      type: 'about:blank',
      title: 'Refused',
      status: FAMILY_STATUS[thrown.family],
      code: thrown.code,
      family: thrown.family,
      detail: thrown.message,
    };
  }
  const [status, title] = PROBLEMS.invariant;
  return { type: 'about:blank', title, status, code: 'invariant', detail: 'the log says more' };
}

/** A command that the switch refused: right request, wrong moment. */
export const refusedCommand = (code: string, reason: string): Problem => ({
  type: 'about:blank',
  title: 'The switch refuses this now',
  status: 409,
  code,
  detail: reason,
});

export const isOurMistake = (thrown: unknown): boolean => problemOf(thrown).status === 500;
