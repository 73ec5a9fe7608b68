import { z } from 'zod';
import { NODE_STATES, PHASES, STRATEGY_PHASES, type GatewayStatus } from '../model/index.js';

/*
 * Every route of the admin API with the values that go in and out: the server registers what stands here, the CLI calls
 * it, /openapi.json is made of it. Objects are open (looseObject): a newer gateway may say more than an older CLI knows.
 */

const height = z.int().min(0);
const anyPhase = z.enum([...PHASES, ...STRATEGY_PHASES]);
const networkName = z.enum(['old', 'new']);
const count = z.int().min(0);
const isoTime = z.string().describe('ISO 8601 time');

const nodeStatus = z
  .looseObject({
    name: z.string(),
    state: z.enum(NODE_STATES),
    height,
    version: z.string().nullable(),
    reason: z.string().nullable().describe('Why it is not up; null when it is.'),
  })
  .meta({ id: 'NodeStatus' });

const networkStatus = z
  .looseObject({
    chainId: z.string(),
    head: height.describe('Greatest height a usable node reports.'),
    migrationStatus: z.string().nullable(),
    startHeight: height.nullable(),
    endHeight: height.nullable(),
    blockTimeMs: z.number().nullable(),
    nodes: z.array(nodeStatus),
  })
  .meta({ id: 'NetworkStatus' });

const relayValidator = z
  .looseObject({
    name: z.string(),
    lastRequestAt: isoTime.nullable(),
    askedHeight: height.nullable(),
    health: z.enum(['unseen', 'asking', 'silent', 'finished']),
  })
  .meta({ id: 'RelayValidator' });

export const replicationInsight = z
  .looseObject({
    findings: z
      .array(z.looseObject({ id: z.string(), text: z.string(), cure: z.string() }))
      .describe('Problems seen from outside.'),
    losses: z.looseObject({
      lost: count,
      unknown: count.describe('Values that could be something else, while nobody could be asked.'),
      fine: count,
      unlisted: count,
      listed: z.array(
        z.looseObject({
          height,
          table: z.string(),
          column: z.string(),
          key: z.record(z.string(), z.string()),
          state: z.enum(['lost', 'unknown']),
          text: z.string().nullable().describe('What the old network shows.'),
          statement: z
            .string()
            .nullable()
            .describe('For an operator to run on the new network; the gateway never does.'),
        }),
      ),
    }),
    strangers: z.looseObject({ total: count, bySender: z.record(z.string(), count), since: height.nullable() }),
    archive: z.looseObject({ first: height.nullable(), last: height.nullable(), bytes: count }),
  })
  .meta({ id: 'ReplicationInsight' });

const replicationStatus = z
  .looseObject({
    state: z.enum(['waiting', 'running', 'stopped', 'finished']),
    reason: z.string().nullable(),
    startHeight: height.nullable(),
    endHeight: height.nullable(),
    archived: height.nullable(),
    served: height.nullable(),
    applied: height.nullable().describe('The watermark: every old height up to here is on the new network.'),
    lagBlocks: z.number().nullable(),
    lagMs: z.number().nullable(),
    blocksToEnd: z.number().nullable(),
    msToEnd: z.number().nullable(),
    repairs: z.record(z.string(), count),
    validators: z.array(relayValidator),
  })
  .meta({ id: 'ReplicationStatus' });

export const gatewayStatus = z
  .looseObject({
    phase: anyPhase,
    strategy: z.enum(['zero-downtime', 'rolling', 'offline']),
    epoch: z.int(),
    writeNetwork: z.enum(['old', 'new', 'none']),
    listeners: z.looseObject({ public: z.string(), relay: z.string().nullable(), admin: z.string() }),
    networks: z.looseObject({ old: networkStatus, new: networkStatus.nullable() }),
    replication: replicationStatus,
    writes: z.looseObject({
      inFlight: count,
      held: count,
      heldBytes: count,
      unresolved: z.looseObject({ old: count, new: count }),
      strangers: count,
    }),
    cutover: z.looseObject({
      attempt: z.string().nullable(),
      waitingFor: z.string().nullable(),
      drainHeight: height.nullable(),
      phaseSince: isoTime,
      deadline: isoTime.nullable(),
      notReady: z.array(z.string()),
      lastOutcome: z.string().nullable(),
      endWarning: z.string().nullable().default(null),
    }),
    version: z.string(),
    startedAt: isoTime,
  })
  .meta({ id: 'GatewayStatus', description: 'One value that CLI, API, metrics and events draw.' });

/** Does not compile when the route and model/status.ts say different things. */
export const statusIsModel: z.ZodType<GatewayStatus> = gatewayStatus;

const verdict = z.enum(['pass', 'warn', 'fail']);

export const preflightCheck = z
  .looseObject({
    id: z.string().describe('Stable name of the check.'),
    title: z.string(),
    verdict,
    value: z.string().describe('What was found.'),
    threshold: z.string().describe('What would pass.'),
    remedy: z.string().describe('What to do; empty when it passed.'),
    ms: z.number(),
  })
  .meta({ id: 'PreflightCheck' });

export const preflightReport = z
  .looseObject({
    verdict: verdict.describe('The worst of all checks.'),
    at: isoTime,
    ms: z.number(),
    checks: z.array(preflightCheck),
  })
  .meta({ id: 'PreflightReport' });

export const cutoverCommands = ['start', 'rehearse', 'abort', 'postpone', 'resume'] as const;
export type CutoverCommandName = (typeof cutoverCommands)[number];

const commandBody = z
  .strictObject({
    dryRun: z.boolean().default(false).describe('Start and rehearse: say the steps and change nothing.'),
    reason: z.string().max(500).default('').describe('Why, for the audit.'),
    newChainId: z
      .string()
      .max(256)
      .optional()
      .describe('Chain id of the new network as the operator knows it; refused when the gateway has another one.'),
  })
  .meta({ id: 'CutoverCommand' });

export const commandResult = z
  .looseObject({
    phase: anyPhase.describe('Phase after the command.'),
    epoch: z.int(),
    attempt: z.string().nullable().describe('The attempt that this command began or is about.'),
    steps: z
      .array(z.looseObject({ phase: z.enum(PHASES), writes: z.string(), work: z.array(z.string()) }))
      .optional()
      .describe('With dryRun: what would be done, in order.'),
  })
  .meta({ id: 'CommandResult' });

export const attemptStory = z
  .looseObject({
    id: z.string(),
    kind: z.enum(['switch', 'rehearsal', 'halt', 'roll', 'offline']),
    by: z.string(),
    reason: z.string(),
    startedAt: isoTime,
    endedAt: isoTime.nullable(),
    result: z
      .enum(['switched', 'rehearsed', 'aborted', 'overtaken', 'finished', 'ended'])
      .nullable()
      .describe('Null while it runs.'),
    outcome: z.string().nullable().describe('In words: what went wrong, or what was done.'),
    drainHeight: height.nullable(),
    applied: height.nullable().describe('Watermark at the decision.'),
    holdMs: z.number().nullable().describe('From the hold to the decision or the release.'),
    steps: z.array(
      z.looseObject({
        phase: anyPhase,
        about: z.string().optional().describe("The strategy's own word, and the node it is about."),
        at: isoTime,
        ms: z.number().nullable(),
      }),
    ),
  })
  .meta({ id: 'Attempt' });

export const auditEntry = z
  .looseObject({
    sequence: z.int(),
    at: isoTime,
    command: z.string(),
    actor: z.string(),
    reason: z.string(),
    before: anyPhase,
    after: anyPhase,
    refused: z.string().nullable().describe('Code of the refusal; null when the command was taken.'),
  })
  .meta({ id: 'AuditEntry' });

export const heldWrite = z
  .looseObject({
    hash: z.string(),
    at: isoTime.describe('When it began to wait.'),
    heldMs: z.number(),
    wait: z.enum(['released', 'expired', 'full', 'gone']).describe('How the waiting ended.'),
    ending: z
      .string()
      .nullable()
      .describe('accepted, answered (an error of a node), or the reason of the refusal; null: an error of ours.'),
    network: z.enum(['old', 'new', 'none']),
    state: z.string().nullable().describe('What the ledger knows of it now; null when it was never sent.'),
    height: height.nullable(),
  })
  .meta({ id: 'HeldWrite' });

/** Totals are of this process, as in the metrics; attempts and commands are of the whole journal. */
export const heldWrites = z
  .looseObject({
    since: isoTime.describe('Start of this process: what an earlier one held is in its metrics only.'),
    entered: count,
    released: count,
    expired: count,
    full: count,
    gone: count,
    waiting: count,
    forgotten: count.describe('Older ones that are no longer listed.'),
    writes: z.array(heldWrite),
  })
  .meta({ id: 'HeldWrites' });

export const changesetView = z
  .looseObject({
    height,
    bytes: count,
    rows: count,
    sha256: z.string(),
    source: z.string().nullable().describe('Old node that the bytes came from.'),
    archivedAt: isoTime.nullable(),
    askedHeight: height.nullable().describe('Asked height whose answer carries it; null while none does.'),
    elements: z
      .array(z.looseObject({ kind: z.string(), text: z.string() }))
      .describe('Relations, row changes and spends in readable form.'),
    repairs: z.array(z.looseObject({ repair: z.string(), text: z.string() })),
  })
  .meta({ id: 'Changeset' });

export const repairView = z
  .looseObject({
    repair: z.string(),
    setting: z.enum(['auto', 'off']),
    count,
    reason: z.string().describe('Which defect of the node it avoids.'),
  })
  .meta({ id: 'Repair' });

export const relayUrl = z.looseObject({ validator: z.string(), url: z.string() }).meta({ id: 'RelayUrl' });

export const planEntry = z
  .looseObject({
    askedHeight: height,
    from: height.nullable().describe('First old height of the answer; null when it carries none.'),
    to: height.nullable(),
    bytes: count,
    sha256: z.string().nullable(),
    at: isoTime,
  })
  .meta({ id: 'PlanEntry' });

export const tableReport = z.looseObject({
  namespace: z.string(),
  table: z.string(),
  rows: z.looseObject({ old: count, new: count }),
  differences: count,
});

export const verificationReport = z
  .looseObject({
    equal: z.boolean(),
    tables: count,
    rows: count,
    differences: count,
    differing: z.array(
      z.looseObject({
        namespace: z.string(),
        table: z.string(),
        key: z.string(),
        side: z.enum(['old-only', 'new-only', 'different']),
        old: z.unknown().optional().describe('With `rows`: the row of the old network; null when it has none.'),
        new: z.unknown().optional(),
      }),
    ),
    byTable: z.array(tableReport).optional(),
    structure: z
      .array(z.looseObject({ what: z.string(), line: z.string(), side: z.enum(['old-only', 'new-only']) }))
      .optional()
      .describe('Schemas, actions and roles that differ; compared when nothing narrows the comparison.'),
    notCompared: z.array(z.string()).optional().describe('What could not be compared, and why.'),
    durationMs: z.number(),
  })
  .meta({ id: 'VerificationReport' });

/** A line of the answer to POST /v1/verify (application/x-ndjson); the last one is a report or a problem. */
export const verifyLine = z
  .discriminatedUnion('kind', [
    z.looseObject({ kind: z.literal('progress'), text: z.string(), tablesDone: count, tablesTotal: count.nullable() }),
    z.looseObject({ kind: z.literal('report'), report: verificationReport }),
    z.looseObject({
      kind: z.literal('problem'),
      problem: z.looseObject({
        code: z.string(),
        title: z.string(),
        detail: z.string(),
        family: z.string().optional(),
      }),
    }),
  ])
  .meta({ id: 'VerifyLine' });

export const txView = z
  .looseObject({
    hash: z.string(),
    state: z.enum(['mined', 'rejected', 'pending', 'dead', 'unknown', 'not-found']),
    network: networkName.nullable(),
    height: height.nullable(),
    code: z.int().nullable().describe('Result code of the transaction; 0 is success.'),
    log: z.string().nullable(),
    node: z.string().nullable().describe('Node that took it from us.'),
    admittedAt: isoTime.nullable(),
    explanation: z.string().describe('What is known, in words.'),
  })
  .meta({ id: 'Transaction' });

export const explanation = z
  .looseObject({
    method: z.string().nullable(),
    class: z.string().nullable(),
    decision: z.looseObject({ kind: z.string(), reason: z.string() }),
    rule: z.looseObject({ id: z.string(), text: z.string() }).nullable().describe('The rule that decided.'),
    passed: z
      .array(z.looseObject({ id: z.string(), text: z.string() }))
      .describe('Rules that did not apply, in order.'),
    facts: z.array(z.string()).describe('What was read from the request and the snapshot.'),
  })
  .meta({ id: 'Explanation' });

export const reloadResult = z
  .looseObject({
    changes: z.array(z.looseObject({ path: z.string(), from: z.string(), to: z.string(), needsRestart: z.boolean() })),
    message: z.string(),
  })
  .meta({ id: 'ReloadResult' });

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().describe('Stable word.'),
    family: z
      .string()
      .optional()
      .describe('Who has to act: upstream is a node that failed, refused is not now, config, control …'),
    detail: z.string(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem with a stable code.' });

const strategyFinding = z
  .looseObject({
    id: z.string(),
    verdict,
    value: z.string().describe('What was found.'),
    wanted: z.string(),
    remedy: z.string().describe('What to do; empty when it passed.'),
  })
  .meta({ id: 'StrategyFinding' });

const handWork = z
  .looseObject({
    todo: z.string().describe('What only a person can do.'),
    sign: z.string().describe('How we know that it was done.'),
  })
  .nullable();

const leader = z.looseObject({ node: z.string(), source: z.enum(['configured', 'learnt']) }).nullable();

export const upgradePlan = z
  .looseObject({
    validators: count.nullable(),
    mayBeDown: count.nullable().describe('Validators that may be down at once without stopping the blocks.'),
    leader,
    order: z.array(
      z.looseObject({
        node: z.string(),
        role: z.enum(['leader', 'follower', 'unknown']),
        build: z.string().nullable(),
        upToDate: z.boolean(),
        cost: z.string(),
      }),
    ),
    steps: z.array(z.string()),
    checks: z.array(strategyFinding),
    ready: z.boolean(),
  })
  .meta({ id: 'UpgradePlan' });

export const upgradeStatus = z
  .looseObject({
    step: z.string(),
    node: z.string().nullable().describe('The node whose turn it is.'),
    order: z.array(z.string()),
    done: z.array(
      z.looseObject({
        node: z.string(),
        build: z.string().nullable(),
        height,
        tables: count,
        rows: count,
        tookMs: z.number(),
      }),
    ),
    leader,
    writes: z.enum(['none', 'held', 'refused']).describe('Whether writes are held or refused.'),
    waitingFor: z.string().nullable(),
    handWork,
    stop: z
      .looseObject({ node: z.string().nullable(), evidence: z.string(), during: z.string(), at: isoTime })
      .nullable(),
    last: z.looseObject({ result: z.string(), reason: z.string() }).nullable(),
  })
  .meta({ id: 'UpgradeStatus' });

const strategyBody = z.strictObject({ reason: z.string().max(500).default('') });

export const offlineStatus = z
  .looseObject({
    step: z.string(),
    move: z.string().nullable(),
    writes: z.enum(['none', 'held', 'refused']).describe('Whether writes are held or refused.'),
    eta: isoTime.nullable().describe('What refused clients are told.'),
    waitingFor: z.string().nullable(),
    handWork,
    freeze: z
      .looseObject({
        height,
        blockHash: z.string(),
        appHash: z.string(),
        accounts: count.nullable(),
        tables: count,
        rows: count,
      })
      .nullable(),
    export: z.looseObject({ stateHash: z.string(), chainId: z.string(), initialHeight: height }).nullable(),
    check: z
      .looseObject({
        state: z.enum(['running', 'passed', 'failed']),
        step: z.string(),
        findings: z.array(strategyFinding),
        tables: count,
        rows: count,
        differences: count,
      })
      .nullable(),
    alarm: z
      .looseObject({
        head: height,
        frozenAt: height,
        text: z.string(),
        strangers: z.array(z.looseObject({ height, hash: z.string(), sender: z.string(), type: z.string() })),
      })
      .nullable(),
    last: z.looseObject({ result: z.string(), reason: z.string() }).nullable(),
  })
  .meta({ id: 'OfflineStatus' });

const exportBody = z.strictObject({
  snapshotHash: z.string().regex(/^[0-9a-f]{64}$/),
  snapshotBytes: count,
  snapshotHeight: height.nullable(),
  complete: z.boolean(),
  genesis: z.record(z.string(), z.unknown()),
});

const nodeParams = z.object({ network: networkName, name: z.string().min(1).max(63) });
const heightParams = z.object({ height: z.coerce.number().int().min(0) });
const planQuery = z.object({
  from: z.coerce.number().int().min(0).optional(),
  to: z.coerce.number().int().min(0).optional(),
});
const verifyBody = z.strictObject({
  namespace: z.string().max(128).optional(),
  table: z.string().max(128).optional(),
  rows: z.boolean().optional().describe('List both rows of each differing key.'),
});
const nodeResult = z
  .looseObject({ network: networkName, name: z.string(), changed: z.boolean() })
  .meta({ id: 'NodeResult' });

interface RouteShape {
  readonly method: 'get' | 'post';
  /** With `{name}` for path parameters. */
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly response: z.ZodType;
}

const route = <const R extends RouteShape>(shape: R): R => shape;

const cutoverRoute = <N extends CutoverCommandName>(name: N, summary: string) =>
  route({ method: 'post', path: `/v1/cutover/${name}`, summary, body: commandBody, response: commandResult });

export const report = z
  .looseObject({
    at: isoTime,
    status: gatewayStatus,
    attempts: z.array(attemptStory),
    commands: z.array(auditEntry),
    held: heldWrites.nullable(),
    verification: z
      .looseObject({ at: isoTime, report: verificationReport })
      .nullable()
      .describe('The last whole comparison of this process; null when none was asked for.'),
    upgrade: upgradeStatus.nullable(),
    offline: offlineStatus.nullable(),
  })
  .meta({ id: 'Report' });

/** All typed routes. Beside them stand POST /v1/verify (lines), POST /v1/explain (raw body) and the open probes. */
export const routes = {
  status: route({ method: 'get', path: '/v1/status', summary: 'The one status value', response: gatewayStatus }),
  preflight: route({
    method: 'get',
    path: '/v1/preflight',
    summary: 'Run every check of the switch',
    response: preflightReport,
  }),
  start: cutoverRoute('start', 'Throw the switch'),
  rehearse: cutoverRoute('rehearse', 'Everything but the commit'),
  abort: cutoverRoute('abort', 'Give the attempt up; possible until the commit'),
  postpone: cutoverRoute('postpone', 'Let nothing begin until resume'),
  resume: cutoverRoute('resume', 'End a postponement'),
  history: route({
    method: 'get',
    path: '/v1/cutover/history',
    summary: 'Every attempt with its steps',
    response: z.looseObject({ attempts: z.array(attemptStory) }),
  }),
  audit: route({
    method: 'get',
    path: '/v1/cutover/audit',
    summary: 'Every command, taken or refused',
    response: z.looseObject({ entries: z.array(auditEntry) }),
  }),
  report: route({
    method: 'get',
    path: '/v1/cutover/report',
    summary: 'The whole move: attempts with every step, what became of held writes, verification, totals',
    response: report,
  }),
  replicationStatus: route({
    method: 'get',
    path: '/v1/replication/status',
    summary: 'Tail, archive, served, watermark',
    response: replicationStatus.extend({ insight: replicationInsight.optional() }),
  }),
  changeset: route({
    method: 'get',
    path: '/v1/replication/heights/{height}',
    summary: 'One changeset in readable form',
    params: heightParams,
    response: changesetView,
  }),
  decide: route({
    method: 'post',
    path: '/v1/replication/heights/{height}/decide',
    summary: 'Says which version of a height is right when old nodes recorded different ones',
    params: heightParams,
    body: z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{16,64}$/) }),
    response: z.looseObject({ height, sha256: z.string() }),
  }),
  repairs: route({
    method: 'get',
    path: '/v1/replication/repairs',
    summary: 'What was rewritten and why',
    response: z.looseObject({ repairs: z.array(repairView), losses: replicationInsight.shape.losses.optional() }),
  }),
  relayUrls: route({
    method: 'get',
    path: '/v1/relay/urls',
    summary: 'The migrate_from URL of each validator (secret)',
    response: z.looseObject({ urls: z.array(relayUrl) }),
  }),
  relayStatus: route({
    method: 'get',
    path: '/v1/relay/status',
    summary: 'Who asked for what, when',
    response: z.looseObject({
      address: z.string().nullable(),
      validators: z.array(relayValidator),
      findings: replicationInsight.shape.findings.optional(),
    }),
  }),
  relayPlan: route({
    method: 'get',
    path: '/v1/relay/plan',
    summary: 'Which answer carries which old heights',
    query: planQuery,
    response: z.looseObject({ entries: z.array(planEntry) }),
  }),
  nodes: route({
    method: 'get',
    path: '/v1/nodes',
    summary: 'The nodes of both networks',
    response: z.looseObject({ nodes: z.array(nodeStatus.extend({ network: networkName })) }),
  }),
  drainNode: route({
    method: 'post',
    path: '/v1/nodes/{network}/{name}/drain',
    summary: 'Take a node out of service by hand',
    params: nodeParams,
    response: nodeResult,
  }),
  resumeNode: route({
    method: 'post',
    path: '/v1/nodes/{network}/{name}/resume',
    summary: 'Put a drained node back',
    params: nodeParams,
    response: nodeResult,
  }),
  tx: route({
    method: 'get',
    path: '/v1/tx/{hash}',
    summary: 'Where a transaction is',
    params: z.object({ hash: z.string().regex(/^(0x)?[0-9a-fA-F]{64}$/, 'must be 64 hex digits') }),
    response: txView,
  }),
  upgradePlan: route({
    method: 'get',
    path: '/v1/upgrade/plan',
    summary: 'Rolling: order, costs, and what must hold before it',
    response: upgradePlan,
  }),
  upgradeStatus: route({
    method: 'get',
    path: '/v1/upgrade/status',
    summary: 'Rolling: whose turn it is and what it waits for',
    response: upgradeStatus,
  }),
  upgradeWatch: route({
    method: 'post',
    path: '/v1/upgrade/watch',
    summary: 'Rolling: begin, or go on after a stop',
    body: strategyBody,
    response: upgradeStatus,
  }),
  upgradeEnd: route({
    method: 'post',
    path: '/v1/upgrade/end',
    summary: 'Rolling: give it up; every node is put back',
    body: strategyBody,
    response: upgradeStatus,
  }),
  offlineStatus: route({
    method: 'get',
    path: '/v1/offline/status',
    summary: 'Offline: phase, freeze point, check, alarm',
    response: offlineStatus,
  }),
  offlineStart: route({
    method: 'post',
    path: '/v1/offline/start',
    summary: 'Offline: hold, then refuse writes; while under way: tell another time',
    body: strategyBody.extend({ etaSeconds: z.number().min(1).max(604_800).default(1800) }),
    response: offlineStatus,
  }),
  offlineExport: route({
    method: 'post',
    path: '/v1/offline/export',
    summary: 'Offline: judge the snapshot and genesis files',
    body: exportBody,
    response: z.looseObject({ findings: z.array(strategyFinding), status: offlineStatus }),
  }),
  offlineCheck: route({
    method: 'post',
    path: '/v1/offline/check',
    summary: 'Offline: begin the check of the new network; the status has its result',
    body: strategyBody,
    response: offlineStatus,
  }),
  offlineOpen: route({
    method: 'post',
    path: '/v1/offline/open',
    summary: 'Offline: open the new network; there is no way back after it',
    body: strategyBody,
    response: offlineStatus,
  }),
  offlineAbort: route({
    method: 'post',
    path: '/v1/offline/abort',
    summary: 'Offline: writes go on on the old network',
    body: strategyBody,
    response: offlineStatus,
  }),
  reload: route({
    method: 'post',
    path: '/v1/config/reload',
    summary: 'Read the configuration again; an invalid one changes nothing',
    response: reloadResult,
  }),
} as const;

export const verifyRoute = { path: '/v1/verify', body: verifyBody, line: verifyLine } as const;
export const explainRoute = { path: '/v1/explain', response: explanation } as const;

export type Routes = typeof routes;
export type RouteName = keyof Routes;
type Part<R, K extends string> = R extends { readonly [P in K]: infer S extends z.ZodType } ? z.output<S> : undefined;

/** What a handler gets. */
export interface RouteInput<N extends RouteName> {
  readonly params: Part<Routes[N], 'params'>;
  readonly query: Part<Routes[N], 'query'>;
  readonly body: Part<Routes[N], 'body'>;
}
/**
 * A value as read: readonly, and without the "anything else may stand here" of open objects, so that plain interfaces of
 * other rooms fit.
 */
type Known<T> = T extends readonly (infer U)[]
  ? readonly Known<U>[]
  : T extends object
    ? [NamedKeys<T>] extends [never]
      ? Readonly<T>
      : { readonly [K in keyof T as K extends NamedKeys<T> ? K : never]: Known<T[K]> }
    : T;
type NamedKeys<T> = keyof { [K in keyof T as string extends K ? never : K]: true };

/** What a handler gives and a client gets. */
export type RouteOutput<N extends RouteName> = Known<z.output<Routes[N]['response']>>;

export type PreflightReport = Known<z.output<typeof preflightReport>>;
export type PreflightCheck = Known<z.output<typeof preflightCheck>>;
export type CommandBody = Known<z.output<typeof commandBody>>;
export type CommandResult = Known<z.output<typeof commandResult>>;
export type AttemptStory = Known<z.output<typeof attemptStory>>;
export type AuditEntry = Known<z.output<typeof auditEntry>>;
export type HeldWrites = Known<z.output<typeof heldWrites>>;
export type Report = Known<z.output<typeof report>>;
export type ChangesetView = Known<z.output<typeof changesetView>>;
export type ReplicationInsight = Known<z.output<typeof replicationInsight>>;
export type RepairView = Known<z.output<typeof repairView>>;
export type RelayUrl = Known<z.output<typeof relayUrl>>;
export type PlanEntry = Known<z.output<typeof planEntry>>;
export type VerificationReport = Known<z.output<typeof verificationReport>>;
export type VerifyLine = Known<z.output<typeof verifyLine>>;
export type VerifyBody = Known<z.output<typeof verifyBody>>;
export type TxView = Known<z.output<typeof txView>>;
export type Explanation = Known<z.output<typeof explanation>>;
export type StrategyFinding = Known<z.output<typeof strategyFinding>>;
export type UpgradePlan = Known<z.output<typeof upgradePlan>>;
export type UpgradeStatus = Known<z.output<typeof upgradeStatus>>;
export type OfflineStatus = Known<z.output<typeof offlineStatus>>;
export type ExportBody = Known<z.output<typeof exportBody>>;
export type ReloadResult = Known<z.output<typeof reloadResult>>;
export type Problem = Known<z.output<typeof problem>>;

/** Who gives a command: header of every request that changes something, written into the audit. */
export const ACTOR_HEADER = 'x-switchyard-actor';

/** The path of a route with its parameters filled in. */
export function routePath(path: string, params: Readonly<Record<string, unknown>> = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])));
}
