import type { AnyPhase, GatewayStatus, NetworkStatus, NodeState, Strategy } from '../model/index.js';
import { age, bytes, clockTime, duration, number, plural } from './text/format.js';
import { padEnd, padStart, printableText, visibleLength, type Style } from './text/style.js';
import { flow, wrap } from './text/table.js';

export interface ScreenOptions {
  readonly width: number;
  readonly style: Style;
  readonly nowMs: number;
  /** Recent lags in blocks, oldest first; empty when only one moment is known. */
  readonly lags?: readonly number[];
  /** Lines that can be seen; what does not fit is left out at the bottom. Default: all. */
  readonly height?: number;
  /** Above everything else, when the values below are not from now. */
  readonly notice?: string | null;
}

/** The phases that a move goes through when nothing happens; other phases stand beside it, a rolling upgrade has none. */
const PATHS: Readonly<Record<Strategy, readonly AnyPhase[]>> = {
  'zero-downtime': [
    'standby',
    'syncing',
    'ready',
    'armed',
    'holding',
    'draining',
    'verifying',
    'committed',
    'opening',
    'switched',
    'settled',
  ],
  offline: [
    'standby',
    'holding',
    'draining',
    'stopping',
    'frozen',
    'building',
    'verified',
    'committed',
    'opening',
    'switched',
    'settled',
  ],
  rolling: [],
};

const NAME_COLUMNS = 10;

/** The status value as a page of text: one moment of `status`, one frame of `status --watch`. Pure. */
export function statusScreen(status: GatewayStatus, options: ScreenOptions): string {
  const { style, notice } = options;
  const parts = [
    header(status, options),
    ...(notice ? [style.bad(notice)] : []),
    headline(status, options),
    network('OLD', status.networks.old, options),
    status.networks.new ? network('NEW', status.networks.new, options) : `${style.bold('NEW')}  not configured yet`,
    replication(status, options),
    writes(status, options),
    ...(status.cutover.notReady.length > 0 ? [notReady(status, options)] : []),
  ];
  return fitted(parts.join('\n\n'), options);
}

/** The top matters most: a small terminal must not scroll it away. */
function fitted(text: string, { height = Infinity, style }: ScreenOptions): string {
  const lines = text.split('\n');
  if (lines.length <= height) return `${text}\n`;
  const shown = lines.slice(0, Math.max(1, height - 1));
  return [...shown, style.dim(`(${lines.length - shown.length} more lines: make the window higher)`), ''].join('\n');
}

function header(status: GatewayStatus, { width, style, nowMs }: ScreenOptions): string {
  const { sep } = style.symbols;
  const up = duration(nowMs - Date.parse(status.startedAt));
  const left = `switchyard ${status.version} ${sep} ${status.strategy} ${sep} ${status.listeners.public} ${sep} up ${up}`;
  return style.dim(padEnd(left, width - 8) + padStart(clockTime(nowMs), 8));
}

/** What an operator looks for first: where are we, where do writes go, what does it wait for. */
function headline(
  { phase, strategy, epoch, writeNetwork, cutover }: GatewayStatus,
  { width, style, nowMs }: ScreenOptions,
): string {
  const { symbols } = style;
  // The machine's very first state has no beginning.
  const sinceMs = Date.parse(cutover.phaseSince);
  const since = sinceMs > 0 ? `   for ${duration(nowMs - sinceMs)}` : '';
  const paint = phasePaint(phase, style);
  const target = writeNetwork === 'none' ? style.warn('held or refused') : style.bold(writeNetwork);
  const first = `${paint(style.bold(`${symbols.dot} ${phase.toUpperCase()}`))}   writes ${symbols.arrow} ${target}   epoch ${epoch}${since}`;
  const lines = [first, ...track(phase, strategy, style)];
  if (cutover.deadline !== null) {
    const left = Date.parse(cutover.deadline) - nowMs;
    lines.push(
      `  ${left >= 0 ? `deadline in ${duration(left)}` : style.bad(`deadline passed ${duration(-left)} ago`)}`,
    );
  }
  if (cutover.drainHeight !== null) lines.push(`  drain height ${number(cutover.drainHeight)} (old)`);
  if (cutover.waitingFor !== null) lines.push(...paragraph(`waits for ${cutover.waitingFor}`, width, style.accent));
  if (cutover.endWarning !== null) lines.push(...paragraph(cutover.endWarning, width, style.warn));
  if (cutover.lastOutcome !== null) lines.push(...paragraph(`last attempt: ${cutover.lastOutcome}`, width, style.dim));
  return lines.join('\n');
}

/** `● ● ◉ ○ ○`: how far along the path; phases beside the path show no position. */
function track(phase: AnyPhase, strategy: Strategy, style: Style): string[] {
  const path = PATHS[strategy];
  const at = path.indexOf(phase);
  const { dot, ring } = style.symbols;
  if (path.length === 0) return [];
  if (at < 0) return [`  ${style.dim(path.map(() => ring).join(' '))}`];
  const steps = path.map((_, i) =>
    i < at ? style.good(dot) : i === at ? style.bold(style.accent(dot)) : style.dim(ring),
  );
  const next = path[at + 1];
  return [
    `  ${steps.join(' ')}  ${style.dim(`step ${at + 1} of ${path.length}${next === undefined ? '' : `, then ${next}`}`)}`,
  ];
}

function network(name: string, value: NetworkStatus, { width, style }: ScreenOptions): string {
  const facts = [
    `height ${number(value.head)}`,
    ...(value.blockTimeMs === null ? [] : [`a block in ${duration(value.blockTimeMs)}`]),
    value.migrationStatus === null ? 'status not known yet' : printableText(value.migrationStatus),
    ...(value.startHeight === null ? [] : [`start ${number(value.startHeight)}, end ${number(value.endHeight)}`]),
  ];
  const title = style.bold(printableText(value.chainId));
  return [
    ...flow(`${style.bold(name)}  `, [title, ...facts], width),
    ...value.nodes.map(node => nodeLine(node, width, style)),
  ].join('\n');
}

function nodeLine(node: NetworkStatus['nodes'][number], width: number, style: Style): string {
  const paint = nodePaint(node.state, style);
  const fixed = [
    `  ${paint(style.symbols.dot)} ${padEnd(node.name, NAME_COLUMNS)}`,
    paint(padEnd(node.state, 11)),
    padStart(number(node.height), 11),
    printableText(node.version ?? ''),
  ].join('  ');
  const reason = node.reason === null ? '' : printableText(node.reason);
  if (reason === '') return fixed.trimEnd();
  if (visibleLength(fixed) + 2 + reason.length <= width) return `${fixed}  ${style.dim(reason)}`;
  return [fixed.trimEnd(), ...wrap(reason, width - 6).map(line => `      ${style.dim(line)}`)].join('\n');
}

function replication({ replication: r }: GatewayStatus, { width, style, nowMs, lags = [] }: ScreenOptions): string {
  const state =
    r.state === 'stopped' ? style.bad(r.state) : r.state === 'waiting' ? style.warn(r.state) : style.good(r.state);
  const title = `${style.bold('CHANGESETS')}  ${state}${r.reason === null ? '' : `: ${r.reason}`}`;
  const lines =
    visibleLength(title) <= width || r.reason === null
      ? [title]
      : [`${style.bold('CHANGESETS')}  ${state}`, ...paragraph(r.reason, width, style.warn)];
  if (r.startHeight !== null && r.endHeight !== null && r.endHeight >= r.startHeight) {
    const total = r.endHeight - r.startHeight + 1;
    const applied = Math.max(0, (r.applied ?? r.startHeight - 1) - r.startHeight + 1);
    const label = ` ${number(applied)} of ${number(total)} applied`;
    lines.push(`  ${bar(Math.min(1, applied / total), Math.max(10, width - 2 - label.length), style)}${label}`);
  }
  lines.push(`  archived ${number(r.archived)}   served ${number(r.served)}   applied ${number(r.applied)}`);
  const lag = r.lagBlocks === null ? 'lag not known yet' : `lag ${plural(r.lagBlocks, 'block')}, ${duration(r.lagMs)}`;
  const end = r.blocksToEnd === null ? '' : `   to End ${plural(r.blocksToEnd, 'block')}, about ${duration(r.msToEnd)}`;
  lines.push(
    `  ${r.lagBlocks !== null && r.lagBlocks > 5 ? style.warn(lag) : lag}${lags.length > 1 ? ` ${style.accent(sparkline(lags, style))}` : ''}${end}`,
  );
  if (r.validators.length > 0) {
    lines.push(
      ...r.validators.map(v => {
        const paint = v.health === 'silent' ? style.bad : v.health === 'unseen' ? style.warn : style.good;
        const asked = v.askedHeight === null ? '' : `  asked ${number(v.askedHeight)}`;
        return `  ${paint(style.symbols.dot)} ${padEnd(v.name, NAME_COLUMNS)}  ${paint(padEnd(v.health, 11))}${asked}  ${style.dim(age(v.lastRequestAt, nowMs))}`;
      }),
    );
  }
  return lines.join('\n');
}

function writes({ writes: w }: GatewayStatus, { width, style }: ScreenOptions): string {
  const held = `held ${number(w.held)} (${bytes(w.heldBytes)})`;
  const strangers = `strangers ${number(w.strangers)}`;
  const facts = [
    `in flight ${number(w.inFlight)}`,
    w.held > 0 ? style.warn(held) : held,
    `unresolved old ${number(w.unresolved.old)}, new ${number(w.unresolved.new)}`,
    w.strangers > 0 ? style.warn(strangers) : strangers,
  ];
  return flow(`${style.bold('WRITES')}  `, facts, width).join('\n');
}

function notReady({ cutover }: GatewayStatus, { width, style }: ScreenOptions): string {
  const mark = style.bad(style.symbols.fail);
  const isShort = (id: string): boolean => id.length <= width - 6;
  const short = cutover.notReady.filter(isShort).map(id => `${mark} ${id}`);
  const long = cutover.notReady
    .filter(id => !isShort(id))
    .flatMap(id => wrap(id, width - 6).map((line, i) => `  ${i === 0 ? mark : ' '} ${line}`));
  const title = `${style.bold('NOT READY')}  ${style.dim('`switchyard preflight` says more')}`;
  return [title, ...(short.length > 0 ? flow('  ', short, width) : []), ...long].join('\n');
}

function bar(share: number, width: number, style: Style): string {
  const full = Math.round(share * width);
  return style.good(style.symbols.full.repeat(full)) + style.dim(style.symbols.empty.repeat(width - full));
}

/** The last 24 values, scaled to the greatest. */
function sparkline(values: readonly number[], style: Style): string {
  const { bars } = style.symbols;
  const recent = values.slice(-24);
  const max = Math.max(1, ...recent);
  return recent
    .map(value => bars[Math.min(bars.length - 1, Math.round((Math.max(0, value) / max) * (bars.length - 1)))])
    .join('');
}

const paragraph = (text: string, width: number, paint: (text: string) => string): string[] =>
  wrap(printableText(text), width - 2).map(line => `  ${paint(line)}`);

function phasePaint(phase: AnyPhase, style: Style): (text: string) => string {
  if (phase === 'blocked' || phase === 'at-halt') return style.bad;
  if (
    ['holding', 'draining', 'verifying', 'aborting', 'armed', 'rolling', 'stopping', 'frozen', 'building'].includes(
      phase,
    )
  )
    return style.warn;
  return ['ready', 'verified', 'switched', 'settled', 'committed', 'opening'].includes(phase)
    ? style.good
    : style.accent;
}

function nodePaint(state: NodeState, style: Style): (text: string) => string {
  if (state === 'up') return style.good;
  return state === 'down' || state === 'quarantined' ? style.bad : style.warn;
}
