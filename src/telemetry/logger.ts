import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

export interface LoggerOptions {
  readonly level: string;
  /** Where lines go: 1 stdout, 2 stderr; commands that print results log to 2. */
  readonly fd?: 1 | 2;
}

/** JSON lines with ISO time. Children carry `component`. */
export function createLogger({ level, fd = 2 }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      // A second fence: these names must not be passed in the first place.
      redact: {
        paths: ['*.signature', '*.params', '*.token', '*.cookie', '*.authorization', '*.secret'],
        censor: '[redacted]',
      },
    },
    pino.destination({ fd, sync: true }),
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });
