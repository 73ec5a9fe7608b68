import { createLogUpdate } from 'log-update';
import type { GatewayStatus } from '../../model/index.js';
import type { ReaderRecord, WriterTotals } from './load/records.js';

export interface ScreenState {
  readonly step: string;
  readonly elapsedMs: number;
  readonly status: GatewayStatus | null;
  readonly writers: WriterTotals | null;
  readonly readers: ReaderRecord | null;
}

export interface Screen {
  draw(state: ScreenState): void;
  /** A line that stays: a step was reached. */
  say(line: string): void;
  close(): void;
}

/** One live screen on a terminal, plain lines elsewhere; always on stderr, so that `--json` keeps stdout to itself. */
export function createScreen(stream: NodeJS.WriteStream): Screen {
  const started = performance.now();
  const stamp = (): string => `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`;
  if (!stream.isTTY) {
    let lastLine = 0;
    return {
      draw(state) {
        if (performance.now() - lastLine < 5000) return;
        lastLine = performance.now();
        stream.write(`${stamp()}  ${summary(state)}\n`);
      },
      say: line => void stream.write(`${stamp()}  ${line}\n`),
      close: () => undefined,
    };
  }
  const update = createLogUpdate(stream);
  let said: string[] = [];
  let last: ScreenState | null = null;
  const redraw = (): void => update([...said.slice(-12), '', ...(last === null ? [] : panel(last))].join('\n'));
  return {
    draw(state) {
      last = state;
      redraw();
    },
    say(line) {
      said = [...said, `${stamp()}  ${line}`];
      redraw();
    },
    close() {
      last = null;
      redraw();
      update.done();
    },
  };
}

function summary({ status, writers, readers }: ScreenState): string {
  if (status === null) return 'waiting for the gateway';
  const { old, new: fresh } = status.networks;
  return [
    `phase ${status.phase}`,
    `old ${old.head}`,
    `new ${fresh?.head ?? 0}`,
    `applied ${status.replication.applied ?? '–'}`,
    `lag ${status.replication.lagBlocks ?? '–'}`,
    `held ${status.writes.held}`,
    `writes ${writers?.acknowledged ?? 0}`,
    `reads ${readers?.total ?? 0}`,
  ].join('  ');
}

function panel(state: ScreenState): string[] {
  const { status, writers, readers } = state;
  if (status === null) return [`  ${state.step}`];
  const { old, new: fresh } = status.networks;
  const network = (name: string, head: number, text: string | null, nodes: readonly { state: string }[]): string =>
    `  ${name.padEnd(4)} height ${String(head).padStart(6)}   ${(text ?? 'not known yet').padEnd(22)} nodes ${nodes.filter(({ state: s }) => s === 'up').length}/${nodes.length}`;
  const { replication } = status;
  return [
    `  ${state.step}`,
    '',
    network('old', old.head, old.migrationStatus, old.nodes),
    network('new', fresh?.head ?? 0, fresh?.migrationStatus ?? null, fresh?.nodes ?? []),
    '',
    `  phase ${status.phase.padEnd(10)} epoch ${status.epoch}   writes go to ${status.writeNetwork}   held ${status.writes.held}`,
    `  applied ${replication.applied ?? '–'} of ${replication.archived ?? '–'} archived   lag ${replication.lagBlocks ?? '–'} blocks   to End ${replication.blocksToEnd ?? '–'} blocks`,
    `  writes acknowledged ${writers?.acknowledged ?? 0}   signed again ${writers?.resigned ?? 0}   reads ${readers?.total ?? 0} (old ${readers?.old ?? 0}, new ${readers?.new ?? 0})`,
    ...(status.cutover.waitingFor === null ? [] : [`  waits for ${status.cutover.waitingFor}`]),
  ];
}
