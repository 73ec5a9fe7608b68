import { writeSync } from 'node:fs';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { prettyLine } from './pretty.js';

export type Logger = PinoLogger;

export interface LoggerOptions {
  readonly level: string;
  /** Where lines go: 1 stdout, 2 stderr; commands that print results log to 2. */
  readonly fd?: 1 | 2;
  /** Default json: one object per line with ISO time. pretty is for a person at a terminal. */
  readonly format?: 'json' | 'pretty';
  /** With pretty; default false. */
  readonly colours?: boolean;
}

/** JSON lines with ISO time. Children carry `component`. */
export function createLogger({ level, fd = 2, format = 'json', colours = false }: LoggerOptions): Logger {
  const destination: DestinationStream =
    format === 'json'
      ? pino.destination({ fd, sync: true })
      : { write: line => void writeSync(fd, prettyLine(line, colours)) };
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err },
      // A second fence: these names must not be passed in the first place.
      redact: {
        paths: ['*.signature', '*.params', '*.token', '*.cookie', '*.authorization', '*.secret'],
        censor: '[redacted]',
      },
    },
    destination,
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });
