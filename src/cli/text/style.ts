import type { Output } from '../io.js';

/** Colours and symbols that an output can show. */
export interface Style {
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly accent: (text: string) => string;
  readonly symbols: Symbols;
}

export interface Symbols {
  readonly dot: string;
  readonly ring: string;
  readonly pass: string;
  readonly fail: string;
  readonly arrow: string;
  readonly line: string;
  readonly full: string;
  readonly empty: string;
  readonly sep: string;
  readonly bars: readonly string[];
}

const RICH: Symbols = {
  dot: '●',
  ring: '○',
  pass: '✓',
  fail: '✗',
  arrow: '→',
  line: '─',
  full: '█',
  empty: '░',
  sep: '·',
  bars: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
};
const PLAIN: Symbols = {
  dot: '*',
  ring: 'o',
  pass: '+',
  fail: 'x',
  arrow: '->',
  line: '-',
  full: '#',
  empty: '.',
  sep: '|',
  bars: ['_', '.', ':', '-', '=', '+', '*', '#'],
};

const plain = (text: string): string => text;
const sgr =
  (open: number, close: number) =>
  (text: string): string =>
    text === '' ? text : `\u001b[${open}m${text}\u001b[${close}m`;

export const plainStyle: Style = {
  good: plain,
  warn: plain,
  bad: plain,
  dim: plain,
  bold: plain,
  accent: plain,
  symbols: PLAIN,
};

/**
 * No colour when it is no terminal or NO_COLOR is set (https://no-color.org); FORCE_COLOR wins over the terminal test.
 * Symbols beyond ASCII only where a terminal is likely to have them.
 */
export function styleOf(output: Output, env: Readonly<Record<string, string | undefined>>): Style {
  const isTerminal = output.isTTY === true;
  const isDumb = env['TERM'] === 'dumb';
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0';
  const colours = !env['NO_COLOR'] && !isDumb && (isTerminal || forced);
  const symbols = isTerminal && !isDumb && env['TERM'] !== 'linux' ? RICH : PLAIN;
  if (!colours) return { ...plainStyle, symbols };
  return {
    good: sgr(32, 39),
    warn: sgr(33, 39),
    bad: sgr(31, 39),
    dim: sgr(2, 22),
    bold: sgr(1, 22),
    accent: sgr(36, 39),
    symbols,
  };
}

// eslint-disable-next-line no-control-regex -- the escape character is what is looked for
const SGR = /\u001b\[\d+m/g;

/** Columns that `text` takes, colours not counted. Our texts have no wide characters. */
export const visibleLength = (text: string): number => [...text.replace(SGR, '')].length;

export const padEnd = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - visibleLength(text)));
export const padStart = (text: string, width: number): string =>
  ' '.repeat(Math.max(0, width - visibleLength(text))) + text;

/** Control characters that came from outside (a node's version, a log) must not reach a terminal. */
// eslint-disable-next-line no-control-regex -- see above
export const printableText = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
