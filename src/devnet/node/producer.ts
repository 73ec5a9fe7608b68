import type { Clock, Timer } from '../../platform/index.js';
import type { DevNode } from './node.js';

export interface ProducerPorts {
  readonly clock: Clock;
  readonly blockMs: number;
  /** Null: no empty blocks. */
  readonly emptyBlockMs: number | null;
  /** Blocks only through `now`. */
  readonly manual: boolean;
  /** The node that may propose now; null while the leader is away, halted, or has no majority. */
  proposer(): DevNode | null;
  /** Something to put into a block. */
  hasWork(leader: DevNode): boolean;
  /** Makes one block. False: nothing was made, wait for the next wake. */
  make(leader: DevNode): Promise<boolean>;
  failed(error: unknown): void;
}

export interface Producer {
  /** Looks whether a block is due; cheap, may be called at any time. */
  wake(): void;
  /** Makes a block now, whatever is due. False when nobody can propose. */
  now(): Promise<boolean>;
  close(): Promise<void>;
}

/** The block rhythm: at most one block per `blockMs`, no timer while nothing is due. */
export function createProducer(ports: ProducerPorts): Producer {
  const { clock } = ports;
  let closed = false;
  let turn: Promise<boolean> | null = null;
  let queued = false;
  let timer: Timer | null = null;
  let timerAt = Infinity;
  let lastAt = -Infinity;

  function wake(): void {
    if (closed || queued || turn || ports.manual) return;
    queued = true;
    queueMicrotask(() => {
      queued = false;
      look();
    });
  }

  function look(): void {
    if (closed || turn) return;
    const leader = ports.proposer();
    if (!leader) return;
    const now = clock.monotonic();
    const due = lastAt + ports.blockMs;
    const emptyDue = ports.emptyBlockMs === null ? Infinity : lastAt + ports.emptyBlockMs;
    const at = ports.hasWork(leader) ? due : emptyDue;
    if (at > now && Number.isFinite(at)) return arm(at);
    if (at > now) return;
    void begin(leader, now);
  }

  function begin(leader: DevNode, now: number): Promise<boolean> {
    disarm();
    lastAt = now;
    turn = oneTurn(leader);
    return turn;
  }

  async function oneTurn(leader: DevNode): Promise<boolean> {
    let made = false;
    try {
      made = await ports.make(leader);
    } catch (error) {
      ports.failed(error);
    }
    turn = null;
    // Nothing was made: what was missing wakes us when it is there, and nothing has to be waited for then.
    if (made) wake();
    else lastAt = -Infinity;
    return made;
  }

  function arm(at: number): void {
    if (timer && timerAt === at) return;
    disarm();
    timerAt = at;
    timer = clock.after(at - clock.monotonic(), () => {
      timer = null;
      timerAt = Infinity;
      look();
    });
  }

  function disarm(): void {
    timer?.cancel();
    timer = null;
    timerAt = Infinity;
  }

  return {
    wake,
    async now() {
      while (turn) await turn;
      const leader = closed ? null : ports.proposer();
      return leader ? begin(leader, clock.monotonic()) : false;
    },
    async close() {
      closed = true;
      disarm();
      await turn;
    },
  };
}
