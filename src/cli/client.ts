import { hostname, userInfo } from 'node:os';
import type { z } from 'zod';
import {
  ACTOR_HEADER,
  explainRoute,
  problem as problemSchema,
  routePath,
  routes,
  verifyLine,
  verifyRoute,
  type Explanation,
  type Problem,
  type RouteInput,
  type RouteName,
  type RouteOutput,
  type VerificationReport,
  type VerifyBody,
  type VerifyLine,
} from '../admin/contract.js';
import { CliError, DryRun, EXIT } from './errors.js';
import type { Target } from './target.js';

/** Typed calls to a gateway's admin API. Every failure is a CliError with its exit code; a dry run ends with a DryRun. */
export interface AdminClient {
  readonly url: string;
  call<N extends RouteName>(name: N, input?: Partial<WireInput<N>>): Promise<RouteOutput<N>>;
  verify(what: VerifyBody, onLine: (line: VerifyLine) => void): Promise<VerificationReport>;
  explain(request: Uint8Array): Promise<Explanation>;
}

type WireInput<N extends RouteName> = { readonly [K in keyof RouteInput<N>]: Partial<RouteInput<N>[K]> };

/** No call but verify takes longer; preflight is the longest with 5 s. */
const CALL_MS = 15_000;

/** Refusals of the switch that another moment may not bring. */
const LATER = new Set([
  'not_ready',
  'cooling_down',
  'attempt_running',
  'postponed',
  'journal_failed',
  'control_closed',
]);

export function createClient({ url, token }: Target, signal: AbortSignal, isDryRun = false): AdminClient {
  const headers = { authorization: `Bearer ${token}`, [ACTOR_HEADER]: actor() };

  async function request(
    method: string,
    path: string,
    body: string | Uint8Array | undefined,
    deadline: AbortSignal | null,
  ): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(url + path, {
        method,
        headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body }),
        signal: deadline ? AbortSignal.any([signal, deadline]) : signal,
        redirect: 'error',
      });
    } catch (error) {
      throw unreachable(url, error, signal);
    }
    if (answer.ok) return answer;
    throw refused(await problemIn(answer), url);
  }

  return {
    url,
    async call(name, input = {}) {
      const route: { method: 'get' | 'post'; path: string; response: z.ZodType } = routes[name];
      const { params, query, body } = input as {
        params?: Record<string, unknown>;
        query?: Record<string, unknown>;
        body?: object;
      };
      const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
      const search =
        given.length === 0
          ? ''
          : `?${new URLSearchParams(Object.fromEntries(given.map(([key, value]) => [key, String(value)]))).toString()}`;
      const path = routePath(route.path, params) + search;
      if (route.method === 'post' && isDryRun) throw new DryRun('POST', path, body ?? {});
      const json = route.method === 'post' ? JSON.stringify(body ?? {}) : undefined;
      const answer = await request(route.method.toUpperCase(), path, json, AbortSignal.timeout(CALL_MS));
      return readAs(route.response, await textOf(answer, url, signal)) as RouteOutput<typeof name>;
    },

    async verify(what, onLine) {
      const answer = await request('POST', verifyRoute.path, JSON.stringify(what), null);
      let report: VerificationReport | null = null;
      for await (const text of linesOf(answer, url, signal)) {
        const line = readAs(verifyLine, text);
        onLine(line);
        if (line.kind === 'problem') throw refused({ type: 'about:blank', status: 200, ...line.problem }, url);
        if (line.kind === 'report') report = line.report;
      }
      if (report === null)
        throw new CliError(EXIT.unreachable, 'cut', 'the gateway ended before the verification did', 'run it again');
      return report;
    },

    async explain(body) {
      const answer = await request('POST', explainRoute.path, body, AbortSignal.timeout(CALL_MS));
      return readAs(explainRoute.response, await textOf(answer, url, signal));
    },
  };
}

function readAs<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CliError(
    EXIT.failure,
    'unexpected_answer',
    `the gateway's answer is not what this program expects (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`,
    'is it the same version, and is --admin the admin address?',
  );
}

async function textOf(answer: Response, url: string, signal: AbortSignal): Promise<string> {
  try {
    return await answer.text();
  } catch (error) {
    throw unreachable(url, error, signal);
  }
}

/** Longest line of an answer: a report lists every differing key. */
const LINE_CHARS_MAX = 256 * 1024 * 1024;

async function* linesOf(answer: Response, url: string, signal: AbortSignal): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const part of answer.body ?? []) {
      rest += decoder.decode(part as Uint8Array, { stream: true });
      if (rest.length > LINE_CHARS_MAX) throw new Error('a line of the answer is too long');
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      yield* lines.filter(line => line !== '');
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw unreachable(url, error, signal);
  }
  if (rest !== '') yield rest;
}

async function problemIn(answer: Response): Promise<Problem> {
  const text = await answer.text().catch(() => '');
  try {
    return problemSchema.parse(JSON.parse(text));
  } catch {
    return {
      type: 'about:blank',
      title: 'Unexpected answer',
      status: answer.status,
      code: 'unexpected_answer',
      detail: `HTTP ${answer.status}`,
    };
  }
}

function refused({ code, detail, title, status, family }: Problem, url: string): CliError {
  if (status === 401) {
    return new CliError(
      EXIT.failure,
      code,
      `the gateway at ${url} does not take this token`,
      'give its own with --token-file FILE (see admin.tokenFile)',
    );
  }
  if (code === 'unexpected_answer') {
    return new CliError(
      EXIT.failure,
      code,
      `${url} answered ${detail}: this is not the admin API`,
      'check --admin or admin.listen',
    );
  }
  if (family === 'upstream')
    return new CliError(EXIT.unreachable, code, detail, '`switchyard status` says which nodes answer');
  return new CliError(LATER.has(code) ? EXIT.tryAgain : EXIT.failure, code, status === 501 ? title : detail);
}

function unreachable(url: string, thrown: unknown, signal: AbortSignal): CliError {
  if (signal.aborted) return new CliError(EXIT.interrupted, 'interrupted', 'interrupted');
  const cause = (thrown as { cause?: NodeJS.ErrnoException }).cause;
  const isTimeout = (thrown as Error).name === 'TimeoutError';
  const why = isTimeout
    ? `no answer within ${CALL_MS / 1000} s`
    : (cause?.code ?? cause?.message ?? (thrown as Error).message);
  return new CliError(
    EXIT.unreachable,
    'unreachable',
    `no gateway answers at ${url}: ${why}`,
    isTimeout
      ? 'look at its log; /livez tells whether it turns at all'
      : 'start one with `switchyard serve -c FILE`; when it listens elsewhere, give -c FILE of its configuration or --admin URL',
  );
}

/** Who gives commands, for the audit. */
function actor(): string {
  const host = hostname();
  try {
    return `${userInfo().username}@${host}`;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}@${host}`; // a container user without a name
  }
}
