import { NETWORK_NAMES, type NodeRef } from '../model/index.js';
import {
  cutoverCommands,
  type CommandBody,
  type CutoverCommandName,
  type Problem,
  type RouteInput,
  type RouteName,
  type RouteOutput,
} from './contract.js';
import { ProblemError, refusedCommand } from './errors.js';
import type { Actor, AdminPorts } from './ports.js';

/** A problem is an ordinary answer of a handler where the request was right and the moment wrong. */
export class Refusal {
  constructor(readonly problem: Problem) {}
}

type Handler<N extends RouteName> = (
  input: RouteInput<N>,
  actor: Actor,
) => RouteOutput<N> | Refusal | Promise<RouteOutput<N> | Refusal>;

export type Handlers = { readonly [N in RouteName]?: Handler<N> };

/** What each route does; a route without handler is a feature that this gateway does not have. */
export function createHandlers(ports: AdminPorts): Handlers {
  const { preflight, command, history, changeset, repairs, relayUrls, relayPlan, drainNode, resumeNode, tx, reload } =
    ports;
  return {
    status: () => ports.status(),
    ...(preflight && { preflight: () => preflight() }),
    ...(command && cutoverHandlers(ports, command)),
    ...(history && { history: () => ({ attempts: history() }) }),
    replicationStatus: () => ports.status().replication,
    ...(changeset && {
      changeset: async ({ params: { height } }: RouteInput<'changeset'>) =>
        (await changeset(height)) ?? missing(`old height ${height} is not in the archive`),
    }),
    ...(repairs && { repairs: () => ({ repairs: repairs() }) }),
    ...(relayUrls && { relayUrls: () => ({ urls: relayUrls() }) }),
    relayStatus: () => {
      const { listeners, replication } = ports.status();
      return { address: listeners.relay, validators: replication.validators };
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
    ...(tx && { tx: ({ params: { hash } }: RouteInput<'tx'>) => tx(hash.replace(/^0x/, '').toLowerCase()) }),
    ...(reload && { reload: (_: RouteInput<'reload'>, actor: Actor) => reload(actor) }),
  };
}

function cutoverHandlers(ports: AdminPorts, command: NonNullable<AdminPorts['command']>): Handlers {
  const run = async (name: CutoverCommandName, body: CommandBody, actor: Actor) => {
    const ours = ports.status().networks.new?.chainId ?? null;
    if (body.newChainId !== undefined && body.newChainId !== ours) {
      throw new ProblemError(
        'wrong_gateway',
        `the new network of this gateway is ${ours ?? 'not configured'}, not ${body.newChainId}`,
      );
    }
    const outcome = await command(name, body, actor);
    if (!outcome.accepted) return new Refusal(refusedCommand(outcome.code, outcome.reason));
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
