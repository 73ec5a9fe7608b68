import { assertNever, type Height } from '../model/index.js';
import {
  machineOf,
  refuse,
  same,
  type Cell,
  type HandWork,
  type Routing,
  type StepMarks,
  type Table,
} from './machine.js';

/**
 * A rolling upgrade: the nodes of one network, one after another.
 *
 * idle → (draining → securing → [quieting] → ready → away → returning → comparing) per node → finished;
 * beside them stopped: something is wrong and a person decides. quieting is the leader's only.
 */
export type RollingPhase =
  'idle' | 'draining' | 'securing' | 'quieting' | 'ready' | 'away' | 'returning' | 'comparing' | 'stopped' | 'finished';

export interface Leader {
  readonly node: string;
  readonly source: 'configured' | 'learnt';
}

export interface NodeDone {
  readonly node: string;
  readonly build: string | null;
  /** Common height at which its hashes were compared. */
  readonly height: Height;
  readonly tables: number;
  readonly rows: number;
  /** From "ready" to back in service, ms. */
  readonly tookMs: number;
}

export interface Roll {
  readonly id: string;
  readonly by: string;
  readonly reason: string;
  readonly at: number;
  /** Every node that is to be restarted, in order. */
  readonly order: readonly string[];
  readonly leader: Leader | null;
  readonly done: readonly NodeDone[];
}

export interface Stop {
  /** The node it is about; null when it is about the network. */
  readonly node: string | null;
  readonly evidence: string;
  readonly during: RollingPhase;
  readonly at: number;
}

export interface RollingState extends StepMarks {
  readonly phase: RollingPhase;
  readonly rolls: number;
  readonly roll: Roll | null;
  /** The node whose turn it is. */
  readonly node: string | null;
  /** When it was the operator's turn, for the story. */
  readonly readyAt: number | null;
  /** Its build before: another one means that it was restarted, also when nobody was there to see it go. */
  readonly buildBefore: string | null;
  readonly hold: 'none' | 'held' | 'refused';
  /** The leader has made its first block since it was away. */
  readonly moving: boolean;
  /** A wait that takes longer than usual, in words. */
  readonly late: string | null;
  readonly stop: Stop | null;
  readonly last: {
    readonly roll: string;
    readonly result: 'finished' | 'ended';
    readonly reason: string;
    readonly at: number;
  } | null;
}

interface At {
  readonly at: number;
}

export type RollingEvent =
  | ({
      readonly kind: 'start';
      readonly actor: string;
      readonly reason: string;
      readonly order: readonly string[];
      readonly leader: Leader | null;
    } & At)
  | ({ readonly kind: 'end'; readonly actor: string; readonly reason: string } & At)
  /** Nothing of ours is on its way to the node any more, or the wait for it is over. */
  | ({ readonly kind: 'drained'; readonly node: string; readonly left: number } & At)
  /** Every write it accepted is in a block or known to another node; `offered` were sent there. */
  | ({ readonly kind: 'secured'; readonly node: string; readonly offered: number; readonly build: string | null } & At)
  /** Writes are held, all mempools are empty, and one more block came. */
  | ({ readonly kind: 'quiet'; readonly node: string; readonly height: Height } & At)
  | ({ readonly kind: 'gone'; readonly node: string } & At)
  | ({ readonly kind: 'answered'; readonly node: string } & At)
  /** The first block after the leader was away. */
  | ({ readonly kind: 'block'; readonly height: Height } & At)
  | ({ readonly kind: 'agreed'; readonly node: string; readonly height: Height; readonly build: string | null } & At)
  | ({
      readonly kind: 'compared';
      readonly node: string;
      readonly height: Height;
      readonly build: string | null;
      readonly tables: number;
      readonly rows: number;
    } & At)
  /** Blocks stopped when this node did: it leads. */
  | ({ readonly kind: 'leads'; readonly node: string } & At)
  /** Held writes have waited as long as they may. */
  | ({ readonly kind: 'hold-over' } & At)
  | ({ readonly kind: 'late'; readonly text: string } & At)
  /** The first sign of something wrong. */
  | ({ readonly kind: 'doubt'; readonly node: string | null; readonly evidence: string } & At);

export const initialRolling: RollingState = {
  phase: 'idle',
  epoch: 1,
  seq: 0,
  since: 0,
  rolls: 0,
  roll: null,
  node: null,
  readyAt: null,
  buildBefore: null,
  hold: 'none',
  moving: true,
  late: null,
  stop: null,
  last: null,
};

const RETRY_MS = 2000;

type Of<K extends RollingEvent['kind']> = Cell<RollingState, Extract<RollingEvent, { kind: K }>>;

const leads = ({ roll, node }: RollingState): boolean =>
  roll !== null && roll.leader !== null && roll.leader.node === node;

/** Facts about a node whose turn it is not are late answers. */
const mine =
  <E extends { readonly node: string | null }>(act: Cell<RollingState, E>): Cell<RollingState, E> =>
  (state, event) =>
    event.node === state.node ? act(state, event) : state;

const enter = (state: RollingState, phase: RollingPhase): RollingState => ({ ...state, phase, late: null });

const start: Of<'start'> = (state, event) => {
  const [first] = event.order;
  if (first === undefined) return refuse('nothing_to_do', 'no node is left to restart');
  const rolls = state.rolls + 1;
  return {
    ...enter(state, 'draining'),
    rolls,
    roll: {
      id: `roll-${rolls}`,
      by: event.actor,
      reason: event.reason,
      at: event.at,
      order: event.order,
      leader: event.leader,
      done: [],
    },
    node: first,
    readyAt: null,
    hold: 'none',
    moving: true,
    stop: null,
  };
};

const running: Of<'start'> = () => refuse('roll_running', 'a rolling upgrade is under way');
const nothing: Of<'end'> = () => refuse('nothing_to_end', 'no rolling upgrade is under way');

const end: Of<'end'> = (state, event) => ({
  ...enter(state, 'idle'),
  roll: null,
  node: null,
  readyAt: null,
  hold: 'none',
  moving: true,
  stop: null,
  last: {
    roll: state.roll?.id ?? '',
    result: 'ended',
    reason: event.reason === '' ? `ended by ${event.actor}` : event.reason,
    at: event.at,
  },
});

const doubt: Of<'doubt'> = (state, event) => ({
  ...enter(state, 'stopped'),
  stop: { node: event.node, evidence: event.evidence, during: state.phase, at: event.at },
  // Without the leader nothing can be mined: writes are refused instead of being held for nothing.
  hold: leads(state) && !state.moving ? 'refused' : 'none',
});

const AWAY: ReadonlySet<RollingPhase> = new Set(['away', 'returning', 'comparing']);

/** After the cause is gone: the node's own step begins again, a node that was away has to show all of it. */
const goOn: Of<'start'> = state => {
  const during = state.stop?.during ?? 'draining';
  const phase = AWAY.has(during) ? 'away' : 'draining';
  return { ...enter(state, phase), stop: null };
};

const late: Of<'late'> = (state, event) => (state.late === event.text ? state : { ...state, late: event.text });

const holdOver: Of<'hold-over'> = state => (state.hold === 'held' ? { ...state, hold: 'refused' } : state);

/** The network lives again: nothing is held any more. */
const moved: Of<'block'> = state =>
  state.moving && state.hold === 'none' ? state : { ...state, moving: true, hold: 'none' };

const learnt: Of<'leads'> = mine(state =>
  state.roll === null || leads(state)
    ? state
    : {
        ...state,
        roll: { ...state.roll, leader: { node: state.node!, source: 'learnt' } },
        hold: 'held',
        moving: false,
      },
);

const back: Of<'compared'> = mine((state, event) => {
  const roll = state.roll!;
  const done: NodeDone = {
    node: event.node,
    build: event.build,
    height: event.height,
    tables: event.tables,
    rows: event.rows,
    tookMs: event.at - (state.readyAt ?? state.since),
  };
  const next = {
    ...state,
    roll: { ...roll, done: [...roll.done, done] },
    readyAt: null,
    hold: 'none' as const,
    moving: true,
  };
  const isDone = (node: string): boolean => next.roll.done.some(other => other.node === node);
  const node = roll.order.find(name => !isDone(name));
  if (node !== undefined) return { ...enter(next, 'draining'), node };
  return {
    ...enter(next, 'finished'),
    node: null,
    last: { roll: roll.id, result: 'finished', reason: `${next.roll.done.length} nodes are back`, at: event.at },
  };
});

const idleRow = {
  start,
  end: nothing,
  drained: same,
  secured: same,
  quiet: same,
  gone: same,
  answered: same,
  block: same,
  agreed: same,
  compared: same,
  leads: same,
  'hold-over': same,
  late: same,
  doubt: same,
};

/** What every step of a node has in common. */
const stepRow = { ...idleRow, start: running, end, block: moved, 'hold-over': holdOver, late, doubt };

/** A node that stops before it was its turn to: it was not announced, whoever did it. */
const tooEarly: Of<'gone'> = mine((state, event) =>
  doubt(state, {
    kind: 'doubt',
    node: event.node,
    evidence: `${event.node} went down while it was still being taken out of service: its last writes may be lost with it and are offered again`,
    at: event.at,
  }),
);

const TABLE: Table<RollingState, RollingEvent> = {
  idle: idleRow,
  finished: idleRow,
  draining: { ...stepRow, drained: mine(state => enter(state, 'securing')), gone: tooEarly },
  securing: {
    ...stepRow,
    secured: mine((state, { at, build: buildBefore }) =>
      leads(state)
        ? { ...enter(state, 'quieting'), hold: 'held', buildBefore }
        : { ...enter(state, 'ready'), readyAt: at, buildBefore },
    ),
    gone: tooEarly,
  },
  quieting: {
    ...stepRow,
    // Blocks go on here: they are no reason to let writes go.
    block: same,
    quiet: mine((state, { at }) => ({ ...enter(state, 'ready'), readyAt: at })),
    gone: mine(state => ({ ...enter(state, 'away'), moving: false })),
  },
  ready: {
    ...stepRow,
    block: same,
    gone: mine(state => ({ ...enter(state, 'away'), moving: !leads(state) })),
  },
  away: { ...stepRow, answered: mine(state => enter(state, 'returning')), leads: learnt },
  returning: {
    ...stepRow,
    gone: mine(state => ({ ...enter(state, 'away'), moving: leads(state) ? false : state.moving })),
    agreed: mine(state => enter(state, 'comparing')),
    leads: learnt,
  },
  comparing: {
    ...stepRow,
    gone: mine(state => ({ ...enter(state, 'away'), moving: leads(state) ? false : state.moving })),
    compared: back,
  },
  stopped: { ...idleRow, start: goOn, end, block: moved, late },
};

/** A stopped roll gives a node back that nobody has touched; one that was away, or is in doubt, stays out. */
const isKeptOut = ({ phase, stop, node }: RollingState): boolean =>
  phase === 'stopped'
    ? stop !== null && (AWAY.has(stop.during) || stop.node === node)
    : phase !== 'idle' && phase !== 'finished';

function routing(state: RollingState): Routing {
  const drained = state.node !== null && isKeptOut(state) ? [state.node] : [];
  const base = { affine: 'old', reads: 'old', committed: false, drained } as const;
  switch (state.hold) {
    case 'none':
      return { ...base, writes: { kind: 'send', network: 'old' } };
    case 'held':
      return { ...base, writes: { kind: 'hold', network: 'old' } };
    case 'refused':
      return { ...base, writes: { kind: 'refuse', reason: 'overloaded', retryAfterMs: RETRY_MS } };
    default:
      return assertNever(state.hold);
  }
}

function handWork(state: RollingState): HandWork | null {
  const { phase, node, stop } = state;
  if (phase === 'ready') {
    return {
      todo: `stop ${node}, upgrade it and start it again (SIGTERM; nothing of ours is on it)${leads(state) ? '. It leads: writes are held, be quick' : ''}`,
      sign: 'its address refuses connections, then answers again',
    };
  }
  if (phase === 'away') return { todo: `start ${node} again`, sign: 'its address answers' };
  if (phase === 'stopped') {
    return {
      todo: `${stop?.evidence ?? 'look at the nodes'}. When the cause is gone: \`switchyard upgrade watch\` goes on, \`switchyard upgrade end\` gives it up`,
      sign: 'the command',
    };
  }
  return null;
}

/** The strategy `rolling`. */
export const rolling = machineOf<RollingState, RollingEvent>({
  initial: initialRolling,
  table: TABLE,
  routing,
  handWork,
});

export const isRolling = ({ phase }: RollingState): boolean => phase !== 'idle' && phase !== 'finished';

/** For tables and random tests. */
export const ROLLING_PHASES = Object.keys(TABLE) as readonly RollingPhase[];
export const ROLLING_EVENTS = Object.keys(idleRow) as readonly RollingEvent['kind'][];

/** What is waited for, in words; null when nothing is. */
export function rollingWaitsFor(state: RollingState): string | null {
  const { phase, node, roll } = state;
  const place = roll === null ? '' : ` (${roll.done.length + 1} of ${roll.order.length})`;
  const about = ((): string | null => {
    switch (phase) {
      case 'idle':
      case 'finished':
        return null;
      case 'draining':
        return `calls in progress on ${node} to end${place}`;
      case 'securing':
        return `every write that ${node} accepted to be in a block or on another node${place}`;
      case 'quieting':
        return `empty mempools and one more block, with writes held: ${node} leads${place}`;
      case 'ready':
      case 'away':
        return `the operator: ${handWork(state)!.todo}${place}`;
      case 'returning':
        return `${node} to agree with the others and three more blocks on it${place}`;
      case 'comparing':
        return `a few tables of ${node} to equal those of another node${place}`;
      case 'stopped':
        return `a person: ${handWork(state)!.todo}`;
      default:
        return assertNever(phase);
    }
  })();
  return state.late === null ? about : `${about ?? ''}; ${state.late}`;
}
