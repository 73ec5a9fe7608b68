import type { Command } from 'commander';
import type { NodeRef } from '../../model/index.js';
import type { AdminClient } from '../client.js';
import { nearest } from '../../config/index.js';
import {
  clientOf,
  examples,
  lookOf,
  mayDryRun,
  talksToGateway,
  type CliContext,
  type CommonOptions,
} from '../context.js';
import { CliError, EXIT, usage } from '../errors.js';
import { printResult } from '../io.js';
import { number } from '../text/format.js';
import { printableText } from '../text/style.js';
import { table } from '../text/table.js';

export function addNodes(program: Command, context: CliContext): void {
  const nodes = program
    .command('nodes')
    .summary('the nodes of both networks')
    .description('The nodes of both networks.');

  talksToGateway(nodes.command('list'))
    .summary('every node with its state')
    .description('Lists every node with its state and height.')
    .action(async (options: CommonOptions) => {
      const result = await clientOf(options, context).call('nodes');
      const columns = [
        { title: 'node' },
        { title: 'state' },
        { title: 'height', align: 'right' as const },
        { title: 'version' },
        { title: 'why', flexible: true },
      ];
      const rows = result.nodes.map(n => [
        `${n.network}/${n.name}`,
        n.state,
        number(n.height),
        printableText(n.version ?? '-'),
        printableText(n.reason ?? ''),
      ]);
      printResult(context.io, options.json === true, result, () => table(columns, rows, lookOf(context).width));
    });

  for (const [verb, route, summary] of [
    ['drain', 'drainNode', 'take a node out of service by hand'],
    ['resume', 'resumeNode', 'put a drained node back'],
  ] as const) {
    const command = mayDryRun(talksToGateway(nodes.command(verb).argument('<node>', 'name, or network/name')))
      .summary(summary)
      .description(`${summary}.`);
    examples(command, `switchyard nodes ${verb} old-2`, `switchyard nodes ${verb} new/new-1`).action(
      async (name: string, options: CommonOptions) => {
        const client = clientOf(options, context);
        const node = await findNode(client, name);
        const result = await client.call(route, { params: node });
        printResult(context.io, options.json === true, result, () => {
          const state = verb === 'drain' ? 'out of service' : 'in service';
          return `${node.network}/${node.name} is ${result.changed ? 'now' : 'already'} ${state}`;
        });
      },
    );
  }
}

/** Takes `old/old-1`, or a bare name that only one network has. */
async function findNode(client: AdminClient, text: string): Promise<NodeRef> {
  const { nodes } = await client.call('nodes');
  const [first, second] = text.split('/');
  const fits = nodes.filter(({ network, name }) =>
    second === undefined ? name === first : network === first && name === second,
  );
  if (fits.length > 1) throw usage(`both networks have a node ${text}`, `say old/${text} or new/${text}`);
  const [node] = fits;
  if (node) return { network: node.network, name: node.name };
  const guess = nearest(
    second ?? text,
    nodes.map(({ name }) => name),
  );
  throw new CliError(
    EXIT.failure,
    'not_found',
    `there is no node ${text}`,
    guess === undefined ? '`switchyard nodes list` shows all' : `did you mean ${guess}?`,
  );
}
