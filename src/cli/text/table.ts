import { padEnd, padStart, visibleLength } from './style.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Takes what the others leave, and is wrapped there; at most one column. */
  readonly flexible?: boolean;
}

const GAP = '  ';
const FLEXIBLE_MIN = 16;

/** A table without lines, header in capitals, cells wrapped so that nothing is wider than `width`. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  indent = '',
): string {
  const natural = columns.map((column, i) =>
    Math.max(visibleLength(column.title), ...rows.map(row => visibleLength(row[i] ?? ''))),
  );
  const fixed =
    natural.reduce((sum, w, i) => sum + (columns[i]!.flexible ? 0 : w), 0) +
    GAP.length * (columns.length - 1) +
    indent.length;
  const widths = natural.map((w, i) => (columns[i]!.flexible ? Math.min(w, Math.max(FLEXIBLE_MIN, width - fixed)) : w));
  const line = (cells: readonly string[]): string[] => {
    const wrapped = cells.map((cell, i) => (columns[i]?.flexible ? wrap(cell, widths[i]!) : [cell]));
    const height = Math.max(1, ...wrapped.map(lines => lines.length));
    return Array.from({ length: height }, (_, at) =>
      (indent + columns.map((column, i) => cell(wrapped[i]?.[at] ?? '', widths[i]!, column)).join(GAP)).trimEnd(),
    );
  };
  const header = columns.some(({ title }) => title !== '') ? line(columns.map(({ title }) => title.toUpperCase())) : [];
  return [...header, ...rows.flatMap(line)].join('\n');
}

/** Facts side by side, as many to a line as fit; the first line stands after `head`, the others under the facts. */
export function flow(head: string, facts: readonly string[], width: number): string[] {
  const indent = ' '.repeat(Math.min(visibleLength(head), 12));
  const lines: string[] = [];
  let line = head;
  for (const [i, fact] of facts.entries()) {
    const gap = i === 0 || line === indent ? '' : '   ';
    if (visibleLength(line) + gap.length + visibleLength(fact) <= width || line === indent) line += gap + fact;
    else {
      lines.push(line.trimEnd());
      line = indent + fact;
    }
  }
  return [...lines, line.trimEnd()];
}

/** Breaks at spaces; a word that is too long is cut. Only for text without colours. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(/\s+/)) {
    while (visibleLength(word) > width) {
      if (line !== '') lines.push(line);
      line = '';
      lines.push(word.slice(0, width));
      word = word.slice(width);
    }
    if (line === '') line = word;
    else if (visibleLength(line) + 1 + visibleLength(word) <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line];
}

const cell = (text: string, width: number, { align }: Column): string =>
  align === 'right' ? padStart(text, width) : padEnd(text, width);
