/**
 * Entry of a load process: the applications of the demo run beside the gateway, not inside it. Takes one command from its
 * parent, reports totals several times a second, and ends after `stop` when every client has finished what it was doing.
 */
import { setMaxListeners } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { LoadCommand, LoadReport, ReaderOptions, WriterOptions, WriterTotals } from './records.js';
import { createReader } from './reader.js';
import { createWriter } from './writer.js';

const REPORT_MS = 250;
const NOTES_MAX = 20;

const stop = new AbortController();
// Every client waits on it.
setMaxListeners(0, stop.signal);

process.on('message', (command: LoadCommand) => {
  if (command.kind === 'stop') stop.abort();
  else void (command.kind === 'writers' ? runWriters(command.options) : runReaders(command.options));
});
// The parent is gone: nobody would hear the results.
process.on('disconnect', () => process.exit(0));

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

async function runWriters(options: WriterOptions): Promise<void> {
  const records = createWriteStream(options.recordFile, { flags: 'a' });
  const notes: string[] = [];
  const totals: Mutable<WriterTotals> = {
    acknowledged: 0,
    refused: 0,
    unknown: 0,
    resigned: 0,
    stale: 0,
    readsTotal: 0,
    readErrors: 0,
    readCuts: 0,
    notes,
  };
  const intervalMs = (1000 * options.writers) / options.rate;
  const late = Math.ceil(options.writers / 4);
  const writers = Array.from({ length: options.writers }, (_, i) => {
    const index = i + 1;
    return createWriter(
      {
        url: options.url,
        chainId: options.chainId,
        seed: options.seed,
        index,
        intervalMs,
        startAfterMs: (intervalMs * i) / options.writers + (index > options.writers - late ? options.lateMs : 0),
        bigAt: index === 1 ? options.bigAt : 0,
        seedIds: Array.from({ length: options.rows }, (_unused, n) => n + 1).filter(id => id % options.writers === i),
      },
      {
        record(attempt) {
          if (attempt.acknowledged) totals.acknowledged += 1;
          if (attempt.outcome === 'refused') totals.refused += 1;
          if (attempt.outcome === 'unknown') totals.unknown += 1;
          records.write(JSON.stringify(attempt) + '\n');
        },
        resigned: () => void (totals.resigned += 1),
        readDone(problem, note) {
          totals.readsTotal += 1;
          if (problem === 'stale') totals.stale += 1;
          if (problem === 'error') totals.readErrors += 1;
          if (problem === 'cut') totals.readCuts += 1;
          if (problem !== 'none' && note !== undefined && notes.length < NOTES_MAX) notes.push(note);
        },
      },
    );
  });
  const report = (done: boolean): LoadReport => ({ kind: 'writers', done, totals });
  await withReports(report, () => Promise.all(writers.map(writer => writer.run(stop.signal))));
  await new Promise(resolve => records.end(resolve));
  finish(report(true));
}

async function runReaders(options: ReaderOptions): Promise<void> {
  const notes: string[] = [];
  const totals = { total: 0, errors: 0, cuts: 0, backwards: 0, old: 0, new: 0, notes };
  const readers = Array.from({ length: options.readers }, (_, i) =>
    createReader(
      { url: options.url, chainId: options.chainId, seed: options.seed, index: i + 1, writers: options.writers },
      {
        done({ network, problem, note }) {
          totals.total += 1;
          if (network !== null) totals[network] += 1;
          if (problem === 'backwards') totals.backwards += 1;
          if (problem === 'error') totals.errors += 1;
          if (problem === 'cut') totals.cuts += 1;
          if (note !== undefined && notes.length < NOTES_MAX) notes.push(note);
        },
      },
    ),
  );
  const report = (done: boolean): LoadReport => ({ kind: 'readers', done, totals });
  await withReports(report, () => Promise.all(readers.map(reader => reader.run(stop.signal))));
  finish(report(true));
}

async function withReports(report: (done: boolean) => LoadReport, work: () => Promise<unknown>): Promise<void> {
  const timer = setInterval(() => process.send?.(report(false)), REPORT_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}

/** The channel must have taken the last report before the process ends. */
function finish(report: LoadReport): void {
  process.send?.(report, () => process.exit(0));
}
