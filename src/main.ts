#!/usr/bin/env node
// Entry of the process: arguments, signals, exit code. Everything that tests can share is in cli/ and serve.ts.
import { readFileSync } from 'node:fs';
import { runCli, type CliIo, type Programs } from './cli/index.js';
import { serve, type Build } from './serve.js';

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

process.exitCode = await main();
// A connection or timer that somebody forgot must not keep a finished command alive; stdout may still be on its way.
process.stdout.write('', () => process.exit());

async function main(): Promise<number> {
  const build = readBuild();
  const programs: Programs = {
    ...build,
    serve: (loaded, reload, io) => serve(loaded, reload, io, build),
    explain: async (config, request) => (await import('./gateway/explain.js')).explainOffline(config, request),
    // Dynamic, so that serve never loads the devnet.
    dev: async (flags, io) => (await import('./devnet/dev.js')).runDev(flags, io),
    demo: async (flags, io) =>
      (await import('./devnet/demo/index.js')).runDemo(flags, { ...io, stderr: process.stderr }),
  };
  return runCli(process.argv.slice(2), processIo(), programs);
}

function processIo(): CliIo {
  // `switchyard status | head -1` closes our stdout early, which is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    env: process.env,
    cwd: process.cwd(),
    signal: onSignals(),
    onHangup(listener) {
      process.on('SIGHUP', listener);
      return () => void process.off('SIGHUP', listener);
    },
  };
}

/** The first signal asks to end, the second ends. */
function onSignals(): AbortSignal {
  const controller = new AbortController();
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(code);
      controller.abort(name);
    });
  }
  return controller.signal;
}

/** Written by the build beside this file; a run from source has only package.json. */
function readBuild(): Build {
  try {
    return JSON.parse(readFileSync(new URL('./build-info.json', import.meta.url), 'utf8')) as Build;
  } catch {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Build;
    return { version, commit: 'source' };
  }
}
