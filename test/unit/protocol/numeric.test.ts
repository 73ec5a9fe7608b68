import { describe, expect, it } from 'vitest';
import { CodecError, equalNumeric, formatNumeric, plainNumeric } from '../../../src/protocol/index.js';
import { decimal } from './arbitraries.js';
import { check } from './property.js';

describe('numerics', () => {
  it.each([
    ['0', '0'],
    ['0.00', '0.00'],
    ['-0.00', '0.00'],
    ['0.0000000000', '0.0000000000'],
    ['1.250000000000000000', '1.250000000000000000'],
    ['0.000001', '0.000001'],
    ['0.0000010000', '0.0000010000'],
    ['0.0000001', '1E-7'],
    ['0.0000001000', '1.000E-7'],
    ['-0.0000001200', '-1.200E-7'],
    ['0.000000000000000123', '1.23E-16'],
    ['1.000E-7', '1.000E-7'],
    ['12E2', '1200'],
    ['-12.50', '-12.50'],
  ])('%s is written %s', (plain, wire) => {
    expect(formatNumeric(plain)).toBe(wire);
  });

  it('come back from the wire form with the same digits', () => {
    check(decimal, value => {
      expect(plainNumeric(formatNumeric(value))).toBe(value);
      expect(equalNumeric(formatNumeric(value), `${value}${value.includes('.') ? '00' : '.00'}`)).toBe(true);
    });
  });

  it('are compared by value, not by text', () => {
    expect(equalNumeric('0.00', '-0')).toBe(true);
    expect(equalNumeric('1E-7', '0.0000001000')).toBe(true);
    expect(equalNumeric('100', '1')).toBe(false);
    expect(equalNumeric('-1.0', '1.0')).toBe(false);
  });

  it.each(['', '.', '-', 'NaN', '1e', '1E9999', '0x1', '1,5', ' 1', '9'.repeat(5_000)])('%j is no number', text => {
    expect(() => formatNumeric(text)).toThrow(CodecError);
  });
});
