import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { age, bytes, duration, number, plural } from '../../../src/cli/text/format.js';
import { visibleLength } from '../../../src/cli/text/style.js';
import { table, wrap } from '../../../src/cli/text/table.js';

describe('format', () => {
  test.each([
    [0, '0 ms'],
    [999.4, '999 ms'],
    [1000, '1.0 s'],
    [9_999, '9.9 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [200_000, '3 min 20 s'],
    [3_600_000, '1 h'],
    [2 * 86_400_000 + 3_600_000, '2 d 1 h'],
    [-1500, '-1.5 s'],
    [null, '-'],
    [Number.NaN, '-'],
  ])('duration of %s', (ms, text) => expect(duration(ms)).toBe(text));

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [67_108_864, '67.1 MB'],
  ])('%i bytes', (value, text) => expect(bytes(value)).toBe(text));

  test('numbers, ages and plurals', () => {
    expect([number(1_234_567), number(null), plural(1, 'block'), plural(2, 'block')]).toEqual([
      '1,234,567',
      '-',
      '1 block',
      '2 blocks',
    ]);
    expect(age(null, 0)).toBe('never');
    expect(age('1970-01-01T00:00:00.000Z', 1500)).toBe('1.5 s ago');
  });
});

describe('table', () => {
  test('aligns and wraps the flexible column', () => {
    const text = table(
      [{ title: 'node' }, { title: 'height', align: 'right' }, { title: 'why', flexible: true }],
      [
        ['old/old-1', '12', 'one two three four five six'],
        ['new/new-1', '3,456', ''],
      ],
      40,
    );
    expect(text.split('\n')).toEqual([
      'NODE       HEIGHT  WHY',
      'old/old-1      12  one two three four',
      '                   five six',
      'new/new-1   3,456',
    ]);
  });

  test('wrap loses no letter and keeps the width', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 40 }), (text, width) => {
        const lines = wrap(text, width);
        expect(lines.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
        for (const line of lines) expect(visibleLength(line)).toBeLessThanOrEqual(width);
      }),
    );
  });
});
