import type { Command } from 'commander';
import type { ReplicationStatus } from '../../model/index.js';
import type { ChangesetView, PlanEntry, ReplicationInsight } from '../../admin/contract.js';
import { clientOf, examples, lookOf, talksToGateway, type CliContext, type CommonOptions } from '../context.js';
import { usage } from '../errors.js';
import { printResult } from '../io.js';
import { age, bytes, duration, number, plural, stamp } from '../text/format.js';
import { printableText } from '../text/style.js';
import { table, wrap } from '../text/table.js';

export function addReplication(program: Command, context: CliContext): void {
  const replication = program
    .command('replication')
    .summary('the stream of changesets')
    .description('The stream of changesets from the old to the new network.');

  talksToGateway(replication.command('status'))
    .summary('tail, archive, served, watermark')
    .description('Shows how far the stream is: archived, served to the new nodes, applied by them.')
    .action(async (options: CommonOptions) => {
      const status = await clientOf(options, context).call('replicationStatus');
      printResult(context.io, options.json === true, status, () =>
        [
          replicationText(status),
          ...(status.insight === undefined ? [] : insightBlocks(status.insight, lookOf(context).width)),
        ].join('\n\n'),
      );
    });

  const show = talksToGateway(replication.command('show').argument('<height>', 'old height'))
    .summary('one changeset in readable form')
    .description('Shows one archived changeset in readable form, and what was rewritten in it.');
  examples(show, 'switchyard replication show 1234').action(async (height: string, options: CommonOptions) => {
    const view = await clientOf(options, context).call('changeset', { params: { height: heightOf(height) } });
    printResult(context.io, options.json === true, view, () => changesetText(view, lookOf(context).width));
  });

  const decide = talksToGateway(
    replication
      .command('decide')
      .argument('<height>', 'old height')
      .argument('<sha256>', 'version that is right, at least its first 16 digits'),
  )
    .summary('which version is right when old nodes differ')
    .description(
      'Old nodes recorded different changes for a height, and the stream stands still. Names the version that is right; nodes that gave another one are passed over for it. `replication status` lists both versions.',
    );
  examples(decide, 'switchyard replication decide 1234 9f86d081884c7d65').action(
    async (height: string, sha256: string, options: CommonOptions) => {
      if (!/^[0-9a-f]{16,64}$/i.test(sha256)) throw usage(`${sha256} is not a hash of at least 16 hex digits`);
      const result = await clientOf(options, context).call('decide', {
        params: { height: heightOf(height) },
        body: { sha256: sha256.toLowerCase() },
      });
      printResult(
        context.io,
        options.json === true,
        result,
        () => `height ${number(result.height)}: ${result.sha256} is taken; the stream goes on`,
      );
    },
  );

  talksToGateway(replication.command('repairs'))
    .summary('what was rewritten and why')
    .description(
      'Lists every repair: whether it is on, how often it was needed, and which defect of the node it avoids.',
    )
    .action(async (options: CommonOptions) => {
      const result = await clientOf(options, context).call('repairs');
      const columns = [
        { title: 'repair' },
        { title: 'set' },
        { title: 'count', align: 'right' as const },
        { title: 'why', flexible: true },
      ];
      printResult(context.io, options.json === true, result, () =>
        [
          table(
            columns,
            result.repairs.map(r => [r.repair, r.setting, number(r.count), r.reason]),
            lookOf(context).width,
          ),
          ...(result.losses === undefined ? [] : [lossText(result.losses, lookOf(context).width)]),
        ].join('\n\n'),
      );
    });
}

export function addRelay(program: Command, context: CliContext): void {
  const relay = program
    .command('relay')
    .summary("what the new network's nodes ask")
    .description("The relay: what the new network's nodes see of the old network.");

  const urls = talksToGateway(relay.command('urls'))
    .summary('the migrate_from URL of each validator')
    .description(
      'Prints the migrate_from URL of each validator of the new network. The URLs are secrets: each proves who asks.',
    );
  urls.action(async (options: CommonOptions) => {
    const result = await clientOf(options, context).call('relayUrls');
    printResult(context.io, options.json === true, result, () =>
      result.urls
        .map(
          ({ validator, url }) => `${validator.padEnd(Math.max(...result.urls.map(u => u.validator.length)))}  ${url}`,
        )
        .join('\n'),
    );
  });

  talksToGateway(relay.command('status'))
    .summary('who asked for what, when')
    .description('Shows who asked the relay for which height, when, and who has fallen silent.')
    .action(async (options: CommonOptions) => {
      const status = await clientOf(options, context).call('relayStatus');
      const columns = [
        { title: 'validator' },
        { title: 'health' },
        { title: 'asked', align: 'right' as const },
        { title: 'last request' },
      ];
      const rows = status.validators.map(v => [
        v.name,
        v.health,
        number(v.askedHeight),
        age(v.lastRequestAt, Date.now()),
      ]);
      printResult(context.io, options.json === true, status, () =>
        [
          `relay ${status.address ?? 'not listening'}`,
          rows.length === 0 ? 'Nobody has asked yet.' : table(columns, rows, lookOf(context).width),
          ...(status.findings === undefined || status.findings.length === 0
            ? []
            : [findingText(status.findings, lookOf(context).width)]),
        ].join('\n\n'),
      );
    });

  talksToGateway(relay.command('plan'))
    .summary('which answer carries which old heights')
    .description('Shows which asked height was answered with which old heights.')
    .option('--from <height>', 'first asked height')
    .option('--to <height>', 'last asked height')
    .action(async (options: CommonOptions & { readonly from?: string; readonly to?: string }) => {
      const query = {
        ...(options.from && { from: heightOf(options.from) }),
        ...(options.to && { to: heightOf(options.to) }),
      };
      const plan = await clientOf(options, context).call('relayPlan', { query });
      printResult(context.io, options.json === true, plan, () => planText(plan.entries, lookOf(context).width));
    });
}

function heightOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usage(`${text} is not a height`);
  return Number(text);
}

function replicationText(r: ReplicationStatus): string {
  const facts: [string, string][] = [
    ['state', r.reason === null ? r.state : `${r.state}: ${r.reason}`],
    ['window', r.startHeight === null ? 'not known yet' : `${number(r.startHeight)} to ${number(r.endHeight)}`],
    ['archived', number(r.archived)],
    ['served', number(r.served)],
    ['applied', number(r.applied)],
    ['lag', r.lagBlocks === null ? '-' : `${plural(r.lagBlocks, 'block')}, ${duration(r.lagMs)}`],
    ['to End', r.blocksToEnd === null ? '-' : `${plural(r.blocksToEnd, 'block')}, about ${duration(r.msToEnd)}`],
    [
      'repairs',
      Object.entries(r.repairs)
        .map(([name, count]) => `${name} ${number(count)}`)
        .join(', ') || 'none needed',
    ],
  ];
  return facts.map(([name, value]) => `${name.padEnd(9)} ${value}`).join('\n');
}

function insightBlocks({ findings, losses, strangers, archive }: ReplicationInsight, width: number): string[] {
  const senders = Object.entries(strangers.bySender).sort((a, b) => b[1] - a[1]);
  const old =
    strangers.total === 0
      ? 'strangers on the old network: none'
      : `strangers on the old network: ${plural(strangers.total, 'transaction')} since height ${number(strangers.since)}\n` +
        senders
          .slice(0, SENDERS_SHOWN)
          .map(([sender, count]) => `  ${number(count)} by ${printableText(sender)}`)
          .join('\n');
  return [
    `archive: heights ${number(archive.first)} to ${number(archive.last)}, ${bytes(archive.bytes)}`,
    old,
    ...(losses.lost + losses.unknown + losses.unlisted === 0 ? [] : [lossText(losses, width)]),
    ...(findings.length === 0 ? [] : [findingText(findings, width)]),
  ];
}

const SENDERS_SHOWN = 10;
/** Lost values on the page; --json has them all. */
const LOSSES_SHOWN = 50;

/** Values that no rewrite brings back, each with the statement that an operator may run on the new network. */
export function lossText(losses: ReplicationInsight['losses'], width: number): string {
  const { lost, unknown, unlisted, listed } = losses;
  if (lost + unknown + unlisted === 0) return 'Nothing was lost in the recording of the old network.';
  const lines = listed.slice(0, LOSSES_SHOWN).flatMap(one => {
    const key = Object.entries(one.key)
      .map(([column, text]) => `${column} = ${text}`)
      .join(', ');
    const what =
      one.state === 'lost' ? `is ${one.text ?? ''} on the old network` : 'cannot be told: no old node answers';
    const line = `${number(one.height)}  ${one.table}.${one.column} where ${key === '' ? '(no key)' : key}: ${what}`;
    return [
      ...wrap(printableText(line), width - 2).map((part, i) => (i === 0 ? `  ${part}` : `    ${part}`)),
      // Whole, on one line: it is copied.
      ...(one.statement === null ? [] : [`    ${printableText(one.statement)}`]),
    ];
  });
  const more = listed.length - Math.min(listed.length, LOSSES_SHOWN) + unlisted;
  return [
    `lost in the recording of the old network: ${plural(lost, 'value')}, ${number(unknown)} more may be (run the statements on the new network once it has the height; they are never run by the gateway)`,
    ...lines,
    ...(more > 0
      ? [`  and ${number(more)} more${unlisted > 0 ? `, ${number(unlisted)} of them not looked at` : ': --json'}`]
      : []),
  ].join('\n');
}

export const findingText = (findings: ReplicationInsight['findings'], width: number): string =>
  findings
    .flatMap(({ text, cure }) => [
      ...wrap(`! ${printableText(text)}`, width),
      ...wrap(printableText(cure), width - 2).map(line => `  ${line}`),
    ])
    .join('\n');

function changesetText(view: ChangesetView, width: number): string {
  const head = [
    `old height ${number(view.height)}: ${plural(view.rows, 'row')}, ${bytes(view.bytes)}, sha256 ${view.sha256.slice(0, 16)}...`,
    `from ${view.source ?? '-'}${view.archivedAt === null ? '' : ` at ${stamp(view.archivedAt)}`}; ${view.askedHeight === null ? 'not served yet' : `served as asked height ${number(view.askedHeight)}`}`,
  ];
  const lines = (items: readonly string[]): string[] =>
    items.flatMap(item =>
      wrap(printableText(item), width - 4).map((line, i) => (i === 0 ? `  ${line}` : `    ${line}`)),
    );
  return [
    ...head,
    ...(view.elements.length > 0 ? ['', ...lines(view.elements.map(({ kind, text }) => `${kind} ${text}`))] : []),
    ...(view.repairs.length > 0
      ? ['', 'repairs', ...lines(view.repairs.map(({ repair, text }) => `${repair}: ${text}`))]
      : []),
  ].join('\n');
}

function planText(entries: readonly PlanEntry[], width: number): string {
  if (entries.length === 0) return 'Nothing was planned yet.';
  const carried = ({ from, to }: PlanEntry): string =>
    from === null ? 'nothing' : from === to ? number(from) : `${number(from)} to ${number(to)}`;
  return table(
    [
      { title: 'asked', align: 'right' },
      { title: 'carries old heights' },
      { title: 'size', align: 'right' },
      { title: 'planned at' },
    ],
    entries.map(e => [number(e.askedHeight), carried(e), bytes(e.bytes), stamp(e.at)]),
    width,
  );
}
