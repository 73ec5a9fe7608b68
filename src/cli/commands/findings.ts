import type { StrategyFinding } from '../../admin/contract.js';
import { wrap } from '../text/table.js';
import { printableText, type Style } from '../text/style.js';

/** Findings as a page: what was found, and below it what to do. Passed ones in one line each. */
export function findingsText(
  findings: readonly StrategyFinding[],
  { width, style }: { readonly width: number; readonly style: Style },
): readonly string[] {
  const mark = { pass: style.good('pass'), warn: style.warn('warn'), fail: style.bad('FAIL') };
  const idWidth = Math.max(0, ...findings.map(({ id }) => id.length));
  return findings.flatMap(({ id, verdict, value, wanted, remedy }) => {
    const found = printableText(verdict === 'pass' ? value : `${value} (wanted: ${wanted})`);
    const [first = '', ...more] = wrap(found, Math.max(20, width - idWidth - 8));
    return [
      `${mark[verdict]}  ${id.padEnd(idWidth)}  ${first}`,
      ...more.map(line => ' '.repeat(idWidth + 8) + line),
      ...(verdict === 'pass' || remedy === ''
        ? []
        : wrap(printableText(remedy), width - 10).map((line, i) =>
            style.accent(`        ${i === 0 ? '> ' : '  '}${line}`),
          )),
    ];
  });
}
