import type { CliIo } from './cli/index.js';
import { originText, pathText, type Config, type LoadedConfig } from './config/index.js';
import type { Gateway } from './gateway.js';
import { GatewayError, messageOf } from './model/index.js';
import { systemClock } from './platform/index.js';
import { addProcessMetrics, createLogger, createMetrics, type Logger } from './telemetry/index.js';

export interface Build {
  readonly version: string;
  readonly commit: string;
}

/** After the drain's own deadline: what has not ended by then is cut. */
const CLOSE_MARGIN_MS = 3_000;

/**
 * The life of one gateway process: start, run until a signal or a fatal error, drain. Gives the exit code; a start that
 * fails is thrown, so that the command line says it like every other error.
 */
export async function serve(
  loaded: LoadedConfig,
  reload: () => LoadedConfig,
  io: CliIo,
  build: Build,
): Promise<number> {
  const { config } = loaded;
  const logger = loggerFor(config, io);
  const stopListening = endOnStrayErrors(logger);
  for (const { path, message, origin } of loaded.doubts) {
    logger.warn({ setting: pathText(path), from: originText(origin) }, `configuration: ${message}`);
  }

  const metrics = createMetrics(build);
  addProcessMetrics(metrics);
  // Only here, so that no other command loads it.
  const { createGateway } = await import('./gateway.js');
  const fatal = deferred<Error>();
  const gateway = createGateway(config, {
    clock: systemClock,
    logger,
    metrics,
    version: build.version,
    fatal: fatal.resolve,
    reload: async () => reload().config,
  });

  const stopReloading = io.onHangup(() => readAgain(gateway, reload, logger));
  try {
    const begun = await Promise.race([gateway.start(), fatal.promise, aborted(io.signal)]);
    const ended = begun ?? (await Promise.race([fatal.promise, aborted(io.signal)]));
    if (ended instanceof Error) {
      logger.fatal({ err: ended }, 'the process cannot go on safely; a restart replays the journal');
      gateway.destroy('fatal');
      return 1;
    }
    logger.info({ signal: ended }, 'ending: what runs may finish');
    const deadlineMs = config.drain.delayMs + config.drain.timeoutMs + CLOSE_MARGIN_MS;
    if ((await Promise.race([gateway.close(), elapsed(deadlineMs)])) === 'late') {
      logger.warn({ deadlineMs }, 'not everything ended in time and was cut');
      gateway.destroy('deadline');
    }
    logger.info('ended');
    return 0;
  } catch (error) {
    // A wrong configuration needs its words; anything else its stack.
    const isKnown = error instanceof GatewayError && error.family !== 'invariant';
    logger.fatal(isKnown ? { code: error.code, problem: error.message } : { err: error }, 'the gateway cannot start');
    gateway.destroy(messageOf(error));
    throw error;
  } finally {
    stopReloading();
    stopListening();
  }
}

/** SIGHUP. An invalid configuration changes nothing; what can change while running does, the rest is named. */
function readAgain(gateway: Pick<Gateway, 'reconfigure'>, reload: () => LoadedConfig, logger: Logger): void {
  try {
    const changes = gateway.reconfigure(reload().config);
    logger.info({ changes: changes.length }, 'configuration read again');
  } catch (error) {
    logger.error({ problem: messageOf(error) }, 'the configuration is not valid; nothing was changed');
  }
}

function loggerFor({ log }: Config, { stderr, env }: CliIo): Logger {
  const format = log.format === 'auto' ? (stderr.isTTY === true ? 'pretty' : 'json') : log.format;
  return createLogger({ level: log.level, format, colours: stderr.isTTY === true && !env['NO_COLOR'] });
}

/** An error that nobody caught leaves a state that nobody knows: say it and end; the journal brings us back. */
function endOnStrayErrors(logger: Logger): () => void {
  const end =
    (what: string) =>
    (error: unknown): void => {
      logger.fatal({ err: error instanceof Error ? error : new Error(String(error)) }, what);
      process.exit(1);
    };
  const onRejection = end('unhandled rejection');
  const onException = end('uncaught exception');
  process.on('unhandledRejection', onRejection).on('uncaughtException', onException);
  return () => void process.off('unhandledRejection', onRejection).off('uncaughtException', onException);
}

/** Resolves with the signal's name. */
const aborted = (signal: AbortSignal): Promise<string> =>
  new Promise(resolve => {
    if (signal.aborted) return resolve(String(signal.reason));
    signal.addEventListener('abort', () => resolve(String(signal.reason)), { once: true });
  });

const elapsed = (ms: number): Promise<'late'> => new Promise(resolve => setTimeout(resolve, ms, 'late').unref());

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>(done => (resolve = done));
  return { promise, resolve };
}
