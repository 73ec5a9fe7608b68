import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadCommand, LoadReport } from './records.js';

/** How long a load process may take to finish what its clients are doing. */
const STOP_MS = 45_000;

export interface LoadProcess<R extends LoadReport> {
  /** The newest totals; null before the first report. */
  latest(): R['totals'] | null;
  /** Lets every client finish, then gives the final totals. */
  stop(): Promise<R['totals']>;
  kill(): void;
}

/** Runs clients in a process of their own. */
export function startLoad<R extends LoadReport>(command: Extract<LoadCommand, { kind: R['kind'] }>): LoadProcess<R> {
  const isSource = import.meta.url.endsWith('.ts');
  const entry = fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url));
  const child: ChildProcess = fork(entry, [], {
    execArgv: isSource ? ['--import', 'tsx'] : [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let totals: R['totals'] | null = null;
  const ended = new Promise<R['totals']>((resolve, reject) => {
    child.on('message', (report: R) => {
      totals = report.totals;
      if (report.done) resolve(report.totals);
    });
    child.once('error', reject);
    child.once('exit', code =>
      reject(new Error(`load process (${(command as LoadCommand).kind}) ended early with code ${code}`)),
    );
  });
  // Looked at in stop(); a process that dies before must not end this one.
  ended.catch(() => undefined);
  child.send(command);
  return {
    latest: () => totals,
    async stop() {
      if (child.connected) child.send({ kind: 'stop' } satisfies LoadCommand);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
    kill: () => void child.kill('SIGKILL'),
  };
}
