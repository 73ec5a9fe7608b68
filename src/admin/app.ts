import { randomUUID } from 'node:crypto';
import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import {
  ACTOR_HEADER,
  explainRoute,
  problem as problemSchema,
  routes,
  verifyRoute,
  type Problem,
  type RouteInput,
  type RouteName,
  type VerifyLine,
} from './contract.js';
import { ProblemError, isOurMistake, problemOf } from './errors.js';
import { Refusal, createHandlers, type Handlers } from './handlers.js';
import type { Actor, AdminPorts } from './ports.js';
import { isToken } from './token.js';

export interface AppOptions {
  readonly token: string;
  /** Whether GET /metrics is answered without the token. */
  readonly metricsOpen: boolean;
  readonly version: string;
}

type Env = { Bindings: HttpBindings; Variables: { requestId: string } };

/** A JSON-RPC request of a client may have 6 MB; everything else here is small. */
const EXPLAIN_BYTES_MAX = 8 * 1024 * 1024;
const BODY_BYTES_MAX = 64 * 1024;

/** The whole admin API as a function from request to response; listening is admin.ts. */
export function createApp({ token, metricsOpen, version }: AppOptions, ports: AdminPorts): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>();
  const { logger } = ports;
  const needsToken = (path: string): boolean =>
    path.startsWith('/v1/') || path === '/v1' || (path === '/metrics' && !metricsOpen);

  app.use(async (c, next) => {
    c.set('requestId', randomUUID());
    await next();
    c.header('x-switchyard-request', c.get('requestId'));
    c.header('cache-control', 'no-store');
    c.header('x-content-type-options', 'nosniff');
  });
  app.use(async (c, next) => {
    if (needsToken(c.req.path) && !isToken(token, bearer(c.req.header('authorization')))) {
      throw new ProblemError('unauthorized', 'send "Authorization: Bearer <token>" with the content of the token file');
    }
    await next();
  });
  app.use(limitBody);

  app.onError((error, c) => {
    const problem = problemOf(error);
    if (isOurMistake(error))
      logger.error({ err: error, request: c.get('requestId'), path: c.req.routePath }, 'admin request failed');
    return answerProblem(problem);
  });
  app.notFound(c =>
    answerProblem(new ProblemError('not_found', `there is no ${c.req.method} ${c.req.path} here`).problem),
  );

  addProbes(app, ports, version);
  const handlers = createHandlers(ports);
  for (const name of Object.keys(routes) as RouteName[]) addRoute(app, name, handlers, ports);
  addVerify(app, ports);
  addExplain(app, ports);
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Switchyard admin API', version },
    security: [{ token: [] }],
  });
  return app;
}

function addProbes(app: OpenAPIHono<Env>, ports: AdminPorts, version: string): void {
  // Being answered at all shows that the event loop turns; it must not depend on nodes, or they would get us restarted.
  app.get('/livez', c => c.text('ok'));
  app.get('/readyz', c => {
    const { ready, reasons } = ports.ready();
    const status = ready ? 200 : 503;
    if (c.req.query('verbose') !== undefined) return c.json({ ready, reasons }, status);
    return c.text(ready ? 'ok' : `not ready: ${reasons.join('; ')}`, status);
  });
  app.get('/startupz', c => (ports.started() ? c.text('ok') : c.text('starting', 503)));
  app.get('/version', c => c.json({ version, node: process.version }));
  app.get('/metrics', async c =>
    c.body(await ports.metrics.metrics(), 200, { 'content-type': ports.metrics.contentType }),
  );
}

interface AnyRoute {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly response: z.ZodType;
}

function addRoute<N extends RouteName>(
  app: OpenAPIHono<Env>,
  name: N,
  handlers: Handlers,
  { logger }: AdminPorts,
): void {
  const route: AnyRoute = routes[name];
  app.openAPIRegistry.registerPath(describe(name, route));
  app.on(route.method, route.path.replace(/\{(\w+)\}/g, ':$1'), async c => {
    const handler = handlers[name];
    if (!handler) throw new ProblemError('not_available', `${route.summary}: not in this gateway`);
    const actor = actorOf(c);
    const input = {
      params: route.params && parse(route.params, c.req.param()),
      query: route.query && parse(route.query, c.req.query()),
      body: route.body && parse(route.body, await jsonOf(c)),
    } as RouteInput<N>;
    const output: unknown = await handler(input, actor, c.req.raw.signal);
    const refused = output instanceof Refusal ? output.problem : null;
    if (route.method === 'post') {
      const { name: by, address } = actor;
      logger.info(
        { audit: name, by, address, input: { ...input.params, ...input.body }, refused: refused?.code ?? null },
        'command',
      );
    }
    return refused ? answerProblem(refused) : c.json(output as object);
  });
}

function describe(name: string, { method, path, summary, params, query, body, response }: AnyRoute): RouteConfig {
  return {
    operationId: name,
    method,
    path,
    summary,
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(body && { body: { content: { 'application/json': { schema: body } } } }),
    },
    responses: {
      200: { description: 'Done', content: { 'application/json': { schema: response } } },
      default: problemResponse,
    },
  };
}

function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ProblemError('bad_request', z.prettifyError(parsed.error));
  return parsed.data;
}

/** No body means no wishes. */
async function jsonOf(c: Context<Env>): Promise<unknown> {
  const text = await c.req.text();
  try {
    return text.trim() === '' ? {} : (JSON.parse(text) as unknown);
  } catch {
    throw new ProblemError('bad_request', 'the body is not valid JSON');
  }
}

const problemResponse = { description: 'Problem', content: { 'application/problem+json': { schema: problemSchema } } };

/** POST /v1/verify: progress and the report as lines, since a large network takes minutes; hanging up ends the work. */
function addVerify(app: OpenAPIHono<Env>, { verify, logger }: AdminPorts): void {
  app.openAPIRegistry.registerPath({
    operationId: 'verify',
    method: 'post',
    path: verifyRoute.path,
    summary: "Compare both networks' tables",
    request: { body: { content: { 'application/json': { schema: verifyRoute.body } } } },
    responses: {
      200: {
        description: 'Progress lines, then the report',
        content: { 'application/x-ndjson': { schema: verifyRoute.line } },
      },
      default: problemResponse,
    },
  });
  app.post(verifyRoute.path, async c => {
    if (!verify) throw new ProblemError('not_available', 'verification: not in this gateway');
    const what = parse(verifyRoute.body, await jsonOf(c));
    const stop = new AbortController();
    const lines = new ReadableStream<Uint8Array>({
      async start(stream) {
        const encoder = new TextEncoder();
        const line = (value: VerifyLine): void => {
          if (!stop.signal.aborted) stream.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
        };
        try {
          line({
            kind: 'report',
            report: await verify(what, progress => line({ kind: 'progress', ...progress }), stop.signal),
          });
        } catch (error) {
          if (isOurMistake(error)) logger.error({ err: error }, 'verification failed');
          line({ kind: 'problem', problem: problemOf(error) });
        }
        if (!stop.signal.aborted) stream.close();
      },
      cancel: () => stop.abort(),
    });
    return c.body(lines, 200, { 'content-type': 'application/x-ndjson' });
  });
}

/** POST /v1/explain: the body is a JSON-RPC request exactly as a client would send it, well-formed or not. */
function addExplain(app: OpenAPIHono<Env>, { explain }: AdminPorts): void {
  app.openAPIRegistry.registerPath({
    operationId: 'explain',
    method: 'post',
    path: explainRoute.path,
    summary: 'How a JSON-RPC request would be routed and why; nothing is sent',
    request: { body: { content: { 'application/json': { schema: {} } }, required: true } },
    responses: {
      200: { description: 'Explained', content: { 'application/json': { schema: explainRoute.response } } },
      default: problemResponse,
    },
  });
  app.post(explainRoute.path, async c => {
    if (!explain) throw new ProblemError('not_available', 'explain: not in this gateway');
    return c.json(await explain(new Uint8Array(await c.req.arrayBuffer())));
  });
}

/** Refuses large bodies, and bodies of another type: a form that a browser posts across origins is never JSON. */
const limitBody: MiddlewareHandler<Env> = async (c, next) => {
  const isExplain = c.req.path === explainRoute.path;
  if (c.req.method === 'POST' && !isExplain && !/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
    const carries = Number(c.req.header('content-length') ?? 0) > 0 || c.req.header('transfer-encoding') !== undefined;
    if (carries) throw new ProblemError('unsupported_media_type', 'send content-type: application/json');
  }
  return bodyLimit({
    maxSize: isExplain ? EXPLAIN_BYTES_MAX : BODY_BYTES_MAX,
    onError: () => {
      throw new ProblemError('too_large', `at most ${isExplain ? EXPLAIN_BYTES_MAX : BODY_BYTES_MAX} bytes`);
    },
  })(c, next);
};

const answerProblem = (problem: Problem): Response =>
  new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json',
      ...(problem.status === 401 && { 'www-authenticate': 'Bearer realm="switchyard"' }),
    },
  });

const bearer = (header: string | undefined): string => /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';

function actorOf(c: Context<Env>): Actor {
  const name = (c.req.header(ACTOR_HEADER) ?? '').replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
  const socket = (c.env as Partial<HttpBindings> | undefined)?.incoming?.socket;
  return { name: name === '' ? 'unknown' : name, address: socket?.remoteAddress ?? 'unknown' };
}
