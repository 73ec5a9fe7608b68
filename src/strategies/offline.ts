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
 * An offline migration: writes stop, the old network freezes at F, a new one starts from its snapshot.
 *
 * idle → draining → stopping → frozen → building → verified → committed → opening → switched.
 * Until `committed` the way back is open (abort: writes go on on the old network), after it there is none (I4).
 */
export type OfflinePhase =
  'idle' | 'draining' | 'stopping' | 'frozen' | 'building' | 'verified' | 'committed' | 'opening' | 'switched';

/** What the old network is at F: everything that the new one is compared with. */
export interface Freeze {
  readonly height: Height;
  readonly blockHash: string;
  readonly appHash: string;
  readonly params: NetworkParameters;
  readonly validators: readonly ValidatorKey[];
  /** Ids of pending proposals to change parameters. */
  readonly proposals: readonly string[];
  /** How many accounts there are, and those that were found by name. */
  readonly accounts: { readonly count: number | null; readonly known: readonly AccountState[] };
  readonly tables: readonly TableDigest[];
  readonly at: number;
}

export interface NetworkParameters {
  /** `type:key`. */
  readonly leader: string;
  readonly maxBlockSize: number;
  readonly joinExpiry: string;
  readonly disabledGasCosts: boolean;
  readonly maxVotesPerTx: number;
}

export interface ValidatorKey {
  /** `type:key`. */
  readonly key: string;
  readonly power: number;
}

export interface AccountState {
  readonly identifier: string;
  readonly keyType: string;
  readonly nonce: number;
  readonly balance: string;
}

export interface TableDigest {
  /** `namespace.table`. */
  readonly table: string;
  readonly rows: number;
  readonly sha256: string;
}

/** The two files that every operator of the new network gets. */
export interface Export {
  readonly stateHash: string;
  readonly chainId: string;
  readonly initialHeight: Height;
  readonly at: number;
}

/** A transaction that came into the old network after F: unknown to the new one. */
export interface Stranger {
  readonly height: Height;
  readonly hash: string;
  readonly sender: string;
  readonly type: string;
}

export interface Alarm {
  readonly head: Height;
  readonly frozenAt: Height;
  readonly strangers: readonly Stranger[];
  readonly at: number;
}

export interface CheckSummary {
  readonly nodes: readonly string[];
  readonly tables: number;
  readonly rows: number;
  readonly accounts: number;
  readonly at: number;
}

export interface Move {
  readonly id: string;
  readonly by: string;
  readonly reason: string;
  readonly at: number;
  /** When writes are expected to be open again, wall clock ms. */
  readonly eta: number;
}

export interface OfflineState extends StepMarks {
  readonly phase: OfflinePhase;
  readonly moves: number;
  readonly move: Move | null;
  readonly hold: 'none' | 'held' | 'refused';
  readonly freeze: Freeze | null;
  readonly export: Export | null;
  readonly check: CheckSummary | null;
  /** Newest; it stays until the old network is frozen again. */
  readonly alarm: Alarm | null;
  readonly late: string | null;
  readonly last: {
    readonly move: string;
    readonly result: 'aborted' | 'switched';
    readonly reason: string;
    readonly at: number;
  } | null;
}

interface At {
  readonly at: number;
}
interface ByPerson extends At {
  readonly actor: string;
  readonly reason: string;
}

export type OfflineEvent =
  | ({ readonly kind: 'start'; readonly eta: number } & ByPerson)
  | ({ readonly kind: 'abort' } & ByPerson)
  | ({ readonly kind: 'export'; readonly export: Export } & ByPerson)
  | ({ readonly kind: 'open' } & ByPerson)
  | ({ readonly kind: 'eta'; readonly eta: number } & ByPerson)
  /** Held writes have waited as long as they may. */
  | ({ readonly kind: 'hold-over' } & At)
  /** Nothing of ours is open, mempools are empty on all nodes, two empty blocks came. */
  | ({ readonly kind: 'drained'; readonly height: Height } & At)
  /** The head stood still at F on every node that answers. */
  | ({ readonly kind: 'frozen'; readonly freeze: Freeze } & At)
  /** The old network made blocks after F. */
  | ({ readonly kind: 'moved'; readonly head: Height; readonly strangers: readonly Stranger[] } & At)
  | ({ readonly kind: 'checked'; readonly check: CheckSummary } & At)
  /** A later check found something. */
  | ({ readonly kind: 'doubted'; readonly reason: string } & At)
  /** Every request sees the new intent. */
  | ({ readonly kind: 'adopted' } & At)
  | ({ readonly kind: 'opened' } & At)
  | ({ readonly kind: 'late'; readonly text: string } & At)
  /** A wait is over its deadline. */
  | ({ readonly kind: 'gave-up'; readonly reason: string } & At);

export const initialOffline: OfflineState = {
  phase: 'idle',
  epoch: 1,
  seq: 0,
  since: 0,
  moves: 0,
  move: null,
  hold: 'none',
  freeze: null,
  export: null,
  check: null,
  alarm: null,
  late: null,
  last: null,
};

type Of<K extends OfflineEvent['kind']> = Cell<OfflineState, Extract<OfflineEvent, { kind: K }>>;

const enter = (state: OfflineState, phase: OfflinePhase): OfflineState => ({ ...state, phase, late: null });

const start: Of<'start'> = (state, { actor, reason, eta, at }) => ({
  ...enter(state, 'draining'),
  moves: state.moves + 1,
  move: { id: `offline-${state.moves + 1}`, by: actor, reason, at, eta },
  hold: 'held',
  freeze: null,
  export: null,
  check: null,
  alarm: null,
});

const backToOld = (state: OfflineState, reason: string, at: number): OfflineState => ({
  ...enter(state, 'idle'),
  move: null,
  hold: 'none',
  freeze: null,
  export: null,
  check: null,
  last: { move: state.move?.id ?? '', result: 'aborted', reason, at },
});

const abort: Of<'abort'> = (state, { actor, reason, at }) =>
  backToOld(state, reason === '' ? `aborted by ${actor}` : reason, at);

/** The old network moved on: whatever was noted, exported or checked is not its state any more. */
const thaw: Of<'moved'> = (state, { head, strangers, at }) => ({
  ...enter(state, 'draining'),
  freeze: null,
  export: null,
  check: null,
  alarm: { head, frozenAt: state.freeze?.height ?? 0, strangers, at },
});

/** After the decision nothing goes back: it is told, and the strangers are listed for the operator. */
const alarmOnly: Of<'moved'> = (state, { head, strangers, at }) => {
  const frozenAt = state.freeze?.height ?? 0;
  const known = state.alarm?.strangers ?? [];
  const more = strangers.filter(({ hash }) => !known.some(other => other.hash === hash));
  if (state.alarm !== null && more.length === 0 && head <= state.alarm.head) return state;
  return { ...state, alarm: { head, frozenAt, strangers: [...known, ...more], at } };
};

const exported: Of<'export'> = (state, event) => ({ ...enter(state, 'building'), export: event.export, check: null });

const commit: Of<'open'> = state => ({ ...enter(state, 'committed'), hold: 'none' });

const later = (todo: string) => (): ReturnType<typeof refuse> => refuse('not_yet', todo);
const over = (): ReturnType<typeof refuse> =>
  refuse('committed', 'writes go to the new network: there is no way back any more');
const notRunning = (): ReturnType<typeof refuse> => refuse('not_running', 'no offline migration is under way');

const idleRow = {
  start,
  abort: notRunning,
  export: notRunning,
  open: notRunning,
  eta: notRunning,
  'hold-over': same,
  drained: same,
  frozen: same,
  moved: same,
  checked: same,
  doubted: same,
  adopted: same,
  opened: same,
  late: same,
  'gave-up': same,
};

const stepRow = {
  ...idleRow,
  start: (): ReturnType<typeof refuse> => refuse('running', 'an offline migration is under way'),
  abort,
  export: later('the old network is not frozen yet'),
  open: later('the new network is not checked yet: `switchyard offline check`'),
  eta: ((state, { eta }) => (state.move === null ? state : { ...state, move: { ...state.move, eta } })) as Of<'eta'>,
  'hold-over': (state => (state.hold === 'held' ? { ...state, hold: 'refused' } : state)) as Of<'hold-over'>,
  late: ((state, { text }) => (state.late === text ? state : { ...state, late: text })) as Of<'late'>,
  'gave-up': ((state, { reason, at }) => backToOld(state, reason, at)) as Of<'gave-up'>,
};

/** With the leader stopped, giving up by itself would open a network that makes no blocks: a person decides. */
const frozenRow = {
  ...stepRow,
  'gave-up': ((state, { reason }) => (state.late === reason ? state : { ...state, late: reason })) as Of<'gave-up'>,
  moved: thaw,
};

const committedRow = {
  ...idleRow,
  start: over,
  abort: over,
  export: over,
  open: over,
  eta: over,
  late: stepRow.late,
  moved: alarmOnly,
};

const TABLE: Table<OfflineState, OfflineEvent> = {
  idle: idleRow,
  draining: { ...stepRow, drained: state => enter(state, 'stopping') },
  stopping: {
    ...stepRow,
    frozen: (state, { freeze }) => ({ ...enter(state, 'frozen'), freeze, alarm: null, hold: 'refused' }),
    // A transaction in a block: somebody else writes. The mempools have to run empty once more.
    moved: (state, { strangers, head, at }) =>
      strangers.length === 0 ? state : { ...enter(state, 'draining'), alarm: { head, frozenAt: 0, strangers, at } },
  },
  frozen: {
    ...frozenRow,
    export: exported,
    open: later('check the snapshot and genesis files first: `switchyard offline export`'),
  },
  building: {
    ...frozenRow,
    export: exported,
    checked: (state, { check }) => ({ ...enter(state, 'verified'), check }),
  },
  verified: {
    ...frozenRow,
    export: exported,
    open: commit,
    checked: (state, { check }) => ({ ...state, check }),
    doubted: state => ({ ...enter(state, 'building'), check: null }),
  },
  committed: { ...committedRow, adopted: state => enter(state, 'opening') },
  opening: {
    ...committedRow,
    opened: (state, { at }) => ({
      ...enter(state, 'switched'),
      last: { move: state.move?.id ?? '', result: 'switched', reason: 'writes go to the new network', at },
    }),
  },
  switched: committedRow,
};

export const isOfflineCommitted = ({ phase }: OfflineState): boolean =>
  phase === 'committed' || phase === 'opening' || phase === 'switched';

const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 3_600_000;

function routing(state: OfflineState, at: number): Routing {
  if (isOfflineCommitted(state))
    return { writes: { kind: 'send', network: 'new' }, affine: 'new', reads: 'new', committed: true, drained: [] };
  const base = { affine: 'old', reads: 'old', committed: false, drained: [] } as const;
  switch (state.hold) {
    case 'none':
      return { ...base, writes: { kind: 'send', network: 'old' } };
    case 'held':
      return { ...base, writes: { kind: 'hold', network: 'old' } };
    case 'refused': {
      const left = (state.move?.eta ?? at) - at;
      const retryAfterMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, left));
      return { ...base, writes: { kind: 'refuse', reason: 'halted', retryAfterMs } };
    }
    default:
      return assertNever(state.hold);
  }
}

function handWork({ phase, freeze, export: files }: OfflineState): HandWork | null {
  switch (phase) {
    case 'stopping':
      return {
        todo: 'stop the leader, and only it (SIGTERM); followers go on answering reads. Disable its service, so that nothing starts it again',
        sign: 'it refuses connections and the head stands still for three block times',
      };
    case 'frozen':
      return {
        todo: `take ONE snapshot of one node (kwild snapshot create), then \`switchyard offline export --snapshot FILE --genesis FILE\`; it must be of height ${freeze?.height ?? '?'}`,
        sign: 'the two files pass the check',
      };
    case 'building':
      return {
        todo: `give the same two files to every operator, set up and start the nodes of ${files?.chainId ?? 'the new network'} with empty databases, then \`switchyard offline check\``,
        sign: 'every node of the new network makes the same blocks from the same state',
      };
    case 'verified':
      return { todo: '`switchyard offline open`', sign: 'the command' };
    case 'switched':
      return { todo: 'retire the old nodes; none of them may ever make a block again', sign: 'none of them answers' };
    case 'idle':
    case 'draining':
    case 'committed':
    case 'opening':
      return null;
    default:
      return assertNever(phase);
  }
}

/** The strategy `offline`. */
export const offline = machineOf<OfflineState, OfflineEvent>({
  initial: initialOffline,
  table: TABLE,
  routing,
  handWork,
});

export const OFFLINE_PHASES = Object.keys(TABLE) as readonly OfflinePhase[];
export const OFFLINE_EVENTS = Object.keys(idleRow) as readonly OfflineEvent['kind'][];

/** What is waited for, in words; null when nothing is. */
export function offlineWaitsFor(state: OfflineState): string | null {
  const { phase, late, alarm } = state;
  const work = handWork(state);
  const about =
    phase === 'draining'
      ? 'writes in progress to end, empty mempools and two empty blocks'
      : phase === 'committed'
        ? 'every request to see the new network'
        : phase === 'opening'
          ? 'a node of the new network that takes writes'
          : work === null
            ? null
            : `the operator: ${work.todo}`;
  const notes = [
    ...(about === null ? [] : [about]),
    ...(late === null ? [] : [late]),
    ...(alarm === null ? [] : [alarmText(alarm)]),
  ];
  return notes.length === 0 ? null : notes.join('; ');
}

const NAMED_MAX = 5;

export function alarmText({ head, frozenAt, strangers }: Alarm): string {
  const named = strangers
    .slice(0, NAMED_MAX)
    .map(({ hash, sender, height }) => `${hash} of ${sender} in block ${height}`);
  const rest = strangers.length > NAMED_MAX ? ` and ${strangers.length - NAMED_MAX} more` : '';
  const where =
    frozenAt > 0 ? `the old network went on to ${head}, past ${frozenAt}` : `the old network went on to ${head}`;
  return strangers.length === 0
    ? `ALARM: ${where}; its blocks since are empty`
    : `ALARM: ${where}; transactions that the new network does not have: ${named.join(', ')}${rest}`;
}
