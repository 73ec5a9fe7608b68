import { NETWORK_NAMES, type NodeRef } from '../model/index.js';
import {
  cutoverCommands,
  type CommandBody,
  type CutoverCommandName,
  type RouteInput,
  type RouteName,
  type RouteOutput,
} from './contract.js';
import { ProblemError, refusedCommand } from './errors.js';
import type { Actor, AdminPorts } from './ports.js';
import { reportOf, toEntry, toStory } from './report.js';
import { offlineHandlers, upgradeHandlers } from './strategies.js';
import { Refusal } from './refusal.js';

export { Refusal } from './refusal.js';

type Handler<N extends RouteName> = (
  input: RouteInput<N>,
  actor: Actor,
  /** Aborts when the caller hangs up. */
  signal: AbortSignal,
) => RouteOutput<N> | Refusal | Promise<RouteOutput<N> | Refusal>;

export type Handlers = { readonly [N in RouteName]?: Handler<N> };

/** What each route does; a route without handler is a feature that this gateway does not have. */
export function createHandlers(ports: AdminPorts): Handlers {
  const {
    preflight,
    command,
    history,
    audit,
    changeset,
    repairs,
    relayUrls,
    relayPlan,
    drainNode,
    resumeNode,
    tx,
    reload,
  } = ports;
  return {
    status: () => ports.status(),
    ...(preflight && { preflight: (_: RouteInput<'preflight'>, __: Actor, signal: AbortSignal) => preflight(signal) }),
    ...(command && cutoverHandlers(ports, command)),
    ...(history && { history: () => ({ attempts: history().map(toStory) }) }),
    ...(audit && { audit: () => ({ entries: audit().map(toEntry) }) }),
    report: () => reportOf(ports),
    replicationStatus: () => ({ ...ports.status().replication, ...(ports.insight && { insight: ports.insight() }) }),
    ...(changeset && {
      changeset: async ({ params: { height } }: RouteInput<'changeset'>) =>
        (await changeset(height)) ?? missing(`old height ${height} is not in the archive`),
    }),
    ...(ports.decide && {
      decide: async ({ params: { height }, body: { sha256 } }: RouteInput<'decide'>) => ({
        height,
        sha256:
          (await ports.decide!(height, sha256)) ?? missing(`no version ${sha256} of height ${height} is disputed`),
      }),
    }),
    ...(repairs && {
      repairs: () => ({ repairs: repairs(), ...(ports.insight && { losses: ports.insight().losses }) }),
    }),
    ...(relayUrls && { relayUrls: () => ({ urls: relayUrls() }) }),
    relayStatus: () => {
      const { listeners, replication } = ports.status();
      return {
        address: listeners.relay,
        validators: replication.validators,
        ...(ports.insight && { findings: ports.insight().findings }),
      };
    },
    ...(relayPlan && {
      relayPlan: ({ query: { from, to } }: RouteInput<'relayPlan'>) => ({ entries: relayPlan(from, to) }),
    }),
    nodes: () => {
      const { networks } = ports.status();
      return {
        nodes: NETWORK_NAMES.flatMap(network => (networks[network]?.nodes ?? []).map(node => ({ network, ...node }))),
      };
    },
    ...(drainNode && { drainNode: ({ params }: RouteInput<'drainNode'>) => changeNode(params, drainNode) }),
    ...(resumeNode && { resumeNode: ({ params }: RouteInput<'resumeNode'>) => changeNode(params, resumeNode) }),
    ...(ports.upgrade && upgradeHandlers(ports.upgrade)),
    ...(ports.offline && offlineHandlers(ports.offline)),
    ...(tx && { tx: ({ params: { hash } }: RouteInput<'tx'>) => tx(hash.replace(/^0x/, '').toLowerCase()) }),
    ...(reload && { reload: (_: RouteInput<'reload'>, actor: Actor) => reload(actor) }),
  };
}

function cutoverHandlers(ports: AdminPorts, command: NonNullable<AdminPorts['command']>): Handlers {
  const run = async (kind: CutoverCommandName, body: CommandBody, actor: Actor) => {
    const ours = ports.status().networks.new?.chainId ?? null;
    if (body.newChainId !== undefined && body.newChainId !== ours) {
      throw new ProblemError(
        'wrong_gateway',
        `the new network of this gateway is ${ours ?? 'not configured'}, not ${body.newChainId}`,
      );
    }
    if (body.dryRun && kind !== 'start' && kind !== 'rehearse') {
      throw new ProblemError('bad_request', `${kind} has no dry run: it does one thing only`);
    }
    const outcome = await command({
      kind,
      actor: `${actor.name} (${actor.address})`,
      reason: body.reason,
      dryRun: body.dryRun,
    });
    if (!outcome.accepted) return new Refusal(refusedCommand(outcome.code, outcome.message));
    const { accepted: _, ...result } = outcome;
    return result;
  };
  return Object.fromEntries(
    cutoverCommands.map(name => [name, ({ body }: RouteInput<'start'>, actor: Actor) => run(name, body, actor)]),
  );
}

function changeNode(node: NodeRef, change: (node: NodeRef) => boolean | undefined): RouteOutput<'drainNode'> {
  const changed = change(node) ?? missing(`there is no node ${node.name} in network ${node.network}`);
  return { network: node.network, name: node.name, changed };
}

function missing(detail: string): never {
  throw new ProblemError('not_found', detail);
}
